"""Time and memory of the store at the size of a large run, on made-up responses.

    python benchmarks/store.py [--n 1000000] [--json PATH] [--home FOLDER]

The requests of a run (16 samples of each prompt) are planned, looked up in an empty store, appended
in packs, looked up again and read through a fresh Store, compacted, and read once more.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from evalsuite.requests import Entrant, Prompt, Request, Response, Sampling
from evalsuite.response_folder import Folder
from evalsuite.store import Store

SAMPLES = 16
PACK = 4096
WORDS = 40
ENTRANT = Entrant(model="made-up", backend="benchmark", revision="1")


class Steps:
    """Prints and keeps the wall time of each step and the peak of memory up to its end."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str | float]] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.rows.append({"step": name, "seconds": seconds, "peak_rss_mib": peak_mib})
        print(f"{name:<44} {seconds:8.1f} s   peak {peak_mib:7.0f} MiB", flush=True)


def plan(n: int) -> list[Request]:
    sampling = Sampling()
    prompts = [Prompt.of_text(f"Tell story number {i}.") for i in range(-(-n // SAMPLES))]
    return [
        Request("generates_text", ENTRANT, prompt, sampling, index=index)
        for prompt in prompts
        for index in range(SAMPLES)
    ][:n]


def answers(requests: list[Request], words: list[str], rng: np.random.Generator) -> list[Response]:
    starts = rng.integers(0, len(words) - WORDS, size=(len(requests), 2))
    half = WORDS // 2
    return [
        Response(
            request.key,
            "ok",
            text=" ".join(words[a : a + half] + words[b : b + half]),
            finish="stop",
            n_prompt_tokens=9,
            n_new_tokens=48,
        )
        for request, (a, b) in zip(requests, starts.tolist(), strict=True)
    ]


def on_disk(folder: Folder) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.path.glob("*.parquet")]
    return len(sizes), sum(sizes)


def read_all(folder: Folder, keys: list[bytes]) -> int:
    return sum(
        len(row.text.split()) for rows in folder.iter_read(keys, payloads=False) for row in rows
    )


def bench(home: Path, n: int) -> dict[str, object]:
    steps = Steps()
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, size=size)) for size in rng.integers(2, 9, size=20_000)]

    with steps.step(f"plan {n:,} requests"):
        requests = plan(n)
        keys = [request.key for request in requests]
    folder = Store(home).folder("generates_text", ENTRANT)
    with steps.step("look up in an empty store"):
        n_known = int(folder.known(keys).sum())
    if n_known:
        raise SystemExit(f"{home} is not empty: {n_known} of the keys are there already")
    # Prompts in another order than asked: packs are cut by length and not by place.
    prompts = rng.permutation(-(-n // SAMPLES))[:, None]
    order = (prompts * SAMPLES + np.arange(SAMPLES)).ravel()
    order = order[order < n].tolist()
    with steps.step(f"make and append in packs of {PACK}"):
        for start in range(0, n, PACK):
            pack = [requests[i] for i in order[start : start + PACK]]
            folder.append(answers(pack, words, rng))
    n_shards, n_bytes = on_disk(folder)
    with steps.step("open again, verify and look up"):
        folder = Store(home).folder("generates_text", ENTRANT)
        n_known = int(folder.known(keys).sum())
    with steps.step("read all, in the order asked"):
        n_words = read_all(folder, keys)
    with steps.step(f"compact {n_shards} shards"):
        folder.compact()
    n_after, bytes_after = on_disk(folder)
    with steps.step("open again, verify and look up"):
        folder = Store(home).folder("generates_text", ENTRANT)
        n_known_after = int(folder.known(keys).sum())
    with steps.step("read all, in the order asked"):
        n_words_after = read_all(folder, keys)
    if not n == n_known == n_known_after or not n * WORDS == n_words == n_words_after:
        raise SystemExit("the store lost responses")
    print(f"{n_shards} shards of {n_bytes / 1e6:.0f} MB in all")
    print(f"{n_after} of {bytes_after / 1e6:.0f} MB after compaction")
    return {
        "n": n,
        "steps": steps.rows,
        "shards": [n_shards, n_after],
        "bytes": [n_bytes, bytes_after],
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "pyarrow": pa.__version__,
            "numpy": np.__version__,
            "load_1min": os.getloadavg()[0],
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--home", type=Path, help="an empty folder; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = bench(options.home or Path(temporary), options.n)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
