"""From a collision probability to an effective number, with its interval."""

import math

from evalsuite.stats.estimate import Estimate

NOTHING = 1e-28
"""A collision probability of orthogonal rows after rounding: (1e-14)^2."""


def reciprocal(u: Estimate) -> Estimate:
    """The reciprocal of an estimate of a collision probability, with its interval.

    The interval of u is taken as one of log u, as wide (delta method): collision probabilities are
    skewed, and plain ends fall short where draws or prompts are few. It is then inverted. Its upper
    end is null, with a warning, where the plain interval of u reaches 0.

    Examples
    --------
    >>> u = Estimate(estimate=0.25, se=0.01, ci_low=0.2, ci_high=0.3, method="t", n=9, n_clusters=9)
    >>> d = reciprocal(u)
    >>> d.estimate, round(d.se, 6), round(d.ci_low, 4), round(d.ci_high, 4)
    (4.0, 0.16, 3.2749, 4.8856)
    """
    warnings = u.warnings
    at = u.estimate if u.estimate is not None and u.estimate > NOTHING else None
    if u.estimate is not None and at is None:
        warnings += ("no collision: no two answers are alike, diversity has no upper bound",)
    elif u.ci_low is not None and u.ci_low <= 0:
        warnings += ("unbounded: the interval of the collision probability reaches 0",)
    low = high = None
    if at is None:
        low = None if u.ci_high is None or u.ci_high <= 0 else 1.0 / min(u.ci_high, 1.0)
    elif u.ci_low is not None and u.ci_high is not None:
        low = min(max(1.0, math.exp(-(u.ci_high - at) / at) / at), 1.0 / at)
        high = None if u.ci_low <= 0 else math.exp((at - u.ci_low) / at) / at
    return u.model_copy(
        update={
            "estimate": None if at is None else 1.0 / at,
            "se": None if at is None or u.se is None else u.se / at**2,
            "ci_low": low,
            "ci_high": high,
            "method": f"reciprocal of the collision probability, {u.method} on its logarithm",
            "warnings": warnings,
        }
    )
