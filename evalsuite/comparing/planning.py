"""Planning: how many prompts, and samples where they count, a comparison needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalsuite.comparing.pairing import Side, UnitTable, check_comparable, line_up, pair
from evalsuite.comparing.scored_record import ScoredRecord, open_record, told_apart
from evalsuite.errors import BadInput
from evalsuite.measures import UnitScores
from evalsuite.requests import Frozen
from evalsuite.stats import mean_interval
from evalsuite.stats.allocation import (
    Costs,
    VarianceComponents,
    best_plan,
    cheapest_plan,
    variance_components,
)
from evalsuite.stats.paired import t_error
from evalsuite.stats.power import (
    detectable_effect,
    power_of_mean_difference,
    required_units,
)
from evalsuite.tasks import TASKS, DataFile

LEVEL = 0.95

Floats = NDArray[np.float64]


class Need(Frozen):
    """So many prompts of so many samples for each entrant, and the power that gives.

    ``cost`` is None where no costs were given.
    """

    prompts: int
    samples: int
    power: float
    cost: float | None


class AtHand(Frozen):
    """What as many prompts and samples as there are find with the wanted power."""

    prompts: int
    samples: int
    effect: float
    cost: float | None


class PlanResult(Frozen):
    """A plan and what it rests on.

    Parameters
    ----------
    sd : float
        Of a unit's difference between two entrants, in the pilot's samples.
    assumption : str
        Where that comes from.
    need : Need
        The fewest prompts, or the cheapest plan, that finds ``detect`` with ``power``.
    at_hand : AtHand
        Of the prompt set, or of the budget.
    notes : tuple of str
        What a reader has to know.
    """

    task: str
    measure: str
    fingerprint: str
    pilots: tuple[str, ...]
    detect: float
    power: float
    level: float
    sd: float
    assumption: str
    need: Need
    at_hand: AtHand
    notes: tuple[str, ...]


class _Request(Frozen):
    """What is to be planned: the arguments of `plan`."""

    task: str
    pilots: tuple[str, ...]
    detect: float
    measure: str | None = None
    power: float = 0.8
    cost_prompt: float | None = None
    cost_sample: float | None = None
    budget: float | None = None

    @property
    def costs(self) -> Costs | None:
        """Both costs, a missing one being 0 or 1; None where none is given."""
        if self.cost_prompt is None and self.cost_sample is None:
            return None
        return Costs(
            prompt=0.0 if self.cost_prompt is None else self.cost_prompt,
            sample=1.0 if self.cost_sample is None else self.cost_sample,
        )


MAX_EFFECT = 1000.0
"""A difference of more standard deviations than this is a mistake; any two units would show it."""


@dataclass(frozen=True)
class _Pilot:
    """What a pilot says of a unit's difference.

    ``parts`` are known where the measure is a mean over samples, whose number can then be chosen.
    """

    sd: float
    samples: int
    parts: VarianceComponents | None
    assumption: str
    notes: tuple[str, ...]


def plan(
    task: str,
    *,
    pilot: Sequence[str | Path],
    detect: float,
    measure: str | None = None,
    power: float = 0.8,
    cost_prompt: float | None = None,
    cost_sample: float | None = None,
    budget: float | None = None,
) -> PlanResult:
    """Plan a comparison of two entrants from one pilot record, or two.

    Two pilots give the spread of their differences. One says nothing of the other entrant, which is
    then taken to vary as much and to be unrelated: the real spread may be smaller or greater.

    Parameters
    ----------
    task : str
    pilot : sequence of paths
        One record or two, of one fingerprint.
    detect : float
        The true difference to find, above 0, in the measure's unit.
    measure : str, optional
        By default the headline.
    power : float
        Chance to find it, in (0, 1).
    cost_prompt, cost_sample : float, optional
        Of one more prompt, and of one more sample of it by both entrants, in any one unit.
    budget : float, optional
        In the same unit; by default the prompt set at hand.

    Raises
    ------
    BadInput
        If records do not fit, a number is out of its range, or the pilot is too small.
    """
    if not 0.0 < detect < math.inf:
        raise BadInput(f"the difference to detect must be a number above 0, got {detect:g}")
    if not 0.0 < power < 1.0:
        raise BadInput(f"power must lie between 0 and 1, got {power:g}")
    if budget is not None and not 0.0 < budget < math.inf:
        raise BadInput(f"the budget must be a number above 0, got {budget:g}")
    request = _Request(
        task=task,
        pilots=tuple(f"{path}" for path in pilot),
        detect=detect,
        measure=measure,
        power=power,
        cost_prompt=cost_prompt,
        cost_sample=cost_sample,
        budget=budget,
    )
    records = [open_record(path) for path in request.pilots]
    if not 1 <= len(records) <= 2:
        raise BadInput(f"plan takes one or two pilot records, not {len(records)}")
    for own in records:
        if own.record.task != request.task:
            raise BadInput(f"{own.folder} is a record of {own.record.task}, not of {request.task}")
    check_comparable(records)
    records = told_apart(records)
    name = measure or records[0].record.headline.measure
    card = records[0].card(name)
    if card.low is not None and card.high is not None and detect > card.high - card.low:
        raise BadInput(
            f"a difference of {detect:g} cannot be: {name} lies in [{card.low:g}, {card.high:g}]"
        )
    try:
        pilot_data = _pilot(records, name)
        if detect > MAX_EFFECT * pilot_data.sd:
            raise BadInput(
                f"a difference of {detect:g} is {detect / pilot_data.sd:.2g} times the spread of "
                "the pilot's; is that meant?"
            )
        need = _need(request, pilot_data)
        at_hand = _at_hand(request, pilot_data, records[0])
    except ValueError as error:
        raise BadInput(f"plan: {error}") from None
    return PlanResult(
        task=request.task,
        measure=name,
        fingerprint=records[0].record.fingerprint,
        pilots=tuple(own.name for own in records),
        detect=request.detect,
        power=request.power,
        level=LEVEL,
        sd=pilot_data.sd,
        assumption=pilot_data.assumption,
        need=need,
        at_hand=at_hand,
        notes=(
            *pilot_data.notes,
            *_cap_note(request, pilot_data),
            *_too_few(need, at_hand, budget),
        ),
    )


def _too_few(need: Need, at_hand: AtHand, budget: float | None) -> tuple[str, ...]:
    if budget is not None or need.prompts <= at_hand.prompts:
        return ()
    return (f"the prompt set has {at_hand.prompts} prompts: more take a --set FILE of your own",)


def _pilot(records: Sequence[ScoredRecord], measure: str) -> _Pilot:
    table, sides = line_up(records, measure)
    first = sides[0].scores
    if not first.is_sampled or first.link != "identity":
        raise BadInput(
            f"{measure} is no mean over units, so the number of prompts that it needs does not "
            "follow from a pilot; choose another --measure"
        )
    if len(sides) == 2:
        a, b = pair(sides[0], sides[1], table, measure)
        differences, assumption, factor = a - b, "differences of the two pilots", 1.0
    else:
        differences, factor = sides[0].means, math.sqrt(2)
        assumption = (
            "one pilot: as if the other entrant varied as much and were unrelated; two pilots give "
            "the real spread"
        )
    found = mean_interval(differences, clusters=table.clusters, level=LEVEL)
    error = t_error(found, caller="plan")
    if error is None:
        raise BadInput(f"plan: the pilot does not show a spread: {'; '.join(found.warnings)}")
    # Of clustered units, the spread that independent ones with the same standard error would have.
    sd = factor * error[0] * math.sqrt(found.n)
    replicates = set.intersection(*(set(side.scores.replicate.tolist()) for side in sides))
    samples = int(dict(records[0].record.apparatus.options).get("samples", 1)) * len(replicates)
    has_parts = samples > 1 and bool((first.index >= 0).all())
    parts = _in_clusters(_parts(sides, table), sd, samples, table) if has_parts else None
    notes = (*found.warnings, *(parts.warnings if parts else ()))
    if parts is None:
        notes += (f"{measure} is a score of {samples} samples together: their number stays",)
    if len(replicates) > 1:
        notes += (f"samples are those of {len(replicates)} replicates, which the run needs too",)
    return _Pilot(sd, samples, parts, assumption, notes)


def _parts(sides: Sequence[Side], table: UnitTable) -> VarianceComponents:
    samples = [_samples_by_unit(side.scores, table) for side in sides]
    if len(samples) == 2:
        return variance_components(samples[0], samples[1])
    nothing = [np.zeros(2)] * len(table)
    own = variance_components(samples[0], nothing)
    return VarianceComponents(2 * own.omega2, own.sigma2_a, own.sigma2_a, own.n_units, own.warnings)


def _in_clusters(
    parts: VarianceComponents, sd: float, samples: int, table: UnitTable
) -> VarianceComponents:
    """The parts with the spread that units of common clusters have in effect."""
    if len(set(table.clusters)) == len(table):
        return parts
    omega2 = sd**2 - (parts.sigma2_a + parts.sigma2_b) / samples
    return replace(parts, omega2=max(parts.omega2, omega2))


def _samples_by_unit(scores: UnitScores, table: UnitTable) -> list[Floats]:
    found: dict[str, list[float]] = {unit: [] for unit in table.units}
    for unit, value in zip(scores.unit.tolist(), scores.value.tolist(), strict=True):
        found[unit].append(value)
    return [np.array(own) for own in found.values()]


def _cap_note(request: _Request, pilot: _Pilot) -> tuple[str, ...]:
    if pilot.parts is None or request.costs is None:
        return ()
    return (
        f"no more samples than the pilot's {pilot.samples} are proposed: what more of them would "
        "give cannot be told from it",
    )


def _capped(costs: Costs, pilot: _Pilot) -> Costs:
    """Costs that allow no more samples of a prompt than the pilot had.

    With more of them a plan rests on omega^2, which a pilot hardly knows: where that comes out too
    small, too few prompts of too many samples look cheap. Up to the pilot's own number, the spread
    of its differences bears the plan.
    """
    return replace(costs, max_samples=pilot.samples)


def _need(request: _Request, pilot: _Pilot) -> Need:
    costs, power = request.costs, request.power
    if pilot.parts is not None and costs is not None:
        chosen = cheapest_plan(
            pilot.parts, request.detect, _capped(costs, pilot), power=power, level=LEVEL
        )
        return Need(
            prompts=chosen.units, samples=chosen.samples, power=chosen.power, cost=chosen.cost
        )
    n = required_units(pilot.sd, request.detect, power=power, level=LEVEL)
    return Need(
        prompts=n,
        samples=pilot.samples,
        power=power_of_mean_difference(n, pilot.sd, request.detect, level=LEVEL),
        cost=None if costs is None else costs.of(n, pilot.samples),
    )


def _at_hand(request: _Request, pilot: _Pilot, record: ScoredRecord) -> AtHand:
    costs = request.costs
    if request.budget is None:
        n, samples = _set_size(record), pilot.samples
    elif costs is None:
        raise BadInput("--budget needs --cost-prompt or --cost-sample: what is it to pay for?")
    elif pilot.parts is not None:
        best = best_plan(
            pilot.parts, request.budget, _capped(costs, pilot), power=request.power, level=LEVEL
        )
        return AtHand(prompts=best.units, samples=best.samples, effect=best.effect, cost=best.cost)
    else:
        samples = pilot.samples
        n = math.floor(request.budget / costs.of(1, samples))
        if n < 3:
            raise BadInput(
                f"a budget of {request.budget:g} does not pay for 3 prompts, which cost "
                f"{costs.of(3, samples):g}"
            )
    return AtHand(
        prompts=n,
        samples=samples,
        effect=detectable_effect(n, pilot.sd, power=request.power, level=LEVEL),
        cost=None if costs is None else costs.of(n, samples),
    )


def _set_size(record: ScoredRecord) -> int:
    """Prompts of the whole set that the pilot took its own from."""
    task, name = TASKS[record.record.task], record.record.prompt_set
    if isinstance(task.card.sets.get(name), DataFile):
        return len(task.prompt_set(name))
    return record.record.apparatus.n_units
