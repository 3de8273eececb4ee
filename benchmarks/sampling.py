"""Our sampling loop against transformers' generate, and how often packing changes a text.

    python benchmarks/sampling.py --prompts 16 --samples 8 --threads 1 --json sampling.json

Both read the same prompts with the same number of rows in a batch, samples and longest answer, in
one process and interleaved, so that another process's load falls on both. The flip rate compares
packs of one prompt's samples, and single samples, with packs of 64 rows; and the same for a plain
inverse CDF in the order of token ids, which is why the suite draws a token bit by bit.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PROMPTS = Path(__file__).parents[1] / "tasks" / "rlhf_diversity" / "prompts.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=16, help="number of prompts")
    parser.add_argument("--samples", type=int, default=8, help="samples a prompt")
    parser.add_argument("--tokens", type=int, default=48, help="longest answer")
    parser.add_argument("--rows", type=int, default=64, help="rows of a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="timings of each; the median counts")
    parser.add_argument("--single", type=int, default=32, help="samples also drawn one at a time")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("EVALSUITE_HOME", "home")))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    import torch

    torch.set_num_threads(options.threads)
    report = measure(options)
    for name, value in report.items():
        print(f"{name:<34} {value:.4g}" if isinstance(value, float) else f"{name:<34} {value}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import torch
    import transformers

    from evalsuite.models.embedded import backend
    from evalsuite.models.spec import ModelSpec
    from evalsuite.requests import Prompt, Request, Sampling

    handle = backend.open(ModelSpec.parse("embedded:smollm2-135m"), offline=True, home=options.home)
    model = handle.load("cpu")
    lines = PROMPTS.read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["prompt"] for line in lines]
    texts = texts[:: max(1, len(texts) // options.prompts)][: options.prompts]
    sampling = Sampling(max_new_tokens=options.tokens)
    prompts = sorted(
        (Prompt.of_text(text) for text in texts),
        key=lambda p: -model.sizes([Request("generates_text", handle.entrant, p, sampling)])[0],
    )
    requests = [
        Request("generates_text", handle.entrant, prompt, sampling, index=i)
        for prompt in prompts
        for i in range(options.samples)
    ]

    def ours(rows: int, chosen: Sequence[Request]) -> list[tuple[str, int]]:
        out = []
        for start in range(0, len(chosen), rows):
            out += model.generate_text(chosen[start : start + rows])
        return [(r.text, r.n_new_tokens) for r in out]

    theirs = reference(model, prompts, options)
    packs = ours(options.rows, requests)  # also warms up
    torch.manual_seed(0)
    timings: dict[str, list[float]] = {"ours": [], "theirs": []}
    n_tokens: dict[str, list[int]] = {"ours": [], "theirs": []}
    for _ in range(options.repeats):
        start = time.perf_counter()
        n_tokens["ours"].append(sum(n for _, n in ours(options.rows, requests)))
        timings["ours"].append(time.perf_counter() - start)
        start = time.perf_counter()
        n_tokens["theirs"].append(theirs())
        timings["theirs"].append(time.perf_counter() - start)
    by_prompt = ours(options.samples, requests)
    step = max(1, len(requests) // max(1, options.single))
    single = ours(1, requests[::step]) if options.single else []
    with plain_inverse_cdf():
        plain_packs = ours(options.rows, requests)
        plain_by_prompt = ours(options.samples, requests)
    rate = {
        who: float(np.median([len(requests) / t for t in seconds]))
        for who, seconds in timings.items()
    }
    token_rate = {
        who: float(np.median([n / t for n, t in zip(n_tokens[who], timings[who], strict=True)]))
        for who in timings
    }
    return {
        "prompts": len(prompts),
        "samples_per_prompt": options.samples,
        "max_new_tokens": options.tokens,
        "rows": options.rows,
        "threads": options.threads,
        "ours_sequences_per_s": rate["ours"],
        "transformers_sequences_per_s": rate["theirs"],
        "ratio_sequences": rate["ours"] / rate["theirs"],
        "ours_tokens_per_s": token_rate["ours"],
        "transformers_tokens_per_s": token_rate["theirs"],
        "ratio_tokens": token_rate["ours"] / token_rate["theirs"],
        "seconds_ours": [round(t, 2) for t in timings["ours"]],
        "seconds_transformers": [round(t, 2) for t in timings["theirs"]],
        "flipped_sequences_one_prompt_packs": flipped(packs, by_prompt),
        "flips_per_token_one_prompt_packs": flips_per_token(packs, by_prompt),
        "compared_tokens_one_prompt_packs": sum(n for _, n in by_prompt),
        "flipped_sequences_single_rows": flipped(packs[::step], single) if single else None,
        "flips_per_token_single_rows": flips_per_token(packs[::step], single) if single else None,
        "compared_tokens_single_rows": sum(n for _, n in single),
        "plain_cdf_flipped_sequences": flipped(plain_packs, plain_by_prompt),
        "plain_cdf_flips_per_token": flips_per_token(plain_packs, plain_by_prompt),
        "load_average": os.getloadavg()[0],
        "cpu_count": os.cpu_count(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def reference(model: Any, prompts: Sequence[Any], options: argparse.Namespace) -> Any:
    """Return a function that samples with transformers' generate and counts the new tokens."""
    import torch

    generator = model._generator  # the same weights and token ids on both sides
    network = generator._model
    ids = [generator._tokens(prompt) for prompt in prompts]
    per_batch = max(1, options.rows // options.samples)

    def run() -> int:
        n_new = 0
        for start in range(0, len(ids), per_batch):
            part = ids[start : start + per_batch]
            width = max(len(p) for p in part)
            batch = torch.tensor([[0] * (width - len(p)) + list(p) for p in part])
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part])
            with torch.inference_mode():
                out = network.generate(
                    batch,
                    attention_mask=mask,
                    do_sample=True,
                    temperature=1.0,
                    top_k=0,
                    top_p=1.0,
                    num_return_sequences=options.samples,
                    max_new_tokens=options.tokens,
                )
            end = network.generation_config.eos_token_id
            for row in out[:, width:].tolist():
                n_new += row.index(end) + 1 if end in row else len(row)
        return n_new

    return run


@contextmanager
def plain_inverse_cdf() -> Iterator[None]:
    """Draw tokens by one inverse CDF in the order of their ids, from the same uniforms."""
    import torch

    from evalsuite.models import sampling, token_choice

    def draw(logits: Any, decodings: Sequence[Any], chances: Any) -> list[int | None]:
        tokens: list[int | None] = []
        for row, decoding, chance in zip(logits, decodings, chances, strict=True):
            mass = token_choice.weights(row[None], decoding)[0].cumsum(-1)
            tokens.append(int(torch.searchsorted(mass, chance * mass[-1], right=True)))
        return tokens

    ours = sampling.draw
    sampling.draw = draw
    try:
        yield
    finally:
        sampling.draw = ours


def flipped(a: Sequence[tuple[str, int]], b: Sequence[tuple[str, int]]) -> float:
    """Share of the sequences that differ."""
    return sum(x != y for x, y in zip(a, b, strict=True)) / len(a)


def flips_per_token(a: Sequence[tuple[str, int]], b: Sequence[tuple[str, int]]) -> float:
    """First differences per drawn token; what follows a flip differs for another reason."""
    n_flips = sum(x != y for x, y in zip(a, b, strict=True))
    return n_flips / max(1, sum(n for _, n in b))


if __name__ == "__main__":
    main()
