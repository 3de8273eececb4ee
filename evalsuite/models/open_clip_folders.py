"""From the name of an open_clip model to a folder that is safe to load.

The layout is that of open_clip's repositories on the hub: open_clip_config.json beside
open_clip_model.safetensors, and a tokenizer where it is not open_clip's own.
"""

from pathlib import Path
from typing import Any

from evalsuite.errors import BadInput, Refused
from evalsuite.models.hub_snapshot import commit_of, snapshot
from evalsuite.models.model_packages import INSTALL_IMAGE
from evalsuite.models.safe_loading import (
    PICKLED,
    ModelFolder,
    closed_folder,
    code_key,
    file_sha256,
    is_local,
    read_json,
)
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import digest

CONFIG = "open_clip_config.json"
# open_clip takes the first of these before any other file, so that no pickle is ever opened.
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_SIDE_FILES = ("*.json", "*.txt", "*.model")
# What open_clip passes on to the library of the tokenizer, where it might mean anything.
_TOKENIZER_OPTIONS = {"clean", "strip_sep_token", "language"}


def resolve_open_clip(spec: ModelSpec, *, offline: bool) -> ModelFolder:
    """Find a model's folder, fetching it from the hub if need be, and check that it is safe.

    Parameters
    ----------
    spec : ModelSpec
        ``./folder`` or ``org/name[@revision]``.
    offline : bool
        Take hub models from the local cache only.

    Raises
    ------
    BadInput
        If there is no such model, or it is not whole.
    Refused
        If its weights are pickled, or it asks for code or files from elsewhere.
    MissingPackage
        If a hub model is asked for without huggingface_hub.
    """
    if is_local(spec):
        path = closed_folder(spec.name, model=str(spec), holds=f"{CONFIG} and {_WEIGHTS[0]}")
        return open_clip_folder(path, label=path.name, model=str(spec))
    patterns = (*_SIDE_FILES, *_WEIGHTS)
    path = snapshot(spec, spec.revision, patterns, offline=offline, install=INSTALL_IMAGE)
    config = _checked_config(path, str(spec))
    _weights(path, str(spec))
    return ModelFolder(
        path=path,
        label=spec.name,
        revision=commit_of(path, spec),
        remote_code=False,
        config=config,
    )


def open_clip_folder(path: Path, *, label: str, model: str) -> ModelFolder:
    """Check a folder on this machine and take the sha256 of all that loading may read.

    Parameters
    ----------
    path : Path
    label : str
        What people call it.
    model : str
        For messages.

    Raises
    ------
    BadInput, Refused
        As `resolve_open_clip`.
    """
    config = _checked_config(path, model)
    weights = _weights(path, model)
    side = [file for pattern in _SIDE_FILES for file in path.glob(pattern) if file.is_file()]
    files = {file.name: file_sha256(file) for file in sorted([*side, weights])}
    return ModelFolder(
        path=path, label=label, revision="sha256:" + digest(files), remote_code=False, config=config
    )


def _weights(path: Path, model: str) -> Path:
    for name in _WEIGHTS:
        if (path / name).is_file():
            return path / name
    pickled = sorted(file.name for file in path.iterdir() if file.suffix in PICKLED)
    if pickled:
        raise Refused(
            f"model {model}: has only pickled weights ({pickled[0]}), which can run code when they "
            f"are loaded; convert to safetensors, under the name {_WEIGHTS[0]}"
        )
    raise BadInput(
        f"model {model}: has no {_WEIGHTS[0]}. A CLIP model in the layout of transformers is "
        "written transformers:NAME; pickled weights are not loaded"
    )


def _checked_config(path: Path, model: str) -> dict[str, Any]:
    """Read open_clip_config.json and refuse what open_clip would fetch or run for it."""
    config = read_json(path / CONFIG, model)
    if config is None:
        raise BadInput(f"model {model}: has no {CONFIG}, so it is no open_clip model folder")
    parts = config.get("model_cfg")
    text, vision = (
        (parts.get(name) if isinstance(parts, dict) else None)
        for name in ("text_cfg", "vision_cfg")
    )
    if not isinstance(text, dict) or not isinstance(vision, dict):
        raise BadInput(f"model {model}: {CONFIG} has no model_cfg with text_cfg and vision_cfg")
    for name in (CONFIG, "tokenizer_config.json"):
        if key := code_key(read_json(path / name, model) or {}):
            raise Refused(f"model {model}: {key!r} in {name} asks to run foreign code")
    if "multimodal_cfg" in (parts or {}):
        raise BadInput(f"model {model}: is a CoCa model, which is not offered; choose a CLIP one")
    _refuse_fetching(text, vision, model)
    options = text.get("tokenizer_kwargs") or {}
    if unknown := sorted(set(options) - _TOKENIZER_OPTIONS):
        raise Refused(
            f"model {model}: tokenizer_kwargs in {CONFIG} has {unknown[0]!r}; only "
            f"{', '.join(sorted(_TOKENIZER_OPTIONS))} are passed on"
        )
    return config


def _refuse_fetching(text: dict[str, Any], vision: dict[str, Any], model: str) -> None:
    tower = str(vision.get("timm_model_name") or "")
    if text.get("hf_model_name") or ":" in tower or "/" in tower:
        what = text.get("hf_model_name") or tower
        raise Refused(
            f"model {model}: its {CONFIG} names a tower of another repository ({what}), which "
            "open_clip would fetch at no fixed commit; choose a model that has both towers itself"
        )
