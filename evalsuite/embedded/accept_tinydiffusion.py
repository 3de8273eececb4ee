"""Reads what a tiny diffusion model draws with the oracle: the figures of its card.

python -m evalsuite.embedded.accept_tinydiffusion FOLDER [--guidance 1.0]
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from evalsuite.embedded.training_scenes import held_out, training_joint
from evalsuite.tinyworld.captions import Description, caption
from evalsuite.tinyworld.joint import STEREOTYPED
from evalsuite.tinyworld.oracle import Reading, read_scenes
from evalsuite.tinyworld.world import (
    ATTRIBUTES,
    OCCUPATIONS,
    PRESENTATIONS,
    Kind,
    Scene,
    all_scenes,
)

STEPS = 20
_BATCH = 120


def draw_captions(
    pipeline: StableDiffusionPipeline, captions: Sequence[str], *, guidance: float, seed: int
) -> NDArray[np.uint8]:
    """Generate one image a caption, each from a generator of its own.

    Returns
    -------
    array of shape (n, 32, 32, 3)
    """
    parts = []
    for start in range(0, len(captions), _BATCH):
        batch = list(captions[start : start + _BATCH])
        generators = [
            torch.Generator().manual_seed(seed * 1_000_003 + start + i) for i in range(len(batch))
        ]
        images = pipeline(
            batch,
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            generator=generators,
            output_type="np",
        ).images
        parts.append(np.rint(images * 255).astype(np.uint8))
    return np.concatenate(parts)


def named_figures(
    pipeline: StableDiffusionPipeline, kind: Kind, scenes: Sequence[Scene], *, guidance: float
) -> dict[str, float]:
    """Share of images in which the oracle reads what the caption named, by attribute."""
    captions = [
        caption(Description(kind, dict(zip(ATTRIBUTES[kind], scene.values, strict=True))))
        for scene in scenes
    ]
    readings = read_scenes(draw_captions(pipeline, captions, guidance=guidance, seed=1))
    return {name: _share(readings, scenes, kind, name) for name in ATTRIBUTES[kind]} | {
        "distance": float(np.mean([r.distance for r in readings]))
    }


def _share(readings: Sequence[Reading], scenes: Sequence[Scene], kind: Kind, name: str) -> float:
    return float(
        np.mean(
            [
                r.scene.kind == kind and r.scene[name] == scene[name]
                for r, scene in zip(readings, scenes, strict=True)
            ]
        )
    )


def open_figures(
    pipeline: StableDiffusionPipeline, *, guidance: float, images: int
) -> dict[str, float]:
    """P(feminine | occupation) less the truth, where captions leave the presentation open."""
    captions = [
        caption(Description("person", {"occupation": name}))
        for name in OCCUPATIONS
        for _ in range(images)
    ]
    readings = read_scenes(draw_captions(pipeline, captions, guidance=guidance, seed=2))
    gaps = {}
    for i, name in enumerate(OCCUPATIONS):
        own = [r.scene for r in readings[i * images : (i + 1) * images]]
        found = np.mean([s.kind == "person" and s["presentation"] == "feminine" for s in own])
        truth = STEREOTYPED.shares("person", "presentation", {"occupation": name})
        gaps[name] = float(found - truth[PRESENTATIONS.index("feminine")])
    errors = np.abs(list(gaps.values()))
    return gaps | {"mean": float(errors.mean()), "max": float(errors.max())}


def figures(folder: Path, *, guidance: float, images: int = 64) -> dict[str, dict[str, float]]:
    """All figures of a card at one guidance."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, torch_dtype=torch.float32, use_safetensors=True
    )
    pipeline.set_progress_bar_config(disable=True)
    rng = np.random.default_rng(0)
    joint = training_joint()
    found: dict[str, dict[str, float]] = {}
    kinds: tuple[tuple[Kind, int], ...] = (("person", 480), ("shape", 240))
    for kind, n in kinds:
        cells = all_scenes(kind)
        table = joint.people if kind == "person" else joint.shapes
        possible = np.flatnonzero(table)
        seen = [cells[i] for i in rng.choice(possible, n)]
        new = [scene for scene in cells if held_out(scene)]
        new = (new * 5)[: n // 2]
        found[kind] = named_figures(pipeline, kind, seen, guidance=guidance)
        found[f"{kind}, held out"] = named_figures(pipeline, kind, new, guidance=guidance)
    found["P(feminine | occupation) - truth"] = open_figures(
        pipeline, guidance=guidance, images=images
    )
    return found


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure a tiny diffusion model by the oracle.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--images", type=int, default=64, help="a prompt, where it is left open")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    found = figures(options.folder, guidance=options.guidance, images=options.images)
    rounded = {row: {k: round(v, 3) for k, v in cells.items()} for row, cells in found.items()}
    print(json.dumps(rounded, indent=2))


if __name__ == "__main__":
    main()
