"""Small models whose weights come inside Python packages, or with the suite: no hub, no network."""

from dataclasses import dataclass
from pathlib import Path

from evalsuite.errors import BadInput, UnknownName
from evalsuite.models.capabilities import CAPABILITIES, LoadedModel, ModelHandle
from evalsuite.models.embedded_models import MODELS, EmbeddedModel
from evalsuite.models.gguf_conversion import dense_folder
from evalsuite.models.light_embedders import open_light
from evalsuite.models.listing import ModelListing
from evalsuite.models.model_facts import ModelFacts, read_facts
from evalsuite.models.safe_loading import ModelFolder, read_json
from evalsuite.models.spec import ModelSpec, unknown
from evalsuite.models.tinyworld import TINYWORLD, list_tinyworld, open_tinyworld
from evalsuite.models.transformers import (
    CausalOptions,
    EncoderOptions,
    TransformersHandle,
    complete,
    entrant_of,
    require_text_packages,
)

# The GGUF file is not read before it is loaded; these are facts of the pinned file.
_SMOLLM2_FACTS = ModelFacts(
    kind="causal", positions=8192, max_length=8192, has_chat_template=True, pooling="mean"
)


@dataclass(frozen=True, eq=False)
class EmbeddedHandle(TransformersHandle):
    """An embedded model whose package is there; its files are checked when it is loaded."""

    source: EmbeddedModel
    home: Path

    def load(self, device: str) -> LoadedModel:
        """Check the pinned files, unpack them once if need be, and load.

        Raises
        ------
        MissingPackage
            If torch, transformers or gguf is not installed.
        Refused
            If a file is not the one that was pinned.
        """
        name = self.entrant.model
        more = [need for need in self.source.needs if need not in ("torch", "transformers")]
        require_text_packages(name, *more)
        weights = self.source.check(name) / self.source.weights
        path = weights.parent
        if weights.suffix == ".gguf":
            pin = self.source.pins[self.source.weights]
            path = dense_folder(weights, pin, name=self.folder.label, home=self.home)
        ready = TransformersHandle(
            entrant=self.entrant,
            capabilities=self.capabilities,
            chosen_decoding=self.chosen_decoding,
            folder=self.folder.model_copy(update={"path": path}),
            facts=self.facts,
            options=self.options,
        )
        return ready.load(device)


class EmbeddedBackend:
    """``embedded:smollm2-135m`` and its siblings."""

    def open(
        self,
        spec: ModelSpec,
        *,
        offline: bool,
        home: Path,
        trusted: frozenset[str] = frozenset(),
    ) -> ModelHandle:
        """Find an embedded model.

        Raises
        ------
        UnknownName
            If there is none of that name; the message suggests the nearest.
        BadInput
            If a revision is given or an option does not fit.
        MissingPackage
            If the package that carries it is not installed.
        """
        if spec.name not in (*MODELS, *TINYWORLD):
            raise UnknownName(unknown("embedded model", spec.name, [*MODELS, *TINYWORLD]))
        if spec.revision is not None:
            raise BadInput(f"model {spec}: embedded models have one revision; leave out the @")
        if spec.name in TINYWORLD:
            return open_tinyworld(spec)
        source = MODELS[spec.name]
        source.folder_or_fail(str(spec))
        if source.runtime == "transformers":
            return _open_transformers(source, spec, home)
        return open_light(source, spec)

    def describe(self) -> list[ModelListing]:
        """List the embedded models, and the commands that supply what is not installed."""
        return [_listing(name, source) for name, source in MODELS.items()] + list_tinyworld()


def _open_transformers(source: EmbeddedModel, spec: ModelSpec, home: Path) -> EmbeddedHandle:
    folder = _folder(source, spec)
    facts = _facts(source, folder, str(spec))
    kind = CausalOptions if facts.kind == "causal" else EncoderOptions
    options = complete(spec.read_options(kind), facts, str(spec))
    return EmbeddedHandle(
        entrant=entrant_of(options, folder, spec, model=str(spec), backend="embedded"),
        capabilities=source.capabilities,
        chosen_decoding=options.chosen() if isinstance(options, CausalOptions) else {},
        folder=folder,
        facts=facts,
        options=options,
        source=source,
        home=home,
    )


def _folder(source: EmbeddedModel, spec: ModelSpec) -> ModelFolder:
    path = (source.folder_or_fail(str(spec)) / source.weights).parent
    config = read_json(path / "config.json", str(spec)) or {}
    return ModelFolder(
        path=path, label=spec.name, revision=source.revision, remote_code=False, config=config
    )


def _facts(source: EmbeddedModel, folder: ModelFolder, model: str) -> ModelFacts:
    return _SMOLLM2_FACTS if source.weights.endswith(".gguf") else read_facts(folder, model)


def _listing(name: str, source: EmbeddedModel) -> ModelListing:
    commands = [source.install_needs] if source.absent() else []
    commands += [source.install] if source.folder() is None else []
    return ModelListing(
        name=f"embedded:{name}",
        capabilities=tuple(c.name for p, c in CAPABILITIES.items() if p in source.capabilities),
        summary=source.summary,
        installed=not commands,
        install=" && ".join(commands) or None,
    )


backend = EmbeddedBackend()
