"""Cells of kernel diversity: one set of embeddings, and many prompts."""

from functools import partial
from itertools import combinations

import numpy as np

from evalsuite.selftest import peers
from evalsuite.selftest.cells import Cell, Outcome, Peer, answers_of, points
from evalsuite.selftest.truth import UNEVEN, Classes, Duplicates, NestedKinds
from evalsuite.stats.entropy_points import plug_in_entropies
from evalsuite.stats.fixed_size_vendi import mean_vendi_fixed_n
from evalsuite.stats.homogeneity import homogeneity_ratio
from evalsuite.stats.kernel_diversity import (
    collision_probability,
    mean_vendi_unbiased,
    vendi_unbiased,
)

SETS: dict[str, NestedKinds | Duplicates] = {
    "4 groups of 3, cosine .5": NestedKinds(4, 3, 0.5),
    "10 groups of 5, cosine .8": NestedKinds(10, 5, 0.8),
    "16 dimensions": Duplicates(0.0, 16),
    "16 dim., 30 % copies": Duplicates(0.3, 16),
    "16 dim., 90 % copies": Duplicates(0.9, 16),
}
SAMPLES = 8


def vendi_cells() -> list[Cell]:
    """`vendi_unbiased` of one set and `mean_vendi_unbiased` over prompts."""
    single = [
        Cell("Vendi score of order 2", name, f"n = {n}", 1 / kinds.collision,
             partial(_one_set, kinds, n), outside=_outside(kinds, n))
        for name, kinds in SETS.items()
        for n in (20, 50, 200)
    ]  # fmt: skip
    prompts = [
        Cell(
            "mean Vendi score of order 2", "0 to 60 % copies, 8 answers",
            f"{n} prompts", 1 / _mean_collision(), partial(_prompts, n),
        )
        for n in (12, 40, 120)
    ]  # fmt: skip
    fixed = [
        Cell(
            "mean Vendi score of order 1 at n = 20", f"one kind each, {UNEVEN.name}",
            f"{sets} sets", expected_vendi_1(UNEVEN, 20), partial(_fixed_n, 20, sets),
        )
        for sets in (12, 40)
    ]  # fmt: skip
    return single + prompts + fixed


def homogeneity_cells() -> list[Cell]:
    """`homogeneity_ratio` of two models."""
    return [
        Cell("homogeneity ratio", f"{name}, 6 answers each", f"{n} prompts", target,
             partial(_two_models, second, n))
        for name, second, target in (
            ("equal models", (0.4, 0.3, 0.2, 0.1), 1.0),
            ("unequal models", (0.1, 0.2, 0.3, 0.4), (1 - 0.2) / (1 - 0.3)),
        )
        for n in (12, 40)
    ]  # fmt: skip


def _outside(kinds: NestedKinds | Duplicates, n: int) -> str | None:
    if n < 50:
        return "n < 50"
    if isinstance(kinds, Duplicates) and kinds.rho > 0.8:
        return f"largest share {kinds.rho:g} > .8"
    return None


def _one_set(
    kinds: NestedKinds | Duplicates, n: int, rng: np.random.Generator, runs: int
) -> Outcome:
    sets = [kinds.draw(rng, n) for _ in range(runs)]
    plug_in = points(np.array([peers.vendi_1(rows) for rows in sets]))
    return Outcome(
        answers_of(vendi_unbiased(rows) for rows in sets),
        (Peer(peers.VENDI_1, plug_in, target=kinds.vendi_1),),
    )


def _mean_collision() -> float:
    # Of rho uniform on [0, 0.6]: E rho^2 and E (1 - rho)^2.
    return 0.36 / 3 + (1 - 0.4**3) / (3 * 0.6) / 16


def _prompts(n: int, rng: np.random.Generator, runs: int) -> Outcome:
    def collisions() -> list[float]:
        shares = rng.uniform(0.0, 0.6, size=n)
        sets = (Duplicates(rho, 16).draw(rng, SAMPLES) for rho in shares)
        return [collision_probability(rows).probability for rows in sets]

    return Outcome(answers_of(mean_vendi_unbiased(collisions()) for _ in range(runs)))


def expected_vendi_1(classes: Classes, n: int) -> float:
    """Mean order-1 score of n answers of one kind each: of exp of their plug-in entropy.

    Over every way to divide n answers among the kinds.
    """
    from scipy.stats import multinomial

    k = len(classes.shares)
    bars = np.array(list(combinations(range(n + k - 1), k - 1)))
    ends = np.full((len(bars), 1), n + k - 1)
    counts = np.diff(np.hstack([np.full_like(ends, -1), bars, ends]), axis=1) - 1
    return float(multinomial.pmf(counts, n, classes.p) @ np.exp(plug_in_entropies(counts)))


def _fixed_n(n: int, sets: int, rng: np.random.Generator, runs: int) -> Outcome:
    kinds = np.eye(len(UNEVEN.shares))
    draws = rng.choice(len(UNEVEN.shares), p=UNEVEN.p, size=(runs, sets, n))
    return Outcome(answers_of(mean_vendi_fixed_n(list(kinds[run]), n=n) for run in draws))


def _two_models(second: tuple[float, ...], n: int, rng: np.random.Generator, runs: int) -> Outcome:
    first = (0.4, 0.3, 0.2, 0.1)
    kinds = np.eye(len(first))

    def units(shares: tuple[float, ...]) -> list[np.ndarray]:
        return list(kinds[rng.choice(len(shares), p=shares, size=(n, 6))])

    pairs = ((units(first), units(second)) for _ in range(runs))
    return Outcome(answers_of(homogeneity_ratio(a, b).ratio for a, b in pairs))
