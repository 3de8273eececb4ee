"""From the name of a diffusers pipeline to a folder that is safe to load.

A pipeline is a folder of components: model_index.json names their classes. All of it is read here
before diffusers sees it: what would run code, or be read from elsewhere, is refused.
"""

import functools
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ConfigDict

from evalsuite.errors import BadInput, MissingPackage, Refused
from evalsuite.models.hub_snapshot import commit_of, snapshot
from evalsuite.models.model_packages import INSTALL_IMAGE
from evalsuite.models.safe_loading import (
    DATA_PATTERNS,
    PICKLED,
    check_index,
    check_weight_names,
    closed_folder,
    code_key,
    file_sha256,
    is_local,
    read_json,
)
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Frozen, digest

INDEX = "model_index.json"
# Only these are read without a variant; a hub repository may hold the same weights many times.
_WEIGHTS = ("model", "diffusion_pytorch_model")
_WEIGHT_PATTERNS = tuple(f"{name}{end}.safetensors" for name in _WEIGHTS for end in ("", "-*-of-*"))
_NO_WEIGHTS = re.compile(r"Tokenizer|Scheduler|Processor|Extractor|Guidance")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class Component(Frozen):
    """One part of a pipeline: its folder's name, and the class that loads it."""

    name: str
    library: str
    kind: str

    @property
    def has_weights(self) -> bool:
        """Whether it is a model, and not a tokenizer, scheduler or image processor."""
        return _NO_WEIGHTS.search(self.kind) is None


class PipelineFolder(Frozen):
    """A checked pipeline folder on this machine.

    Parameters
    ----------
    path : Path
        Where it lies; never shown in records.
    label : str
        What people call it: the hub id, or the name of a local folder.
    revision : str
        Hub commit, or ``sha256:...`` over every file of a local folder that loading reads.
    kind : str
        The pipeline's class in diffusers.
    components : tuple of Component
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    label: str
    revision: str
    kind: str
    components: tuple[Component, ...]

    def component(self, name: str) -> Component | None:
        """The component of a name, if the pipeline has it."""
        return next((part for part in self.components if part.name == name), None)


def resolve_pipeline(spec: ModelSpec, *, offline: bool) -> PipelineFolder:
    """Find a pipeline's folder, fetching it from the hub if need be, and check that it is safe.

    Parameters
    ----------
    spec : ModelSpec
        ``./folder`` or ``org/name[@revision]``.
    offline : bool
        Take hub models from the local cache only.

    Raises
    ------
    BadInput
        If there is no such pipeline, or a part of it is absent.
    Refused
        If its weights are pickled, it brings or asks for code, or it has links out of its folder.
    MissingPackage
        If diffusers is not installed, or a hub model is asked for without huggingface_hub.
    """
    model = str(spec)
    if is_local(spec):
        path = closed_folder(spec.name, model=model, holds=INDEX)
        return check_pipeline(path, model, label=path.name)
    first = snapshot(spec, spec.revision, (INDEX,), offline=offline, install=INSTALL_IMAGE)
    commit = commit_of(first, spec)
    _, components = _read_index(first, model)
    patterns = [INDEX, *(p for part in components for p in _patterns(part))]
    path = snapshot(spec, commit, patterns, offline=offline, install=INSTALL_IMAGE)
    return check_pipeline(path, model, label=spec.name, revision=commit)


def check_pipeline(
    path: Path, model: str, *, label: str, revision: str | None = None
) -> PipelineFolder:
    """Check that a folder is a whole pipeline of safe files.

    Parameters
    ----------
    path : Path
    model : str
        The model's name for the messages.
    label : str
        What people call the folder.
    revision : str or None
        By default the sha256 of what it holds.

    Raises
    ------
    BadInput, Refused, MissingPackage
        As `resolve_pipeline`.
    """
    kind, components = _read_index(path, model)
    for code in sorted(path.rglob("*.py")):
        _refuse(model, f"{code.relative_to(path)} is code, which is never run; remove that file")
    for part in components:
        _check_component(path / part.name, part, model)
    if revision is None:
        files = {name: file_sha256(path / name) for name in _files(path, components)}
        revision = "sha256:" + digest(files)
    return PipelineFolder(
        path=path, label=label, revision=revision, kind=kind, components=components
    )


def _read_index(path: Path, model: str) -> tuple[str, tuple[Component, ...]]:
    """Return the pipeline's class and its components; those that are null are left out."""
    index = read_json(path / INDEX, model)
    if index is None:
        raise BadInput(
            f"model {model}: has no {INDEX}, so it is no pipeline folder of diffusers; "
            "save_pretrained of a pipeline writes one"
        )
    if key := code_key(index):
        _refuse(model, f"{key!r} in {INDEX} asks to run foreign code; remove that entry")
    kind = index.get("_class_name")
    if not isinstance(kind, str):
        _refuse(model, f"{INDEX} names no class of diffusers, but {kind!r}")
    parts = (_component(name, value, model) for name, value in index.items())
    return kind, tuple(part for part in parts if part is not None)


def _component(name: str, value: Any, model: str) -> Component | None:
    if name.startswith("_") or not isinstance(value, list):
        return None  # an option of the pipeline
    if value in ([None, None], []):
        return None
    if len(value) != 2 or not all(isinstance(v, str) and _NAME.fullmatch(v) for v in value):
        _refuse(model, f"{name!r} in {INDEX} is not a library and a class, but {value!r}")
    library, kind = value
    if not _NAME.fullmatch(name):
        _refuse(model, f"{INDEX} names a component {name!r}, which is no folder's name")
    if library not in ("diffusers", "transformers") and library not in _pipeline_modules(model):
        _refuse(
            model,
            f"{name!r} in {INDEX} is of the library {library!r}; only classes of diffusers and "
            "transformers are loaded",
        )
    if kind.startswith("Onnx"):
        _refuse(model, f"{name!r} in {INDEX} is an ONNX model; only safetensors are loaded")
    if kind.endswith("Pipeline"):
        _refuse(model, f"{name!r} in {INDEX} is a pipeline of its own, which is not checked")
    return Component(name=name, library=library, kind=kind)


def diffusers_folder(model: str) -> Path:
    """Where diffusers is installed; it is not imported.

    Raises
    ------
    MissingPackage
        If it is not.
    """
    found = find_spec("diffusers")
    if found is None or not found.submodule_search_locations:
        raise MissingPackage(f"model {model}: needs diffusers: {INSTALL_IMAGE}")
    return Path(found.submodule_search_locations[0])


def _pipeline_modules(model: str) -> frozenset[str]:
    """The packages of diffusers that hold a pipeline's own components, such as its checker."""
    return _folders_in(diffusers_folder(model) / "pipelines")


@functools.cache
def _folders_in(path: Path) -> frozenset[str]:
    return frozenset(entry.name for entry in path.iterdir() if (entry / "__init__.py").is_file())


def _check_component(path: Path, part: Component, model: str) -> None:
    if not path.is_dir():
        raise BadInput(
            f"model {model}: {INDEX} names {part.name!r}, but that folder is not there; save or "
            "download the whole pipeline again"
        )
    for odd, what in ((INDEX, "a pipeline of its own"), ("adapter_config.json", "an adapter")):
        if (path / odd).exists():
            _refuse(model, f"{part.name}/{odd} makes it {what}, which is not loaded; remove it")
    for config in sorted(path.rglob("*config.json")):
        where = str(config.relative_to(path.parent))
        entries = read_json(config, model) or {}
        if key := code_key(entries):
            _refuse(model, f"{key!r} in {where} asks to run foreign code; remove that entry")
        if config.name == "config.json":
            check_weight_names(entries, model, where)
    wanted = "config.json" if part.has_weights else "*"
    wanted = "scheduler_config.json" if part.kind.endswith("Scheduler") else wanted
    if not any(entry.is_file() for entry in path.glob(wanted)):
        what = "files" if wanted == "*" else wanted
        raise BadInput(f"model {model}: {part.name!r} has no {what}; the pipeline is incomplete")
    if part.has_weights:
        _check_weights(path, part, model)


def _check_weights(path: Path, part: Component, model: str) -> None:
    indexes = sorted(path.glob("*.safetensors.index*.json"))
    for index in indexes:
        check_index(index, model)
    if any((path / f"{name}.safetensors").is_file() for name in _WEIGHTS) or indexes:
        return
    if pickled := sorted(f.name for f in path.iterdir() if f.suffix in PICKLED):
        _refuse(
            model,
            f"{part.name}/{pickled[0]} is pickled, which can run code when it is loaded; convert "
            "it: load the pipeline where you trust it and save_pretrained(..., "
            "safe_serialization=True)",
        )
    if variants := sorted(path.glob("*.safetensors")):
        raise BadInput(
            f"model {model}: {part.name} has weights of a variant only ({variants[0].name}); "
            f"name the file {_WEIGHTS[part.library == 'diffusers']}.safetensors"
        )
    raise BadInput(f"model {model}: {part.name!r} has no safetensors weights")


def _patterns(part: Component) -> list[str]:
    """What of a component is fetched from the hub: one copy of its weights, and no code."""
    small = [pattern for pattern in DATA_PATTERNS if not pattern.endswith(".safetensors")]
    return [f"{part.name}/{pattern}" for pattern in (*small, *_WEIGHT_PATTERNS)]


def _files(path: Path, components: tuple[Component, ...]) -> list[str]:
    """Every file that loading may read, by its path in the folder."""
    found = {
        str(file.relative_to(path))
        for part in components
        for pattern in DATA_PATTERNS
        for file in (path / part.name).rglob(pattern)
        if file.is_file()
    }
    return sorted(found | {INDEX})


def _refuse(model: str, what: str) -> NoReturn:
    raise Refused(f"model {model}: {what}")
