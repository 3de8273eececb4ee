"""The store loses nothing, gives back what it was given, and never reads a damaged shard."""

import fcntl
import hashlib
import json
import logging
import multiprocessing
import os
import resource
import signal
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite import compaction, response_folder, shard_rows, shards
from evalsuite.errors import StoreError
from evalsuite.requests import Box, Entrant, Response
from evalsuite.response_folder import Folder
from evalsuite.store import Store

ENTRANT = Entrant(model="m", backend="b", revision="1")
FORK = multiprocessing.get_context("fork")


def open_folder(home: Path) -> Folder:
    """As a fresh process sees it."""
    return Store(home).folder("generates_text", ENTRANT)


def key(i: int) -> bytes:
    return i.to_bytes(32, "big")


def said(*numbers: int, text: str = "answer") -> list[Response]:
    return [Response(key(i), "ok", text=f"{text} {i}", finish="stop") for i in numbers]


def shard_paths(folder: Folder) -> list[Path]:
    return sorted(folder.path.glob("*.parquet"))


def bits(response: Response) -> tuple[object, ...]:
    """Everything in a response, comparable to the last bit."""
    return (
        response.key,
        response.status,
        response.text,
        response.finish,
        response.n_prompt_tokens,
        response.n_new_tokens,
        None if response.vector is None else (response.vector.dtype, response.vector.tobytes()),
        response.image,
        None
        if response.scores is None
        else struct.pack(f"{len(response.scores)}d", *response.scores),
        None if response.boxes is None else [repr(box) for box in response.boxes],
        response.message,
        response.image_sha256,
    )


def in_child(work: Callable[[], object]) -> object:
    """What a function returns, or the text of the StoreError it raises, in a process of its own."""
    ours, theirs = FORK.Pipe()

    def run() -> None:
        try:
            theirs.send(work())
        except StoreError as error:
            theirs.send(str(error))

    process = FORK.Process(target=run)
    process.start()
    theirs.close()
    result = ours.recv()
    process.join()
    return result


# ---- values

floats = st.floats(width=64)
boxes = st.builds(Box, st.text(max_size=5), floats, floats, floats, floats, floats)
vectors = st.lists(st.integers(0, 2**32 - 1), max_size=5).map(
    lambda numbers: np.array(numbers, dtype=np.uint32).view(np.float32)
)
optional_values = {
    "text": st.none() | st.text(max_size=20),
    "vector": st.none() | vectors,
    "image": st.none() | st.binary(max_size=20),
    "scores": st.none() | st.lists(floats, max_size=4).map(tuple),
    "boxes": st.none() | st.lists(boxes, max_size=3).map(tuple),
}
keys = st.sampled_from([key(i) for i in range(6)]) | st.binary(min_size=32, max_size=32)


@st.composite
def responses(draw: st.DrawFn) -> Response:
    values = {name: draw(value) for name, value in optional_values.items()}
    if all(value is None for value in values.values()):
        status = draw(st.sampled_from(["refused", "filtered"]))
    else:
        status = "ok"
    counts = st.none() | st.integers(0, 2**40)
    return Response(
        draw(keys),
        status,
        finish=draw(st.sampled_from([None, "stop", "length"])),
        n_prompt_tokens=draw(counts),
        n_new_tokens=draw(counts),
        message=draw(st.none() | st.text(max_size=10)),
        **values,
    )


@settings(max_examples=40, deadline=None)
@given(packs=st.lists(st.lists(responses(), max_size=6), max_size=5), batch=st.integers(1, 9))
def test_what_is_appended_first_comes_back_to_the_last_bit_also_after_compaction(packs, batch):
    with tempfile.TemporaryDirectory() as home:
        folder = open_folder(Path(home))
        expected: dict[bytes, Response] = {}
        for pack in packs:
            folder.append(pack)
            for response in pack:
                expected.setdefault(response.key, response)
        asked = list(expected)[::-1]
        wanted = [bits(expected[k]) for k in asked]
        assert [bits(r) for r in folder.read(asked)] == wanted
        assert [bits(r) for r in open_folder(Path(home)).read(asked)] == wanted
        folder.compact(min_shards=2)
        assert len(shard_paths(folder)) == min(1, sum(map(bool, packs)))
        fresh = open_folder(Path(home))
        batches = list(fresh.iter_read(asked, batch=batch))
        assert [bits(r) for rows in batches for r in rows] == wanted
        assert all(len(rows) == batch for rows in batches[:-1])
        assert len(fresh) == len(asked) and fresh.set_aside == []


def test_responses_read_without_payloads_have_all_but_those(tmp_path):
    folder = open_folder(tmp_path)
    box = Box("cup", 0.5, 0.0, 1.0, 2.0, 3.0)
    folder.append([Response(key(1), "ok", image=b"png", scores=(0.25,), boxes=(box,), message="m")])
    vector = np.ones(2, np.float32)
    folder.append([Response(key(2), "ok", vector=vector)])
    assert folder.read([key(1), key(2)], payloads=False) == [
        Response(
            key(1),
            "ok",
            scores=(0.25,),
            boxes=(box,),
            message="m",
            image_sha256=hashlib.sha256(b"png").hexdigest(),
        ),
        Response(key(2), "ok"),
    ]
    assert folder.read([key(1), key(2)])[1].vector.tolist() == [1.0, 1.0]


def test_a_response_that_is_not_final_is_refused_and_nothing_is_written(tmp_path):
    folder = open_folder(tmp_path)
    with pytest.raises(ValueError, match="status 'error' is not final"):
        folder.append([*said(1), Response(key(2), "error", message="out of luck")])
    assert shard_paths(folder) == [] and not folder.known([key(1)]).any()
    assert not list(folder.path.glob(".*.tmp"))


BROKEN = bytes.fromhex("0123456789abcdef") * 4


@pytest.mark.parametrize(
    ("response", "says"),
    [
        (Response(BROKEN, "ok", vector=np.zeros((2, 2), np.float32)), "one row of float32"),
        (Response(BROKEN, "ok", vector=np.zeros(2, np.float64)), "one row of float32"),
        (Response(BROKEN, "ok", text="half a pair \ud800"), "lone surrogate"),
        (Response(BROKEN, "filtered", message="\udfff"), "lone surrogate"),
        (Response(BROKEN, "ok", boxes=(Box("\ud800", 1, 0, 0, 1, 1),)), "lone surrogate"),
        (Response(BROKEN, "ok", text="a", finish="eos"), "finish 'eos' is not known"),
    ],
)
def test_a_value_that_would_not_come_back_exactly_is_refused_by_the_name_of_its_key(
    tmp_path, response, says
):
    folder = open_folder(tmp_path)
    with pytest.raises(ValueError, match=f"^response 0123456789abcdef: .*{says}"):
        folder.append([*said(1), response, *said(2)])
    assert shard_paths(folder) == [] and not list(folder.path.glob(".*.tmp"))


def test_a_key_of_another_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a key has 32 bytes"):
        open_folder(tmp_path).append([Response(b"short", "ok", text="a")])


def test_one_image_is_read_without_its_neighbours(tmp_path):
    folder = open_folder(tmp_path)
    rng = np.random.default_rng(0)
    folder.append([Response(key(i), "ok", image=rng.bytes(1 << 20)) for i in range(5)])
    (path,) = shard_paths(folder)
    assert pq.ParquetFile(path).num_row_groups == 5


# ---- which response counts, which keys are known


def test_of_equal_keys_the_one_in_the_first_shard_by_name_counts(tmp_path, monkeypatch):
    folder = open_folder(tmp_path)
    folder.append(said(1, 2, text="late"))
    assert folder.read([key(1)])[0].text == "late 1"
    monkeypatch.setattr(time, "time_ns", lambda: 1)  # the clock of another machine
    open_folder(tmp_path).append(said(2, 3, text="early"))
    folder.refresh()
    for reader in (folder, open_folder(tmp_path)):
        texts = [r.text for r in reader.read([key(1), key(2), key(3)])]
        assert texts == ["late 1", "early 2", "early 3"]


def test_an_unknown_key_is_a_key_error_and_no_keys_are_no_rows(tmp_path):
    folder = open_folder(tmp_path)
    assert folder.read([]) == [] and folder.known([]).shape == (0,)
    folder.append(said(1))
    with pytest.raises(KeyError, match="1 keys without a response"):
        folder.iter_read([key(1), key(2)])


def test_keys_may_be_asked_twice_and_over_many_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(response_folder, "WINDOW_ROWS", 10)
    folder = open_folder(tmp_path)
    for start in range(0, 60, 20):
        folder.append(said(*range(start, start + 20)))
    asked = [*range(59, -1, -1), 3, 3]
    batches = list(folder.iter_read([key(i) for i in asked], batch=4))
    assert [r.text for rows in batches for r in rows] == [f"answer {i}" for i in asked]


def test_a_hundred_thousand_keys_are_looked_up_right(tmp_path):
    rng = np.random.default_rng(5)
    # Half of the keys share their first 16 bytes, and many end in zeros.
    prefixes = [b"p" * 16, b""]
    made = [(prefixes[i % 2] + rng.bytes(8)).ljust(32, b"\0") for i in range(100_000)]
    stored = np.array([i % 3 > 0 for i in range(100_000)])
    folder = open_folder(tmp_path)
    rows = [Response(k, "ok", text=str(i)) for i, k in enumerate(made) if stored[i]]
    for start in range(0, len(rows), 9000):
        folder.append(rows[max(0, start - 100) : start + 9000])  # some are there twice
        assert folder.known([rows[start].key]).all()
    for reader in (folder, open_folder(tmp_path)):
        assert (reader.known(made) == stored).all()
        assert len(reader) == stored.sum()
    asked = [int(i) for i in rng.permutation(100_000)[:3000] if stored[i]]
    texts = [r.text for r in reader.read([made[i] for i in asked], payloads=False)]
    assert texts == [str(i) for i in asked]


# ---- damage


def damaged_stores(data: bytes) -> list[bytes]:
    rng = np.random.default_rng(3)
    cuts = [data[:n] for n in range(0, len(data), 41)]
    flips = []
    for position in rng.integers(0, len(data), size=60):
        flipped = bytearray(data)
        flipped[position] ^= 1 << int(rng.integers(8))
        flips.append(bytes(flipped))
    return [*cuts, *flips, data + b"\0"]


def test_a_truncated_or_flipped_shard_is_set_aside_and_never_read(tmp_path, caplog):
    folder = open_folder(tmp_path)
    folder.append(said(1, 2))
    folder.append(said(3))
    path, _ = shard_paths(folder)
    data = path.read_bytes()
    corrupt = path.with_name(path.name + ".corrupt")
    for damaged in damaged_stores(data):
        path.write_bytes(damaged)
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="evalsuite.store"):
            reader = open_folder(tmp_path)
            assert reader.known([key(1), key(2), key(3)]).tolist() == [False, False, True]
        assert reader.set_aside == [path.name]
        assert path.name in caplog.text and "generated again" in caplog.text
        assert corrupt.read_bytes() == damaged and not path.exists()
    folder.refresh()
    assert folder.known([key(1), key(3)]).tolist() == [False, True]
    folder.append(said(1, text="again"))
    assert open_folder(tmp_path).read([key(1)])[0].text == "again 1"


def test_a_file_with_the_right_sum_that_is_no_shard_is_set_aside(tmp_path):
    folder = open_folder(tmp_path)
    folder.append(said(1))
    temporary = folder.path / ".0123456789abcdef.tmp"
    temporary.write_bytes(b"not parquet at all")
    sha256 = hashlib.sha256(b"not parquet at all").hexdigest()[:32]
    name = shards.Draft(temporary, sha256).publish()
    reader = open_folder(tmp_path)
    assert reader.known([key(1)]).all()
    assert reader.set_aside == [name]


def test_damage_after_verification_is_an_error_and_the_shard_is_set_aside(tmp_path):
    folder = open_folder(tmp_path)
    rng = np.random.default_rng(1)
    folder.append([Response(key(1), "ok", image=rng.bytes(50_000))])
    (path,) = shard_paths(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match="was damaged while in use, and set aside"):
        folder.read([key(1)])
    assert folder.set_aside == [path.name] and not folder.known([key(1)]).any()


def test_compaction_gives_no_damaged_shard_a_new_name(tmp_path):
    folder = open_folder(tmp_path)
    folder.append(said(1))
    folder.append(said(2))
    first, _ = shard_paths(folder)
    assert folder.known([key(1)]).all()  # verified before the damage
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(bytes(data))
    assert folder.compact(min_shards=2) == 0
    assert folder.set_aside == [first.name]
    assert folder.known([key(1), key(2)]).tolist() == [False, True]


def test_only_old_leftovers_of_killed_writers_are_removed(tmp_path):
    folder = open_folder(tmp_path)
    folder.append(said(1))
    old, young, foreign = (
        folder.path / f for f in (f".{'0' * 16}.tmp", f".{'1' * 16}.tmp", "a.tmp")
    )
    for path in (old, young, foreign):
        path.write_bytes(b"PAR1")
        os.utime(path, (time.time() - 4000,) * 2)
    os.utime(young)
    reader = open_folder(tmp_path)
    assert len(reader) == 1 and reader.set_aside == []
    assert [path.exists() for path in (old, young, foreign)] == [False, True, True]


# ---- compaction


def test_compaction_keeps_the_first_of_equal_keys_and_bounds_the_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(compaction, "SHARD_ROWS", 25)
    folder = open_folder(tmp_path)
    for i in range(12):
        folder.append(said(*range(i * 4, i * 4 + 8), text=f"pack {i}"))
    asked = [key(i) for i in range(52)]
    before = [r.text for r in folder.read(asked)]
    assert folder.compact(min_shards=13) == 0 and len(shard_paths(folder)) == 12
    assert folder.compact(min_shards=12) == 12
    assert len(shard_paths(folder)) == 4
    for reader in (folder, open_folder(tmp_path)):
        assert [r.text for r in reader.read(asked)] == before


def test_merging_repeats_of_one_shard_does_not_remove_it(tmp_path):
    folder = open_folder(tmp_path)
    for _ in range(3):
        folder.append(said(1, 2))
    first = shard_paths(folder)[0]
    assert folder.compact(min_shards=2) == 3
    assert shard_paths(folder) == [first]  # same rows, same bytes, same name
    assert open_folder(tmp_path).known([key(1), key(2)]).all()


def test_a_shard_that_comes_in_between_stops_the_merge(tmp_path, monkeypatch):
    folder = open_folder(tmp_path)
    folder.append(said(1))
    folder.append(said(2, text="second"))
    first, second = shard_paths(folder)
    times = [int(path.name[:16], 16) for path in (first, second)]
    merged_rows = compaction.merged_rows

    def meanwhile(paths):
        monkeypatch.setattr(time, "time_ns", lambda: sum(times) // 2)
        open_folder(tmp_path).append(said(2, text="between"))
        return merged_rows(paths)

    monkeypatch.setattr(compaction, "merged_rows", meanwhile)
    assert folder.compact(min_shards=2) == 0
    assert len(shard_paths(folder)) == 3 and not list(folder.path.glob(".*.tmp"))
    assert folder.read([key(2)])[0].text == "between 2"


def test_a_reader_goes_on_when_its_shards_are_compacted_away(tmp_path):
    reader, other = open_folder(tmp_path), open_folder(tmp_path)
    for i in range(6):
        reader.append(said(i))
    batches = reader.iter_read([key(i) for i in range(6)], batch=2)
    assert reader.known([key(5)]).all()
    assert other.compact(min_shards=2) == 6
    assert [r.text for rows in batches for r in rows] == [f"answer {i}" for i in range(6)]


def test_one_process_compacts_at_a_time(tmp_path):
    folder = open_folder(tmp_path)
    folder.append(said(1))
    folder.append(said(2))
    with (folder.path / ".compact.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert folder.compact(min_shards=2) == 0
    assert folder.compact(min_shards=2) == 2


# ---- many processes, sudden ends


def test_writers_a_compactor_and_a_reader_at_the_same_time_lose_nothing(tmp_path):
    n_writers, n_packs = 3, 25
    first = open_folder(tmp_path)
    first.append(said(*range(10)))

    def write(writer: int) -> None:
        folder = open_folder(tmp_path)
        for pack in range(n_packs):
            start = 1000 * (writer + 1) + 4 * pack
            folder.append(said(*range(start, start + 4), *range(5)))

    def compact(stop) -> None:
        folder = open_folder(tmp_path)
        while not stop.is_set():
            folder.compact(min_shards=4)

    stop = FORK.Event()
    writers = [FORK.Process(target=write, args=(i,)) for i in range(n_writers)]
    compactor = FORK.Process(target=compact, args=(stop,))
    for process in (*writers, compactor):
        process.start()
    while any(process.is_alive() for process in writers):
        assert [r.text for r in first.read([key(i) for i in range(10)])] == [
            f"answer {i}" for i in range(10)
        ]
        first.refresh()
    stop.set()
    for process in (*writers, compactor):
        process.join()
        assert process.exitcode == 0
    numbers = [*range(10)]
    for writer in range(n_writers):
        numbers += range(1000 * (writer + 1), 1000 * (writer + 1) + 4 * n_packs)
    fresh = open_folder(tmp_path)
    assert len(fresh) == len(numbers) and fresh.set_aside == []
    assert [r.text for r in fresh.read([key(i) for i in numbers])] == [
        f"answer {i}" for i in numbers
    ]


def test_a_writer_killed_at_a_random_moment_loses_nothing_that_append_returned_for(tmp_path):
    rng = np.random.default_rng(11)
    returned: list[int] = []
    for attempt in range(12):
        readable, writable = os.pipe()

        def write(attempt: int = attempt, writable: int = writable) -> None:
            folder = open_folder(tmp_path)
            for i in range(100_000):
                number = attempt * 100_000 + i
                folder.append([Response(key(number), "ok", text=f"{number} " * 2000)])
                os.write(writable, struct.pack("<q", number))

        process = FORK.Process(target=write)
        process.start()
        os.close(writable)
        time.sleep(float(rng.uniform(0.01, 0.12)))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with os.fdopen(readable, "rb") as pipe:
            returned += [number for (number,) in struct.iter_unpack("<q", pipe.read())]
        fresh = open_folder(tmp_path)
        assert fresh.known([key(i) for i in returned]).all() and fresh.set_aside == []
    assert len(returned) > 12
    texts = [r.text for r in fresh.read([key(i) for i in returned])]
    assert texts == [f"{i} " * 2000 for i in returned]


def kill_before(countdown: int) -> None:
    """Let this process kill itself before its n-th change to the file system."""
    left = [countdown]

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapped

    for name in ("replace", "unlink", "fsync"):
        setattr(os, name, dying(getattr(os, name)))


def test_a_compactor_killed_before_any_of_its_steps_loses_nothing(tmp_path):
    folder = open_folder(tmp_path)
    n_killed = 0
    for step in range(1, 30):
        numbers = [*range(5 * step)]
        for i in range(5):
            folder.append(said(5 * (step - 1) + i, 0))

        def compact(step: int = step) -> None:
            kill_before(step)
            open_folder(tmp_path).compact(min_shards=2)

        process = FORK.Process(target=compact)
        process.start()
        process.join()
        fresh = open_folder(tmp_path)
        assert [r.text for r in fresh.read([key(i) for i in numbers])] == [
            f"answer {i}" for i in numbers
        ]
        assert fresh.set_aside == []
        if process.exitcode == 0:
            break
        n_killed += 1
    assert process.exitcode == 0 and n_killed >= 8  # 2 fsync, 1 rename, 5 or more removals
    assert len(shard_paths(folder)) == 1


def test_a_full_disk_is_told_and_costs_nothing_that_was_finished(tmp_path):
    folder = open_folder(tmp_path)
    folder.append(said(1))

    def overflow() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        data = np.random.default_rng(0).bytes(300_000)
        open_folder(tmp_path).append([Response(key(2), "ok", image=data)])

    message = in_child(overflow)
    assert isinstance(message, str) and "\n" not in message
    assert "no space left" in message and "run the same command again" in message
    assert not list(folder.path.glob(".*.tmp"))
    assert open_folder(tmp_path).known([key(1), key(2)]).tolist() == [True, False]


# ---- opening


def test_opening_makes_a_card_and_the_entrant_is_there_for_people(tmp_path):
    folder = open_folder(tmp_path / "new" / "home")
    assert not folder.path.exists()  # a look costs nothing
    folder.append(said(1))
    assert json.loads((tmp_path / "new/home/store/STORE.json").read_text()) == {"schema": 2}
    assert folder.path.relative_to(tmp_path / "new/home/store").parts == (
        "generates_text",
        ENTRANT.identity[:16],
    )
    entrant = json.loads((folder.path / "entrant.json").read_text())
    assert entrant["identity"] == ENTRANT.identity and entrant["model"] == "m"


def test_a_store_of_a_newer_schema_is_refused(tmp_path):
    Store(tmp_path)
    (tmp_path / "store/STORE.json").write_text('{"schema": 3}')
    with pytest.raises(StoreError, match=r"has schema 3, this evalsuite reads up to 2: update"):
        Store(tmp_path)


def write_first_schema(home: Path, responses: list[Response]) -> Folder:
    """A shard as store schema 1 had it, in a store of that schema."""
    folder = open_folder(home)
    (home / "store/STORE.json").write_text('{"schema": 1}')
    folder.path.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SCHEMA", shard_rows.FIRST_SCHEMA)
        tables = [t.select(shard_rows.FIRST_SCHEMA.names) for t in shard_rows.encode(responses)]
        with shards.draft(folder.path, tables) as draft:
            draft.publish()
    return open_folder(home)


IMAGES = [Response(key(i), "ok", image=b"png %d" % i) for i in range(3)]


def test_a_shard_of_the_first_schema_is_read_and_its_images_get_their_sha256(tmp_path):
    folder = write_first_schema(tmp_path, [*IMAGES, *said(7)])
    assert folder.set_aside == []
    assert folder.read([key(1), key(7)]) == [IMAGES[1], *said(7)]
    (small,) = folder.read([key(2)], payloads=False)
    assert small.image is None and small.image_sha256 == IMAGES[2].image_sha256
    assert json.loads((tmp_path / "store/STORE.json").read_text()) == {"schema": 1}


def test_writing_makes_a_store_of_the_first_schema_one_of_todays(tmp_path):
    folder = write_first_schema(tmp_path, IMAGES)
    folder.append(said(7))
    assert json.loads((tmp_path / "store/STORE.json").read_text()) == {"schema": 2}
    assert open_folder(tmp_path).read([key(0), key(7)]) == [IMAGES[0], *said(7)]


def test_shards_of_both_schemas_are_merged_into_one_of_todays(tmp_path):
    folder = write_first_schema(tmp_path, IMAGES)
    folder.append(said(7))
    assert folder.compact(min_shards=2) == 2
    (merged,) = shard_paths(folder)
    assert pq.read_schema(merged).equals(shard_rows.SCHEMA)
    fresh = open_folder(tmp_path)
    assert fresh.read([r.key for r in IMAGES]) == IMAGES
    found = fresh.read([r.key for r in IMAGES], payloads=False)
    assert [r.image_sha256 for r in found] == [r.image_sha256 for r in IMAGES]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"schema": "1"}', b"\xff\xfe", b'{"schema": 0}']
)
def test_a_garbled_card_is_told(tmp_path, content):
    Store(tmp_path)
    (tmp_path / "store/STORE.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"STORE\.json is garbled"):
        Store(tmp_path)


@pytest.mark.parametrize("place", [".", "store", "store/generates_text"])
def test_a_file_where_a_folder_should_be_is_told(tmp_path, place):
    path = tmp_path / "home" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file")
    with pytest.raises(StoreError, match="cannot") as caught:
        open_folder(tmp_path / "home").append(said(1))
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2


def test_a_folder_without_permission_is_told():
    with tempfile.TemporaryDirectory() as home:
        open_folder(Path(home)).append(said(1))
        for path in [Path(home), *Path(home).rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)

        def look_and_write() -> list[object]:
            if os.geteuid() == 0:  # root may do anything
                os.setuid(65534)
            folder = open_folder(Path(home))
            found = folder.read([key(1)])[0].text
            with pytest.raises(StoreError, match="Permission denied") as caught:
                folder.append(said(2))
            return [found, str(caught.value)]

        found, message = in_child(look_and_write)
        for path in [Path(home), *Path(home).rglob("*")]:
            path.chmod(0o755)
    assert found == "answer 1" and "\n" not in message
