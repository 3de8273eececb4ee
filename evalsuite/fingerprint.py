"""The apparatus of a run and its fingerprint: only rows with equal ones are ranked together."""

from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.prompts import Unit, prompts_digest
from evalsuite.requests import Entrant, Frozen, digest
from evalsuite.tasks import Task, TaskOptions


class Apparatus(Frozen):
    """Everything about a run that is not the entrant's choice and can move its numbers.

    Not in it: the entrant, the seed, batch size, device and engine.

    Parameters
    ----------
    options : tuple of (str, scalar)
        The task's options, samples and length limits among them.
    judges : tuple of (str, str)
        Role and identity digest of each judge, its decoding included if it generates.
    measures : tuple of (str, int)
        Name and version of each measure.
    adaptive_rule, correction_sha256 : str or None
        The stopping rule and the labels that correct a judge, where there are any.
    """

    task: str
    task_version: int
    mode: str
    prompts_sha256: str
    n_units: int
    data: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, Any], ...]
    judges: tuple[tuple[str, str], ...]
    measures: tuple[tuple[str, int], ...]
    adaptive_rule: str | None = None
    correction_sha256: str | None = None

    @property
    def fingerprint(self) -> str:
        """sha256 of all of it."""
        return digest(self.model_dump(mode="json"))


def apparatus(
    task: Task,
    mode: str,
    options: TaskOptions,
    units: Sequence[Unit],
    judges: Mapping[str, Entrant],
) -> Apparatus:
    """Describe the apparatus of a planned run."""
    card = task.card
    return Apparatus(
        task=card.name,
        task_version=card.version,
        mode=mode,
        prompts_sha256=prompts_digest(units),
        n_units=len(units),
        data=tuple(sorted((data.file, data.sha256) for data in card.data)),
        options=tuple(sorted(options.model_dump(mode="json").items())),
        judges=tuple(sorted((role, _identity(judge)) for role, judge in judges.items())),
        measures=tuple(sorted((measure.name, measure.version) for measure in card.measures)),
    )


def _identity(judge: Entrant) -> str:
    if judge.decoding is None:
        return judge.identity
    return digest([judge.identity, judge.decoding.model_dump(mode="json")])
