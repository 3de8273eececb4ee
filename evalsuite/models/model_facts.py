"""What a transformers model folder says about itself, read from its JSON files alone."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from evalsuite.errors import BadInput
from evalsuite.models.image_kinds import ImageKind, image_kind
from evalsuite.models.safe_loading import ModelFolder, read_json

TextKind = Literal["causal", "encoder", "classifier"]
Kind = TextKind | ImageKind

_CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel")
_CLASSIFIER_ENDING = "ForSequenceClassification"
_ENCODERS = {
    "albert",
    "bert",
    "camembert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "eurobert",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
}
# Their position numbers start behind the padding token's id, which uses up that many.
_OFFSET_POSITIONS = {"camembert", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl"}
_PLAIN_MODULES = {"Transformer", "Pooling", "Normalize"}
_MOST_LABELS = 10_000
_NO_LIMIT = 1_000_000  # tokenizers write 1e30 for "no limit"
_DEFAULT_WINDOW = 2048  # for models whose positions have no limit


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a model folder.

    Parameters
    ----------
    kind : causal, encoder, classifier or a kind of `evalsuite.models.image_kinds`
        Whether it generates text, has hidden states only, or a head that classifies or rates; or
        what it does with images.
    positions : int or None
        Most tokens that it reads at once.
    max_length : int
        Window that its embeddings are made with.
    has_chat_template : bool
    pooling : str or None
        How the folder says that tokens are pooled: mean, cls, or something that is not offered.
    labels : tuple of str
        What a classifier calls its outputs, in the order of their ids.
    problem_type : str or None
        What a classifier's configuration says that its outputs are.
    """

    kind: Kind
    positions: int | None
    max_length: int
    has_chat_template: bool
    pooling: str | None
    labels: tuple[str, ...] = ()
    problem_type: str | None = None

    def pooling_or_fail(self, model: str) -> str:
        """Return the folder's pooling, or mean where it says nothing.

        Raises
        ------
        BadInput
            If it wants one that is not offered: another would silently give other numbers.
        """
        if self.pooling in (None, "mean", "cls"):
            return self.pooling or "mean"
        raise BadInput(
            f"model {model}: its folder pools by {self.pooling!r}, which is not offered; choose "
            "?pooling=mean or ?pooling=cls if you mean it"
        )


def read_facts(folder: ModelFolder, model: str) -> ModelFacts:
    """Read a folder's facts.

    Raises
    ------
    BadInput
        If the architecture is none that is known, if its positions are scaled by the longest text
        of a batch, or if the embedder has layers behind its pooling or changes its texts.
    """
    kind: Kind = image_kind(folder.config) or _kind(folder.config, model)
    config = folder.config.get("text_config") or folder.config
    _refuse_scaling_by_length(config, model)
    _refuse_changed_texts(folder, model)
    tokenizer = read_json(folder.path / "tokenizer_config.json", model) or {}
    positions = _positions(config)
    limits = [positions, tokenizer.get("model_max_length")]
    own = (read_json(folder.path / "sentence_bert_config.json", model) or {}).get("max_seq_length")
    has_chat_template = _has_chat_template(folder, tokenizer)
    if kind == "visual_chat" and not has_chat_template:
        raise BadInput(f"model {model}: has no chat template, by which images and texts are mixed")
    is_classifier = kind in ("classifier", "image_classifier")
    return ModelFacts(
        kind=kind,
        positions=positions,
        max_length=_least([own] if _limit(own) else limits),
        has_chat_template=has_chat_template,
        pooling=_pooling(folder, model) if kind in ("causal", "encoder") else None,
        labels=_labels(folder.config, model) if is_classifier else (),
        problem_type=folder.config.get("problem_type"),
    )


def _kind(config: dict[str, Any], model: str) -> TextKind:
    names = [str(name) for name in config.get("architectures") or []]
    if any(name.endswith(_CAUSAL_ENDINGS) for name in names) and not config.get(
        "is_encoder_decoder"
    ):
        _refuse_bidirectional(config, names, model)
        return "causal"
    if any(name.endswith(_CLASSIFIER_ENDING) for name in names):
        return "classifier"
    if config.get("model_type") in _ENCODERS:
        return "encoder"
    raise BadInput(
        f"model {model}: {', '.join(names) or config.get('model_type') or 'its architecture'} is "
        "neither a causal language model, a text encoder or classifier, nor a model of images that "
        "is known here"
    )


def _labels(config: dict[str, Any], model: str) -> tuple[str, ...]:
    """Names of a classifier's outputs; transformers leaves them out where there are two."""
    named = config.get("id2label") or {}
    try:
        n_labels = int(config.get("num_labels") or len(named) or 2)
        if n_labels > _MOST_LABELS:  # transformers would make a name for each
            raise BadInput(f"model {model}: its config.json claims {n_labels} labels")
        labels = tuple(str(named.get(str(i), f"LABEL_{i}")) for i in range(n_labels))
        ids = {int(i) for i in named}
    except (TypeError, ValueError, AttributeError):
        raise BadInput(f"model {model}: id2label in its config.json is no list of labels") from None
    if not ids <= set(range(len(labels))) or len(set(labels)) < len(labels):
        raise BadInput(
            f"model {model}: id2label in its config.json does not name {len(labels)} labels, from "
            f"0 to {len(labels) - 1}, each by a name of its own"
        )
    return labels


def _refuse_bidirectional(config: dict[str, Any], names: list[str], model: str) -> None:
    if config.get("model_type") in _ENCODERS and not config.get("is_decoder"):
        raise BadInput(
            f"model {model}: {', '.join(names)} without is_decoder in its config.json reads ahead, "
            "so it cannot be sampled from. Choose a causal language model, or an encoder whose "
            "config.json names an encoder's architecture."
        )


def _refuse_scaling_by_length(config: dict[str, Any], model: str) -> None:
    """Refuse rotary scaling whose factors follow the longest row, as the batch would then matter.

    The names are those of transformers 5.23, ``modeling_rope_utils``; up to the original length
    its factors stand still, and without an original length that is all the model reads.
    """
    longest = config.get("max_position_embeddings")
    for scaling in _rope_scalings(config):
        kind = str(scaling.get("rope_type") or scaling.get("type"))
        is_phi = str(config.get("model_type")).startswith(("phi3", "phi4"))
        by_length = "dynamic" in kind or kind in ("longrope", "su") or (is_phi and kind == "yarn")
        own = scaling.get("original_max_position_embeddings")
        original = _limit(config.get("original_max_position_embeddings", own))
        if by_length and original is not None and original != longest:
            raise BadInput(
                f"model {model}: its rotary scaling {kind!r} changes beyond {original} tokens for "
                "all texts of a batch, so its answers would depend on how prompts are packed. "
                "Choose a model without it, often the same one with a shorter context."
            )


def _rope_scalings(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Settings of the rotary positions: one for all layers, or one for each type of layer."""
    given = [config.get(name) for name in ("rope_parameters", "rope_scaling")]
    blocks = [block for block in given if isinstance(block, dict)]
    return blocks + [part for block in blocks for part in block.values() if isinstance(part, dict)]


def _refuse_changed_texts(folder: ModelFolder, model: str) -> None:
    """Refuse sentence-transformers settings that change a text before it is embedded."""
    for file, name in (
        ("sentence_bert_config.json", "do_lower_case"),
        ("config_sentence_transformers.json", "default_prompt_name"),
    ):
        if value := (read_json(folder.path / file, model) or {}).get(name):
            raise BadInput(
                f"model {model}: {name} is {json.dumps(value)} in its {file}, which changes every "
                "text and is not done here; the vectors would not be the model's own. Choose "
                "another embedder."
            )


def _positions(config: dict[str, Any]) -> int | None:
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        if limit := _limit(config.get(name)):
            offset = config.get("model_type") in _OFFSET_POSITIONS
            return limit - (int(config.get("pad_token_id") or 0) + 1 if offset else 0)
    return None


def _limit(value: object) -> int | None:
    is_limit = isinstance(value, int | float) and 0 < value < _NO_LIMIT
    return int(value) if is_limit else None  # type: ignore[call-overload]


def _least(values: Iterable[object]) -> int:
    return min((limit for limit in map(_limit, values) if limit), default=_DEFAULT_WINDOW)


def _has_chat_template(folder: ModelFolder, tokenizer: dict[str, Any]) -> bool:
    return bool(tokenizer.get("chat_template")) or any(
        (folder.path / name).is_file() for name in ("chat_template.jinja", "chat_template.json")
    )


def _pooling(folder: ModelFolder, model: str) -> str | None:
    _refuse_extra_layers(folder, model)
    modes = read_json(folder.path / "1_Pooling" / "config.json", model) or {}
    chosen = [name for name, value in modes.items() if name.startswith("pooling_mode_") and value]
    known = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
    if len(chosen) == 1:
        return known.get(chosen[0], chosen[0].removeprefix("pooling_mode_"))
    return "+".join(chosen) or modes.get("pooling_mode")


def _refuse_extra_layers(folder: ModelFolder, model: str) -> None:
    path = folder.path / "modules.json"
    if not path.is_file():
        return
    types = _module_types(folder, model)
    if extra := sorted(types - _PLAIN_MODULES):
        raise BadInput(
            f"model {model}: its modules.json has {', '.join(extra)} behind the encoder, which is "
            "not computed here; the vectors would not be the model's own"
        )


def _module_types(folder: ModelFolder, model: str) -> set[str]:
    """Class names in a sentence-transformers folder's modules.json."""
    try:
        modules = json.loads((folder.path / "modules.json").read_text(encoding="utf-8"))
        return {str(module["type"]).rpartition(".")[2] for module in modules}
    except (ValueError, TypeError, KeyError):
        raise BadInput(f"model {model}: modules.json is not a list of modules") from None
