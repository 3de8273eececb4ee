"""Distributions of answers, in both groupings of the paper: by concept and by prompt."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from evalsuite.metrics import normalized_entropy
from evalsuite_tasks.grade.answers import Answer
from evalsuite_tasks.grade.attributes import Attribute
from evalsuite_tasks.grade.named_values import asked_value, concept_in

Grouping = Literal["multi", "single"]
"""``multi``: all prompts of a concept together; ``single``: each prompt by itself."""


@dataclass
class Distribution:
    """The answers to one question about the images of a concept, or of one prompt.

    Parameters
    ----------
    group : str
        Its name: concept or prompt, and attribute.
    owner : str
        The concept's id, or the prompt's.
    counts : dict of str to int
        Of every value of the support, those that were not seen included.
    outside : Counter
        Answers that are no value, by what was said.
    n_none, n_missing : int
        Answers that none fits, and those that are missing.
    """

    grouping: Grouping
    group: str
    owner: str
    concept: str
    attribute: Attribute
    cluster: str
    stratum: str
    replicate: int
    counts: dict[str, int]
    outside: Counter[str] = field(default_factory=Counter)
    n_none: int = 0
    n_missing: int = 0

    @property
    def n_valid(self) -> int:
        """Answers in the support."""
        return sum(self.counts.values())

    @property
    def n_outside(self) -> int:
        """Answers that are no value."""
        return sum(self.outside.values())

    @property
    def n_images(self) -> int:
        """Images that were asked for."""
        return self.n_valid + self.n_outside + self.n_none + self.n_missing

    @property
    def entropy(self) -> float | None:
        """Plug-in entropy over log of the number of listed values; None without a valid answer."""
        if not self.n_valid:
            return None
        return normalized_entropy(list(self.counts.values())) if len(self.counts) > 1 else 0.0

    @property
    def top(self) -> tuple[str, float] | None:
        """The most frequent answer, out-of-set ones included, and its share; ties by name."""
        said = Counter(self.counts) + self.outside
        total = sum(said.values())
        if not total:
            return None
        name, count = min(said.items(), key=lambda own: (-own[1], own[0]))
        return name, count / total


def distributions(answers: Iterable[Answer], grouping: Grouping) -> list[Distribution]:
    """Group answers by replicate, question and concept or prompt.

    Prompts that name a value are left out: their answers are no choice of the model's.
    """
    found: dict[tuple[str, str, int], Distribution] = {}
    for own in answers:
        if asked_value(own.unit) is not None:
            continue
        concept = concept_in(own.unit)
        owner = concept.id if grouping == "multi" else own.unit.id
        place = (owner, own.attribute.id, own.replicate)
        if place not in found:
            found[place] = Distribution(
                grouping,
                f"{owner}/{own.attribute.id}",
                owner,
                concept.name,
                own.attribute,
                own.unit.cluster,
                own.unit.stratum,
                own.replicate,
                dict.fromkeys(own.attribute.support, 0),
            )
        _count(found[place], own)
    return list(found.values())


def _count(distribution: Distribution, own: Answer) -> None:
    if own.kind == "value":
        distribution.counts[own.text] += 1
    elif own.kind == "outside":
        distribution.outside[own.text] += 1
    elif own.kind == "none":
        distribution.n_none += 1
    else:
        distribution.n_missing += 1
