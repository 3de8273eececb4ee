"""How large a GRADE set is, in the terms of the paper's data set (GRADE section 2.1)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite_tasks.grade.attributes import normalised
from evalsuite_tasks.grade.concepts import Concept


@dataclass(frozen=True)
class SetCounts:
    """Sizes of a set.

    Parameters
    ----------
    attributes : int
        Questions, each belonging to one concept.
    questions_per_image : int
        Rows of the published form: attributes times prompts of their concept.
    attributes_per_concept : tuple of (int, int)
        How many concepts have so many attributes; by the number of attributes.
    binary, mean_values, most_values : int, float, int
        Of the values as listed: attributes with two, their mean and largest number.
    neither : int
        Attributes that list an answer which says that none fits.
    binary_support, mean_support : int, float
        The same without such answers.
    yes_no : int
        Attributes whose values are yes and no.
    most_shared : int
        Concepts that share the question which most of them share.
    """

    concepts: int
    prompts: int
    attributes: int
    questions_per_image: int
    attributes_per_concept: tuple[tuple[int, int], ...]
    binary: int
    mean_values: float
    most_values: int
    neither: int
    binary_support: int
    mean_support: float
    yes_no: int
    most_shared: int

    def rows(self) -> tuple[tuple[str, str], ...]:
        """What is counted and how much there is of it, for people."""
        each = ", ".join(f"{k}: {n}" for k, n in reversed(self.attributes_per_concept))
        return (
            ("concepts", f"{self.concepts:,}"),
            ("prompts", f"{self.prompts:,}"),
            ("attributes", f"{self.attributes:,}"),
            ("concepts by number of attributes", each),
            ("questions about one image of each prompt", f"{self.questions_per_image:,}"),
            ("values of an attribute, mean", f"{self.mean_values:.2f}"),
            ("values of an attribute, most", f"{self.most_values}"),
            ("attributes of two values", f"{self.binary:,}"),
            ("attributes that list 'neither'", f"{self.neither:,}"),
            ("values without it, mean", f"{self.mean_support:.2f}"),
            ("attributes of two values without it", f"{self.binary_support:,}"),
            ("attributes of yes and no", f"{self.yes_no:,}"),
            ("concepts that share a question, at most", f"{self.most_shared:,}"),
        )


def counts_of(concepts: Sequence[Concept]) -> SetCounts:
    """Count what a set holds.

    Raises
    ------
    ValueError
        If there is no concept.

    Examples
    --------
    >>> from evalsuite_tasks.grade.attributes import Attribute
    >>> from evalsuite_tasks.grade.concepts import ScenePrompt
    >>> lid = Attribute("lid", "Is there a lid?", ("no", "yes"))
    >>> pot = Concept("pot", "a pot", (ScenePrompt("a pot in a kitchen.", "common"),), (lid,))
    >>> counts_of([pot]).rows()[7]
    ('attributes of two values', '1')
    """
    if not concepts:
        raise ValueError("counts_of: no concepts")
    attributes = [own for concept in concepts for own in concept.attributes]
    listed = [len(own.values) for own in attributes]
    support = [len(own.support) for own in attributes]
    sizes = Counter(len(concept.attributes) for concept in concepts)
    shared = Counter(
        question
        for concept in concepts
        for question in {normalised(own.question) for own in concept.attributes}
    )
    return SetCounts(
        concepts=len(concepts),
        prompts=sum(len(concept.prompts) for concept in concepts),
        attributes=len(attributes),
        questions_per_image=sum(len(c.attributes) * len(c.prompts) for c in concepts),
        attributes_per_concept=tuple(sorted(sizes.items())),
        binary=listed.count(2),
        mean_values=float(np.mean(listed)),
        most_values=max(listed),
        neither=sum(own.values != own.support for own in attributes),
        binary_support=support.count(2),
        mean_support=float(np.mean(support)),
        yes_no=sum(set(own.support) == {"yes", "no"} for own in attributes),
        most_shared=max(shared.values()),
    )
