"""How the pooled scores grow with the number of answers: what a fixed n hides."""

from typing import TYPE_CHECKING

import numpy as np

from evalsuite.metrics.vendi import n_sweep
from evalsuite.tables import Tables
from evalsuite.tasks import View
from evalsuite_tasks.vendi.answers import answers
from evalsuite_tasks.vendi.measures import ORDERS

if TYPE_CHECKING:
    from evalsuite_tasks.vendi.task import VendiOptions

REPEATS = 20
SEED = 0


def sample_size_sweep(tables: Tables, options: "VendiOptions") -> View:
    """Scores of random subsets, drawn without replacement, of the first replicate's answers."""
    own = [a for a in answers(tables, options) if a.replicate == 0 and len(a.features)]
    features = np.concatenate([a.features for a in own])
    sweeps = [
        n_sweep(features, order=order, repeats=REPEATS, rng=np.random.default_rng(SEED))
        for order in ORDERS.values()
    ]
    sizes = sweeps[0].sizes
    return View(
        title="pooled Vendi scores by number of answers",
        note=f"means of {REPEATS} random subsets without replacement; a score that still grows "
        "with n compares at equal n only",
        columns=("n", *(f"order {order:g}" for order in ORDERS.values())),
        rows=tuple((n, *(float(sweep.mean[i]) for sweep in sweeps)) for i, n in enumerate(sizes)),
    )
