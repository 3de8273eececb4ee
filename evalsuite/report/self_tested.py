"""What the self-test prints: a summary for people, every cell as Markdown for the documentation."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from evalsuite.report.terminal import add_row, console, say, table
from evalsuite.selftest import CellResult, PeerResult, RateResult, SelfTest
from evalsuite.selftest.cells import LEAST_COVERAGE

HEADINGS = ("truth", "size", "promised", "coverage", "bias", "width", "warns")
_Part = TypeVar("_Part", CellResult, RateResult)
PEER_HEADINGS = ("coverage", "bias", "width")


def print_selftest(found: SelfTest, *, every_cell: bool) -> None:
    """Print what holds and what does not.

    Parameters
    ----------
    found : SelfTest
    every_cell : bool
        Print each cell too, and not only a line for each estimator.
    """
    say(f"self-test, {found.runs:,} runs a cell, seed {found.seed}", is_heading=True)
    if found.cells:
        _print_estimators(found.cells)
        if every_cell:
            _print_cells(found.cells)
    if found.rates:
        _print_tests(found.rates)
        if every_cell:
            _print_rates(found.rates)
    say("")
    for line in verdict(found):
        say(line, soft_wrap=True)


def verdict(found: SelfTest) -> list[str]:
    """What the self-test comes to, in a few lines."""
    inside = [cell for cell in found.cells if cell.in_scope]
    lines = []
    if found.average_coverage is not None:
        lines.append(
            f"{len(inside)} cells in scope cover {found.average_coverage:.4f} on average, "
            f"nominal .95; the least is {min(c.coverage or 0.0 for c in inside):.3f}"
        )
    lines += [f"does not hold: {name}" for name in found.failures]
    if not found.average_holds:
        lines.append("does not hold: an average coverage of .94")
    lines += [
        f"short without a warning, out of scope ({cell.outside}): {cell.name}, "
        f"covers {cell.coverage:.3f}, warns in {cell.warned:.0%} of the runs"
        for cell in found.silent
    ]
    below = [
        f"{cell.name} ({cell.coverage:.3f})"
        for cell in inside
        if cell.holds and cell.coverage is not None and cell.coverage < LEAST_COVERAGE
    ]
    if below:
        lines.append(f"below .90, but within three standard errors of it: {'; '.join(below)}")
    if not found.failures and found.average_holds:
        lines.append("all that is promised holds, but for Monte Carlo error")
    return lines


def markdown(found: SelfTest) -> str:
    """All cells and rates as Markdown tables."""
    lines = [f"{found.runs:,} runs a cell, seed {found.seed}.", ""]
    lines += [f"- {line}" for line in verdict(found)]
    for estimator, cells in _grouped(found.cells, lambda cell: cell.estimator):
        lines += ["", *_markdown_cells(estimator, cells)]
    if found.rates:
        lines += ["", "### Decisions", ""]
        lines += _rows(["test", "data", "rate", "promised", "holds"], map(_rate_row, found.rates))
    return "\n".join(lines) + "\n"


def _grouped(parts: Sequence[_Part], key: Callable[[_Part], str]) -> list[tuple[str, list[_Part]]]:
    """Parts by a name of theirs, in the order of its first."""
    groups: dict[str, list[_Part]] = {}
    for part in parts:
        groups.setdefault(key(part), []).append(part)
    return list(groups.items())


def _print_estimators(cells: Sequence[CellResult]) -> None:
    shown = table(
        "\ncoverage of nominal 95 %", ">cells", ">least", ">mean", ">outside", ">least", ">warns",
        ">others' least",
    )  # fmt: skip
    for estimator, own in _grouped(cells, lambda cell: cell.estimator):
        parts: tuple[list[CellResult], list[CellResult]] = ([], [])
        for cell in own:
            parts[not cell.in_scope].append(cell)
        inside, outside = parts
        coverages = [cell.coverage for cell in inside if cell.coverage is not None]
        mean = f"{sum(coverages) / len(coverages):.3f}" if coverages else "-"
        warned = f"{sum(c.warned for c in outside) / len(outside):.0%}" if outside else "-"
        others = [peer for cell in own for peer in cell.peers]
        add_row(shown, estimator, len(inside), _least(inside), mean, len(outside),
                _least(outside), warned, _least(others))  # fmt: skip
    console().print(shown)


def _least(cells: Sequence[CellResult | PeerResult]) -> str:
    known = [cell.coverage for cell in cells if cell.coverage is not None]
    return f"{min(known):.3f}" if known else "-"


def _print_cells(cells: Sequence[CellResult]) -> None:
    for estimator, group in _grouped(cells, lambda cell: cell.estimator):
        say(f"\n{estimator}", is_heading=True)
        for peer in _peer_names(group):
            say(f"other: coverage and bias of {peer}")
        shown = table(*HEADINGS[:3], *(f">{name}" for name in HEADINGS[3:]), *_others(group))
        for cell in group:
            add_row(shown, *_cell_row(cell), *(_short_peer(peer) for peer in cell.peers))
        console().print(shown)


def _print_tests(rates: Sequence[RateResult]) -> None:
    shown = table(
        "\ntest", ">settings", ">lowest", ">highest", ">no promise", ">lowest", ">highest"
    )
    for test, own in _grouped(rates, lambda rate: rate.test):
        cells: list[object] = [test]
        for group in ([r for r in own if r.in_scope], [r for r in own if not r.in_scope]):
            found = [rate.rate for rate in group]
            ends = [f"{min(found):.3f}", f"{max(found):.3f}"] if found else ["-", "-"]
            cells += [len(found), *ends]
        add_row(shown, *cells)
    console().print(shown)


def _print_rates(rates: Sequence[RateResult]) -> None:
    shown = table("\ntest", "data", ">rate", ">promised", "holds")
    for rate in rates:
        add_row(shown, *_rate_row(rate))
    console().print(shown)


def _markdown_cells(estimator: str, cells: Sequence[CellResult]) -> list[str]:
    lines = [f"### {estimator[0].upper()}{estimator[1:]}", ""]
    for peer in _peer_names(cells):
        lines += [f"Other method, on the same draws: {peer}.", ""]
    others = [f"other {name}" for name in PEER_HEADINGS] if _peer_names(cells) else []
    rows = ([*_cell_row(cell), *(n for p in cell.peers for n in _peer_row(p))] for cell in cells)
    return lines + _rows([*HEADINGS, *others], rows)


def _rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _peer_names(cells: Sequence[CellResult]) -> list[str]:
    return list(dict.fromkeys(peer.method for cell in cells for peer in cell.peers))


def _cell_row(cell: CellResult) -> list[str]:
    return [
        cell.truth,
        cell.size,
        cell.outside or ("yes" if cell.holds else "yes, FAILS"),
        _coverage(cell),
        _number(cell.bias, "+.3f"),
        _number(cell.width, ".3f"),
        f"{cell.warned:.0%}",
    ]


def _coverage(cell: CellResult) -> str:
    notes = [
        f"{share:.0%} {what}"
        for share, what in ((cell.no_interval, "none"), (cell.unbounded, "one-sided"))
        if share >= 0.005
    ]
    return _number(cell.coverage, ".3f") + (f" ({', '.join(notes)})" if notes else "")


def _peer_row(peer: PeerResult) -> list[str]:
    return [_number(peer.coverage, ".3f"), _number(peer.bias, "+.3f"), _number(peer.width, ".3f")]


def _short_peer(peer: PeerResult) -> str:
    return f"{_number(peer.coverage, '.3f')} {_number(peer.bias, '+.3f')}"


def _others(cells: Sequence[CellResult]) -> list[str]:
    return [">other" for _ in _peer_names(cells)]


def _rate_row(rate: RateResult) -> list[str]:
    holds = "-" if not rate.in_scope else "yes" if rate.holds else "NO"
    return [rate.test, rate.setting, f"{rate.rate:.4f}", rate.promise, holds]


def _number(value: float | None, digits: str) -> str:
    """A number for people.

    >>> _number(0.12345, ".3f"), _number(-0.00001, "+.3f"), _number(None, ".3f")
    ('0.123', '0.000', '-')
    """
    if value is None:
        return "-"
    if abs(value) < 0.0005:
        return "0.000"
    return f"{value:{digits}}" if abs(value) < 1000 else f"{value:.0f}"
