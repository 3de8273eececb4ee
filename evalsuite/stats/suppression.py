"""Groups and cells with too few rows to be reported."""

from evalsuite.stats.estimate import Estimate

MIN_ROWS = 20
"""Groups and cells with fewer rows than this are not reported, only counted."""


def suppressed(estimate: Estimate, n_outputs: int) -> Estimate:
    """An estimate without its numbers, which says that it rests on too few outputs.

    Examples
    --------
    >>> share = Estimate(estimate=0.25, se=0.2, ci_low=0.0, ci_high=0.7, method="t", n=4,
    ...                  n_clusters=4)
    >>> suppressed(share, 4).warnings
    ('suppressed: 4 outputs, fewer than 20',)
    """
    return estimate.model_copy(
        update={
            "estimate": None,
            "se": None,
            "ci_low": None,
            "ci_high": None,
            "warnings": (f"suppressed: {n_outputs} outputs, fewer than {MIN_ROWS}",),
        }
    )
