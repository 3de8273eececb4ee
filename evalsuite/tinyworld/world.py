"""What there is in tinyworld: people at work and coloured shapes, and the words for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

Kind = Literal["person", "shape"]

OCCUPATIONS = (
    "artist",
    "astronaut",
    "builder",
    "chef",
    "doctor",
    "farmer",
    "firefighter",
    "judge",
    "mechanic",
    "nurse",
    "pilot",
    "police officer",
    "scientist",
    "singer",
    "student",
    "teacher",
)
PRESENTATIONS = ("masculine", "feminine")
"""How a drawn person is presented: short hair and a beard, or long hair. Drawings have no gender;
captions say ``man`` and ``woman`` as people do."""

TONES = ("light", "medium-light", "medium", "medium-dark", "dark")
BACKGROUNDS = ("grey", "mint", "lilac")
SHAPES = ("circle", "cross", "heart", "square", "star", "triangle")
COLOURS = ("blue", "brown", "green", "orange", "pink", "purple", "red", "yellow")
SIZES = ("small", "large")

ATTRIBUTES: Mapping[Kind, Mapping[str, tuple[str, ...]]] = {
    "person": {
        "occupation": OCCUPATIONS,
        "presentation": PRESENTATIONS,
        "tone": TONES,
        "background": BACKGROUNDS,
    },
    "shape": {
        "shape": SHAPES,
        "colour": COLOURS,
        "size": SIZES,
        "background": BACKGROUNDS,
    },
}
"""Attributes of each kind of drawing and their closed sets of values; the axes of `Joint`."""


@dataclass(frozen=True)
class Scene:
    """What one drawing shows.

    Parameters
    ----------
    kind : ``person`` or ``shape``
    values : tuple of str
        One value for each attribute of the kind, in the order of `ATTRIBUTES`.
    """

    kind: Kind
    values: tuple[str, ...]

    @classmethod
    def of(cls, kind: Kind, **values: str) -> "Scene":
        """Make a scene from its attributes by name.

        Raises
        ------
        ValueError
            If an attribute is lacking, strange, or has a value that the world does not know.

        Examples
        --------
        >>> Scene.of("shape", shape="star", colour="red", size="large", background="mint").values
        ('star', 'red', 'large', 'mint')
        """
        attributes = ATTRIBUTES[kind]
        if set(values) != set(attributes):
            raise ValueError(f"Scene: a {kind} has {list(attributes)}, got {sorted(values)}")
        for name, value in values.items():
            if value not in attributes[name]:
                raise ValueError(f"Scene: {name} must be one of {attributes[name]}, got {value!r}")
        return cls(kind, tuple(values[name] for name in attributes))

    def __getitem__(self, attribute: str) -> str:
        return self.values[list(ATTRIBUTES[self.kind]).index(attribute)]


def all_scenes(kind: Kind) -> list[Scene]:
    """Every scene of a kind, in the order of a `Joint`'s cells.

    >>> len(all_scenes("person")), len(all_scenes("shape"))
    (480, 288)
    """
    return [Scene(kind, values) for values in product(*ATTRIBUTES[kind].values())]
