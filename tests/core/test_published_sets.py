import csv
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import evalsuite
from evalsuite import published_sets
from evalsuite.errors import BadInput, MissingPackage, Refused, UnknownName
from evalsuite.prompts import prompts_digest
from evalsuite.published_rows import folder_rows, hub_rows
from evalsuite.published_sets import Line, PublishedFiles, PublishedRows, read_published
from evalsuite.tasks import TASKS, DataFile, TaskCard
from evalsuite_tasks.rlhf_diversity.task import task as rlhf_diversity

COMMIT = "0123456789abcdef" * 2 + "01234567"
ROWS = [
    {"id": f"r{n}", "topic": "xy"[n % 2], "text": f'Line one,\n"quoted" über {n}.'}
    for n in range(7)
]


def as_line(row):
    return Line(f"ASK: {row['text']}", row["id"] or None, row["topic"])


POSTS = PublishedRows(
    source="https://hub.example/org/posts",
    licence="MIT",
    summary="made posts",
    repository="org/posts",
    commit=COMMIT,
    columns=("topic", "text"),
    optional=("id",),
    line=as_line,
)
WORDS = PublishedFiles(
    source="https://code.example/words",
    licence="MIT",
    files=("words.json", "templates.json"),
    lines=lambda files: (
        Line(template.replace("{}", word), stratum=word, cluster=word)
        for word in files["words.json"]
        for template in files["templates.json"]
    ),
)


def read(published, source, **options):
    return read_published(published, "posts", source, **{"offline": True, **options})


def write(path, rows):
    """Write rows in the form that the file's name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    elif path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif path.name == "list.json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    else:
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


FORMS = ["lines.jsonl", "lines.ndjson", "lines.json", "list.json", "table.csv", "table.parquet"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_copy_gives_the_same_units(form, tmp_path):
    units = read(POSTS, f":{write(tmp_path / form, ROWS)}")
    assert prompts_digest(units) == prompts_digest(
        read(POSTS, f":{write(tmp_path / 'reversed.jsonl', ROWS[::-1])}")
    )
    by_id = {unit.id: unit for unit in units}
    assert sorted(by_id) == [row["id"] for row in ROWS]
    assert by_id["r3"].prompt.text == 'ASK: Line one,\n"quoted" über 3.'
    assert by_id["r3"].stratum == "y" and by_id["r3"].cluster == "r3"


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    text = "\r\n".join(map(json.dumps, ROWS))
    (tmp_path / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    assert len(read(POSTS, f":{tmp_path / 'bom.jsonl'}")) == 7


@pytest.fixture
def repository(tmp_path):
    """A folder such as `hf download` makes of a data set with two splits."""
    (tmp_path / "posts" / "data").mkdir(parents=True)
    write(tmp_path / "posts" / "data" / "test-00000-of-00001.parquet", ROWS)
    write(tmp_path / "posts" / "data" / "train-00000-of-00001.parquet", ROWS[:2])
    return tmp_path / "posts"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_a_copy_of_a_hub_repository_gives_the_named_split_through_datasets(repository, tmp_path):
    units = read(POSTS, f":{repository}")
    assert prompts_digest(units) == prompts_digest(
        read(POSTS, f":{write(tmp_path / 'a.jsonl', ROWS)}")
    )
    assert len(read(POSTS.model_copy(update={"split": "train"}), f":{repository}")) == 2
    with pytest.raises(BadInput, match="posts: has no split 'dev'; there are: test, train"):
        read(POSTS.model_copy(update={"split": "dev"}), f":{repository}")


def test_folders_that_datasets_saved_are_read_whatever_their_only_split_is_called(tmp_path):
    import datasets

    file = write(tmp_path / "a.parquet", ROWS)
    table = datasets.load_dataset(
        "parquet", data_files={"dev": str(file)}, split="dev", cache_dir=str(tmp_path / "c")
    )
    table.save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"dev": table}).save_to_disk(tmp_path / "splits")
    expected = prompts_digest(read(POSTS, f":{file}"))
    for folder in ("saved", "splits"):
        assert prompts_digest(read(POSTS, f":{tmp_path / folder}")) == expected


def test_a_configuration_of_the_readme_is_taken_from_a_copy(repository):
    readme = (
        "---\nconfigs:\n- config_name: '3.0'\n  data_files:\n  - split: test\n"
        "    path: data/train-*\n- config_name: other\n  data_files: data/test-*\n---\n"
    )
    (repository / "README.md").write_text(readme)
    chosen = POSTS.model_copy(update={"config": "3.0"})
    assert len(read(chosen, f":{repository}")) == 2
    with pytest.raises(BadInput, match=r"cannot read the split 'test': .*'4' not found"):
        read(POSTS.model_copy(update={"config": "4"}), f":{repository}")


def test_a_readme_that_names_files_outside_of_its_folder_is_refused(repository, tmp_path):
    secret = write(tmp_path / "secret.parquet", ROWS)
    inside = f"{repository}/data/test-*"
    for path, is_refused in (
        (str(secret), True),
        (f"file://{secret}", True),
        ("../secret.parquet", True),
        ("data/../../secret.parquet", True),
        (inside, False),
        ("**/test-*.parquet", False),
    ):
        readme = f'---\nconfigs:\n- config_name: default\n  data_files: "{path}"\n---\n'
        (repository / "README.md").write_text(readme)
        if is_refused:
            with pytest.raises(Refused, match=r"names a file outside of it, .*secret\.parquet"):
                read(POSTS, f":{repository}")
        else:
            assert len(read(POSTS, f":{repository}")) == 7


def test_a_folder_of_anything_but_tables_is_refused_or_has_no_data(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    with pytest.raises(BadInput, match="pages: `datasets` cannot read the split 'test'"):
        read(POSTS, f":{folder}")
    (folder / "test.txt").write_text("text\n")
    with pytest.raises(Refused, match=r"pages: holds Text\w*, no table of texts"):
        read(POSTS, f":{folder}")
    (folder / "test.txt").unlink()
    (folder / "test.parquet").write_bytes(b"PAR1 broken PAR1")
    with pytest.raises(BadInput, match="pages: `datasets` cannot read the split 'test'"):
        read(POSTS, f":{folder}")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"topic": "x"}, "lacks the column 'text'; it has topic"),
        ({"topic": "x", "text": 7}, "'text' must be a text, not int"),
        ({"topic": "x", "text": None}, "'text' must be a text, not NoneType"),
        ({"topic": "x", "text": ["a"]}, "'text' must be a text, not list"),
        ({"topic": "x", "text": " \n\u3000"}, "'text' is blank"),
        ({"topic": "", "text": "a"}, "'topic' is blank"),
        ({"topic": "x", "text": "a", "id": 1.5}, "'id' must be a text, not float"),
        ({"topic": "x", "text": "a", "id": True}, "'id' must be a text, not bool"),
        ({"topic": "x", "text": "a", "id": "r0"}, "id 'r0' stands at another prompt already"),
        ({"topic": "x", "text": "\ud800"}, "a lone surrogate"),
        ({"topic": "\udfff", "text": "a"}, "a lone surrogate"),
        ({"topic": "all", "text": "a"}, "'all' is the name of the whole set"),
        (["a"], "expected an object with named columns"),
        (None, "expected an object with named columns"),
    ],
    ids=range(14),
)
def test_a_row_that_is_not_of_the_format_is_named_by_file_and_number(row, problem, tmp_path):
    for form, where in (("a.jsonl", "line 3"), ("list.json", "row 3")):
        path = write(tmp_path / form, [*ROWS[:2], row])
        with pytest.raises(BadInput, match=re.escape(problem)) as caught:
            read(POSTS, f":{path}")
        assert str(caught.value).startswith(f"{form}, {where}: ")


def test_tables_name_the_row_too(tmp_path):
    bad = [*ROWS[:4], {**ROWS[4], "text": None}]
    with pytest.raises(BadInput, match=r"^t\.parquet, row 5: 'text' must be a text, not NoneType"):
        read(POSTS, f":{write(tmp_path / 't.parquet', bad)}")
    (tmp_path / "t.csv").write_text("topic,text\nx,a\nx\n")
    with pytest.raises(BadInput, match=r"^t\.csv, row 2: 'text' must be a text, not NoneType"):
        read(POSTS, f":{tmp_path / 't.csv'}")
    (tmp_path / "t.csv").write_text("topic,text\nx,a,b\n")
    with pytest.raises(BadInput, match=r"^t\.csv, row 1: has more cells than the header"):
        read(POSTS, f":{tmp_path / 't.csv'}")


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.jsonl", b"", "there is not one row in it"),
        ("a.json", b" []", "there is not one row in it"),
        ("a.csv", b"", "there is not one row in it"),
        ("a.jsonl", b"{", "a.jsonl, line 1: not JSON"),
        ("a.jsonl", b"[" * 100_000, "a.jsonl, line 1: not JSON"),
        ("a.json", b"[" * 100_000, "a.json: cannot be read as json"),
        ("a.json", b"[1" + b"1" * 5000 + b"]", "a.json: cannot be read as json"),
        ("a.jsonl", b"\xff\xfe", "a.jsonl: not UTF-8 (byte 0)"),
        ("a.csv", b'topic,text\n"x', "a.csv: cannot be read as csv"),
        ("a.parquet", b"PAR1", "a.parquet: cannot be read as Parquet"),
        ("a.txt", b"text", "a.txt: expected a file that ends in .jsonl, .ndjson, .json"),
        ("a.pkl", b"text", "a.pkl: expected a file that ends in"),
    ],
    ids=range(12),
)
def test_a_file_that_is_no_table_is_bad_input(name, data, problem, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInput, match=re.escape(problem)):
        read(POSTS, f":{tmp_path / name}")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.parquet"]), data=st.binary())
def test_any_bytes_are_units_or_bad_input(form, data, tmp_path):
    (tmp_path / form).write_bytes(data)
    with pytest.raises(BadInput):
        read(POSTS, f":{tmp_path / form}")


CELL = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("r1"))
ROW = st.dictionaries(st.sampled_from(["id", "topic", "text", "more"]), CELL)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.one_of(ROW, CELL), max_size=6))
def test_any_rows_are_units_of_their_own_or_bad_input(rows, tmp_path):
    path = write(tmp_path / "a.jsonl", rows)
    try:
        units = read(POSTS, f":{path}")
    except BadInput:
        return
    assert len({unit.id for unit in units}) == len({unit.prompt.text for unit in units})
    assert all(re.fullmatch(r"[A-Za-z0-9][\w.-]{0,100}", unit.id, re.ASCII) for unit in units)


def test_a_prompt_that_stands_there_twice_is_one_unit_in_whatever_order(tmp_path):
    again = {**ROWS[0], "id": "a-first"}
    for n, rows in enumerate(([*ROWS, again], [again, *ROWS[::-1]])):
        units = read(POSTS, f":{write(tmp_path / f'{n}.jsonl', rows)}")
        assert len(units) == 7
        assert "a-first" in {unit.id for unit in units}
        assert "r0" not in {unit.id for unit in units}


def test_ids_that_are_absent_or_no_part_of_a_path_are_made_of_the_prompt(tmp_path):
    rows = [{**ROWS[0], "id": bad} for bad in (None, "", "../up", "a b", "x" * 200, "r\n")]
    ids = set()
    for row in rows:
        (unit,) = read(POSTS, f":{write(tmp_path / 'a.jsonl', [row])}")
        ids.add(unit.id)
    assert len(ids) == 1 and re.fullmatch("p-[0-9a-f]{20}", ids.pop())
    (unit,) = read(POSTS, f":{write(tmp_path / 'a.jsonl', [{**ROWS[0], 'id': 17}])}")
    assert unit.id == "17"


def test_of_a_very_large_set_a_fair_part_is_kept_and_more_where_more_is_asked(
    tmp_path, monkeypatch
):
    rows = [{"topic": "abcd"[n % 4], "text": f"text {n}"} for n in range(4000)]
    path = write(tmp_path / "a.jsonl", [*rows, *rows])
    whole = read(POSTS, f":{path}")
    assert len(whole) == 4000
    monkeypatch.setattr(published_sets, "MAX_UNITS", 800)
    part = read(POSTS, f":{path}")
    assert part == whole[:800]
    assert read(POSTS, f":{path}", at_least=1500) == whole[:1500]
    counts = [sum(unit.stratum == topic for unit in part) for topic in "abcd"]
    # 800 of 4000 without replacement: 200 each, standard deviation 11.
    assert sum(counts) == 800 and all(150 < count < 250 for count in counts)


def test_rows_and_prompts_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(published_sets, "MAX_ROWS", 6)
    with pytest.raises(BadInput, match=r"a\.jsonl, line 7: a prompt set may have 6 rows at most"):
        read(POSTS, f":{write(tmp_path / 'a.jsonl', ROWS)}")
    monkeypatch.setattr(published_sets, "MAX_CHARACTERS", 10)
    with pytest.raises(BadInput, match=r"a\.jsonl, line 1: a prompt of over 10 characters"):
        read(POSTS, f":{tmp_path / 'a.jsonl'}")


@pytest.mark.parametrize("path", ["", "no/such.jsonl", "x" * 5000, "a\0b.jsonl"])
def test_a_copy_that_is_not_there_is_bad_input(path):
    with pytest.raises(BadInput, match="prompt set posts: there is no file or folder"):
        read(POSTS, f":{path}")


def test_offline_the_hub_is_not_asked_and_the_message_says_how_to_fetch_and_name_a_copy():
    with pytest.raises(BadInput) as caught:
        read(POSTS, "")
    text = str(caught.value)
    assert f"hf download org/posts --repo-type dataset --revision {COMMIT}" in text
    assert "--set posts:FOLDER" in text


def test_a_set_without_a_pinned_commit_asks_for_one_and_takes_only_a_whole_one():
    unpinned = POSTS.model_copy(update={"commit": None})
    with pytest.raises(BadInput, match=r"no commit of org/posts is pinned here.*posts@COMMIT"):
        read(unpinned, "", offline=False)
    for commit in ("main", COMMIT[:39], COMMIT.upper(), f"{COMMIT}\n"):
        with pytest.raises(BadInput, match="is no commit; expected its 40 hex digits"):
            read(unpinned, f"@{commit}", offline=False)
    with pytest.raises(BadInput, match=f"--revision {COMMIT}"):
        read(unpinned, f"@{COMMIT}")


@pytest.fixture
def hub(monkeypatch, repository):
    """`datasets` as it is, but for what the hub itself would answer."""
    import datasets

    found = SimpleNamespace(hash=COMMIT, asked=[], base=f"hf://datasets/org/posts@{COMMIT}/")

    def load(path, name=None, **options):
        if path != "org/posts":
            return local(path, name, **options)
        found.asked.append((path, name, options))
        builder = local(str(repository))
        builder.hash = found.hash
        where = [f"{found.base}data/test-00000-of-00001.parquet"]
        builder.config.data_files, kept = {"test": where}, builder.config.data_files
        stream = builder.as_streaming_dataset

        def as_streaming_dataset():
            builder.config.data_files = kept
            return stream()

        builder.as_streaming_dataset = as_streaming_dataset
        return builder

    local = datasets.load_dataset_builder
    monkeypatch.setattr(datasets, "load_dataset_builder", load)
    return found


def test_the_hub_is_asked_for_the_pinned_or_the_named_commit_and_for_no_code(hub, repository):
    online = read(POSTS.model_copy(update={"config": "c"}), "", offline=False)
    assert hub.asked == [("org/posts", "c", {"revision": COMMIT})]
    assert prompts_digest(online) == prompts_digest(read(POSTS, f":{repository}"))
    hub.hash = "f" * 40
    hub.base = f"hf://datasets/org/posts@{hub.hash}/"
    assert len(read(POSTS, f"@{hub.hash}", offline=False)) == 7


def test_what_datasets_has_in_its_cache_of_another_commit_is_not_taken_for_the_pinned_one(hub):
    hub.hash = "f" * 40
    with pytest.raises(BadInput, match=r"the hub cannot be reached.* is not commit 0123456789ab"):
        read(POSTS, "", offline=False)


def test_files_of_another_repository_are_refused(hub):
    hub.base = "hf://datasets/evil/posts@main/"
    with pytest.raises(Refused, match="names a file outside of it"):
        read(POSTS, "", offline=False)


def test_a_folder_named_like_the_repository_is_not_taken_for_the_hub(repository, monkeypatch):
    (repository.parent / "org").mkdir()
    repository.rename(repository.parent / "org" / "posts")
    monkeypatch.chdir(repository.parent)
    with pytest.raises(BadInput, match="is not commit 0123456789ab"):
        list(hub_rows("org/posts", COMMIT, config=None, split="test"))


def test_a_hub_that_fails_is_bad_input_that_names_repository_and_commit(monkeypatch):
    import datasets

    def fail(*_, **__):
        raise errors[-1]

    monkeypatch.setattr(datasets, "load_dataset_builder", fail)
    errors = [
        ConnectionError("no route"),
        datasets.exceptions.DatasetNotFoundError("no such revision"),
        RuntimeError("Dataset scripts are no longer supported"),
        datasets.exceptions.DatasetGenerationError("broken"),
    ]
    while errors:
        with pytest.raises(BadInput, match="org/posts@0123456789ab: cannot be read from the hub"):
            read(POSTS, "", offline=False)
        errors.pop()


def test_without_datasets_files_are_read_and_folders_say_what_to_install(
    repository, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert len(read(POSTS, f":{write(tmp_path / 'a.parquet', ROWS)}")) == 7
    with pytest.raises(MissingPackage, match=re.escape("pip install 'evalsuite[data]'")):
        list(folder_rows(repository, config=None, split="test"))
    with pytest.raises(MissingPackage, match=re.escape("pip install 'evalsuite[data]'")):
        read(POSTS, "", offline=False)


@pytest.fixture
def words(tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "words.json").write_text('["red", "blue"]')
    (tmp_path / "words" / "templates.json").write_text('["I like {}.", "Is {} good?"]')
    return tmp_path / "words"


def test_a_set_of_templates_is_made_of_the_files_of_its_folder(words):
    units = read(WORDS, f":{words}")
    assert {(unit.prompt.text, unit.cluster) for unit in units} == {
        ("I like red.", "red"),
        ("Is red good?", "red"),
        ("I like blue.", "blue"),
        ("Is blue good?", "blue"),
    }


def test_a_set_of_templates_needs_its_folder_and_all_files(words):
    for source in ("", f"@{COMMIT}"):
        with pytest.raises(
            BadInput, match=r"is not on the hub\. Get it from https://code\.example"
        ):
            read(WORDS, source, offline=False)
    with pytest.raises(BadInput, match=r"words\.json is a file; expected its folder"):
        read(WORDS, f":{words / 'words.json'}")
    (words / "words.json").write_text("{")
    with pytest.raises(BadInput, match=r"words/words\.json: not JSON"):
        read(WORDS, f":{words}")
    (words / "words.json").unlink()
    with pytest.raises(
        BadInput, match=r"words/words\.json: cannot be read .* needs words\.json, t"
    ):
        read(WORDS, f":{words}")


def test_a_cluster_that_is_no_id_is_bad_input(words):
    (words / "words.json").write_text('["dark red"]')
    with pytest.raises(BadInput, match="prompt set posts: cluster: "):
        read(WORDS, f":{words}")


def test_the_default_set_of_a_card_must_be_its_own_file():
    fields = {name: getattr(rlhf_diversity.card, name) for name in TaskCard.model_fields}
    own = DataFile(file="prompts.jsonl", sha256="0" * 64, licence="CC0-1.0")
    assert TaskCard(**fields | {"sets": {"open": own, "posts": POSTS}}).sets["posts"] is POSTS
    with pytest.raises(ValidationError, match="the first prompt set must be a file of the task"):
        TaskCard(**fields | {"sets": {"posts": POSTS, "open": own}})
    with pytest.raises(ValidationError, match="match pattern"):
        TaskCard(**fields | {"sets": {"open": own, "a:b": POSTS}})


@pytest.mark.parametrize("change", [{"commit": "main"}, {"repository": "posts"}, {"size": 0}])
def test_a_card_of_a_set_that_cannot_be_is_refused(change):
    with pytest.raises(ValidationError):
        PublishedRows(**dict(POSTS) | change)


@pytest.fixture
def task(monkeypatch):
    """The shipped task with two published sets of ours."""
    sets = TASKS["rlhf_diversity"].card.sets
    monkeypatch.setitem(sets, "posts", POSTS.model_copy(update={"size": 4}))
    monkeypatch.setitem(sets, "words", WORDS)


def run(set, tmp_path, **options):
    return evalsuite.run(
        "rlhf_diversity",
        "fake:text",
        set=set,
        judges={"embedder": "fake:text-embedder"},
        samples=2,
        out=tmp_path / "out",
        **options,
    )


def test_a_run_takes_the_sets_size_or_the_limit_and_names_the_set_and_no_path(task, tmp_path):
    path = write(tmp_path / "a.jsonl", ROWS)
    record = run(f"posts:{path}", tmp_path)
    assert record.prompt_set == "posts"
    assert record.apparatus.n_units == 4
    assert run(f"posts:{path}", tmp_path, limit=4).fingerprint == record.fingerprint
    assert run(f"posts:{path}", tmp_path, limit=100).apparatus.n_units == 7
    parquet = write(tmp_path / "b.parquet", ROWS[::-1])
    assert run(f"posts:{parquet}", tmp_path).fingerprint == record.fingerprint
    assert str(tmp_path) not in record.model_dump_json()


def test_a_run_offline_says_how_to_give_a_copy(task, tmp_path):
    with pytest.raises(BadInput, match="prompt set posts: stands on the hub, and this run is off"):
        run("posts", tmp_path)


def test_files_of_the_users_and_the_tasks_own_sets_are_taken_as_before(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("open@1.jsonl").write_text('{"id": "a", "prompt": "p"}\n{"id": "b", "prompt": "q"}\n')
    for name in ("open@1.jsonl", "./open@1.jsonl", str(tmp_path / "open@1.jsonl")):
        record = run(name, tmp_path)
        assert (record.prompt_set, record.apparatus.n_units) == ("open@1.jsonl", 2)
    assert run("open", tmp_path, limit=3).prompt_set == "open"
    for name in ("open:", "open:x", "opn", "post", ":x", "@x"):
        with pytest.raises(UnknownName, match="no prompt set"):
            run(name, tmp_path)
