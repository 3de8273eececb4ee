"""One lazy registry for tasks and model backends; built-ins and plug-ins are entry points alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from evalsuite.errors import BadInput, UnknownName
from evalsuite.models.spec import unknown

T = TypeVar("T")


class BrokenPlugin(BadInput):
    """A registered name whose code cannot be loaded."""


@dataclass(frozen=True)
class Listed(Generic[T]):
    """A registered name and what it stands for, or why it could not be loaded."""

    name: str
    source: str
    value: T | None
    problem: str | None


class Registry(Generic[T]):
    """Names and where their objects are; nothing is imported before it is asked for.

    Parameters
    ----------
    noun : str
        What is registered, for messages.
    group : str
        Entry-point group that distributions register in.
    attributes : tuple of str
        What an object must have to be one of these.
    """

    def __init__(self, noun: str, *, group: str, attributes: tuple[str, ...]) -> None:
        self.noun = noun
        self.group = group
        self.attributes = attributes

    def _points(self) -> dict[str, EntryPoint]:
        points: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            other = points.get(point.name)
            # An editable install beside its own metadata lists the same entry twice.
            if other is not None and other.value != point.value:
                raise BadInput(
                    f"two packages register the {self.noun} {point.name!r}: {_source(other)} and "
                    f"{_source(point)}. Uninstall one of them."
                )
            points[point.name] = point
        return points

    def names(self) -> list[str]:
        """All registered names, sorted, loadable or not."""
        return sorted(self._points())

    def __getitem__(self, name: str) -> T:
        """Load the object of a name.

        Raises
        ------
        UnknownName
            If nobody registered it; the message suggests the nearest name.
        BrokenPlugin
            If its code cannot be loaded or is not what it claims to be.
        """
        points = self._points()
        if name not in points:
            raise UnknownName(unknown(self.noun, name, list(points)))
        return self._load(points[name])

    def _load(self, point: EntryPoint) -> T:
        try:
            value = point.load()
        # A plug-in may fail in any way while it is imported; the error is shown, not hidden.
        except (Exception, SystemExit) as error:
            raise BrokenPlugin(
                f"{self.noun} {point.name!r} from {_source(point)} cannot be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
        lacking = [a for a in self.attributes if not hasattr(value, a)]
        if lacking:
            raise BrokenPlugin(
                f"{self.noun} {point.name!r} from {_source(point)} has no {', '.join(lacking)}: "
                f"it is a {type(value).__name__}"
            )
        return cast(T, value)

    def listing(self) -> Iterator[Listed[T]]:
        """Every registered name, with its object or with the error that loading it gave."""
        for name, point in sorted(self._points().items()):
            try:
                yield Listed(name, _source(point), self._load(point), None)
            except BrokenPlugin as error:
                yield Listed(name, _source(point), None, str(error))


def _source(point: EntryPoint) -> str:
    distribution: Any = point.dist
    return f"{distribution.name if distribution else 'unknown package'} ({point.value})"
