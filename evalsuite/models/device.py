"""The device that a model is loaded onto, and what running out of its memory looks like."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evalsuite.errors import BadInput, OutOfMemory

_CPU_SIGNS = ("not enough memory", "can't allocate memory", "cannot allocate memory")


def choose_device(name: str) -> str:
    """Return ``cpu`` or ``cuda`` for ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``.

    Raises
    ------
    BadInput
        If CUDA is asked for and there is none, or for any other device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.partition(":")[0] not in {"cpu", "cuda"}:
        raise BadInput(f"device {name!r}: expected auto, cpu or cuda")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput(f"device {name!r}: torch sees no CUDA device here; use --device cpu")
    return name


@contextmanager
def memory_watched() -> Iterator[None]:
    """Turn every way of running out of memory into `evalsuite.errors.OutOfMemory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(str(error) or "out of memory") from error
    except RuntimeError as error:
        # torch's CPU allocator has no error type of its own.
        if any(sign in str(error).lower() for sign in _CPU_SIGNS):
            raise OutOfMemory(str(error)) from error
        raise
