"""Tables of a GRADE run for people: its groups, shares, default behaviours and named values."""

from typing import TYPE_CHECKING

from evalsuite.tables import Tables
from evalsuite.tasks import View
from evalsuite_tasks.grade.answers import read_answers
from evalsuite_tasks.grade.default_behaviours import has_default
from evalsuite_tasks.grade.distributions import Distribution, distributions
from evalsuite_tasks.grade.named_success import named_values
from evalsuite_tasks.grade.reference_shares import SHOWN_SHARES

if TYPE_CHECKING:
    from evalsuite_tasks.grade.task import GradeOptions

Cell = str | int | float | None

GROUP_COLUMNS = (
    "mode", "concept", "prompt_id", "attribute_id", "replicate", "n_images", "n_missing", "n_none",
    "n_oos", "n_valid", "k_values", "entropy_bits", "norm_entropy", "top_value", "top_share",
    "default_behavior",
)  # fmt: skip


def group_view(tables: Tables, options: "GradeOptions") -> View:
    """Every group in both groupings: section 10 of the specification."""
    answers = read_answers(tables, options)
    multi, single = (distributions(answers, own) for own in ("multi", "single"))
    empty = sum(not own.n_valid for own in (*multi, *single))
    return View(
        title="grade · groups",
        note=f"entropies are plug-in values; {empty} groups without a valid answer are in no mean",
        columns=GROUP_COLUMNS,
        rows=tuple(_group_row(own, options.default_threshold) for own in (*multi, *single)),
    )


def _group_row(own: Distribution, threshold: float) -> tuple[Cell, ...]:
    from math import log2

    entropy, top = own.entropy, own.top
    is_default = has_default(own, threshold)
    return (
        own.grouping,
        own.concept,
        own.owner if own.grouping == "single" else None,
        own.attribute.id,
        own.replicate,
        own.n_images,
        own.n_missing,
        own.n_none,
        own.n_outside,
        own.n_valid,
        len(own.counts),
        None if entropy is None else entropy * log2(len(own.counts)),
        entropy,
        None if top is None else top[0],
        None if top is None else top[1],
        None if is_default is None else int(is_default),
    )


def share_view(tables: Tables, options: "GradeOptions") -> View:
    """The share of every value by concept, over all seeds: what ``reference`` reads again."""
    rows: list[tuple[Cell, ...]] = []
    for own in _over_seeds(distributions(read_answers(tables, options), "multi")):
        n = own.n_valid
        rows += [
            (own.owner, own.attribute.id, value, count, count / n if n else None, n)
            for value, count in own.counts.items()
        ]
    return View(
        title="grade · shares of values by concept",
        note="compare another run with these by --json > FILE and --option reference=FILE",
        columns=SHOWN_SHARES,
        rows=tuple(rows),
    )


def _over_seeds(groups: list[Distribution]) -> list[Distribution]:
    merged: dict[str, Distribution] = {}
    for own in groups:
        first = merged.setdefault(own.group, own)
        if first is not own:
            first.counts = {name: n + own.counts[name] for name, n in first.counts.items()}
    return list(merged.values())


def default_view(tables: Tables, options: "GradeOptions") -> View:
    """The groups with a default behaviour, the strongest first."""
    groups = distributions(read_answers(tables, options), "multi")
    found = [
        (own.top[1], own)
        for own in groups
        if own.top is not None and has_default(own, options.default_threshold)
    ]
    found.sort(key=lambda pair: (-pair[0], pair[1].group, pair[1].replicate))
    return View(
        title="grade · default behaviours by concept",
        note=f"share of at least {options.default_threshold:g}, answers outside of the set "
        "included, those that none fits left out",
        columns=("concept", "question", "answer", "share", "n_valid"),
        rows=tuple(
            (own.concept, own.attribute.question, own.top[0] if own.top else "", share, own.n_valid)
            for share, own in found
        ),
    )


def naming_view(tables: Tables, options: "GradeOptions") -> View:
    """Every value that a prompt names: its default share beside its success."""
    answers = read_answers(tables, options)
    rows: list[tuple[Cell, ...]] = [
        (own.unit.cluster, own.attribute.id, own.value, own.replicate, own.share, own.success)
        for own in named_values(answers, distributions(answers, "multi"))
    ]
    return View(
        title="grade · default share and success where the prompt names the value",
        note="a low share with a high success is a choice of the model's, not a lack",
        columns=("concept", "attribute", "value", "replicate", "default_share", "asked_success"),
        rows=tuple(rows),
    )
