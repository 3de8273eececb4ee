"""Model names as users write them: ``backend:name[@revision][?option=value&...]``."""

import difflib
from typing import Self, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from evalsuite.errors import BadInput, UnknownName
from evalsuite.requests import Frozen

Options = TypeVar("Options", bound=BaseModel)
_PATH_STARTS = ("./", "../", "/", "~")


class ModelSpec(Frozen):
    """A parsed model name; the options are still texts: only the backend knows their types."""

    backend: str
    name: str
    revision: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        r"""Split a model name.

        Raises
        ------
        BadInput
            If there is no ``backend:``, no name, nothing behind an ``@``, an option has no value,
            or the text is no Unicode (an argument of bytes that are not UTF-8).

        Examples
        --------
        >>> spec = ModelSpec.parse("transformers:org/name@main?temperature=0.3&stop=%0A")
        >>> spec.backend, spec.name, spec.revision
        ('transformers', 'org/name', 'main')
        >>> spec.options
        (('temperature', '0.3'), ('stop', '\n'))
        """
        backend, colon, rest = text.partition(":")
        if not colon or not backend or not rest.partition("?")[0]:
            raise BadInput(
                f"model {text!r}: expected backend:name, such as embedded:smollm2-135m. "
                "`evalsuite models` shows what there is."
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise BadInput(f"model {text!r}: not UTF-8; rename the file or folder")
        rest, _, query = rest.partition("?")
        name, at, revision = rest.rpartition("@")
        if not at or rest.startswith(_PATH_STARTS):
            name, revision = rest, ""
        elif not name or not revision:
            raise BadInput(f"model {text!r}: expected backend:name@revision, or no @ at all")
        try:
            options = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        except ValueError:
            raise BadInput(f"model {text!r}: options are written ?name=value&name=value") from None
        return cls(backend=backend, name=name, revision=revision or None, options=tuple(options))

    def __str__(self) -> str:
        return f"{self.backend}:{self.name}" + (f"@{self.revision}" if self.revision else "")

    def read_options(self, kind: type[Options]) -> Options:
        """Check the options against a backend's own option type.

        A field whose type is a tuple collects repeated options.

        Raises
        ------
        UnknownName
            If the backend has no such option; the message suggests the nearest.
        BadInput
            If a value does not fit, or an option is given twice.
        """
        values: dict[str, object] = {}
        for name, value in self.options:
            field = kind.model_fields.get(name)
            if field is None:
                raise UnknownName(unknown("option", name, list(kind.model_fields), of=str(self)))
            if "tuple" in str(field.annotation):
                values[name] = (*values.get(name, ()), value)  # type: ignore[misc]
            elif name in values:
                raise BadInput(f"model {self}: option {name!r} is given twice")
            else:
                values[name] = value
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            raise BadInput(f"model {self}: {first_problem(error)}") from None


def unknown(noun: str, name: str, known: list[str], *, of: str = "") -> str:
    """Say that a name is unknown, and what was probably meant.

    >>> unknown("task", "vendy", ["vendi", "grade"])
    "no task 'vendy'. Did you mean 'vendi'?"
    >>> unknown("task", "xyz", ["vendi", "grade"])
    "no task 'xyz'. There are: grade, vendi"
    """
    head = f"{of}: " if of else ""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "There are: " + ", ".join(sorted(known))
    return f"{head}no {noun} {name!r}. {hint}"


def first_problem(error: ValidationError) -> str:
    """The first problem of a pydantic error, in one line."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if not where:  # of several fields together: what was given is all of them
        return str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {problem['msg']} (got {problem['input']!r})"
