"""The frontier of quality and diversity: effective diversity over a bar that answers must pass."""

from typing import TYPE_CHECKING

from evalsuite.measures import MeanMeasure, MeasureCard, estimate_measure
from evalsuite.tables import Tables
from evalsuite.tasks import View
from evalsuite_tasks.rlhf_diversity.answers import answers
from evalsuite_tasks.rlhf_diversity.quality import effective_row, pass_rate, thresholds_of

if TYPE_CHECKING:
    from evalsuite_tasks.rlhf_diversity.task import RlhfDiversityOptions

N_THRESHOLDS = 10

_CARD = MeasureCard(name="effective_sbert", summary="at one threshold", low=0.0, high=2.0)
_SHARE = MeasureCard(name="quality_pass_rate", summary="at one threshold", low=0.0, high=1.0)


def quality_frontier(tables: Tables, options: "RlhfDiversityOptions") -> View:
    """Effective diversity, with its interval, at quantiles of the ratings."""
    prompts = answers(tables, options)
    rows = []
    for threshold in thresholds_of(prompts, N_THRESHOLDS):
        share = estimate_measure(pass_rate(tables, threshold), _SHARE)[0].estimate
        own = MeanMeasure("effective_sbert", tuple(effective_row(p, threshold) for p in prompts))
        found = estimate_measure(own, _CARD)[0].estimate
        rows.append((threshold, share.estimate, found.estimate, found.ci_low, found.ci_high))
    return View(
        title="effective Sentence-BERT diversity by quality threshold",
        note="over all pairs of answers to a prompt, 0 where one of the two rates below the "
        "threshold; thresholds are quantiles of this run's ratings"
        if rows
        else "no ratings: name a judge with --judge quality=MODEL when running the task",
        columns=("threshold", "share that passes", "diversity", "low", "high"),
        rows=tuple(rows),
    )
