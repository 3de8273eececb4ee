"""Models of the transformers library: of texts, and of images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import (
    CAPABILITIES,
    AnswersVisualQuestions,
    CaptionsImages,
    ClassifiesImages,
    ClassifiesText,
    EmbedsImages,
    EmbedsText,
    GeneratesText,
    LoadedModel,
    RatesText,
    TokenizesText,
)
from evalsuite.models.classifier_options import (
    ClassifierOptions,
    capabilities_of,
    complete_classifier,
)
from evalsuite.models.decoding_options import DecodingOptions
from evalsuite.models.image_kinds import image_capabilities, image_loader, is_image_kind
from evalsuite.models.image_options import image_options
from evalsuite.models.listing import ModelListing
from evalsuite.models.loading_options import LoadingOptions
from evalsuite.models.model_facts import ModelFacts, read_facts
from evalsuite.models.model_packages import INSTALL_IMAGE, absent_packages, require_packages
from evalsuite.models.processor_config import check_processor_config
from evalsuite.models.safe_loading import INSTALL_TEXT, ModelFolder, resolve
from evalsuite.models.spec import ModelSpec
from evalsuite.models.verbalized import MOST_ITEMS, WORDING
from evalsuite.requests import Entrant


class EncoderOptions(LoadingOptions):
    """Options of a model that embeds texts.

    Parameters
    ----------
    pooling, normalize, max_length, long
        As in `evalsuite.models.text_embedding.EmbeddingSettings`; by default what the folder says.
    """

    pooling: Literal["mean", "cls"] | None = None
    normalize: bool = True
    max_length: int | None = Field(None, ge=4)
    long: Literal["truncate", "chunk"] = "truncate"


class CausalOptions(EncoderOptions, DecodingOptions):
    """Options of a causal language model, which generates and embeds.

    Parameters
    ----------
    template : chat or plain
        By default chat where the tokenizer has a chat template.
    system : str or None
        System message before every prompt; needs a chat template.
    verbalized : int or None
        Verbalised sampling: ask for so many answers a call, each with its probability; needs a chat
        template.
    """

    template: Literal["chat", "plain"] | None = None
    system: str | None = None
    verbalized: int | None = Field(None, ge=2, le=MOST_ITEMS)


_TEXT_PACKAGES = ("torch", "transformers")
_IMAGE_PACKAGES = ("torch", "transformers", "pillow")

CAUSAL_CAPABILITIES: frozenset[type] = frozenset({GeneratesText, EmbedsText, TokenizesText})


@dataclass(frozen=True, eq=False)
class TransformersHandle:
    """A checked model folder that can be loaded."""

    entrant: Entrant
    capabilities: frozenset[type]
    chosen_decoding: dict[str, object]
    folder: ModelFolder
    facts: ModelFacts
    options: LoadingOptions

    def load(self, device: str) -> LoadedModel:
        """Load onto ``auto``, ``cpu`` or ``cuda``.

        Raises
        ------
        MissingPackage
            If torch or transformers is not installed.
        BadInput
            If the weights do not fit the architecture, or the device is not there.
        """
        if is_image_kind(self.facts.kind):
            require_packages(self.entrant.model, *_IMAGE_PACKAGES, install=INSTALL_IMAGE)
            loader = image_loader(self.facts.kind)
            loaded: LoadedModel = loader.load(self.folder, self.facts, self.options, device)
            return loaded
        require_text_packages(self.entrant.model)
        from evalsuite.models.loaded_text import load_causal, load_classifier, load_encoder

        if self.facts.kind == "causal":
            return load_causal(self, device)
        if self.facts.kind == "classifier":
            return load_classifier(self, device)
        return load_encoder(self, device)


def open_folder(
    folder: ModelFolder,
    spec: ModelSpec,
    *,
    model: str,
    backend: str,
) -> TransformersHandle:
    """Return a handle on a checked folder.

    Parameters
    ----------
    folder : ModelFolder
    spec : ModelSpec
        The options are read from it.
    model, backend : str
        Names for the entrant.

    Raises
    ------
    BadInput
        If the architecture is none that is known, or an option does not fit the model.
    Refused
        If a model of images brings code of its own.
    """
    facts = read_facts(folder, model)
    if is_image_kind(facts.kind):
        return _open_image(folder, facts, spec, model=model, backend=backend)
    if facts.kind == "classifier":
        return _open_classifier(folder, facts, spec, model=model, backend=backend)
    is_causal = facts.kind == "causal"
    options = complete(
        spec.read_options(CausalOptions if is_causal else EncoderOptions), facts, model
    )
    return TransformersHandle(
        entrant=entrant_of(options, folder, spec, model=model, backend=backend),
        capabilities=CAUSAL_CAPABILITIES if is_causal else frozenset({EmbedsText}),
        chosen_decoding=options.chosen() if isinstance(options, CausalOptions) else {},
        folder=folder,
        facts=facts,
        options=options,
    )


def _open_classifier(
    folder: ModelFolder, facts: ModelFacts, spec: ModelSpec, *, model: str, backend: str
) -> TransformersHandle:
    options = complete_classifier(spec.read_options(ClassifierOptions), facts, model)
    settings = {
        "labels": options.labels,
        "max_length": options.max_length,
        "score_label": options.score_label,
    }
    entrant = Entrant(
        model=model,
        backend=backend,
        revision=folder.revision,
        template=options.template,
        dtype=options.dtype,
        settings=tuple((name, value) for name, value in settings.items() if value is not None),
        remote_code=folder.remote_code,
        post_training_of=options.post_training_of,
    )
    return TransformersHandle(
        entrant=entrant,
        capabilities=capabilities_of(options, facts, model),
        chosen_decoding={},
        folder=folder,
        facts=facts,
        options=options,
    )


def _open_image(
    folder: ModelFolder, facts: ModelFacts, spec: ModelSpec, *, model: str, backend: str
) -> TransformersHandle:
    kind = facts.kind
    if not is_image_kind(kind):
        raise ValueError(f"{kind} is no kind of image model")
    check_processor_config(folder, model)
    options = spec.read_options(image_options(kind))
    entrant = Entrant(
        model=model,
        backend=backend,
        revision=folder.revision,
        dtype=options.dtype,
        settings=tuple(sorted(options.settings().items())),
        post_training_of=options.post_training_of,
    )
    return TransformersHandle(
        entrant=entrant,
        capabilities=image_capabilities(kind),
        chosen_decoding={},
        folder=folder,
        facts=facts,
        options=options,
    )


def complete(options: EncoderOptions, facts: ModelFacts, model: str) -> EncoderOptions:
    """Fill what the user left open from the model's own files."""
    updates: dict[str, Any] = {"pooling": options.pooling or facts.pooling_or_fail(model)}
    limit = facts.max_length
    if options.max_length is None:
        updates["max_length"] = limit
    elif facts.positions is not None and options.max_length > facts.positions:
        raise BadInput(
            f"model {model}: max_length={options.max_length} is more than the {facts.positions} "
            "positions that it has"
        )
    if isinstance(options, CausalOptions):
        template = options.template or ("chat" if facts.has_chat_template else "plain")
        if template == "chat" and not facts.has_chat_template:
            raise BadInput(f"model {model}: has no chat template; use ?template=plain")
        if template == "plain" and options.system is not None:
            raise BadInput(f"model {model}: a system message needs ?template=chat")
        if template == "plain" and options.verbalized is not None:
            raise BadInput(f"model {model}: verbalized={options.verbalized} needs ?template=chat")
        if options.beams and options.verbalized is not None:
            raise BadInput(
                f"model {model}: verbalized sampling draws its calls and takes no beams; leave out "
                "one of the two"
            )
        updates["template"] = template
    return options.model_copy(update=updates)


def entrant_of(
    options: EncoderOptions, folder: ModelFolder, spec: ModelSpec, *, model: str, backend: str
) -> Entrant:
    """Name the entrant: everything that can change an answer, and nothing else."""
    settings: dict[str, str | int | float | bool | None] = {
        "pooling": options.pooling,
        "normalize": options.normalize,
        "max_length": options.max_length,
        "long": options.long,
    }
    template = None
    if isinstance(options, CausalOptions):
        # How such a model would embed does not change what it writes: only what the user set.
        settings = {name: value for name, value in settings.items() if name in dict(spec.options)}
        if options.system is not None:
            settings["system"] = options.system
        if options.verbalized is not None:
            settings["verbalized"] = options.verbalized
            settings["verbalized_wording"] = WORDING
        template = options.template
    return Entrant(
        model=model,
        backend=backend,
        revision=folder.revision,
        template=template,
        dtype=options.dtype,
        settings=tuple(sorted(settings.items())),
        remote_code=folder.remote_code,
        post_training_of=options.post_training_of,
    )


def require_text_packages(model: str, *more: str) -> None:
    """Check that the packages for text models are there and safe, without importing them.

    Raises
    ------
    MissingPackage, Refused
        As `evalsuite.models.model_packages.require_packages`.
    """
    require_packages(model, *_TEXT_PACKAGES, *more, install=INSTALL_TEXT)


class TransformersBackend:
    """``transformers:./folder`` and ``transformers:org/name[@commit]``."""

    def open(
        self,
        spec: ModelSpec,
        *,
        offline: bool,
        home: Path,
        trusted: frozenset[str] = frozenset(),
    ) -> TransformersHandle:
        """Check a model folder, fetching it first if it is on the hub.

        Raises
        ------
        BadInput, Refused, MissingPackage
            As `evalsuite.models.safe_loading.resolve` and `open_folder`.
        """
        folder = resolve(spec, offline=offline, trusted=trusted)
        return open_folder(
            folder, spec, model=f"{spec.backend}:{folder.label}", backend="transformers"
        )

    def describe(self) -> list[ModelListing]:
        """Say how such models are named."""
        name = "transformers:./folder or transformers:org/name@commit"
        texts = (
            (GeneratesText, EmbedsText, TokenizesText, ClassifiesText, RatesText),
            "any causal language model, text encoder, text classifier or reward model with "
            "safetensors weights; it can what its architecture is for",
        )
        images = (
            (EmbedsImages, EmbedsText, ClassifiesImages, AnswersVisualQuestions, CaptionsImages),
            "CLIP, SigLIP, DINOv2 and ViT, image classifiers, and models that answer questions "
            "about images or describe them; it can what its architecture is for",
        )
        return [
            _listing(name, *texts, packages=_TEXT_PACKAGES, install=INSTALL_TEXT),
            _listing(name, *images, packages=_IMAGE_PACKAGES, install=INSTALL_IMAGE),
        ]


def _listing(
    name: str, can: tuple[type, ...], summary: str, *, packages: tuple[str, ...], install: str
) -> ModelListing:
    is_installed = not absent_packages(*packages)
    return ModelListing(
        name=name,
        capabilities=tuple(CAPABILITIES[capability].name for capability in can),
        summary=summary,
        installed=is_installed,
        install=None if is_installed else install,
    )


backend = TransformersBackend()
