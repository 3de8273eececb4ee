"""Adjusted p-values of a family of comparisons."""

import math
from collections.abc import Sequence
from typing import Literal


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Holm's adjusted p-values: at most ``alpha`` of all families has a false claim. For releases.

    Parameters
    ----------
    p_values : sequence of float or None
        One family, each in [0, 1]. None and NaN are no comparison and stay out of it.

    Returns
    -------
    tuple of float or None
        In the order given; None where there was no comparison.

    Raises
    ------
    ValueError
        If a p-value lies outside [0, 1].

    Notes
    -----
    Holm (1979), through ``statsmodels.stats.multitest.multipletests``.

    Examples
    --------
    >>> [p and round(p, 3) for p in holm([0.001, 0.02, None, 0.03, 0.4])]
    [0.004, 0.06, None, 0.06, 0.4]
    """
    return _adjusted(p_values, "holm", "holm")


def benjamini_hochberg(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Benjamini & Hochberg's: at most ``alpha`` of the claims is false on average. To explore.

    Parameters, results and errors are those of `holm`.

    Examples
    --------
    >>> [p and round(p, 3) for p in benjamini_hochberg([0.001, 0.02, None, 0.03, 0.4])]
    [0.004, 0.04, None, 0.04, 0.4]
    """
    return _adjusted(p_values, "fdr_bh", "benjamini_hochberg")


def _adjusted(
    p_values: Sequence[float | None], method: Literal["holm", "fdr_bh"], caller: str
) -> tuple[float | None, ...]:
    family = [i for i, p in enumerate(p_values) if p is not None and not math.isnan(p)]
    given = [float(p_values[i] or 0.0) for i in family]
    if not all(0.0 <= p <= 1.0 for p in given):
        outside = next(p for p in given if not 0.0 <= p <= 1.0)
        raise ValueError(f"{caller}: a p-value must lie in [0, 1], got {outside}")
    result: list[float | None] = [None] * len(p_values)
    if not family:
        return tuple(result)
    from statsmodels.stats.multitest import multipletests

    for i, p in zip(family, multipletests(given, method=method)[1], strict=True):
        result[i] = float(p)
    return tuple(result)
