"""Data whose truth is known in closed form."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """A distribution over classes.

    Parameters
    ----------
    name : str
    shares : tuple of float
        Above 0; they sum to 1.

    Examples
    --------
    >>> fair = Classes("fair coin", (0.5, 0.5))
    >>> round(fair.entropy, 6), fair.hill(2), fair.coverage(2)
    (0.693147, 2.0, 0.75)
    """

    name: str
    shares: tuple[float, ...]

    @property
    def p(self) -> FloatArray:
        """The shares as an array."""
        return np.array(self.shares)

    @property
    def top(self) -> float:
        """The largest share."""
        return max(self.shares)

    @property
    def entropy(self) -> float:
        """In nats."""
        return -math.fsum(p * math.log(p) for p in self.shares)

    def hill(self, q: int) -> float:
        """The effective number of classes of order 0, 1 or 2."""
        if q == 0:
            return float(len(self.shares))
        if q == 1:
            return math.exp(self.entropy)
        return 1 / math.fsum(p * p for p in self.shares)

    def coverage(self, n: int) -> float:
        """Expected share of the classes that n observations show."""
        return 1 - math.fsum(p * (1 - p) ** n for p in self.shares)

    def rarefied(self, q: int, m: int) -> float:
        """The effective number of classes among m observations, averaged as the estimator is.

        The number for q = 0, its logarithm for q = 1 and its reciprocal for q = 2.
        """
        if q == 0:
            return math.fsum(1 - (1 - p) ** m for p in self.shares)
        if q == 2:
            return 1 / (1 / m + (1 - 1 / m) / self.hill(2))
        from scipy.stats import binom

        k = np.arange(1, m + 1)
        terms = -(k / m) * np.log(k / m)
        return math.exp(math.fsum(float(binom.pmf(k, m, p) @ terms) for p in self.shares))

    def draw(self, rng: np.random.Generator, n: int, runs: int) -> IntArray:
        """Counts of n observations, of shape (runs, classes), the largest first."""
        counts = rng.multinomial(n, self.p, size=runs)
        return np.sort(counts, axis=1)[:, ::-1]


def uniform(k: int) -> Classes:
    """Equal shares of k classes."""
    return Classes(f"{k} equal classes", (1 / k,) * k)


def zipf(k: int) -> Classes:
    """Shares that fall as 1/rank."""
    return _scaled(f"Zipf-{k}", [1 / rank for rank in range(1, k + 1)])


def geometric(k: int, ratio: float) -> Classes:
    """Shares that fall by a constant ratio."""
    return _scaled(f"geometric-{k}, ratio {ratio:g}", [ratio**i for i in range(k)])


def one_mode(top: float, rest: int) -> Classes:
    """One class of a large share and some that share what is left equally."""
    each = (1 - top) / rest
    name = f"one mode of {top:g}, {rest} of {each:.3g}"
    return Classes(name, (top, *(each for _ in range(rest))))


def _scaled(name: str, weights: list[float]) -> Classes:
    total = math.fsum(weights)
    return Classes(name, tuple(w / total for w in weights))


@dataclass(frozen=True)
class NestedKinds:
    """Unit vectors in groups of kinds: cosine 1 within a kind, ``alike`` within a group, else 0.

    Examples
    --------
    >>> NestedKinds(groups=4, kinds=3, alike=0.5).collision
    0.125
    """

    groups: int
    kinds: int
    alike: float

    @property
    def vectors(self) -> FloatArray:
        """One row a kind, of shape (groups x kinds, dimensions)."""
        n = self.groups * self.kinds
        own = np.eye(n) * math.sqrt(1 - self.alike)
        shared = np.repeat(np.eye(self.groups), self.kinds, axis=0) * math.sqrt(self.alike)
        return np.hstack([shared, own])

    @property
    def collision(self) -> float:
        """Mean squared cosine of two independent draws, all kinds being equally likely."""
        same = 1 / (self.groups * self.kinds)
        return same + (1 / self.groups - same) * self.alike**2

    @property
    def vendi_1(self) -> float:
        """Order-1 Vendi score of the population."""
        vectors = self.vectors
        spectrum = np.linalg.eigvalsh(vectors @ vectors.T / len(vectors))
        spectrum = spectrum[spectrum > 1e-12]
        return float(np.exp(-(spectrum * np.log(spectrum)).sum()))

    def draw(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Rows of n draws."""
        return self.vectors[rng.integers(0, self.groups * self.kinds, size=n)]


@dataclass(frozen=True)
class Duplicates:
    """Directions in ``d`` dimensions, of which a share ``rho`` is one and the same answer.

    Examples
    --------
    >>> Duplicates(rho=0.5, d=50).collision
    0.255
    """

    rho: float
    d: int

    @property
    def collision(self) -> float:
        """Mean squared cosine of two independent draws; the copies are orthogonal to the rest."""
        return self.rho**2 + (1 - self.rho) ** 2 / self.d

    @property
    def vendi_1(self) -> float:
        """Order-1 Vendi score of the population: eigenvalues rho, and (1-rho)/d d times."""
        rest = 1 - self.rho
        entropy = -rest * math.log(rest / self.d)
        return math.exp(entropy - (self.rho * math.log(self.rho) if self.rho else 0.0))

    def draw(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Rows of n draws, in d + 1 dimensions."""
        rows = np.hstack([np.zeros((n, 1)), rng.normal(size=(n, self.d))])
        copies = rng.random(n) < self.rho
        rows[copies] = np.eye(1, self.d + 1)
        return rows


UNIFORM_4, UNIFORM_10 = uniform(4), uniform(10)
ZIPF_20, ZIPF_200 = zipf(20), zipf(200)
STEEP, GENTLE = geometric(14, 0.5), geometric(14, 0.7)
UNEVEN = Classes("shares .6 .2 .1 .05 .05", (0.6, 0.2, 0.1, 0.05, 0.05))
LEANING = one_mode(0.75, 5)
MODE_90, MODE_99 = one_mode(0.9, 9), one_mode(0.99, 9)
COLLAPSED = Classes("shares .97 .01 .01 .01", (0.97, 0.01, 0.01, 0.01))
TWO = Classes("shares .98 .02", (0.98, 0.02))

DISTRIBUTIONS = (
    UNIFORM_4, UNIFORM_10, ZIPF_20, ZIPF_200, STEEP, GENTLE, UNEVEN, LEANING, MODE_90, MODE_99,
    COLLAPSED, TWO,
)  # fmt: skip


def outside_sets(classes: Classes, n: int) -> str | None:
    """Why nothing is promised of one sample of classes, or None.

    >>> outside_sets(UNIFORM_4, 50) is None, outside_sets(TWO, 20)
    (True, 'n < 50')
    """
    if n < 50:
        return "n < 50"
    if classes.top > 0.8 + 1e-12:
        return f"largest share {classes.top:g} > .8"
    if classes.coverage(n) < 0.95:
        return f"coverage {classes.coverage(n):.2f} < .95"
    return None
