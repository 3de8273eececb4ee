"""Tasks: a card that says what is measured, and modes that ask and score."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalsuite.errors import BadInput, UnknownName
from evalsuite.measures import Measure, MeasureCard
from evalsuite.models.capabilities import CAPABILITIES
from evalsuite.models.spec import first_problem, unknown
from evalsuite.prompts import SAFE_ID, ParseSet, Unit, parse_prompts
from evalsuite.published_sets import PublishedSet, read_published, split_set_name
from evalsuite.registry import Registry
from evalsuite.requests import Decoding
from evalsuite.tables import Tables

if TYPE_CHECKING:
    from evalsuite.asking import Run
    from evalsuite.built_sets import BuiltSet

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Card(BaseModel):
    """Base of the cards: immutable, and a mistyped field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class DataFile(Card):
    """A file of the task's folder, pinned by its sha256."""

    file: str
    sha256: Sha256
    licence: str
    summary: str = ""


class JudgeRole(Card):
    """A model that the task asks about the answers.

    Parameters
    ----------
    capability : type
        Protocol of `evalsuite.models.capabilities`.
    default : str or None
        Model taken where the user names none; None where none can be had offline.
    """

    capability: type
    default: str | None
    summary: str = ""


class TaskOptions(BaseModel):
    """Base of a task's options; every task has a number of samples a prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(16, ge=1, le=10_000, description="answers drawn for each prompt")


class TaskCard(Card):
    """What a task is, for people and for the fingerprint.

    Parameters
    ----------
    version : int
        Raised by any change that can move a number.
    headline : str
        The measure that ranks entrants.
    sets : dict of str to DataFile or PublishedSet
        Prompt sets by name; the first is the default, and a file of the task.
    data : tuple of DataFile
        Other files the task reads.
    beside_headline : tuple of str
        Measures that stand beside the headline where entrants are put side by side: what tells
        whether its gain was paid for (quality, length).
    max_missing : float
        Largest share of missing answers with which a row is still complete.
    """

    name: Annotated[str, Field(pattern=SAFE_ID)]
    version: int = Field(ge=1)
    title: str
    summary: str
    paper: str
    licence: str
    headline: str
    measures: tuple[MeasureCard, ...]
    judges: dict[str, JudgeRole] = {}
    sets: dict[Annotated[str, Field(pattern=SAFE_ID)], DataFile | PublishedSet]
    data: tuple[DataFile, ...] = ()
    decoding: Decoding = Decoding()
    beside_headline: tuple[str, ...] = ()
    max_missing: float = Field(0.1, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [measure.name for measure in self.measures]
        if len(set(names)) != len(names):
            raise ValueError("two measures of one name")
        if self.headline not in names:
            raise ValueError(f"headline {self.headline!r} is none of the measures")
        if lacking := set(self.beside_headline) - set(names):
            raise ValueError(f"beside_headline {min(lacking)!r} is none of the measures")
        if not self.sets:
            raise ValueError("a task needs a prompt set")
        if not isinstance(next(iter(self.sets.values())), DataFile):
            raise ValueError("the first prompt set must be a file of the task: it is the default")
        strange = [r.capability for r in self.judges.values() if r.capability not in CAPABILITIES]
        if strange:
            raise ValueError(f"{strange[0]} is no capability")
        return self

    def measure(self, name: str) -> MeasureCard:
        """Return the card of a measure."""
        for card in self.measures:
            if card.name == name:
                return card
        raise UnknownName(unknown("measure", name, [m.name for m in self.measures], of=self.name))


@dataclass(frozen=True)
class View:
    """A small table for people that a task makes of the responses of one run.

    Parameters
    ----------
    note : str
        What a reader has to know of it.
    columns : tuple of str
    rows : tuple of tuples of str, int, float or None
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]


@dataclass(frozen=True)
class Mode:
    """One way to put a task: what is asked of the model, and the two functions that do it.

    Parameters
    ----------
    asks : type
        Capability that the model needs.
    collect : callable
        ``(run, options) -> Tables``: the experiment.
    score : callable
        ``(tables, options) -> list of Measure``: the maths, pure.
    options : type
        The task's options, a subclass of `TaskOptions`.
    default_model : str
        What ``evalsuite run TASK`` takes where no model is named.
    views : dict of str to callable
        ``(tables, options) -> View``: what ``evalsuite show RECORD --view NAME`` prints.
    """

    asks: type
    collect: "Callable[[Run, Any], Tables]"
    score: Callable[[Tables, Any], list[Measure]]
    options: type[TaskOptions]
    default_model: str
    views: dict[str, Callable[[Tables, Any], View]] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A card, its modes and the package whose folder holds its data.

    Parameters
    ----------
    parse_set : callable
        Reads the task's own sets, and a user's file of the same format, into units.
    build : callable or None
        Has a text model write lines of such a set for named items; None where the task cannot.
    """

    card: TaskCard
    modes: dict[str, Mode]
    package: str
    parse_set: ParseSet = parse_prompts
    build: "Callable[[Run, Sequence[str]], BuiltSet] | None" = None

    def read(self, data: DataFile) -> str:
        """Read a data file of the task.

        Raises
        ------
        BadInput
            If it cannot be read or is not the file that the card pins.
        """
        try:
            raw = files(self.package).joinpath(data.file).read_bytes()
        except OSError as error:
            raise BadInput(
                f"task {self.card.name}: {data.file} cannot be read ({error.strerror}); "
                "reinstall the package"
            ) from None
        found = hashlib.sha256(raw).hexdigest()
        if found != data.sha256:
            raise BadInput(
                f"task {self.card.name}: {data.file} has sha256 {found[:12]}..., its card says "
                f"{data.sha256[:12]}...; reinstall the package, or bump card and version together"
            )
        return raw.decode("utf-8")

    def prompt_set(self, name: str, *, offline: bool = True, at_least: int = 0) -> tuple[Unit, ...]:
        """The units of one of the task's own prompt sets.

        Parameters
        ----------
        name : str
            Of a published set also ``NAME:PATH``, a local copy, or ``NAME@COMMIT`` of the hub.
        offline : bool
            Whether the hub must not be asked.
        at_least : int
            As many units are kept of a published set that has very many.

        Raises
        ------
        UnknownName
            If the task has no such set.
        BadInput
            If a published set cannot be had from there, or is not of its format.
        """
        own, source = split_set_name(name)
        data = self.card.sets.get(own)
        if isinstance(data, PublishedSet):
            return read_published(data, own, source, offline=offline, at_least=at_least)
        if data is None or source:
            known = list(self.card.sets)
            raise UnknownName(
                unknown("prompt set", name, known, of=self.card.name)
                + " (or name a JSON Lines file that exists)"
            )
        return self.parse_set(self.read(data), source=data.file)

    def choose_mode(self, name: str | None, capabilities: frozenset[type], model: str) -> str:
        """Pick the mode by name, or by what the model can do.

        Raises
        ------
        UnknownName
            If there is no mode of that name.
        BadInput
            If the model cannot do what the mode asks, or could take part in several.
        """
        if name is not None and name not in self.modes:
            raise UnknownName(unknown("mode", name, list(self.modes), of=self.card.name))
        able = [n for n, mode in self.modes.items() if mode.asks in capabilities]
        if name in able:
            return name
        if name is None and len(able) == 1:
            return able[0]
        has = ", ".join(sorted(CAPABILITIES[c].name for c in capabilities)) or "nothing"
        if not able or name is not None:
            wanted = [self.modes[name]] if name else list(self.modes.values())
            needs = " or ".join(sorted({CAPABILITIES[m.asks].name for m in wanted}))
            raise BadInput(f"task {self.card.name} needs a model that {needs}; {model}: {has}")
        raise BadInput(f"{model} fits the modes {', '.join(able)}: choose one with --mode")

    def read_options(self, mode: str, values: dict[str, object]) -> TaskOptions:
        """Check the user's options against the mode's option type.

        Raises
        ------
        UnknownName
            If there is no such option.
        BadInput
            If a value does not fit.
        """
        kind = self.modes[mode].options
        for name in values:
            if name not in kind.model_fields:
                known = list(kind.model_fields)
                raise UnknownName(unknown("option", name, known, of=self.card.name))
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise BadInput(f"task {self.card.name}: option {first_problem(error)}") from None


def _fault(value: object, name: str) -> str | None:
    """Say why an object cannot be the task of a name: a dataclass checks none of its fields."""
    if not isinstance(value, Task):
        return f"is no Task: it is a {type(value).__name__}"
    if not isinstance(value.card, TaskCard):
        return f"has no TaskCard as its card: that is a {type(value.card).__name__}"
    if value.card.name != name:
        # Its rows would stand under another task's name.
        return f"has a card of another name: {value.card.name!r}. Give both the same name"
    if not isinstance(value.package, str):
        return f"has no name of a package: package is a {type(value.package).__name__}"
    if not callable(value.parse_set):
        return f"has a parse_set that cannot be called: it is a {type(value.parse_set).__name__}"
    if value.build is not None and not callable(value.build):
        return f"has a build that cannot be called: it is a {type(value.build).__name__}"
    if not isinstance(value.modes, dict) or not value.modes:
        return f"has no modes: they must be a dict of Mode, not {value.modes!r}"
    for mode_name, mode in value.modes.items():
        if not isinstance(mode, Mode) or mode.asks not in CAPABILITIES:
            return f"has a mode {mode_name!r} that is no Mode which asks for a capability"
        if not isinstance(mode.options, type) or not issubclass(mode.options, TaskOptions):
            return f"has a mode {mode_name!r} whose options are no subclass of TaskOptions"
    return None


TASKS: Registry[Task] = Registry("task", group="evalsuite.tasks", check=_fault)
