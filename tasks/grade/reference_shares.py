"""Shares to compare with: of another run (``--view shares --json``), of a data set, of a world."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.errors import BadInput
from evalsuite.measures import MeanMeasure, Measure
from evalsuite.metrics import expected_total_variation, total_variation_distance
from evalsuite.requests import canonical_json
from evalsuite_tasks.grade.attributes import normalised
from evalsuite_tasks.grade.distributions import Distribution
from evalsuite_tasks.grade.diversity import group_row

COLUMNS = ("concept", "attribute", "value", "share")
"""What a file of shares must have; a column ``n``, the answers behind a group, may stand beside."""

MOST_BYTES = 50_000_000
"""Largest file of shares."""

SHOWN_SHARES = ("concept", "attribute", "value", "count", "share", "n")

Group = tuple[str, str]


@dataclass(frozen=True)
class Shares:
    """The shares of one group, and the answers that they come from; None: exact.

    Parameters
    ----------
    shares : dict of str to float
        By value; they sum to one.
    """

    shares: dict[str, float]
    n: int | None = None


def read_reference(text: str) -> str:
    """The content of a file of shares as one line, as it stands in the options of a run.

    Parameters
    ----------
    text : str
        A path, or what this function gave before; empty: no reference.

    Raises
    ------
    ValueError
        If the file cannot be read, or is no table of shares.
    """
    if not text or text.startswith("["):
        parse_shares(text)
        return text
    path = Path(text)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path}: over {MOST_BYTES:,} bytes, which no table of shares has")
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    line = canonical_json([list(row) for row in _table(content, path.name)])
    parse_shares(line)
    return line


def parse_shares(text: str) -> dict[Group, Shares]:
    """The shares by concept and attribute.

    Raises
    ------
    ValueError
        If a share is none, a value stands twice in a group, or a group does not sum to one.

    Examples
    --------
    >>> parse_shares('[["car","colour","red",1.0,null]]')[("car", "colour")].shares
    {'red': 1.0}
    """
    groups: dict[Group, dict[str, float]] = defaultdict(dict)
    sizes: dict[Group, int | None] = {}
    for concept, attribute, value, share, n in json.loads(text or "[]"):
        group = (str(concept), str(attribute))
        name = normalised(str(value))
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ValueError(f"share {share!r} of {name!r} in {group} is none from 0 to 1")
        if name in groups[group]:
            raise ValueError(f"{name!r} stands twice in {group}")
        groups[group][name] = float(share)
        sizes[group] = n if isinstance(n, int) and n > 0 else None
    for group, shares in groups.items():
        if abs(sum(shares.values()) - 1) > 1e-3:
            raise ValueError(f"the shares of {group} sum to {sum(shares.values()):.4g}, not to 1")
    return {group: Shares(shares, sizes[group]) for group, shares in groups.items()}


def _table(content: str, source: str) -> Iterator[tuple[str, str, str, float, int | None]]:
    """Rows of a CSV, or of a view that ``--json`` printed, but for groups without an answer."""
    for row in _records(content, source):
        lacking = [name for name in COLUMNS if name not in row]
        if lacking:
            raise ValueError(f"{source}: no column {lacking[0]!r}; it needs {', '.join(COLUMNS)}")
        if row["share"] in (None, ""):
            continue
        try:
            share = float(row["share"])
            n = None if row.get("n") in (None, "") else int(row["n"])
            if not 0 <= share <= 1:
                raise ValueError
        except (TypeError, ValueError):
            raise ValueError(f"{source}: share {row['share']!r} is no number from 0 to 1") from None
        yield str(row["concept"]), str(row["attribute"]), str(row["value"]), share, n


def _records(content: str, source: str) -> Iterable[dict[str, Any]]:
    if not content.lstrip().startswith("{"):
        return csv.DictReader(io.StringIO(content, newline=""))
    try:
        view = json.loads(content)
        return [dict(zip(view["columns"], row, strict=True)) for row in view["rows"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{source}: neither CSV nor a view that --json printed") from None


def distance_measures(multi: Sequence[Distribution], reference: str) -> list[Measure]:
    """Total variation distance of each group from its reference, and less what chance shows.

    Raises
    ------
    BadInput
        If the reference has none of the groups.
    """
    if not reference:
        return []
    shares = parse_shares(reference)
    found = [(own, *distance(own, shares)) for own in multi]
    if all(observed is None for _, observed, _ in found) and not any(
        (own.owner, own.attribute.id) in shares for own in multi
    ):
        raise BadInput(
            "grade: the reference has shares of none of the concepts and attributes of this set; "
            "give one that was made from the same set"
        )
    excess = [
        (own, None if observed is None or chance is None else observed - chance)
        for own, observed, chance in found
    ]
    return [
        MeanMeasure("tvd_to_reference", tuple(group_row(own, value) for own, value, _ in found)),
        MeanMeasure("tvd_beyond_chance", tuple(group_row(own, value) for own, value in excess)),
    ]


def distance(
    own: Distribution, reference: dict[Group, Shares]
) -> tuple[float | None, float | None]:
    """Distance from the reference, and its mean where both are drawn from the same shares.

    Values of the reference that are none of the group's count as one more category. Where the
    reference is a sample too, its chance is added in quadrature. [derived]
    """
    other = reference.get((own.owner, own.attribute.id))
    if other is None or not own.n_valid:
        return None, None
    names = [*own.counts, *(name for name in other.shares if name not in own.counts)]
    counts = [own.counts.get(name, 0) for name in names]
    expected = [other.shares.get(name, 0.0) for name in names]
    observed = total_variation_distance(counts, expected)
    chance = expected_total_variation(expected, n=own.n_valid)
    if other.n is not None:
        pooled = [c + other.n * e for c, e in zip(counts, expected, strict=True)]
        sides = (expected_total_variation(pooled, n=n) for n in (own.n_valid, other.n))
        chance = float(sum(side**2 for side in sides) ** 0.5)
    return observed, chance
