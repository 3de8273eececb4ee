"""What a pipeline's call takes, and its defaults, read from the source of diffusers.

To import a pipeline takes torch and seconds, and the entrant must be known before a model is
loaded.
"""

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalsuite.errors import BadInput
from evalsuite.models.pipeline_folders import diffusers_folder

Scalar = int | float | str | bool | None
_NEEDED = ("prompt", "num_inference_steps", "generator", "output_type")
# What only pipelines take that make something else, or that start from an image.
_OTHER_WORK = {
    "num_frames": "makes videos",
    "frames": "makes videos",
    "video_length": "makes videos",
    "audio_length_in_s": "makes sound",
    "audio_end_in_s": "makes sound",
    "strength": "changes images",
    "mask_image": "changes images",
    "controlnet_conditioning_scale": "needs a control image",
    "adapter_conditioning_scale": "needs a control image",
}


@dataclass(frozen=True)
class CallSignature:
    """The parameters of a text-to-image pipeline's call.

    Parameters
    ----------
    kind : str
        The pipeline's class.
    defaults : dict
        Each parameter's default; None also where it is no plain value.
    """

    kind: str
    defaults: dict[str, Scalar]

    def takes(self, name: str) -> bool:
        """Whether the call has a parameter of that name."""
        return name in self.defaults

    def number(self, name: str) -> int | float | None:
        """The default of a parameter, if that is a number."""
        value = self.defaults.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def read_signature(kind: str, model: str) -> CallSignature:
    """Read what the installed diffusers' pipeline of a class takes.

    Parameters
    ----------
    kind : str
        Name of the class.
    model : str
        The model's name for the messages.

    Raises
    ------
    BadInput
        If the installed diffusers has no such pipeline, or it is not one from text to images.
    MissingPackage
        If diffusers is not installed.
    """
    found = _call_of(kind, diffusers_folder(model) / "pipelines")
    if found is None:
        raise BadInput(
            f"model {model}: the installed diffusers has no pipeline {kind!r}; a newer one may: "
            "pip install --upgrade diffusers"
        )
    other = next((what for name, what in _OTHER_WORK.items() if name in found), None)
    required = [n for n, v in found.items() if v == "required" and n != "prompt"]
    lacks = [name for name in _NEEDED if name not in found]
    if other or required or lacks:
        why = other or (f"needs {required[0]!r}" if required else f"takes no {lacks[0]!r}")
        raise BadInput(f"model {model}: {kind} is no pipeline from text to images: it {why}")
    plain = {name: None if value == "required" else value[0] for name, value in found.items()}
    return CallSignature(kind, plain)


@functools.cache
def _call_of(kind: str, root: Path) -> dict[str, Literal["required"] | tuple[Scalar]] | None:
    """Parameters of ``__call__`` with their defaults, each a tuple of one, or ``required``."""
    # A word, so that it can stand in a pattern and be the name of a class.
    pattern = re.compile(rf"^class {re.escape(kind)}\b", re.MULTILINE)
    for file in sorted(root.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if pattern.search(text):
            break
    else:
        return None
    tree = ast.parse(text)
    owner = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == kind)
    for node in owner.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__call__":
            return _parameters(node.args)
    for parent in owner.bases:
        if isinstance(parent, ast.Name) and (found := _call_of(parent.id, root)) is not None:
            return found
    return None


def _parameters(node: ast.arguments) -> dict[str, Literal["required"] | tuple[Scalar]]:
    names = [argument.arg for argument in (*node.posonlyargs, *node.args)][1:]
    n_required = len(names) - len(node.defaults)
    found: dict[str, Literal["required"] | tuple[Scalar]] = {}
    for name in names[: max(0, n_required)]:
        found[name] = "required"
    for name, value in zip(names[-len(node.defaults) :], node.defaults, strict=False):
        found[name] = (_plain(value),)
    for argument, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
        found[argument.arg] = "required" if default is None else (_plain(default),)
    return found


def _plain(node: ast.expr) -> Scalar:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return value if isinstance(value, int | float | str | bool) else None
