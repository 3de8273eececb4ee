"""Images that were already generated: found by their table, matched, and decoded with care."""

import csv
import io
import json
import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from evalsuite.asking import Asker, Room
from evalsuite.engine.local import LocalEngine
from evalsuite.errors import BadInput, UnknownName
from evalsuite.images import image_sha256, png_bytes, read_image
from evalsuite.models.capabilities import GeneratesImages, NeedsUnits
from evalsuite.models.output_images import ImageOutputsHandle
from evalsuite.models.outputs import OutputsHandle, backend
from evalsuite.models.spec import ModelSpec
from evalsuite.progress import Silent
from evalsuite.prompts import Unit
from evalsuite.requests import Decoding, Prompt, Request, Response
from evalsuite.store import Store

HOME = Path("unused")


def unit(name: str, text: str) -> Unit:
    return Unit(id=name, cluster=name, prompt=Prompt.of_text(text))


CAT, DOG = unit("cat", "a cat in a garden."), unit("dog", "a dog on a boat.")
UNITS = (CAT, DOG)


def pixels(seed: int, size: int = 8) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def image(path: Path, seed: int = 0, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed)).save(path, **how)
    return path


def table(folder: Path, *rows: dict[str, Any], name: str = "metadata.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(key for row in rows for key in row))
    if path.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue(), encoding="utf-8", newline="")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        pq.write_table(pa.table({n: [row.get(n) for row in rows] for n in names}), path)
    return path


def opened(path: Path, options: str = "") -> Any:
    return backend.open(ModelSpec.parse(f"outputs:{path}{options}"), offline=True, home=HOME)


def bound(path: Path, options: str = "", *, samples: int = 1, **more: Any) -> ImageOutputsHandle:
    asked_for = {"units": UNITS, "known": UNITS, "replicates": 1} | more
    handle = opened(path, options)
    assert isinstance(handle, ImageOutputsHandle)
    return handle.for_units(asked_for.pop("units"), samples=samples, **asked_for)


def requests(handle: ImageOutputsHandle, samples: int = 1, units: Any = UNITS) -> list[Request]:
    return [
        Request("generates_images", handle.entrant, own.prompt, None, 7, index)
        for own in units
        for index in range(samples)
    ]


def asked(handle: ImageOutputsHandle, samples: int = 1, units: Any = UNITS) -> list[Response]:
    wanted = requests(handle, samples, units)
    model = handle.load("cpu")
    assert isinstance(model, GeneratesImages)
    responses = model.generate_images(wanted)
    assert [response.key for response in responses] == [request.key for request in wanted]
    return responses


def pair(folder: Path, /, *, name: str = "metadata.csv", **first: Any) -> Path:
    """Two images and a table in which the row of the first is changed."""
    image(folder / "0.png", 0)
    image(folder / "1.png", 1)
    rows = [
        {"file_name": "0.png", "prompt": CAT.prompt.text} | first,
        {"file_name": "1.png", "prompt": DOG.prompt.text},
    ]
    table(folder, *rows, name=name)
    return folder


def problem(path: Path, options: str = "") -> str:
    with pytest.raises(BadInput) as caught:
        opened(path, options)
    message = str(caught.value)
    assert message.isprintable() and str(path.parent) not in message, message
    assert any(way in message for way in ("; ", "? ", " must be ")), f"not what to do: {message}"
    return message


def same_pixels(response: Response, seed: int) -> bool:
    assert response.status == "ok" and response.image, response.message
    return np.array_equal(np.asarray(read_image(response.image)), pixels(seed))


@pytest.mark.parametrize("stem", ["metadata", "prompts"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_says_which_image_answers_which_prompt(
    tmp_path: Path, stem: str, suffix: str
) -> None:
    handle = bound(pair(tmp_path, name=stem + suffix))
    first, second = asked(handle)
    assert same_pixels(first, 0) and same_pixels(second, 1)
    assert isinstance(handle, NeedsUnits)
    assert handle.capabilities == {GeneratesImages}


@pytest.mark.parametrize("column", ["id", "prompt_id"])
def test_an_id_will_do_for_the_prompt(tmp_path: Path, column: str) -> None:
    image(tmp_path / "a.png", 3)
    image(tmp_path / "b.png", 4)
    rows = [{"file_name": "a.png", column: "dog"}, {"file_name": "b.png", column: "cat"}]
    table(tmp_path, *rows)
    first, second = asked(bound(tmp_path))
    assert same_pixels(first, 4) and same_pixels(second, 3)


def test_tables_in_subfolders_name_files_beside_them(tmp_path: Path) -> None:
    for seed, (folder, own) in enumerate((("x/deep", CAT), ("y", DOG))):
        image(tmp_path / folder / "images" / "0.png", seed)
        row = {"file_name": "images/0.png", "prompt": own.prompt.text}
        table(tmp_path / folder, row)
    first, second = asked(bound(tmp_path))
    assert same_pixels(first, 0) and same_pixels(second, 1)


def test_a_table_that_stands_elsewhere_can_be_named(tmp_path: Path) -> None:
    folder = pair(tmp_path / "images")
    (folder / "metadata.csv").rename(tmp_path / "mine.csv")
    first, second = asked(bound(folder, f"?table={tmp_path / 'mine.csv'}"))
    assert same_pixels(first, 0) and same_pixels(second, 1)
    assert "there is no such table" in problem(folder, f"?table={tmp_path / 'no.csv'}")


def test_the_table_itself_can_be_named(tmp_path: Path) -> None:
    handle = bound(pair(tmp_path, name="any.csv") / "any.csv")
    assert handle.entrant.model == "outputs:any.csv"
    assert same_pixels(asked(handle)[0], 0)


def test_samples_follow_the_index(tmp_path: Path) -> None:
    rows = []
    for seed in range(4):
        image(tmp_path / f"{seed}.png", seed)
        own = UNITS[seed // 2]
        rows.append({"file_name": f"{seed}.png", "id": own.id, "index": 1 - seed % 2})
    table(tmp_path, *rows)
    responses = asked(bound(tmp_path, samples=2), 2)
    assert [same_pixels(r, seed) for r, seed in zip(responses, (1, 0, 3, 2), strict=True)] == [
        True
    ] * 4


def test_only_files_that_the_table_names_are_images(tmp_path: Path) -> None:
    """GRADE edge case 9.1: the contact sheet of a folder is no 101st image."""
    folder = pair(tmp_path)
    image(folder / "grid_images.jpg", 9)
    before = bound(folder).entrant
    image(folder / "grid_images.jpg", 10)
    image(folder / "unnamed.png", 11)
    assert bound(folder).entrant == before
    assert len(bound(folder).rows) == 2


def reference_layout(folder: Path) -> Path:
    """One folder a prompt, one a seed within it, and the contact sheet: as GRADE's code does."""
    for prompt, first in (("0", 0), ("1", 20)):
        for seed in range(11):
            image(folder / prompt / str(seed) / f"{seed}_0.png", first + seed)
        image(folder / prompt / "grid_images.jpg", 99)
    rows = [{"folder": "0", "id": "cat"}, {"folder": "1", "prompt": DOG.prompt.text}]
    table(folder, *rows)
    return folder


def test_a_folder_for_each_prompt_is_read_by_seed_without_its_contact_sheet(tmp_path: Path) -> None:
    responses = asked(bound(reference_layout(tmp_path), samples=11), 11)
    seeds = [*range(11), *range(20, 31)]
    assert all(same_pixels(r, seed) for r, seed in zip(responses, seeds, strict=True))


def test_a_folder_for_each_prompt_needs_a_table(tmp_path: Path) -> None:
    (reference_layout(tmp_path) / "metadata.csv").unlink()
    assert "holds images and no table of their prompts; add metadata.csv" in problem(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cookie.png", "'0/cookie.png' has no number for a name"),
        ("5/5_0.jpg", "has the number of '0/5/5_0.jpg'"),
    ],
)
def test_an_image_of_a_folder_that_cannot_be_put_in_order_is_refused(
    tmp_path: Path, name: str, said: str
) -> None:
    image(reference_layout(tmp_path) / "0" / name)
    message = problem(tmp_path)
    assert message.startswith("metadata.csv, line 2: ") and said in message


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"file_name": "none.png"}, "'none.png' does not exist"),
        ({"file_name": "/etc/x.png"}, "'/etc/x.png' must be a path relative to the folder"),
        ({"file_name": "C:\\x.png"}, "must be a path relative to the folder"),
        ({"file_name": "../0.png"}, "'../0.png' leaves its folder by '..'"),
        ({"file_name": "a/../0.png"}, "leaves its folder by '..'"),
        ({"file_name": "1.png"}, "'1.png' stands in metadata.csv, line 2 already"),
        ({"file_name": "./1.png"}, "'1.png' stands in metadata.csv, line 2 already"),
        ({"file_name": "0.gif"}, "'0.gif' must end in one of .png, .jpg, .jpeg, .webp"),
        ({"file_name": "folder.png"}, "'folder.png' is no file"),
        ({"file_name": "x" * 300 + ".png"}, "cannot be read (File name too long)"),
        ({"file_name": ""}, "names no image; give its file_name, or a status"),
        ({"prompt": ""}, "says neither id nor prompt"),
        ({"status": "gone"}, "'status' must be ok, refused, filtered or error, not 'gone'"),
        ({"index": 0}, "has an index and metadata.csv, line 3 has none"),
        ({"id": "cat", "prompt_id": "dog"}, "'id' and 'prompt_id' differ"),
        ({"folder": "sub"}, "'folder' goes with no file_name, index or status"),
        ({"file_name": "", "folder": "none"}, "folder 'none' does not exist"),
        ({"file_name": "", "folder": "sub"}, "folder 'sub' holds no numbered image"),
        ({"file_name": "", "folder": ".."}, "'..' leaves its folder"),
        ({"filename": "x"}, "column 'filename': did you mean 'file_name'?"),
    ],
    ids=str,
)
def test_a_row_that_does_not_do_is_refused_with_its_line(
    tmp_path: Path, first: dict[str, Any], said: str
) -> None:
    folder = pair(tmp_path / "run", **first)
    (folder / "folder.png").mkdir()
    (folder / "sub").mkdir()
    message = problem(folder)
    assert message.startswith("metadata.csv, line ") and said in message


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_followed(tmp_path: Path) -> None:
    outside = image(tmp_path / "outside" / "0.png", 5)
    folder = pair(tmp_path / "run", file_name="link.png")
    (folder / "link.png").symlink_to(outside)
    (folder / "away").symlink_to(outside.parent)
    assert "metadata.csv, line 2: 'link.png' is a link to outside the folder" in problem(folder)
    pair(folder, file_name="away/0.png")
    assert "'away/0.png' is a link to outside the folder" in problem(folder)
    (folder / "link.png").unlink()
    (folder / "link.png").symlink_to("0.png")
    assert same_pixels(asked(bound(pair(folder, file_name="link.png")))[0], 0)
    (folder / "0.png").unlink()
    (folder / "0.png").symlink_to("1.png")
    assert "stands in metadata.csv, line 2 already" in problem(folder)


def test_a_table_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = pair(tmp_path / "run")
    (folder / "metadata.csv").rename(tmp_path / "metadata.csv")
    (folder / "metadata.csv").symlink_to(tmp_path / "metadata.csv")
    assert problem(folder).startswith("metadata.csv: is a link to outside the folder")


def test_a_pipe_in_place_of_a_table_or_an_image_does_not_block(tmp_path: Path) -> None:
    folder = pair(tmp_path / "run")
    (folder / "0.png").unlink()
    os.mkfifo(folder / "0.png")
    assert "'0.png' is no file" in problem(folder)
    (folder / "metadata.csv").unlink()
    os.mkfifo(folder / "metadata.csv")
    assert "there is no such table" in problem(folder, f"?table={folder}/metadata.csv")


def test_prompts_and_images_must_fit_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run: 2 of 2 prompts have too few answers for 2 each"):
        bound(pair(tmp_path / "run"), samples=2)
    with pytest.raises(BadInput, match="line 2: the prompt 'a bat' is none of the prompt set"):
        bound(pair(tmp_path / "run", prompt="a bat"))
    with pytest.raises(BadInput, match="line 2: id 'cta' is none of the prompt set; did you mean"):
        bound(pair(tmp_path / "run", prompt="", id="cta"))
    with pytest.raises(BadInput, match="run: holds the images of one run, and 2 replicates are"):
        bound(pair(tmp_path / "run"), replicates=2)


def test_a_surplus_is_refused_or_dropped_by_name(tmp_path: Path) -> None:
    folder = pair(tmp_path / "run")
    image(folder / "2.png", 2)
    with (folder / "metadata.csv").open("a") as file:
        file.write(f"2.png,{CAT.prompt.text}\n")
    with pytest.raises(BadInput, match="'cat' has 2"):
        bound(folder)
    dropped = bound(folder, "?surplus=drop")
    assert same_pixels(asked(dropped)[0], 0)
    assert dropped.entrant.settings == (("surplus", "drop"),)


@pytest.mark.parametrize("status", ["refused", "filtered", "error"])
@pytest.mark.parametrize("file_name", ["", "0.png"])
def test_an_image_that_did_not_come_is_missing(tmp_path: Path, status: str, file_name: str) -> None:
    first, second = asked(bound(pair(tmp_path, file_name=file_name, status=status)))
    assert (first.status, first.message) == (status, "so says metadata.csv, line 2")
    assert second.status == "ok"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(width: int, height: int) -> bytes:
    """A small PNG that declares very many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def saved(seed: int = 0, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(seed, 32)).save(file, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0.png (metadata.csv, line 2)"),
        (saved(format="PNG")[:-40], "0.png (metadata.csv, line 2)"),
        (bomb(60_000, 60_000), "pixels"),
        (saved(format="GIF"), "not a PNG, JPEG or WEBP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG, JPEG or WEBP"),
        (saved(format="PNG") + bytes(25_000_001), "at most"),
    ],
    ids=["empty", "truncated", "bomb", "gif", "svg", "too-large"],
)
def test_a_broken_image_is_an_error_and_the_others_are_answered(
    tmp_path: Path, content: bytes, said: str
) -> None:
    folder = pair(tmp_path)
    (folder / "0.png").write_bytes(content)
    first, second = asked(bound(folder))
    assert (first.status, first.image) == ("error", None)
    assert said in (first.message or "") and "0.png" in (first.message or "")
    assert str(tmp_path) not in (first.message or "")
    assert same_pixels(second, 1)


def test_a_blank_image_is_filtered(tmp_path: Path) -> None:
    folder = pair(tmp_path)
    Image.new("RGB", (8, 8), "black").save(folder / "0.png")
    first, second = asked(bound(folder))
    assert (first.status, first.message) == ("filtered", "0.png (metadata.csv, line 2): is blank")
    assert second.status == "ok"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_bytes_count_and_not_the_end_of_the_name_and_metadata_is_dropped(
    tmp_path: Path, kind: str
) -> None:
    folder = pair(tmp_path)
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    image(folder / "0.png", 0, format=kind, exif=exif)
    first, _ = asked(bound(folder))
    assert first.status == "ok" and first.image is not None
    assert first.image.startswith(b"\x89PNG") and b"secret" not in first.image


def test_another_image_or_another_table_is_another_entrant(tmp_path: Path) -> None:
    one = opened(pair(tmp_path / "one")).entrant
    assert one.revision.startswith("sha256:")
    assert opened(pair(tmp_path / "two"), "?name=one").entrant == one
    image(tmp_path / "two" / "1.png", 5)
    assert opened(tmp_path / "two").entrant.revision != one.revision
    swapped = pair(tmp_path / "three", prompt=CAT.prompt.text + " ")
    assert opened(swapped).entrant.revision != one.revision


def test_an_image_that_changed_after_it_was_opened_is_an_error(tmp_path: Path) -> None:
    handle = bound(pair(tmp_path))
    image(tmp_path / "0.png", 5)
    (tmp_path / "1.png").unlink()
    first, second = asked(handle)
    assert first.status == "error" and "was changed since the run began" in (first.message or "")
    assert second.status == "error" and "is gone since the run began" in (second.message or "")


def test_the_matching_by_id_is_part_of_the_entrant(tmp_path: Path) -> None:
    image(tmp_path / "0.png", 0)
    table(tmp_path, {"file_name": "0.png", "id": "cat"})
    other = unit("cat", "another cat")
    identities = {
        bound(tmp_path, units=(own,), known=(own,)).entrant.identity for own in (CAT, other)
    }
    assert len(identities) == 2


def test_images_are_no_judge_and_take_no_options_of_texts(tmp_path: Path) -> None:
    folder = pair(tmp_path)
    with pytest.raises(BadInput, match="answer as the model under test"):
        opened(folder).load("cpu")
    with pytest.raises(UnknownName, match="no option 'temperature'"):
        opened(folder, "?temperature=1")


def test_texts_beside_a_column_of_files_stay_texts(tmp_path: Path) -> None:
    row = {"id": "cat", "text": "meow", "file_name": "a.png"}
    table(tmp_path, row, name="metadata.jsonl")
    image(tmp_path / "a.png")
    assert isinstance(opened(tmp_path), OutputsHandle)


def test_a_table_beside_images_that_names_none_is_refused_as_such(tmp_path: Path) -> None:
    image(tmp_path / "run" / "0.png")
    table(tmp_path / "run", {"image": "0.png", "prompt": "x"})
    message = problem(tmp_path / "run")
    assert "metadata.csv, line 1: has neither 'file_name' nor 'folder', only 'image'" in message


def test_a_set_of_prompts_may_lie_beside_the_table(tmp_path: Path) -> None:
    folder = pair(tmp_path)
    table(folder, {"id": "cat", "prompt": "a cat"}, name="prompts.jsonl")
    assert len(opened(folder).rows) == 2


def test_a_pack_holds_few_large_images(tmp_path: Path) -> None:
    folder = pair(tmp_path)
    (folder / "0.png").write_bytes(saved(format="PNG") + bytes(20_000_000))
    handle = bound(folder)
    model = handle.load("cpu")
    large, small = model.sizes(requests(handle))
    assert large > model.pack_budget and small == 1
    assert model.pack_budget <= 1000


def test_a_run_asks_for_images_that_stand_in_a_folder(tmp_path: Path) -> None:
    twin = unit("twin", CAT.prompt.text)
    units = (*UNITS, twin)
    folder = tmp_path / "run"
    for seed in range(3):
        image(folder / f"{seed}.png", seed)
    (folder / "1.png").write_bytes(b"broken")
    rows = [{"file_name": f"{seed}.png", "id": own.id} for seed, own in enumerate(units)]
    table(folder, *rows)
    handle = bound(folder, units=units, known=units)
    for _ in range(2):
        room = Room(Store(tmp_path), LocalEngine("cpu"), Silent(), 0, 1, dry_run=False)
        asker = Asker("model", handle, GeneratesImages, Decoding(), room)
        found = asker.generate_images(units, samples=1).rows
        assert [row.status for row in found] == ["ok", "error", "ok"]
        shas = [row.image_sha256 for row in found]
        assert shas == [
            image_sha256(png_bytes(pixels(0))),
            None,
            image_sha256(png_bytes(pixels(2))),
        ]
    assert room.calls[0].n_cached >= 2


def test_many_images_open_in_little_memory_and_none_is_held(tmp_path: Path) -> None:
    n, content = 400, saved(format="PNG") + bytes(100_000)
    for number in range(n):
        (tmp_path / f"{number}.png").write_bytes(content)
    ids = ["dog", "cat"] * (n // 2)
    table(tmp_path, *({"file_name": f"{i}.png", "id": own} for i, own in enumerate(ids)))
    opened(tmp_path)  # What is imported on first use is not of the images.
    tracemalloc.start()
    handle = bound(tmp_path, samples=n // 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(handle.rows) == n
    assert peak < 4e6, "the files hold 40 MB"


@given(
    content=st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
        st.lists(
            st.dictionaries(
                st.sampled_from(["file_name", "folder", "id", "prompt", "index", "status"]),
                st.one_of(
                    st.none(),
                    st.integers(),
                    st.floats(),
                    st.text(max_size=8),
                    st.sampled_from(["0.png", ".", "/", "a/..", "x/", "refused", "ok", "sub"]),
                    st.lists(st.text(max_size=3), max_size=2),
                ),
            ),
            max_size=3,
        ).map(lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode()),
    ),
    name=st.sampled_from(["metadata.csv", "metadata.jsonl", "metadata.parquet"]),
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
def test_any_table_is_read_or_refused_in_one_line(
    tmp_path: Path, content: bytes, name: str
) -> None:
    if not (tmp_path / "sub").exists():
        image(tmp_path / "0.png")
        (tmp_path / "sub").mkdir()
    for other in tmp_path.glob("metadata.*"):
        other.unlink()
    (tmp_path / name).write_bytes(content)
    try:
        assert opened(tmp_path).rows
    except BadInput as error:
        assert str(error).isprintable()


@given(content=st.binary(max_size=300), start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"RIFF"]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30
)
def test_any_bytes_for_an_image_are_a_response(
    tmp_path: Path, content: bytes, start: bytes
) -> None:
    if not (tmp_path / "1.png").exists():
        pair(tmp_path)
    (tmp_path / "0.png").write_bytes(start + content)
    first, second = asked(bound(tmp_path))
    assert first.status in {"ok", "error", "filtered"} and second.status == "ok"
