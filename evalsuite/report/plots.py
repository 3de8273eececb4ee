"""Figures of records: estimates with their intervals, by slice and entrant."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite import atomic
from evalsuite.errors import BadInput, MissingPackage
from evalsuite.measures import ALL
from evalsuite.record import Record, entrant_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours, told apart with any colour vision; the shapes differ too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_SHAPES = ("o", "s", "^", "D", "v", "P")
MAX_ENTRANTS = len(_COLOURS)


def plot_slices(records: Sequence[Record], measure: str, path: Path) -> None:
    """Draw a measure over all units and by category, one mark an entrant, to a PNG or SVG file.

    Parameters
    ----------
    records : sequence of Record
        Of one fingerprint, at most `MAX_ENTRANTS`: others cannot be compared, or told apart.
    measure : str
    path : Path
        Ends with ``.png`` or ``.svg``.

    Raises
    ------
    BadInput
        If fingerprints differ, nothing can be drawn, the file's kind is another, or it cannot be
        written.
    """
    if path.suffix not in {".png", ".svg"}:
        raise BadInput(f"{path}: a figure is written as .png or .svg")
    if len({record.fingerprint for record in records}) != 1:
        raise BadInput("a figure takes records of one fingerprint; others do not compare")
    if len(records) > MAX_ENTRANTS:
        raise BadInput(f"a figure takes at most {MAX_ENTRANTS} entrants, not {len(records)}")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingPackage("figures need matplotlib: pip install 'evalsuite[plots]'") from None
    slices = _slices(records, measure)
    figure = Figure(figsize=(8, 1.2 + 0.34 * len(slices)), layout="constrained")
    axes = figure.add_subplot()
    for place, record in enumerate(records):
        _marks(axes, record, measure, slices, place, len(records))
    axes.set_yticks(range(len(slices)), [name.replace("_", " ") for name in slices])
    axes.invert_yaxis()
    axes.axhline(0.5, color="0.8", linewidth=0.8)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel(f"{measure} (bars: 95 % intervals)")
    figure.legend(loc="outside upper left", frameon=False, ncols=2)
    with atomic.told_to_the_user("write", path), atomic.replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=150)


def _slices(records: Sequence[Record], measure: str) -> list[str]:
    found = {e.slice for record in records for e in record.estimates if e.measure == measure}
    if ALL not in found:
        raise BadInput(f"no record has the measure {measure!r}")
    return [ALL, *sorted(found - {ALL})]


def _marks(
    axes: "Axes", record: Record, measure: str, slices: Sequence[str], place: int, n: int
) -> None:
    offset = 0.5 * ((place + 0.5) / n - 0.5)
    label: str | None = entrant_name(record.entrant)
    for row, name in enumerate(slices):
        found = record.estimate_of(measure, name)
        if found is None or found.estimate.estimate is None:
            continue
        value, low, high = found.estimate.estimate, found.estimate.ci_low, found.estimate.ci_high
        spread = None if low is None or high is None else [[value - low], [high - value]]
        axes.errorbar(
            value, row + offset, xerr=spread, color=_COLOURS[place], marker=_SHAPES[place],
            markersize=5, capsize=2, linewidth=1.4, label=label,
        )  # fmt: skip
        label = None  # One entry an entrant in the legend.
