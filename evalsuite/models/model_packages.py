"""The packages that a backend needs: whether they are there, and safe, without importing them."""

from importlib.util import find_spec

from evalsuite.errors import MissingPackage, Refused
from evalsuite.provenance import needs

INSTALL_IMAGE = "pip install 'evalsuite[image]'"
_MODULES = {"open-clip-torch": "open_clip", "pillow": "PIL"}


def absent_packages(*packages: str) -> list[str]:
    """Which packages, by their names on the index, are not installed."""
    return [name for name in packages if find_spec(_MODULES.get(name, name)) is None]


def require_packages(model: str, *packages: str, install: str) -> None:
    """Check that packages are installed and not older than the suite's floor.

    Parameters
    ----------
    model : str
        For messages.
    packages : str
        Names on the package index.
    install : str
        The command that installs them.

    Raises
    ------
    MissingPackage
        Naming the absent ones and the command.
    Refused
        If one is older than the suite's floor: below it, loading a model can run code.
    """
    if absent := absent_packages(*packages):
        raise MissingPackage(f"model {model}: needs {', '.join(absent)}: {install}")
    for need in needs():
        if need.package in packages and not need.ok:
            raise Refused(
                f"model {model}: {need.package} {need.found or 'of unknown version'} is refused, "
                f"loading a model is only safe with {need.package}{need.wanted}: "
                f"pip install '{need.package}{need.wanted}'"
            )
