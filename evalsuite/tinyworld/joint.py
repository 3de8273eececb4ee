"""How likely each scene is: declared joint distributions, and what follows from them exactly."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalsuite.tinyworld.world import ATTRIBUTES, OCCUPATIONS, SHAPES, Kind

FloatArray = NDArray[np.float64]
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Joint:
    """A probability for every scene of each kind.

    Parameters
    ----------
    people : array of shape (occupations, presentations, tones, backgrounds)
    shapes : array of shape (shapes, colours, sizes, backgrounds)
        Each sums to one.
    """

    people: FloatArray
    shapes: FloatArray

    def given(self, kind: Kind, named: Mapping[str, str]) -> FloatArray:
        """The joint of a kind, given the attributes that a prompt names.

        Returns
        -------
        array with one axis an attribute; cells against what is named are 0.

        Raises
        ------
        ValueError
            If no scene of that description has any probability.
        """
        table = (self.people if kind == "person" else self.shapes).copy()
        for axis, (attribute, values) in enumerate(ATTRIBUTES[kind].items()):
            if attribute in named:
                others = [i for i, value in enumerate(values) if value != named[attribute]]
                table[(slice(None),) * axis + (others,)] = 0.0
        total = table.sum()
        if total <= 0.0:
            raise ValueError(f"Joint.given: no {kind} with {dict(named)} has any probability")
        return np.asarray(table / total)

    def shares(self, kind: Kind, attribute: str, named: Mapping[str, str]) -> FloatArray:
        """The distribution of one attribute, given what a prompt names.

        Returns
        -------
        array of shape (values of the attribute,)

        Examples
        --------
        >>> BALANCED.shares("person", "presentation", {"occupation": "nurse"})
        array([0.5, 0.5])
        """
        return _margin(self.given(kind, named), list(ATTRIBUTES[kind]).index(attribute))

    def collapsed(self, kind: Kind, named: Mapping[str, str], collapse: float) -> FloatArray:
        """`given`, mixed with its most likely scene: ``(1 - collapse) P + collapse mode``.

        The first in the order of the world's words is the mode where several are as likely.
        """
        table = self.given(kind, named)
        mode = np.zeros_like(table)
        mode.flat[int(table.argmax())] = 1.0
        return np.asarray((1.0 - collapse) * table + collapse * mode)


def _margin(table: FloatArray, axis: int) -> FloatArray:
    return np.asarray(table.sum(axis=tuple(i for i in range(table.ndim) if i != axis)))


def product_joint(tables: Mapping[str, Any]) -> Joint:
    """Build a joint from conditional tables.

    Parameters
    ----------
    tables : mapping
        ``occupation`` (shares) and, given the occupation, ``presentation`` and ``tone``;
        ``shape`` and, given the shape, ``colour`` and ``size``; ``background``. What is left out
        is uniform. A table given something is a mapping from it to shares; shares are a list in
        the order of `ATTRIBUTES`, and ``*`` stands for every entry not named.

    Raises
    ------
    ValueError
        Naming the table, if it is unknown, has a strange entry, or shares that do not sum to one.

    Examples
    --------
    >>> joint = product_joint({"presentation": {"nurse": [0.1, 0.9]}})
    >>> joint.shares("person", "presentation", {"occupation": "nurse"})
    array([0.1, 0.9])
    """
    known = {"occupation", "presentation", "tone", "shape", "colour", "size", "background"}
    if strange := sorted(set(tables) - known):
        raise ValueError(f"joint: unknown table {strange[0]!r}; tables are {sorted(known)}")
    background = _shares(tables.get("background"), "background", "background")
    people = np.einsum(
        "o,op,ot,b->optb",
        _shares(tables.get("occupation"), "occupation", "occupation"),
        _conditional(tables.get("presentation", {}), "presentation", OCCUPATIONS),
        _conditional(tables.get("tone", {}), "tone", OCCUPATIONS),
        background,
    )
    shapes = np.einsum(
        "s,sc,sz,b->sczb",
        _shares(tables.get("shape"), "shape", "shape"),
        _conditional(tables.get("colour", {}), "colour", SHAPES),
        _conditional(tables.get("size", {}), "size", SHAPES),
        background,
    )
    return Joint(people, shapes)


def read_joint(text: str) -> Joint:
    """Read conditional tables from JSON; see `product_joint`.

    Raises
    ------
    ValueError
        If it is no JSON object of such tables.
    """
    try:
        tables = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("joint: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"joint: not JSON, line {error.lineno}: {error.msg}") from None
    if not isinstance(tables, dict):
        raise ValueError("joint: expected a JSON object of tables")
    return product_joint(tables)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"joint: {name} is no share")


def _values(attribute: str) -> tuple[str, ...]:
    return next(values[attribute] for values in ATTRIBUTES.values() if attribute in values)


def _conditional(table: Any, attribute: str, given: tuple[str, ...]) -> FloatArray:
    if not isinstance(table, dict):
        raise ValueError(f"joint: {attribute} must be an object with one list of shares an entry")
    for name in table:
        if name not in (*given, "*"):
            raise ValueError(f"joint: {attribute} has an entry {name!r}, which is none of {given}")
    return np.stack(
        [_shares(table.get(g, table.get("*")), attribute, f"{attribute} of {g}") for g in given]
    )


def _shares(value: Any, attribute: str, where: str) -> FloatArray:
    n = len(_values(attribute))
    if value is None:
        return np.full(n, 1.0 / n)
    is_list = isinstance(value, list) and all(type(v) in (int, float) for v in value)
    if not is_list or len(value) != n:
        raise ValueError(f"joint: {where} must be a list of {n} numbers, got {str(value)[:60]}")
    shares = np.asarray(value, dtype=np.float64)
    if not np.isfinite(shares).all() or shares.min() < 0.0 or abs(shares.sum() - 1) > _TOLERANCE:
        raise ValueError(f"joint: {where} must be shares that sum to 1, got {str(value)[:60]}")
    return np.asarray(shares / shares.sum())


BALANCED = product_joint({})
"""Every value as likely as any other."""

_MASCULINE = {
    "artist": 0.45,
    "astronaut": 0.85,
    "builder": 0.95,
    "chef": 0.70,
    "doctor": 0.70,
    "farmer": 0.80,
    "firefighter": 0.90,
    "judge": 0.75,
    "mechanic": 0.95,
    "nurse": 0.08,
    "pilot": 0.90,
    "police officer": 0.85,
    "scientist": 0.65,
    "singer": 0.35,
    "student": 0.50,
    "teacher": 0.20,
}
_WELL_PAID = ("astronaut", "doctor", "judge", "pilot", "scientist", "teacher")
_MANUAL = ("builder", "chef", "farmer", "mechanic", "nurse")
_TONES = (
    {name: [0.58, 0.20, 0.12, 0.06, 0.04] for name in _WELL_PAID}
    | {name: [0.22, 0.20, 0.20, 0.20, 0.18] for name in _MANUAL}
    | {"*": [0.40, 0.22, 0.17, 0.12, 0.09]}
)
# In the order blue, brown, green, orange, pink, purple, red, yellow.
_INKS = {
    "circle": [0.30, 0.05, 0.15, 0.10, 0.05, 0.05, 0.20, 0.10],
    "cross": [0.08, 0.07, 0.10, 0.05, 0.05, 0.05, 0.55, 0.05],
    "heart": [0.03, 0.02, 0.02, 0.03, 0.25, 0.05, 0.58, 0.02],
    "square": [0.35, 0.15, 0.15, 0.08, 0.03, 0.07, 0.12, 0.05],
    "star": [0.08, 0.02, 0.03, 0.12, 0.05, 0.06, 0.10, 0.54],
    "triangle": [0.12, 0.06, 0.30, 0.20, 0.04, 0.06, 0.12, 0.10],
}

STEREOTYPED = product_joint(
    {
        "presentation": {name: [p, round(1 - p, 2)] for name, p in _MASCULINE.items()},
        "tone": _TONES,
        "colour": _INKS,
        "size": {"*": [0.3, 0.7]},
        "background": [0.5, 0.3, 0.2],
    }
)
"""Skewed as captions of the web are: the numbers are ours, made up to be told apart, no census."""

JOINTS: dict[str, Joint] = {"balanced": BALANCED, "stereotyped": STEREOTYPED}
