"""Versions of what a run's numbers came out of."""

import platform
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
