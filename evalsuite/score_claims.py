"""What the scores beside a record must be: those that it was sealed with."""

from pathlib import Path

import numpy as np

from evalsuite.errors import BadInput
from evalsuite.measures import UnitScores
from evalsuite.measures.unit_scores import COLUMNS
from evalsuite.record import SCORES_FILE, Record
from evalsuite.scores_file import read_scores, scores_digest


def sealed_scores(record: Record, folder: Path) -> tuple[dict[str, UnitScores], list[str]]:
    """The scores beside a record, and where they are not those that it was sealed with."""
    if not record.scores_sha256:
        return {}, []
    try:
        scores = read_scores(folder / SCORES_FILE)
    except BadInput as error:
        return {}, [str(error)]
    problems = [
        f"{SCORES_FILE}: the scores of {name} are not those that the record was made with"
        for name in sorted(record.scores_sha256.keys() | scores.keys())
        if name not in scores or scores_digest(scores[name]) != record.scores_sha256.get(name)
    ]
    return scores, problems


def equal_scores(a: UnitScores, b: UnitScores, tolerance: float) -> bool:
    """Whether two sets of scores are equal, numbers but for rounding."""
    if (a.link, a.is_sampled, len(a)) != (b.link, b.is_sampled, len(b)):
        return False
    for name in COLUMNS:
        one, other = getattr(a, name), getattr(b, name)
        if one.dtype == np.float64:
            equal = np.isclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)
        else:
            equal = one == other
        if not np.all(equal):
            return False
    return True
