"""From a model's name to a folder that is safe to load, and the revision that pins its content.

Only safetensors weights are loaded; a configuration that asks for foreign code is refused unless
that repository was trusted at that commit.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from evalsuite.errors import BadInput, MissingPackage, Refused
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Frozen, digest

INSTALL_TEXT = "pip install 'evalsuite[text]'"
_DATA_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_CONFIGS = ("config.json", "tokenizer_config.json", "generation_config.json")
_CODE_KEYS = {"auto_map", "custom_pipelines", "_attn_implementation_internal"}
_SHARD = re.compile(r"[^/\\]+\.safetensors")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
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
    if spec.name.startswith(_LOCAL_STARTS):
        return _local(spec)
    if not _HUB_ID.fullmatch(spec.name) or ".." in spec.name:
        raise BadInput(
            f"model {spec}: neither a hub id (org/name) nor a local folder (./name, /path/name)"
        )
    return _from_hub(spec, offline=offline, trusted=trusted)


def _local(spec: ModelSpec) -> ModelFolder:
    path = Path(os.path.realpath(Path(spec.name).expanduser()))
    try:
        what = "does not exist" if not path.exists() else "" if path.is_dir() else "is a file"
    except OSError as error:
        what = f"cannot be opened ({error.strerror})"
    if what:
        raise BadInput(f"model {spec}: {what}; expected a folder with config.json and safetensors")
    for entry in path.rglob("*"):
        if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(path):
            raise Refused(
                f"model {spec}: {entry.relative_to(path)} is a link to outside the folder; copy "
                "the file into the folder"
            )
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
    path = _snapshot(spec, spec.revision, _DATA_PATTERNS, offline=offline)
    commit = path.name
    if not _COMMIT.fullmatch(commit):
        raise BadInput(f"model {spec}: the hub cache names no commit for it ({commit!r})")
    config = _check(path, str(spec))
    keys = _code_keys(path, str(spec))
    name = f"{spec.name}@{commit}"
    if keys and (name not in trusted or spec.revision != commit):
        raise Refused(
            f"model {spec}: {keys} asks to run code from the hub. If you have read and trust that "
            f"code: name the model {spec.backend}:{name} and add --trust-remote-code {name}"
        )
    if keys:
        path = _snapshot(spec, commit, (*_DATA_PATTERNS, "*.py"), offline=offline)
    return ModelFolder(
        path=path, label=spec.name, revision=commit, remote_code=bool(keys), config=config
    )


def _snapshot(
    spec: ModelSpec, revision: str | None, patterns: Iterable[str], *, offline: bool
) -> Path:
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise MissingPackage(f"model {spec}: needs huggingface_hub: {INSTALL_TEXT}") from None
    offline = offline or constants.HF_HUB_OFFLINE
    try:
        return Path(
            snapshot_download(
                spec.name,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=offline,
            )
        )
    except LocalEntryNotFoundError:
        why = "and this run is offline" if offline else "and the hub cannot be reached"
        raise BadInput(
            f"model {spec}: not in the hub cache, {why}. Fetch it once with network access: "
            f"hf download {spec.name}{f' --revision {revision}' if revision else ''}; a local "
            "folder is written ./name"
        ) from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no status")
        raise BadInput(
            f"model {spec}: the hub answered {status} ({type(error).__name__}). Check the name and "
            "revision; for a gated model accept its terms and log in with `hf auth login`"
        ) from None


def _check(path: Path, model: str) -> dict[str, Any]:
    """Check that a folder is a whole model of safe files; return its configuration."""
    config = read_json(path / "config.json", model)
    if config is None:
        raise BadInput(f"model {model}: has no config.json, so it is no transformers model folder")
    if (path / "adapter_config.json").exists():
        raise BadInput(f"model {model}: is an adapter (PEFT); merge it into its base model first")
    if not any(path.glob("*.safetensors")):
        pickled = sorted(f.name for f in path.iterdir() if f.suffix in _PICKLED)
        if pickled:
            raise Refused(
                f"model {model}: has only pickled weights ({pickled[0]}), which can run code when "
                "they are loaded; convert to safetensors"
            )
        raise BadInput(f"model {model}: has no safetensors weights")
    for index in sorted(path.glob("*.index.json")):
        _check_index(index, model)
    for key, value in _entries(config):
        if key.endswith("_weights") and isinstance(value, str):
            raise Refused(
                f"model {model}: {key!r} in config.json names a weight file of its own "
                f"({value!r}); only model.safetensors and its index are read. Remove that entry"
            )
    return config


def _check_index(index: Path, model: str) -> None:
    """Refuse an index that names anything but safetensors files of the same folder.

    transformers opens what an index names, whatever it is, pickles too.
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
        for key, value in _entries(read_json(path / name, model) or {}):
            # An attention implementation that is written org/name is fetched from the hub.
            is_fetched = key.endswith("_implementation") and "/" in str(value)
            if key in _CODE_KEYS or key.startswith("kernel") or is_fetched:
                return f"{key!r} in {name}"
    return ""


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
    files = (f for pattern in _DATA_PATTERNS for f in path.rglob(pattern) if f.is_file())
    return sorted(str(f.relative_to(path)) for f in files)


def file_sha256(path: Path) -> str:
    """sha256 of a file, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
