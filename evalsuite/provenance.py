"""Versions of what a run's numbers came out of, and the versions that the suite asks for."""

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PACKAGES = (
    "evalsuite",
    "numpy",
    "scipy",
    "statsmodels",
    "pyarrow",
    "torch",
    "transformers",
    "diffusers",
    "open-clip-torch",
    "pillow",
)


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


@dataclass(frozen=True)
class Need:
    """A package that the suite uses, and whether the installed version will do.

    Parameters
    ----------
    package : str
        Name on the package index.
    wanted : str
        The versions that will do, such as ``>=2.10``.
    extra : str or None
        The optional part of the suite that uses it; None where nothing runs without it.
    found : str or None
        The installed version; None where there is none.
    ok : bool
        Whether a version is installed and will do.
    """

    package: str
    wanted: str
    extra: str | None
    found: str | None
    ok: bool


def needs() -> list[Need]:
    """What the suite's own metadata asks for, each package once, in the order given there."""
    from packaging.requirements import Requirement
    from packaging.version import InvalidVersion, Version

    found: dict[str, Need] = {}
    for line in requires("evalsuite") or []:
        requirement = Requirement(line)
        name = requirement.name
        if name in found or name == "evalsuite":
            continue
        try:
            # Broken metadata has no version, and one that cannot be read is none that will do.
            installed = version(name) or "unknown"
            ok = requirement.specifier.contains(Version(installed), prereleases=True)
        except PackageNotFoundError:
            installed, ok = None, False
        except InvalidVersion:
            ok = False
        found[name] = Need(name, str(requirement.specifier), _extra(requirement), installed, ok)
    return list(found.values())


def _extra(requirement: "Requirement") -> str | None:
    marker = str(requirement.marker or "")
    return marker.rpartition("extra == ")[2].strip("\"' ") or None
