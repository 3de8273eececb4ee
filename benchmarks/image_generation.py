"""Images a second of the suite's own path beside plain loops over the same diffusers pipeline.

    python benchmarks/image_generation.py --folder ./pipeline --images 256 --batch 16

The suite's path is everything that a run does: keys, packs, one random stream an image, PNG bytes,
shards on disk. The plain loops save PNG files: one image a call, and a fixed batch a call. All run
in one process on the same threads and interleaved, so that another process's load falls on all.
Without ``--folder`` a pipeline of random weights is made: its times show overheads, no model's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SUBJECTS = ("a red star", "a blue circle", "a photo of a doctor", "a green square on red")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="a pipeline folder; by default a tiny one")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16, help="images of a call of the batch loop")
    parser.add_argument("--prompt", action="append", help="may be given several times")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="timings of each; the median counts")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["HF_HUB_OFFLINE"] = "1"

    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        report = measure(options, Path(scratch))
    for name, value in report.items():
        print(f"{name:<44} {value:.4g}" if isinstance(value, float) else f"{name:<44} {value}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def measure(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    import numpy as np

    folder = options.folder or tiny_folder(scratch)
    ours, drawn = suite_path(folder, options, scratch)
    loops: dict[str, Callable[[int], None]] = {
        "suite": ours,
        "one image a call": plain_loop(folder, options, 1, scratch),
        f"{options.batch} images a call": plain_loop(folder, options, options.batch, scratch),
    }
    times: dict[str, list[float]] = {name: [] for name in loops}
    for repeat in range(options.repeats + 1):  # the first warms up and does not count
        for name, work in loops.items():
            start = time.perf_counter()
            work(repeat)
            times[name].append(time.perf_counter() - start)
    n = options.images
    speed = {name: float(n / np.median(own[1:])) for name, own in times.items()}
    report: dict[str, Any] = {
        "folder": folder.name, "images": n, "steps": options.steps, "guidance": options.guidance,
        "threads": options.threads, "repeats": options.repeats, "images that were drawn": drawn(),
    }  # fmt: skip
    report |= {f"images/s, {name}": value for name, value in speed.items()}
    others = [name for name in speed if name != "suite"]
    report |= {f"suite / {name}": speed["suite"] / speed[name] for name in others}
    return report


def tiny_folder(scratch: Path) -> Path:
    sys.path.insert(0, str(ROOT))
    from tests.models.tiny_pipelines import save_stable_diffusion

    return save_stable_diffusion(scratch / "random-weights", tiny_vae=True)


def prompts(options: argparse.Namespace) -> list[str]:
    chosen = options.prompt or list(SUBJECTS)
    return [chosen[i % len(chosen)] for i in range(options.images)]


def suite_path(
    folder: Path, options: argparse.Namespace, scratch: Path
) -> tuple[Callable[[int], None], Callable[[], int]]:
    from evalsuite.engine.local import LocalEngine
    from evalsuite.models.capabilities import CAPABILITIES, GeneratesImages
    from evalsuite.models.diffusers import backend
    from evalsuite.models.spec import ModelSpec
    from evalsuite.progress import Silent
    from evalsuite.requests import Prompt, Request, Response
    from evalsuite.store import Store

    asked = f"diffusers:{folder.resolve()}?steps={options.steps}&guidance={options.guidance}"
    handle = backend.open(ModelSpec.parse(asked), offline=True, home=scratch)
    capability, engine = CAPABILITIES[GeneratesImages], LocalEngine("cpu")
    answers: list[Response] = []

    def work(repeat: int) -> None:
        requests = [
            Request(capability.name, handle.entrant, Prompt.of_text(text), seed=repeat, index=i)
            for i, text in enumerate(prompts(options))
        ]
        stored = Store(scratch / "home").folder(capability.name, handle.entrant)
        missing = {request.key for request in requests}

        def sink(responses: Any) -> None:
            stored.append(responses)
            answers.extend(responses)

        engine.answer(handle, capability, requests, missing, sink, Silent())

    return work, lambda: sum(answer.status == "ok" for answer in answers)


def plain_loop(
    folder: Path, options: argparse.Namespace, batch: int, scratch: Path
) -> Callable[[int], None]:
    import torch
    from diffusers import AutoPipelineForText2Image
    from diffusers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    pipeline = AutoPipelineForText2Image.from_pretrained(
        folder, use_safetensors=True, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    place = scratch / f"plain-{batch}"
    place.mkdir()

    def work(repeat: int) -> None:
        texts = prompts(options)
        for start in range(0, len(texts), batch):
            part = texts[start : start + batch]
            seeds = range(start, start + len(part))
            made = pipeline(
                part,
                num_inference_steps=options.steps,
                guidance_scale=options.guidance,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            ).images
            for seed, image in zip(seeds, made, strict=True):
                image.save(place / f"{repeat}-{seed}.png")

    return work


if __name__ == "__main__":
    main()
