"""Drawings are what their scene says, and follow from scene and seed alone."""

import numpy as np
import pytest

from evalsuite.tinyworld.canvas import Canvas
from evalsuite.tinyworld.drawing import GROUNDS, draw
from evalsuite.tinyworld.joint import BALANCED
from evalsuite.tinyworld.oracle import read_scenes
from evalsuite.tinyworld.world import ATTRIBUTES, Scene, all_scenes


def area(canvas: Canvas, distance) -> float:
    """Share of the canvas that an outline covers, by what painting it white leaves behind."""
    canvas.paint(distance, (255, 255, 255))
    return float(canvas.pixels().mean() / 255)


@pytest.mark.parametrize(
    ("outline", "expected"),
    [
        (lambda c: c.disc(0.5, 0.5, 0.3), np.pi * 0.09),
        (lambda c: c.oval(0.5, 0.5, 0.4, 0.2), np.pi * 0.08),
        (lambda c: c.box(0.5, 0.5, 0.6, 0.3), 0.18),
        (lambda c: c.box(0.5, 0.5, 0.6, 0.3, 0.1), 0.18 - (4 - np.pi) * 0.01),
        (lambda c: c.stroke(0.3, 0.5, 0.7, 0.5, 0.2), 0.08 + np.pi * 0.01),
        (lambda c: c.polygon([(0.2, 0.2), (0.8, 0.2), (0.2, 0.8)]), 0.18),
        (lambda c: c.polygon([(0.2, 0.2), (0.8, 0.2), (0.5, 0.35), (0.5, 0.8)]), 0.1125),
    ],
    ids=["disc", "oval", "box", "round box", "stroke", "triangle", "hollow polygon"],
)
def test_an_outline_covers_the_area_that_geometry_says(outline, expected):
    canvas = Canvas(64, (0, 0, 0))
    assert area(canvas, outline(canvas)) == pytest.approx(expected, abs=0.004)


def test_a_canvas_can_be_moved_and_mirrored():
    moved, mirrored = Canvas(32, (0, 0, 0), dx=0.25), Canvas(32, (0, 0, 0), is_mirrored=True)
    for canvas in (moved, mirrored):
        canvas.paint(canvas.disc(0.25, 0.5, 0.1), (255, 255, 255))
    assert moved.pixels()[:, :, 0].sum(axis=0).argmax() in (15, 16)
    assert mirrored.pixels()[:, :, 0].sum(axis=0).argmax() in (23, 24)


def test_equal_seeds_give_equal_drawings_and_other_seeds_others():
    scene = all_scenes("person")[7]
    assert (draw(scene, 3) == draw(scene, 3)).all()
    different = {draw(scene, seed).tobytes() for seed in range(50)}
    assert len(different) == 50


def test_a_larger_drawing_shows_the_same():
    scene = all_scenes("shape")[100]
    large = draw(scene, 5, size=128).reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    assert np.abs(large - draw(scene, 5)).mean() < 2.0
    assert read_scenes(draw(scene, 5, size=128)[None])[0].scene == scene


def test_drawings_below_32_pixels_are_refused():
    with pytest.raises(ValueError, match="at least 32, got 16"):
        draw(all_scenes("shape")[0], 0, size=16)


@pytest.mark.parametrize("kind", ["person", "shape"])
def test_the_oracle_reads_every_attribute_of_new_drawings_at_99_percent(kind):
    rng = np.random.default_rng(20)
    cells = all_scenes(kind)
    scenes = [cells[i] for i in rng.integers(0, len(cells), 1500)]
    images = np.stack([draw(scene, 10**6 + i) for i, scene in enumerate(scenes)])
    readings = read_scenes(images)
    for name in ATTRIBUTES[kind]:
        right = [
            r.scene.kind == kind and r.scene[name] == s[name]
            for r, s in zip(readings, scenes, strict=True)
        ]
        assert np.mean(right) >= 0.99, name
    assert max(r.distance for r in readings) < 0.12


def test_the_oracle_says_how_far_an_image_is_from_tinyworld():
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    assert min(r.distance for r in read_scenes(noise)) > 0.15


def test_the_oracle_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"expected \(n, size, size, 3\)"):
        read_scenes(np.zeros((32, 32, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="multiple of 16, got 40"):
        read_scenes(np.zeros((1, 40, 40, 3), dtype=np.uint8))


def test_a_scene_knows_its_words():
    with pytest.raises(ValueError, match="colour must be one of"):
        Scene.of("shape", shape="star", colour="beige", size="large", background="mint")
    with pytest.raises(ValueError, match="a shape has"):
        Scene.of("shape", shape="star")
    assert set(GROUNDS) == set(ATTRIBUTES["person"]["background"])
    assert len(ATTRIBUTES["person"]["occupation"]) >= 16
    assert BALANCED.people.size == len(all_scenes("person"))
