"""Trains ``embedded:tinyclip``: an open_clip model of tinyworld, and probes that answer questions.

    python -m evalsuite.embedded.train_tinyclip --out FOLDER

The contrastive loss counts every caption that is true of an image as its match, not only its own.
Linear heads on the image features are trained along, so that no attribute is left unlearnt; the
probes that the model ships with are fitted afterwards, on the frozen features.
"""

import argparse
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import nn

from evalsuite.embedded.training_loop import Schedule, put, train
from evalsuite.embedded.training_scenes import (
    Drawings,
    draw_scenes,
    random_caption,
    vocabulary,
    without_held_out,
)
from evalsuite.embedded.word_tokenizer import word_tokenizer
from evalsuite.tinyworld.captions import Description, parse
from evalsuite.tinyworld.joint import BALANCED
from evalsuite.tinyworld.world import ATTRIBUTES, Kind, Scene

log = logging.getLogger("evalsuite.training")

CONFIG: dict[str, Any] = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64},
    "text_cfg": {
        "context_length": 20,
        "vocab_size": 59,
        "width": 96,
        "heads": 4,
        "layers": 2,
    },
}
PREPROCESSING = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "size": 32}
N_PEOPLE, N_SHAPES = 24_000, 12_000
BATCH = 128
SCHEDULE = Schedule(steps=4000, peak=2e-3, warm_up=100, flat=0.3, decay=0.998)
KINDS: tuple[Kind, ...] = ("person", "shape")


def questions() -> list[tuple[Kind | None, str, tuple[str, ...]]]:
    """Attributes that heads and probes tell apart: kind, those of each kind, those of both."""
    found: list[tuple[Kind | None, str, tuple[str, ...]]] = [(None, "kind", KINDS)]
    for kind in KINDS:
        own = {n: v for n, v in ATTRIBUTES[kind].items() if n != "background"}
        found += [(kind, name, values) for name, values in own.items()]
    return [*found, (None, "background", ATTRIBUTES["person"]["background"])]


def labels_of(scenes: Sequence[Scene]) -> dict[str, torch.Tensor]:
    """Number of each scene's value, by attribute; -1 where the scene has no such attribute."""
    found = {}
    for kind, name, values in questions():
        rows = [
            -1
            if kind is not None and scene.kind != kind
            else values.index(scene.kind if name == "kind" else scene[name])
            for scene in scenes
        ]
        found[name] = torch.tensor(rows)
    return found


def true_of(description: Description, scene: Scene) -> bool:
    """Whether a description is true of a scene."""
    return description.kind == scene.kind and all(
        scene[name] == value for name, value in description.named.items()
    )


@dataclass(frozen=True)
class _World:
    """Drawings and their labels, people first."""

    scenes: tuple[Scene, ...]
    pixels: torch.Tensor
    labels: dict[str, torch.Tensor]
    n_people: int

    @classmethod
    def of(cls, people: Drawings, shapes: Drawings) -> "_World":
        scenes = (*people.scenes, *shapes.scenes)
        pixels = torch.from_numpy(np.concatenate([people.pixels, shapes.pixels]))
        return cls(scenes, pixels.permute(0, 3, 1, 2), labels_of(scenes), len(people.scenes))

    def rows(self, rng: np.random.Generator, size: int) -> torch.Tensor:
        n = int(0.62 * size)
        both = [
            rng.integers(0, self.n_people, n),
            rng.integers(self.n_people, len(self.scenes), size - n),
        ]
        return torch.from_numpy(np.concatenate(both))

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        return self.pixels[rows].float() / 127.5 - 1.0


def _disturbed(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Noise, and brightness: what generated images have and drawings lack."""
    n = len(images)
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    strength = torch.from_numpy(rng.uniform(0.0, 0.2, (n, 1, 1, 1)).astype(np.float32))
    light = torch.from_numpy(rng.uniform(-0.06, 0.06, (n, 3, 1, 1)).astype(np.float32))
    return images + strength * noise + light


def train_model(folder: Path, *, scale: float = 1.0) -> None:
    """Train, fit the probes and save; what a killed training left is gone on from."""
    folder.mkdir(parents=True, exist_ok=True)
    joint = without_held_out(BALANCED)
    world = _World.of(
        draw_scenes("person", int(N_PEOPLE * scale), joint=joint, seed=11),
        draw_scenes("shape", int(N_SHAPES * scale), joint=joint, seed=12),
    )
    tokenizer = word_tokenizer(vocabulary(), max_words=CONFIG["text_cfg"]["context_length"])
    torch.manual_seed(0)
    model = CLIP(**CONFIG)
    heads = nn.ModuleDict(
        {name: nn.Linear(CONFIG["embed_dim"], len(values)) for _, name, values in questions()}
    )

    def loss_of(step: int) -> torch.Tensor:
        rng = np.random.default_rng((6, step))
        rows = world.rows(rng, BATCH)
        scenes = [world.scenes[i] for i in rows.tolist()]
        texts = [random_caption(scene, rng, names_all=rng.random() < 0.5) for scene in scenes]
        ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        descriptions = [parse(text) for text in texts]
        matches = torch.tensor([[float(true_of(d, s)) for s in scenes] for d in descriptions])
        images = _disturbed(world.images(rows), rng)
        with torch.autocast("cpu", torch.bfloat16):
            seen = model.encode_image(images, normalize=True)
            read = model.encode_text(ids, normalize=True)
        seen, read = seen.float(), read.float()
        logits = model.logit_scale.clamp(max=4.0).exp() * read @ seen.T
        loss = 0.5 * (_matched(logits, matches) + _matched(logits.T, matches.T))
        for name, head in heads.items():
            wanted = world.labels[name][rows]
            loss = loss + 0.5 * nn.functional.cross_entropy(
                8.0 * head(seen), wanted, ignore_index=-1
            )
        return loss

    steps = Schedule(**(vars(SCHEDULE) | {"steps": max(4, int(SCHEDULE.steps * scale))}))
    averages = train(
        {"model": model, "heads": heads}, loss_of, steps, checkpoint=folder / "tinyclip.safetensors"
    )
    put(model, averages["model"])
    _settle_batch_norm(model, world)
    _save(folder / "model", model.eval(), tokenizer, fit_probes(model, world))


def _matched(logits: torch.Tensor, matches: torch.Tensor) -> torch.Tensor:
    targets = matches / matches.sum(dim=1, keepdim=True).clamp(min=1.0)
    return nn.functional.cross_entropy(logits, targets)


def _settle_batch_norm(model: CLIP, world: _World) -> None:
    """Means and variances of the averaged weights, not of those that were trained."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    rng = np.random.default_rng(7)
    model.train()
    with torch.no_grad():
        for _ in range(40):
            model.encode_image(_disturbed(world.images(world.rows(rng, 256)), rng))
    model.eval()


def fit_probes(model: CLIP, world: _World) -> dict[str, torch.Tensor]:
    """One logistic regression an attribute on the frozen, normalised image features.

    Returns
    -------
    ``<attribute>.weight`` of shape (values, d) and ``<attribute>.bias``.
    """
    rng = np.random.default_rng(8)
    rows = torch.from_numpy(rng.permutation(len(world.scenes))[:20_000])
    with torch.inference_mode():
        parts = [
            model.encode_image(_disturbed(world.images(part), rng), normalize=True)
            for part in rows.split(512)
        ]
    features = torch.cat(parts).clone()
    found: dict[str, torch.Tensor] = {}
    for _, name, values in questions():
        labels = world.labels[name][rows]
        probe = nn.Linear(features.shape[1], len(values))
        nn.init.zeros_(probe.weight)
        nn.init.zeros_(probe.bias)
        _fit(probe, features[labels >= 0], labels[labels >= 0])
        found |= {f"{name}.weight": probe.weight.detach(), f"{name}.bias": probe.bias.detach()}
    return found


def _fit(probe: nn.Linear, features: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer = torch.optim.LBFGS(probe.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (
            nn.functional.cross_entropy(probe(features), labels)
            + 1e-5 * probe.weight.square().sum()
        )
        loss.backward()
        return loss

    optimizer.step(closure)


def _save(folder: Path, model: CLIP, tokenizer: Any, probes: dict[str, torch.Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: _halved(value) for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    save_file({n: v.contiguous() for n, v in probes.items()}, folder / "probes.safetensors")
    config = {"model_cfg": CONFIG, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(
        json.dumps(config, indent=2) + "\n", encoding="utf-8"
    )
    answers = {name: list(values) for _, name, values in questions()}
    (folder / "probes.json").write_text(json.dumps(answers, indent=2) + "\n", encoding="utf-8")
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


def _halved(value: torch.Tensor) -> torch.Tensor:
    """Half precision for what is kept; it is computed in single precision."""
    return (value.half() if value.is_floating_point() else value).contiguous()


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train a tiny CLIP of tinyworld.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full training")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    train_model(options.out, scale=options.scale)


if __name__ == "__main__":
    main()
