"""Versions of what a run's numbers came out of."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("evalsuite", "numpy", "scipy", "statsmodels", "pyarrow", "torch", "transformers")


def versions() -> dict[str, str]:
    """Python's version and those of the installed packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device_used() -> str:
    """What this process computed on: a GPU's name, ``cpu``, or ``none`` if no model was loaded."""
    torch = sys.modules.get("torch")
    if torch is None:
        return "none"
    return str(torch.cuda.get_device_name()) if torch.cuda.is_initialized() else "cpu"
