"""Vendi scores, per-prompt Vendi scores and n-gram diversity beside their published packages.

Everything on one thread, ours and the peer's on the same data in the same run:
``python benchmarks/text_diversity.py [--json PATH] [--only vendi,stream,prompts,ngrams]``.
The peers: ``pip install vendi-score diversity``. Our scores are float64 and all five orders at
once; the peer's is order 1 alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (after its number of threads is set)

DIMENSIONS = 384
ORDERS = (0.1, 0.5, 1.0, 2.0, float("inf"))
SIZES = (1_000, 2_000, 5_000, 20_000, 100_000)
LARGEST_KERNEL = 5_000  # beyond it the peer's n x n matrix takes minutes
MILLION = 1_000_000
PROMPTS, SAMPLES = 10_000, 16
PEER_PROMPTS = 1_000  # the peer's loop is timed on these and scaled up
OUTPUTS, PEER_SETS = 100_000, 250


@dataclass(frozen=True)
class Line:
    """One measurement beside the peer's; ``differs`` is the relative difference of the numbers."""

    what: str
    ours_s: float
    peer: str = ""
    peer_s: float | None = None
    differs: float | None = None


def timed(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Least time of the repeats, and what the last one returned."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - start)
    return min(times), value


def clustered_rows(n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows around 40 directions, as embeddings of answers to many prompts are."""
    centres = rng.normal(size=(40, DIMENSIONS))
    rows = centres[rng.integers(0, 40, n)] + 0.8 * rng.normal(size=(n, DIMENSIONS))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def vendi() -> list[Line]:
    from vendi_score import vendi as peer

    from evalsuite.metrics import vendi_scores

    lines = []
    rng = np.random.default_rng(0)
    for n in SIZES:
        rows = clustered_rows(n, rng)
        ours_s, ours = timed(lambda rows=rows: vendi_scores(rows, orders=ORDERS), 3)
        peers: dict[str, Callable[[], float]] = {
            "score_dual": lambda rows=rows: peer.score_dual(rows)
        }
        if n <= LARGEST_KERNEL:
            peers |= {
                "score_X": lambda rows=rows: peer.score_X(rows),
                "score_K": lambda rows=rows: peer.score_K(rows @ rows.T),
            }
        for name, work in peers.items():
            peer_s, value = timed(work, 3 if n < LARGEST_KERNEL else 1)
            found = ours[1.0]
            lines.append(Line(f"{n:,} x {DIMENSIONS}, 5 orders", ours_s, name, peer_s,
                              abs(found - float(value)) / found))  # fmt: skip
    return lines


def write_features(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    schema = pa.schema([("vector", pa.list_(pa.float32()))])
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(MILLION // 20_000):
            block = clustered_rows(20_000, rng).astype(np.float32)
            ends = np.arange(0, block.size + 1, DIMENSIONS, dtype=np.int32)
            column = pa.ListArray.from_arrays(pa.array(ends), pa.array(block.ravel()))
            writer.write_table(pa.table({"vector": column}, schema=schema))


def stream() -> list[Line]:
    """A million rows from Parquet, in a process of its own so that its peak memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.parquet"
        write_features(file)
        code = [sys.executable, __file__, "--stream", str(file)]
        found = subprocess.run(code, check=True, capture_output=True, text=True).stdout
    ours_s, peak_mib = json.loads(found)
    what = f"{MILLION:,} x {DIMENSIONS} float32 from Parquet, 5 orders, peak {peak_mib:.0f} MiB"
    return [Line(what, ours_s)]


def stream_one(file: str) -> None:
    from evalsuite.feature_files import feature_blocks
    from evalsuite.metrics import vendi_scores_of_blocks

    seconds, _ = timed(lambda: vendi_scores_of_blocks(feature_blocks(file), orders=ORDERS))
    # Not ru_maxrss: a process inherits that of the one that started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak_kib = int(status.split("VmHWM:")[1].split()[0])
    print(json.dumps([seconds, peak_kib / 1024]))


def prompts() -> list[Line]:
    from vendi_score import vendi as peer

    from evalsuite.metrics import vendi_scores_by_set

    rng = np.random.default_rng(2)
    sets = rng.normal(size=(PROMPTS, SAMPLES, DIMENSIONS))
    sets /= np.linalg.norm(sets, axis=2, keepdims=True)
    ours_s, ours = timed(lambda: vendi_scores_by_set(sets, orders=ORDERS))
    peer_s, values = timed(lambda: [peer.score_X(own) for own in sets[:PEER_PROMPTS]])
    first = ours[:PEER_PROMPTS, ORDERS.index(1.0)]
    return [Line(f"{PROMPTS:,} prompts x {SAMPLES}, 5 orders", ours_s,
                 f"loop of score_X, {PEER_PROMPTS:,} prompts, scaled up",
                 peer_s * PROMPTS / PEER_PROMPTS,
                 float(np.max(np.abs(first - values) / first)))]  # fmt: skip


def made_up_sets(n_sets: int) -> list[list[str]]:
    """Answers of about 35 words by Zipf's law, 16 to a set."""
    rng = np.random.default_rng(3)
    ranks = 1.0 / np.arange(1, 5001)
    words = np.array([f"w{i}" for i in range(5000)])
    sets = []
    for _ in range(n_sets):
        lengths = rng.integers(25, 45, SAMPLES)
        drawn = words[rng.choice(5000, size=int(lengths.sum()), p=ranks / ranks.sum())]
        sets.append([" ".join(part) for part in np.split(drawn, np.cumsum(lengths)[:-1])])
    return sets


def plain_tokens(text: str) -> list[str]:
    return [t for t in text.replace(".", "").replace("\n", "").split(" ") if t]


def plain_ngrams(texts: Sequence[str], n: int) -> list[tuple[str, ...]]:
    found = []
    for text in texts:
        tokens = plain_tokens(text)
        found += [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return found


def plain_distinct(texts: Sequence[str]) -> float:
    """The published formula as it reads: unique n-grams / all, mean over n = 1..5."""
    values = []
    for n in range(1, 6):
        grams = plain_ngrams(texts, n)
        values.append(len(set(grams)) / len(grams) if grams else 0.0)
    return sum(values) / 5


def plain_ead(texts: Sequence[str]) -> float:
    """The published formula as it reads: U / (V (1 - ((V-1)/V)^C)), mean over n = 1..5."""
    values, v = [], 50257
    for n in range(1, 6):
        grams = plain_ngrams(texts, n)
        expected = v * (1 - ((v - 1) / v) ** len(grams))
        values.append(len(set(grams)) / expected if grams else 0.0)
    return sum(values) / 5


def ngrams() -> list[Line]:
    from evalsuite.metrics import ngram_diversity_of_sets

    sets = made_up_sets(OUTPUTS // SAMPLES)
    ours_s, ours = timed(lambda: ngram_diversity_of_sets(sets), 3)
    scale = len(sets) / PEER_SETS
    part = sets[:PEER_SETS]
    plain_s, values = timed(lambda: [(plain_distinct(own), plain_ead(own)) for own in part])
    pairs = np.stack([ours.averaged_distinct, ours.averaged_expectation_adjusted], axis=1)
    differs = float(np.max(np.abs(pairs[:PEER_SETS] - np.array(values))))
    what = f"distinct and EAD, {OUTPUTS:,} outputs, orders 1-5"
    peer = f"the two formulas in plain Python, {PEER_SETS} sets, scaled up"
    lines = [Line(what, ours_s, peer, plain_s * scale, differs)]
    try:
        from diversity import ngram_diversity_score
    except ImportError:
        return lines
    peer_s, _ = timed(lambda: [ngram_diversity_score(own, 5) for own in part])
    name = f"PyPI diversity, sum of distinct 1-5, {PEER_SETS} sets, scaled up"
    return [*lines, Line(what, ours_s, name, peer_s * scale)]


PARTS = {"vendi": vendi, "stream": stream, "prompts": prompts, "ngrams": ngrams}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--stream", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stream:
        stream_one(arguments.stream)
        return
    lines = [line for part in arguments.only.split(",") for line in PARTS[part]()]
    print("| what | ours | peer, in the same run | its time | ratio | numbers differ by |")
    print("| --- | --- | --- | --- | --- | --- |")
    for line in lines:
        theirs = "" if line.peer_s is None else f"{line.peer_s:.3f} s"
        ratio = "" if line.peer_s is None else f"{line.peer_s / line.ours_s:.1f}x"
        differs = "" if line.differs is None else f"{line.differs:.1e}"
        print(
            f"| {line.what} | {line.ours_s:.4f} s | {line.peer} | {theirs} | {ratio} | {differs} |"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1))


if __name__ == "__main__":
    main()
