"""Random streams by name: adding a statistic never changes the numbers of another."""

from zlib import crc32

import numpy as np


def stream(statistic_id: str, root_seed: int = 0) -> np.random.Generator:
    """A generator that depends on the root seed and on the name of the statistic only.

    Parameters
    ----------
    statistic_id : str
        Such as ``entropy_estimate``.
    root_seed : int
        At least 0.

    Examples
    --------
    >>> stream("a").integers(1000) == stream("a").integers(1000)
    np.True_
    >>> stream("a").integers(1000) == stream("b").integers(1000)
    np.False_
    """
    return np.random.default_rng(
        np.random.SeedSequence([root_seed, crc32(statistic_id.encode("utf-8"))])
    )
