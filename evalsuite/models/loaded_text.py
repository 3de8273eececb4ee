"""Text models in memory; imported when one is loaded, because torch is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import transformers

from evalsuite.models.capabilities import TokenList
from evalsuite.models.classifier_options import ClassifierOptions, label_names
from evalsuite.models.key_value_cache import new_cache
from evalsuite.models.loaded_weights import load_tokenizer, load_weights
from evalsuite.models.padding_check import check_padding
from evalsuite.models.text_classification import TextClassifier, check_packing
from evalsuite.models.text_embedding import EmbeddingSettings, TextEmbedder
from evalsuite.models.text_generation import PromptTemplate, TextGenerator
from evalsuite.requests import Request, Response

if TYPE_CHECKING:
    from evalsuite.models.transformers import EncoderOptions, TransformersHandle

# Tokens in one pack. On a CPU larger packs gain nothing; a GPU is only busy with many.
_BATCH_TOKENS = {"cpu": 8192, "cuda": 131072}


class EncoderModel:
    """Embeds texts."""

    def __init__(self, embedder: TextEmbedder, pack_budget: int) -> None:
        self._embedder = embedder
        self._pack_budget = pack_budget

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens of each text."""
        return self._embedder.sizes([request.prompt.text for request in requests])

    @property
    def pack_budget(self) -> int:
        """Tokens of a pack."""
        return self._pack_budget

    def embed_text(self, requests: Sequence[Request]) -> list[Response]:
        """Embed the text of each request."""
        return self._embedder.embed(requests)


class CausalModel(EncoderModel):
    """Generates texts, embeds them by its last hidden states, and cuts them into tokens."""

    def __init__(
        self, generator: TextGenerator, embedder: TextEmbedder, pack_budget: int, tokenizer: Any
    ) -> None:
        super().__init__(embedder, pack_budget)
        self._generator = generator
        self._tokenizer = tokenizer

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens of each prompt, with its template where it is to be answered."""
        if all(request.capability == "generates_text" for request in requests):
            return self._generator.sizes([request.prompt for request in requests])
        return super().sizes(requests)

    def generate_text(self, requests: Sequence[Request]) -> list[Response]:
        """Answer each request."""
        return self._generator.generate(requests)

    def tokenize_text(self, requests: Sequence[Request]) -> list[Response]:
        """Cut the text of each request into tokens, none of which is a special one."""
        texts = [request.prompt.text for request in requests]
        # A text that spells out a special token is still a text.
        read = self._tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        size = len(self._tokenizer)
        return [
            Response(
                request.key,
                "ok",
                text=TokenList(size, tuple(ids)).to_text(),
                n_prompt_tokens=len(ids),
            )
            for request, ids in zip(requests, read, strict=True)
        ]


class ClassifierModel:
    """Scores labels for texts or pairs of texts, or rates them."""

    def __init__(self, classifier: TextClassifier, pack_budget: int) -> None:
        self._classifier = classifier
        self._pack_budget = pack_budget

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens of each text or pair."""
        return self._classifier.sizes(requests)

    @property
    def pack_budget(self) -> int:
        """Tokens of a pack."""
        return self._pack_budget

    def classify_text(self, requests: Sequence[Request]) -> list[Response]:
        """Score the labels of each request."""
        return self._classifier.classify(requests)

    def rate_text(self, requests: Sequence[Request]) -> list[Response]:
        """Rate each text, or each answer to its prompt."""
        return self._classifier.rate(requests)


def load_causal(handle: "TransformersHandle", device: str) -> CausalModel:
    """Load a causal language model.

    Raises
    ------
    BadInput
        If the weights do not fit the architecture, it keeps no attention cache, or its answers
        would depend on how prompts are packed.
    """
    model = _load(transformers.AutoModelForCausalLM, handle, device)
    # These say now, and not at the first prompt, if it cannot be sampled from.
    new_cache(model.config)
    check_padding(model, handle.entrant.model)
    tokenizer = _load_tokenizer(handle)
    options: Any = handle.options
    template = PromptTemplate(options.template, options.system, options.verbalized)
    budget = options.batch_tokens or _BATCH_TOKENS[model.device.type]
    return CausalModel(
        TextGenerator(model, tokenizer, template, handle.facts.positions),
        TextEmbedder(model.base_model, tokenizer, _embedding(options), budget),
        budget,
        tokenizer,
    )


def load_encoder(handle: "TransformersHandle", device: str) -> EncoderModel:
    """Load a text encoder.

    Raises
    ------
    BadInput
        If the weights do not fit the architecture.
    """
    model = _load(transformers.AutoModel, handle, device)
    options: Any = handle.options
    budget = options.batch_tokens or _BATCH_TOKENS[model.device.type]
    embedder = TextEmbedder(model, _load_tokenizer(handle), _embedding(options), budget)
    return EncoderModel(embedder, budget)


def load_classifier(handle: "TransformersHandle", device: str) -> ClassifierModel:
    """Load a text classifier or reward model.

    Raises
    ------
    BadInput
        If the weights do not fit the architecture, or its scores would depend on how texts are
        packed.
    """
    kind = transformers.AutoModelForSequenceClassification
    model = _load(kind, handle, device, unused=())
    name, options = handle.entrant.model, handle.options
    if not isinstance(options, ClassifierOptions):
        raise ValueError("the options of a classifier were not read")
    check_packing(model, name)
    budget = options.batch_tokens or _BATCH_TOKENS[model.device.type]
    classifier = TextClassifier(
        model,
        _load_tokenizer(handle),
        options,
        labels=label_names(options, handle.facts, name),
        name=name,
        batch_tokens=budget,
    )
    return ClassifierModel(classifier, budget)


def _embedding(options: "EncoderOptions") -> EmbeddingSettings:
    if options.pooling is None or options.max_length is None:
        raise ValueError("the options were not completed from the model's files")
    return EmbeddingSettings(options.pooling, options.normalize, options.max_length, options.long)


def _load(
    kind: Any, handle: "TransformersHandle", device: str, *, unused: tuple[str, ...] = ("pooler",)
) -> Any:
    name = handle.entrant.model
    return load_weights(kind, handle.folder, handle.options, device, name=name, unused=unused)


def _load_tokenizer(handle: "TransformersHandle") -> Any:
    return load_tokenizer(handle.folder, name=handle.entrant.model)
