"""What remedies print on a terminal: one model under several decodings, side by side."""

from evalsuite.remedies import Remedies, RemedyRow
from evalsuite.report.compared import p_text, signed
from evalsuite.report.terminal import add_row, console, interval, say, table
from evalsuite.report.views import print_notes


def print_remedies(found: Remedies) -> None:
    """Print what each remedy gives, what stands beside it and what it costs."""
    say(f"{found.task} · {found.measure} · {found.rows[0].model}", is_heading=True)
    remedies = "remedy" if found.n_tests == 1 else "remedies"
    say(
        f"fingerprint {found.fingerprint[:12]}, seed {found.seed}; paired by unit, p by Holm over "
        f"{found.n_tests} {remedies}"
    )
    shown = table("", ">estimate [95 % interval]", ">less the baseline", ">p", ">p (Holm)")
    ran = [row for row in found.rows if row.headline is not None]
    for row in ran:
        difference = row.difference
        add_row(
            shown,
            _name(row),
            "-" if row.headline is None else interval(row.headline),
            "-" if difference is None else signed(difference.difference),
            p_text(None if difference is None else difference.p_value),
            p_text(None if difference is None else difference.p_holm),
        )
    console().print(shown)
    _print_beside(ran)
    _print_costs(ran)
    for row in found.rows:
        if row.why is not None:
            say(f"{row.name}: {row.state}: {row.why}", soft_wrap=True)
    notes = [
        f"{row.name}: {warning}"
        for row in ran
        if row.difference is not None
        for warning in row.difference.difference.warnings
    ]
    print_notes([*notes, *found.notes])


def _name(row: RemedyRow) -> str:
    return row.name if row.state == "done" else f"{row.name} ({row.state})"


def _print_beside(rows: list[RemedyRow]) -> None:
    """Print the other measures that the task names, those that any row has."""
    known = [own for row in rows for own in row.beside if own.estimate.estimate is not None]
    measures = list(dict.fromkeys(own.measure for own in known))
    if not measures:
        return
    shown = table("\nbeside it", *(f">{name}" for name in measures))
    for row in rows:
        own = {estimate.measure: interval(estimate) for estimate in row.beside}
        add_row(shown, row.name, *(own.get(name, "-") for name in measures))
    console().print(shown)


def _print_costs(rows: list[RemedyRow]) -> None:
    shown = table("\ncost", ">missing answers", ">new tokens", ">seconds")
    for row in rows:
        add_row(
            shown,
            row.name,
            "-" if row.missing_share is None else f"{row.missing_share:.1%}",
            "-" if row.new_tokens is None else f"{row.new_tokens:,}",
            "-" if row.seconds is None else f"{row.seconds:,.1f}",
        )
    console().print(shown)
