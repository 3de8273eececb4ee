"""One lazy registry for tasks and model backends; built-ins and plug-ins are entry points alike."""

import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from pydantic import ValidationError

from evalsuite.errors import BadInput, UnknownName
from evalsuite.models.spec import unknown

T = TypeVar("T")


class BrokenPlugin(BadInput):
    """A registered name whose code cannot be loaded, or that two packages claim."""


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
    check : callable or None
        ``(object, registered name) -> what is wrong with it, or None``; called where the
        attributes are there.
    """

    def __init__(
        self,
        noun: str,
        *,
        group: str,
        attributes: tuple[str, ...] = (),
        check: Callable[[Any, str], str | None] | None = None,
    ) -> None:
        self.noun = noun
        self.group = group
        self.attributes = attributes
        self.check = check

    def _points(self) -> dict[str, list[EntryPoint]]:
        """The entry points of each name; more than one where packages claim the same."""
        points: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            same = points.setdefault(point.name, [])
            # An editable install beside its own metadata lists the same entry twice.
            if all(other.value != point.value for other in same):
                same.append(point)
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
            If its code cannot be loaded or is not what it claims to be, or if two packages
            registered it.
        """
        points = self._points()
        if name not in points:
            raise UnknownName(unknown(self.noun, name, list(points)))
        return self._load(points[name])

    def _load(self, points: list[EntryPoint]) -> T:
        point = points[0]
        if len(points) > 1:
            raise BrokenPlugin(
                f"{len(points)} packages register the {self.noun} {point.name!r}: "
                f"{_sources(points)}. Uninstall all but one"
            )
        whose = f"{self.noun} {point.name!r} from {_source(point)}"
        try:
            # What a plug-in prints must not get between the lines of --json.
            with redirect_stdout(sys.stderr):
                value = point.load()
                problem = self._problem(value, point.name)
        # A plug-in may fail in any way while it is imported; the error is shown, not hidden.
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            raise BrokenPlugin(f"{whose} cannot be loaded: {in_one_line(error)}") from error
        if problem:
            raise BrokenPlugin(f"{whose} {problem}")
        return cast(T, value)

    def _problem(self, value: object, name: str) -> str | None:
        lacking = [a for a in self.attributes if not hasattr(value, a)]
        if lacking:
            return f"has no {', '.join(lacking)}: it is a {type(value).__name__}"
        return self.check(value, name) if self.check else None

    def listing(self) -> Iterator[Listed[T]]:
        """Every registered name, with its object or with the error that loading it gave."""
        for name, points in sorted(self._points().items()):
            try:
                yield Listed(name, _sources(points), self._load(points), None)
            except BrokenPlugin as error:
                yield Listed(name, _sources(points), None, str(error))


def in_one_line(error: BaseException) -> str:
    r"""Kind and first line of an error; of a pydantic one the field and what is wrong with it.

    >>> in_one_line(RuntimeError("no licence\nsee the manual")), in_one_line(SystemExit())
    ('RuntimeError: no licence', 'SystemExit')
    """
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, (error.title, *first["loc"])))
        text = f"{where}: {first['msg']}"
    else:
        text = str(error)
    lines = text.strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])


def _sources(points: list[EntryPoint]) -> str:
    return " and ".join(sorted(_source(point) for point in points))


def _source(point: EntryPoint) -> str:
    distribution: Any = point.dist
    return f"{distribution.name if distribution else 'unknown package'} ({point.value})"
