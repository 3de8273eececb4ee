"""Holds ``embedded:tinyclip`` against drawings whose attributes are known: the figures of its card.

python -m evalsuite.embedded.accept_tinyclip [FOLDER]
"""

import argparse
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip import create_model
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from evalsuite.embedded.training_scenes import draw_scenes, held_out, without_held_out
from evalsuite.tinyworld.captions import Description, caption
from evalsuite.tinyworld.drawing import draw
from evalsuite.tinyworld.joint import BALANCED
from evalsuite.tinyworld.world import ATTRIBUTES, Kind, Scene, all_scenes

FloatArray = NDArray[np.float64]


class TinyClip:
    """The model, read plainly with open_clip: its figures do not hang on the suite's backend."""

    def __init__(self, folder: Path) -> None:
        self.model = create_model(f"local-dir:{folder}").eval()
        self.probes = load_file(folder / "probes.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def image_features(self, pixels: NDArray[np.uint8]) -> FloatArray:
        """Unit vectors of images of shape (n, 32, 32, 3)."""
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        with torch.inference_mode():
            parts = [self.model.encode_image(part, normalize=True) for part in images.split(256)]
        return np.asarray(torch.cat(parts).double().numpy())

    def text_features(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of texts."""
        length = self.model.context_length
        ids = [self.tokenizer.encode(text).ids for text in texts]
        rows = torch.tensor([row + [0] * (length - len(row)) for row in ids])
        with torch.inference_mode():
            return np.asarray(self.model.encode_text(rows, normalize=True).double().numpy())

    def probed(self, attribute: str, features: FloatArray) -> NDArray[np.int64]:
        """Number of the likeliest value by the probe."""
        weight, bias = self.probes[f"{attribute}.weight"], self.probes[f"{attribute}.bias"]
        return np.asarray((features @ weight.T + bias).argmax(axis=1))


def accuracies(
    model: TinyClip, kind: Kind, scenes: Sequence[Scene], pixels: NDArray[np.uint8]
) -> dict[str, dict[str, float]]:
    """Share of right answers by attribute, of the probes and without training (by captions)."""
    features = model.image_features(pixels)
    found = {}
    for name, values in ATTRIBUTES[kind].items():
        truth = np.array([values.index(scene[name]) for scene in scenes])
        texts = [caption(Description(kind, {name: value})) for value in values]
        zero_shot = (features @ model.text_features(texts).T).argmax(axis=1)
        found[name] = {
            "probe": float((model.probed(name, features) == truth).mean()),
            "zero-shot": float((zero_shot == truth).mean()),
        }
    return found


def figures(folder: Path, *, n: int = 4000) -> dict[str, dict[str, dict[str, float]]]:
    """All figures of the card: on n new drawings, and on combinations held out of training."""
    model = TinyClip(folder)
    found: dict[str, dict[str, dict[str, float]]] = {}
    kinds: tuple[Kind, ...] = ("person", "shape")
    for kind in kinds:
        new = draw_scenes(kind, n, joint=without_held_out(BALANCED), seed=99)
        found[kind] = accuracies(model, kind, new.scenes, new.pixels)
        cells = [scene for scene in all_scenes(kind) if held_out(scene)] * max(1, n // 200)
        pixels = np.stack([draw(scene, 10**9 + i) for i, scene in enumerate(cells)])
        found[f"{kind}, held out"] = accuracies(model, kind, cells, pixels)
    return found


def main() -> None:
    """Print the figures as JSON."""
    own = Path(str(files("evalsuite").joinpath("embedded", "tinyclip")))
    parser = argparse.ArgumentParser(description="Measure the tiny CLIP on known drawings.")
    parser.add_argument("folder", type=Path, nargs="?", default=own)
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = figures(options.folder)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
