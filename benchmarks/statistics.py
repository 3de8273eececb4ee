"""All intervals of 1,000 prompts x 16 samples, and comparing 50 entrants, on one core.

Each line stands beside what a user would write with scipy or numpy, in the same run:
``python benchmarks/statistics.py [--json PATH]``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402  (after its number of threads is set)

PROMPTS, SAMPLES, DIMENSIONS = 1000, 16, 384
ENTRANTS = 50
SIZES = (1000, 2000, 4000)


@dataclass(frozen=True)
class Line:
    """One measurement; ``peer_s`` is None where no peer does the same thing."""

    what: str
    ours_s: float
    peer: str = ""
    peer_s: float | None = None


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def intervals() -> list[Line]:
    """Every kind of measure over 1,000 prompts x 16 samples, estimated once."""
    from scipy import stats as scipy_stats

    from evalsuite import measures as m

    rng = np.random.default_rng(0)
    card = m.MeasureCard(name="m", summary="")
    where = [(f"u{i}", f"u{i}", "", 0) for i in range(PROMPTS)]
    scores = rng.random(PROMPTS)
    answers = (rng.random((PROMPTS, SAMPLES)) < 0.3).astype(float)
    labels = rng.choice(list("abcdefgh"), size=(PROMPTS, SAMPLES), p=np.arange(8, 0, -1) / 36)
    features = rng.normal(size=(PROMPTS, SAMPLES, DIMENSIONS)).astype(np.float32)
    truth, detector = rng.random(PROMPTS * SAMPLES) < 0.06, rng.random(PROMPTS * SAMPLES)
    left_out = scores.mean() + 0.001 * rng.normal(size=PROMPTS)
    rows = tuple(m.MeasureRow(*w, float(v)) for w, v in zip(where, scores, strict=True))
    yes = tuple(m.MeasureRow(*where[i], float(answers[i, k]), index=k)
                for i in range(PROMPTS) for k in range(SAMPLES))  # fmt: skip
    label_rows = tuple(m.LabelRow(*where[i], k, str(labels[i, k]))
                       for i in range(PROMPTS) for k in range(SAMPLES))  # fmt: skip
    sets = tuple(m.FeatureSet(*w, f, SAMPLES) for w, f in zip(where, features, strict=True))
    groups = tuple(m.GroupRow(*where[i], k, "wxyz"[k % 4], float(answers[i, k]))
                   for i in range(PROMPTS) for k in range(SAMPLES))  # fmt: skip
    ranked = tuple(m.RankedRow(*where[i // SAMPLES], i % SAMPLES, bool(truth[i]), detector[i])
                   for i in range(PROMPTS * SAMPLES))  # fmt: skip
    pairs = tuple(m.PairRow(*w, float(a), float(a + b))
                  for w, a, b in zip(where, scores, left_out, strict=True))  # fmt: skip
    pooled = tuple(m.MeasureRow(*w, float(v)) for w, v in zip(where, left_out, strict=True))

    def bootstrap() -> None:
        scipy_stats.bootstrap((scores,), np.mean, n_resamples=9999, method="BCa", rng=0)

    def bootstrap_shares() -> None:
        scipy_stats.bootstrap((answers.mean(axis=1),), np.mean, n_resamples=9999, rng=0)

    kinds: list[tuple[str, m.Measure, str, Callable[[], Any] | None]] = [
        ("mean", m.MeanMeasure("m", rows), "scipy bootstrap, BCa", bootstrap),
        ("proportion, 16,000 answers", m.ProportionMeasure("m", yes), "scipy bootstrap, BCa",
         bootstrap_shares),
        ("statistic of the set, jackknife", m.PooledMeasure("m", float(scores.mean()), pooled,
                                                            PROMPTS), "", None),
        ("entropy by prompt", m.CategoricalMeasure("m", label_rows, "entropy"), "", None),
        ("Hill number 2 by prompt", m.CategoricalMeasure("m", label_rows, "hill", q=2), "", None),
        ("rarefied distinct 8 by prompt",
         m.CategoricalMeasure("m", label_rows, "hill", q=0, size=8), "", None),
        ("Vendi order 2 by prompt, 384 d", m.KernelMeasure("m", sets), "", None),
        ("gap of 4 groups, 9,999 permutations", m.GapMeasure("m", groups), "", None),
        ("average precision, 16,000 answers", m.RankingMeasure("m", ranked), "", None),
        ("correlation", m.CorrelationMeasure("m", pairs), "", None),
    ]  # fmt: skip
    m.estimate_measure(m.ProportionMeasure("m", yes[:64]), card)  # imports what is imported late
    found = []
    for what, measure, peer, work in kinds:
        ours = timed(lambda measure=measure: m.estimate_measure(measure, card))  # type: ignore[misc]
        found.append(Line(what, ours, peer, timed(work) if work else None))
    total = sum(line.ours_s for line in found)
    return [*found, Line("all of them", total)]


def sign_flips() -> Line:
    """Every pair of 50 entrants over 1,000 prompts, beside a loop of scipy over ten of them."""
    from scipy import stats as scipy_stats

    from evalsuite.stats.signflip import sign_flip_tests

    rng = np.random.default_rng(1)
    scores = rng.normal(size=(ENTRANTS, PROMPTS)) + 0.02 * np.arange(ENTRANTS)[:, None]
    differences = np.array([a - b for a, b in combinations(scores, 2)])
    ours = timed(lambda: sign_flip_tests(differences))
    some = differences[::125]

    def peer() -> None:
        for d in some:
            scipy_stats.permutation_test((d,), np.mean, permutation_type="samples", rng=0,
                                         n_resamples=9999, vectorized=True)  # fmt: skip

    what = f"sign flips of {len(differences):,} pairs x {PROMPTS:,} prompts"
    each = timed(peer) / len(some)
    return Line(what, ours, f"scipy permutation_test, {len(some)} pairs, scaled up",
                each * len(differences))  # fmt: skip


def write_entrants(folder: Path, n_prompts: int) -> list[Path]:
    """One run of a fake model, and 49 records like it whose headline scores are moved."""
    from evalsuite.api import make_plan
    from evalsuite.execution import execute, prepare
    from evalsuite.progress import Silent
    from evalsuite.record import SCORES_FILE, Record, save_record
    from evalsuite.scores_file import read_scores, scores_digest, write_scores
    from evalsuite.settings import settings

    prompts = folder / f"prompts{n_prompts}.jsonl"
    lines = (json.dumps({"id": f"p{i}", "prompt": f"Say {i}."}) for i in range(n_prompts))
    prompts.write_text("\n".join(lines) + "\n")
    plan = make_plan(task="rlhf_diversity", model="fake:text", set=str(prompts), samples=2,
                     judges=(("embedder", "fake:text-embedder"),))  # fmt: skip
    record, content = execute(prepare(plan, settings()), settings(), Silent())
    record, first = save_record(record, content, folder / f"results{n_prompts}")
    scores, rng = read_scores(first / SCORES_FILE), np.random.default_rng(2)
    folders = [first]
    headline = record.headline.measure
    for number in range(1, ENTRANTS):
        own = scores[headline]
        moved = np.clip(own.value * (1 - 0.004 * number) + 0.02 * rng.normal(size=len(own)), 0, 2)
        mine = scores | {headline: replace(own, value=moved, low=moved, high=moved)}
        folders.append(folder / f"entrant{n_prompts}-{number}")
        folders[-1].mkdir()
        write_scores(folders[-1] / SCORES_FILE, mine)
        entrant = record.entrant.model_copy(update={"model": f"fake:text-{number}"})
        digests = {name: scores_digest(s) for name, s in mine.items()}
        changed: Record = record.model_copy(update={"entrant": entrant, "scores_sha256": digests})
        (folders[-1] / "record.json").write_text(changed.sealed().to_json())
    return folders


COMPARE = """
import sys, time
start = time.perf_counter()
import evalsuite
found = evalsuite.compare(*sys.argv[1:])
seconds = time.perf_counter() - start
# Not ru_maxrss, which a process inherits from the one that started it.
status = open("/proc/self/status").read()
peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(len(found.pairs), seconds, peak)
"""


def comparisons(folder: Path) -> list[tuple[int, float, float]]:
    """Seconds and peak MiB of comparing 50 records, imports and reading included, by prompts."""
    found = []
    for n_prompts in SIZES:
        folders = write_entrants(folder, n_prompts)
        ran = subprocess.run(
            [sys.executable, "-c", COMPARE, *map(str, folders)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        pairs, seconds, peak = ran.stdout.split()
        assert int(pairs) == ENTRANTS * (ENTRANTS - 1) // 2
        found.append((n_prompts, float(seconds), float(peak)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    lines = [*intervals(), sign_flips()]
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["EVALSUITE_HOME"] = f"{scratch}/home"
        compared = comparisons(Path(scratch))
    print(f"one thread; {PROMPTS:,} prompts x {SAMPLES} samples")
    for line in lines:
        ratio = "" if line.peer_s is None else f"  {line.peer}: {line.peer_s:.3f} s"
        ratio += "" if line.peer_s is None else f", {line.peer_s / line.ours_s:.1f}x ours"
        print(f"{line.what:<42} {line.ours_s:8.3f} s{ratio}")
    for n_prompts, seconds, peak in compared:
        print(f"compare {ENTRANTS} entrants x {n_prompts:>5} prompts {seconds:8.2f} s, "
              f"peak {peak:.0f} MiB")  # fmt: skip
    if arguments.json:
        value = {"lines": [vars(line) for line in lines], "compare": compared}
        arguments.json.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
