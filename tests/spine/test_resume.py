"""Promise 1: nothing is lost, whatever happens to the process or to a shard."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.spine.runs import evalsuite, record_of, run_fake, start, task, times_answered

SIZE = ("--limit", "30", "--samples", "6")
N_REQUESTS = 30 * 6
# A prompt of up to 130 words and 48 new ones: packs of one to four answers, 90 packs or so.
SLOW = "fake:text?delay=0.02&batch_tokens=300"
ROWS_PER_PACK = 6


@pytest.fixture
def undisturbed(tmp_path: Path) -> str:
    other = {"EVALSUITE_HOME": str(tmp_path / "other")}
    hash_ = run_fake(SLOW, *SIZE, "--out", "undisturbed", cwd=tmp_path, **other)["hash"]
    assert isinstance(hash_, str)
    return hash_


def test_ten_kills_at_random_moments_lose_at_most_the_packs_in_flight(
    tmp_path: Path, undisturbed: str
) -> None:
    log = tmp_path / "answered.log"
    model = f"{SLOW}&log={log}"
    moments = random.Random(7)
    deaths = 0
    for _ in range(10):
        process = start(*task(model, *SIZE), cwd=tmp_path)
        before = sum(times_answered(log).values())
        # Wait until it works, then strike at a random moment of it.
        for _ in range(600):
            if process.poll() is not None or sum(times_answered(log).values()) > before:
                break
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        deaths += process.returncode == -signal.SIGKILL
    assert deaths >= 5, "most runs must really have been killed"
    record = run_fake(model, *SIZE, cwd=tmp_path)
    assert record["hash"] == undisturbed
    counts = times_answered(log)
    assert len(counts) == N_REQUESTS
    again = sum(n - 1 for n in counts.values())
    assert again <= deaths * ROWS_PER_PACK


def test_a_model_that_dies_in_the_middle_is_resumed(tmp_path: Path, undisturbed: str) -> None:
    died = evalsuite(*task(f"{SLOW}&die=70", *SIZE), cwd=tmp_path)
    assert died.returncode == 137
    assert run_fake(SLOW, *SIZE, cwd=tmp_path)["hash"] == undisturbed


def test_an_interrupt_says_how_to_go_on_and_leaves_a_valid_state(
    tmp_path: Path, undisturbed: str
) -> None:
    process = start(*task("fake:text?hang=60&batch_tokens=300", *SIZE), cwd=tmp_path)
    store = tmp_path / "home" / "store"
    for _ in range(1000):
        if len(list(store.rglob("*.parquet"))) >= 5:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 4
    assert "the same command goes on" in said
    assert "Traceback" not in said
    record = run_fake(SLOW, *SIZE, cwd=tmp_path)
    assert record["hash"] == undisturbed
    assert record["provenance"]["cached"]["model"] >= 5


def test_a_truncated_and_a_garbled_shard_are_reported_and_regenerated(
    tmp_path: Path, undisturbed: str
) -> None:
    run_fake(SLOW, *SIZE, cwd=tmp_path)
    shards = sorted((tmp_path / "home" / "store" / "generates_text").rglob("*.parquet"))
    first, last = shards[0], shards[-1]
    first.write_bytes(first.read_bytes()[:-20])
    raw = bytearray(last.read_bytes())
    raw[len(raw) // 2] ^= 1
    last.write_bytes(raw)
    again = evalsuite(*task(SLOW, *SIZE, "--json"), cwd=tmp_path)
    assert first.name in again.stderr and last.name in again.stderr
    assert record_of(again)["hash"] == undisturbed
    assert record_of(again)["provenance"]["cached"]["model"] < N_REQUESTS
    assert len(list((tmp_path / "home" / "store").rglob("*.corrupt"))) == len({first, last})


def test_two_runs_on_one_store_at_once_lose_nothing(tmp_path: Path, undisturbed: str) -> None:
    both = [start(*task(SLOW, *SIZE, "--json", "--out", str(i)), cwd=tmp_path) for i in range(2)]
    for process in both:
        said, problem = process.communicate(timeout=60)
        assert process.returncode == 0, problem
        assert f'"{undisturbed}"' in said
    record = run_fake(SLOW, *SIZE, cwd=tmp_path)
    assert record["hash"] == undisturbed
    assert record["provenance"]["cached"]["model"] == N_REQUESTS


def test_errors_are_tried_again_and_end_with_the_undisturbed_record(
    tmp_path: Path, undisturbed: str
) -> None:
    first = evalsuite(*task(f"{SLOW}&fail_first=20", *SIZE, "--json"), cwd=tmp_path)
    assert first.returncode == 4
    assert "tries the errors again" in first.stderr
    record = record_of(first)
    assert record["counts"]["missing"]["error"] == 20
    assert not record["complete"]
    assert run_fake(SLOW, *SIZE, cwd=tmp_path)["hash"] == undisturbed
