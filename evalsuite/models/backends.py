"""From a model's name to a handle on it, through the registry of backends."""

from pathlib import Path
from typing import Protocol

from evalsuite.models.capabilities import ModelHandle
from evalsuite.models.listing import ModelListing
from evalsuite.models.spec import ModelSpec
from evalsuite.registry import Registry
from evalsuite.settings import Settings


class Backend(Protocol):
    """A way to run models; registered under the entry-point group ``evalsuite.models``."""

    def open(
        self,
        spec: ModelSpec,
        *,
        offline: bool,
        home: Path,
        trusted: frozenset[str] = frozenset(),
    ) -> ModelHandle:
        """Find out what a model is and can do, without loading it."""
        ...

    def describe(self) -> list[ModelListing]:
        """The models of this backend, for ``evalsuite models``."""
        ...


def _fault(value: object, name: str) -> str | None:
    if isinstance(value, type):
        return f"is a class: register an instance, such as `backend = {value.__name__}()`"
    wrong = [a for a in ("open", "describe") if not callable(getattr(value, a))]
    return f"has no method {wrong[0]}" if wrong else None


BACKENDS: Registry[Backend] = Registry(
    "backend", group="evalsuite.models", attributes=("open", "describe"), check=_fault
)


def open_model(name: str, settings: Settings, trusted: tuple[str, ...] = ()) -> ModelHandle:
    """Open a model by name.

    Raises
    ------
    UnknownName
        If there is no such backend or model.
    """
    spec = ModelSpec.parse(name)
    return BACKENDS[spec.backend].open(
        spec, offline=settings.offline, home=settings.home, trusted=frozenset(trusted)
    )
