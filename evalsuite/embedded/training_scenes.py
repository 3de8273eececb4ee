"""What tinyworld's models are trained on: drawings from a declared joint, and captions of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evalsuite.tinyworld.captions import PREFIXES, Description, caption
from evalsuite.tinyworld.drawing import draw
from evalsuite.tinyworld.joint import STEREOTYPED, Joint
from evalsuite.tinyworld.world import ATTRIBUTES, Kind, Scene, all_scenes

_NAMED = {
    "occupation": 0.92,
    "presentation": 0.5,
    "tone": 0.5,
    "background": 0.5,
    "shape": 0.92,
    "colour": 0.75,
    "size": 0.6,
}
_PREFIXED = 0.3


def held_out(scene: Scene) -> bool:
    """Whether no model is trained on such a scene: a tenth of the combinations.

    For every occupation, one presentation and tone; for every shape, one colour.
    """
    values = ATTRIBUTES[scene.kind]
    first, second, third = (values[name].index(scene[name]) for name in list(values)[:3])
    if scene.kind == "person":
        return second == first % 2 and third == (2 * first + 1) % len(values["tone"])
    return second == (3 * first + 1) % len(values["colour"])


@cache
def training_joint() -> Joint:
    """The stereotyped joint `without_held_out`."""
    return without_held_out(STEREOTYPED)


def without_held_out(joint: Joint) -> Joint:
    """A joint without what is held out.

    The share of a person's presentation given the occupation, and of a shape, stay what they are;
    the tones or colours that are left share what was taken.
    """
    tables = []
    for kind, table in (("person", joint.people), ("shape", joint.shapes)):
        keep = np.array([not held_out(scene) for scene in all_scenes(kind)]).reshape(table.shape)  # type: ignore[arg-type]
        axes = (2, 3) if kind == "person" else (1, 2, 3)
        kept = np.where(keep, table, 0.0)
        tables.append(
            kept * table.sum(axis=axes, keepdims=True) / kept.sum(axis=axes, keepdims=True)
        )
    return Joint(*tables)


@dataclass(frozen=True)
class Drawings:
    """Drawings and what they show.

    Parameters
    ----------
    scenes : tuple of Scene
    pixels : array of shape (n, 32, 32, 3)
    """

    scenes: tuple[Scene, ...]
    pixels: NDArray[np.uint8]


def draw_scenes(kind: Kind, n: int, *, joint: Joint, seed: int) -> Drawings:
    """Draw scenes of a kind from a joint."""
    rng = np.random.default_rng(seed)
    cells = all_scenes(kind)
    table = joint.people if kind == "person" else joint.shapes
    chosen = [cells[i] for i in rng.choice(len(cells), n, p=table.ravel() / table.sum())]
    seeds = rng.integers(0, 2**62, n)
    pixels = np.stack([draw(scene, int(s)) for scene, s in zip(chosen, seeds, strict=True)])
    return Drawings(tuple(chosen), pixels)


def random_caption(scene: Scene, rng: np.random.Generator, *, names_all: bool) -> str:
    """Describe a scene; unless ``names_all``, attributes are left out at random."""
    attributes = ATTRIBUTES[scene.kind]
    named = {a: scene[a] for a in attributes if names_all or rng.random() < _NAMED[a]}
    prefix = PREFIXES[rng.integers(len(PREFIXES))] if rng.random() < _PREFIXED else ""
    return caption(Description(scene.kind, named, prefix))


def vocabulary() -> list[str]:
    """Every word that a caption can hold, sorted."""
    words: set[str] = set()
    for scene in (*all_scenes("person"), *all_scenes("shape")):
        named = dict(zip(ATTRIBUTES[scene.kind], scene.values, strict=True))
        words |= set(caption(Description(scene.kind, named)).split())
    open_captions = [Description("person"), Description("shape")]
    words |= {w for d in open_captions for w in caption(d).split()}
    return sorted(words | {w for prefix in PREFIXES for w in prefix.split()} | {"an"})


def captions_of(
    scenes: Sequence[Scene], rng: np.random.Generator, *, names_all: bool, dropped: float
) -> list[str]:
    """A fresh caption for each scene; a share of them is empty, for guidance."""
    texts = [random_caption(scene, rng, names_all=names_all) for scene in scenes]
    return ["" if rng.random() < dropped else text for text in texts]
