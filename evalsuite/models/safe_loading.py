"""From a model's name to a folder that is safe to load, and the revision that pins its content.

Only safetensors weights are loaded; a configuration that asks for foreign code is refused unless
that repository was trusted at that commit.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from evalsuite.errors import BadInput, Refused
from evalsuite.models.hub_snapshot import commit_of, snapshot
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Frozen, digest

INSTALL_TEXT = "pip install 'evalsuite[text]'"
DATA_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_CONFIGS = ("config.json", "tokenizer_config.json", "generation_config.json")
_CODE_KEYS = {"auto_map", "custom_pipeline", "custom_pipelines", "_attn_implementation_internal"}
_SHARD = re.compile(r"[^/\\]+\.safetensors")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_LOCAL_STARTS = ("./", "../", "/", "~")


class ModelFolder(Frozen):
    """A checked model folder on this machine.

    Parameters
    ----------
    path : Path
        Where it lies; never shown in records.
    label : str
        What people call it: the hub id, or the name of a local folder.
    revision : str
        Hub commit, or ``sha256:...`` over the files of a local folder.
    remote_code : bool
        Whether it brings code that the user trusted.
    config : dict
        Its config.json.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    label: str
    revision: str
    remote_code: bool
    config: dict[str, Any]


def resolve(spec: ModelSpec, *, offline: bool, trusted: frozenset[str]) -> ModelFolder:
    """Find a model's folder, fetching it from the hub if need be, and check that it is safe.

    Parameters
    ----------
    spec : ModelSpec
        ``./folder`` or ``org/name[@revision]``.
    offline : bool
        Take hub models from the local cache only.
    trusted : frozenset of str
        ``org/name@<40 hex>`` whose own code may be run.

    Raises
    ------
    BadInput
        If there is no such model, or it lacks a configuration or weights.
    Refused
        If its weights are pickled, it asks for foreign code, or it has links out of its folder.
    MissingPackage
        If a hub model is asked for without huggingface_hub.
    """
    if is_local(spec):
        return _local(spec)
    return _from_hub(spec, offline=offline, trusted=trusted)


def is_local(spec: ModelSpec) -> bool:
    """Whether a model is named by its folder; otherwise it is a hub id.

    Raises
    ------
    BadInput
        If it is neither.
    """
    if spec.name.startswith(_LOCAL_STARTS):
        return True
    if not _HUB_ID.fullmatch(spec.name) or ".." in spec.name:
        raise BadInput(
            f"model {spec}: neither a hub id (org/name) nor a local folder (./name, /path/name)"
        )
    return False


def closed_folder(name: str | Path, *, model: str, holds: str) -> Path:
    """Return the real path of a local folder that no link leaves.

    Parameters
    ----------
    name : str or Path
        As the user wrote it.
    model, holds : str
        The model's name, and what is expected in the folder, for the messages.

    Raises
    ------
    BadInput
        If it is no folder.
    Refused
        If something in it is a link to outside.
    """
    path = Path(os.path.realpath(Path(name).expanduser()))
    try:
        what = "does not exist" if not path.exists() else "" if path.is_dir() else "is a file"
    except OSError as error:
        what = f"cannot be opened ({error.strerror})"
    if what:
        raise BadInput(f"model {model}: {what}; expected a folder with {holds}")
    for entry in path.rglob("*"):
        if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(path):
            raise Refused(
                f"model {model}: {entry.relative_to(path)} is a link to outside the folder; copy "
                "the file into the folder"
            )
    return path


def _local(spec: ModelSpec) -> ModelFolder:
    path = closed_folder(spec.name, model=str(spec), holds="config.json and safetensors")
    config = _check(path, str(spec))
    if keys := _code_keys(path, str(spec)):
        raise Refused(
            f"model {spec}: {keys} asks to run foreign code, which is only possible for a hub "
            "model that is trusted at a pinned commit"
        )
    files = {name: file_sha256(path / name) for name in _relevant_files(path)}
    return ModelFolder(
        path=path,
        label=path.name,
        revision="sha256:" + digest(files),
        remote_code=False,
        config=config,
    )


def _from_hub(spec: ModelSpec, *, offline: bool, trusted: frozenset[str]) -> ModelFolder:
    path = snapshot(spec, spec.revision, DATA_PATTERNS, offline=offline, install=INSTALL_TEXT)
    commit = commit_of(path, spec)
    config = _check(path, str(spec))
    keys = _code_keys(path, str(spec))
    name = f"{spec.name}@{commit}"
    if keys and (name not in trusted or spec.revision != commit):
        raise Refused(
            f"model {spec}: {keys} asks to run code from the hub. If you have read and trust that "
            f"code: name the model {spec.backend}:{name} and add --trust-remote-code {name}"
        )
    if keys:
        path = snapshot(
            spec, commit, (*DATA_PATTERNS, "*.py"), offline=offline, install=INSTALL_TEXT
        )
    return ModelFolder(
        path=path, label=spec.name, revision=commit, remote_code=bool(keys), config=config
    )


def _check(path: Path, model: str) -> dict[str, Any]:
    """Check that a folder is a whole model of safe files; return its configuration."""
    config = read_json(path / "config.json", model)
    if config is None:
        raise BadInput(f"model {model}: has no config.json, so it is no transformers model folder")
    if (path / "adapter_config.json").exists():
        raise BadInput(f"model {model}: is an adapter (PEFT); merge it into its base model first")
    if not any(path.glob("*.safetensors")):
        pickled = sorted(f.name for f in path.iterdir() if f.suffix in PICKLED)
        if pickled:
            raise Refused(
                f"model {model}: has only pickled weights ({pickled[0]}), which can run code when "
                "they are loaded; convert to safetensors"
            )
        raise BadInput(f"model {model}: has no safetensors weights")
    for index in sorted(path.glob("*.index.json")):
        check_index(index, model)
    check_weight_names(config, model, "config.json")
    return config


def check_weight_names(config: Mapping[str, Any], model: str, where: str) -> None:
    """Refuse a configuration that names a weight file of its own, of whatever format.

    Raises
    ------
    Refused
        Naming the entry.
    """
    for key, value in _entries(config):
        if key.endswith("_weights") and isinstance(value, str):
            raise Refused(
                f"model {model}: {key!r} in {where} names a weight file of its own "
                f"({value!r}); only model.safetensors and its index are read. Remove that entry"
            )


def check_index(index: Path, model: str) -> None:
    """Refuse an index that names anything but safetensors files of the same folder.

    transformers opens what an index names, whatever it is, pickles too.

    Raises
    ------
    Refused, BadInput
        If it names another kind of file, or one that is not there.
    """
    shards = (read_json(index, model) or {}).get("weight_map", {})
    if not isinstance(shards, dict):
        raise BadInput(f"model {model}: weight_map of {index.name} is no mapping")
    for shard in sorted({str(s) for s in shards.values()}):
        if not _SHARD.fullmatch(shard):
            raise Refused(
                f"model {model}: {index.name} names {shard!r} as a weight file; only *.safetensors "
                "files of the same folder are loaded; convert to safetensors"
            )
        if not (index.parent / shard).is_file():
            raise BadInput(f"model {model}: the weight file {shard!r} of its index is not there")


def _code_keys(path: Path, model: str) -> str:
    """Return the first configuration entry that would make transformers run foreign code, or ''."""
    for name in _CONFIGS:
        if key := code_key(read_json(path / name, model) or {}):
            return f"{key!r} in {name}"
    return ""


def code_key(config: Mapping[str, Any]) -> str | None:
    """Return the first entry, at any depth, that would make a library run foreign code.

    >>> code_key({"text_config": [{"auto_map": {}}]})
    'auto_map'
    >>> code_key({"kernel_size": [3, 3]})
    """
    for key, value in _entries(config):
        # An attention implementation that is written org/name is fetched from the hub.
        is_fetched = key.endswith("_implementation") and "/" in str(value)
        is_kernel = key.startswith("kernel") and not _is_number(value)
        if key in _CODE_KEYS or is_kernel or is_fetched:
            return key
    return None


def _is_number(value: object) -> bool:
    """Whether a value is made of numbers alone, as the size of a convolution's kernel is."""
    if isinstance(value, list):
        return all(_is_number(inner) for inner in value)
    return isinstance(value, int | float)


def _entries(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key), inner
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)


def read_json(path: Path, model: str) -> dict[str, Any] | None:
    """Read a JSON object; None if there is no such file.

    Raises
    ------
    BadInput
        If the file is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        raise BadInput(f"model {model}: {path.name} is not valid JSON") from None
    except OSError as error:
        raise BadInput(f"model {model}: {path.name} cannot be read ({error.strerror})") from None
    if not isinstance(value, dict):
        raise BadInput(f"model {model}: {path.name} is not a JSON object")
    return value


def _relevant_files(path: Path) -> list[str]:
    """Every file that loading may read, by its path in the folder, however deep it lies."""
    files = (f for pattern in DATA_PATTERNS for f in path.rglob(pattern) if f.is_file())
    return sorted(str(f.relative_to(path)) for f in files)


def file_sha256(path: Path) -> str:
    """sha256 of a file, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
