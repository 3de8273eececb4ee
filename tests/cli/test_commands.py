"""What the commands print, for people and for programs."""

import json
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from evalsuite.errors import MissingPackage, Refused
from evalsuite.models import model_packages
from evalsuite.models.transformers import CausalOptions, EncoderOptions, require_text_packages
from evalsuite.provenance import Need
from evalsuite.report.terminal import OF_EMBEDDING
from tests.spine.runs import JUDGE, evalsuite, task


def distribution(folder: Path, name: str, version: str = "1.0", entry_points: str = "") -> None:
    """Leave the metadata of a package as an installer would."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.mark.parametrize(
    "command",
    ["", "run", "tasks", "models", "show", "verify", "doctor", "compare", "gate", "plan",
     "stages", "homogeneity", "agreement", "remedy", "build", "sheet"],
)  # fmt: skip
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    found = evalsuite(*command.split(), "--help", cwd=tmp_path)
    assert found.returncode == 0
    assert "Usage" in found.stdout


def test_json_is_json_and_nothing_else_on_standard_output(tmp_path: Path) -> None:
    for arguments in (("tasks", "--json"), ("models", "--json"), ("doctor", "--json"),
                      ("show", "rlhf_diversity", "--json"),
                      task("fake:text", "--limit", "12", "--samples", "2", "--json"),
                      ("leaderboard", "show", "rlhf_diversity", "--json")):  # fmt: skip
        found = evalsuite(*arguments, cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert json.loads(found.stdout)


def test_comparing_gating_and_planning_print_json_and_nothing_else(tmp_path: Path) -> None:
    for model in ("fake:text", "fake:text?temperature=0.5"):
        assert evalsuite(*task(model, "--limit", "20"), cwd=tmp_path).returncode == 0
    warm, cool = (str(file.parent) for file in sorted((tmp_path / "results").rglob("record.json")))
    gate = ("gate", "--base", warm, "--candidate", cool, "--margin", "0.1")
    before = sorted(tmp_path.rglob("*"))
    for arguments, code, key in (
        (("compare", warm, cool), 0, "pairs"),
        (gate, 7, "verdict"),
        (
            ("plan", "rlhf_diversity", "--pilot", warm, "--pilot", cool, "--detect", "0.1"),
            0,
            "need",
        ),
    ):
        found = evalsuite(*arguments, "--json", cwd=tmp_path)
        assert (found.returncode, found.stderr) == (code, "")
        assert key in json.loads(found.stdout)
    assert sorted(tmp_path.rglob("*")) == before, "they read, and write nothing"
    assert evalsuite(*gate, "--to", "gate.json", cwd=tmp_path).returncode == 7
    assert json.loads((tmp_path / "gate.json").read_text())["verdict"] == "FAIL"


def test_a_command_writes_its_results_below_out(tmp_path: Path) -> None:
    found = evalsuite("run", "rlhf_diversity", "--model", "fake:text", *JUDGE, "--limit", "12",
                      "--samples", "2", "--out", "there", cwd=tmp_path)  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "there" / "leaderboards" / "rlhf_diversity.csv").is_file()
    assert list((tmp_path / "there" / "results").rglob("record.json"))


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (("tasks",), "rlhf_diversity"),
        (("models",), "embedded:smollm2-135m"),
        (("show", "rlhf_diversity"), "per_input_sbert"),
        (("doctor",), "free space"),
    ],
)
def test_a_command_shows_what_it_is_asked_for(
    tmp_path: Path, arguments: tuple[str, ...], shows: str
) -> None:
    found = evalsuite(*arguments, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert shows in found.stdout


def test_a_record_shows_slices_and_answers_only_when_asked(tmp_path: Path) -> None:
    assert evalsuite(*task("fake:text", "--limit", "20"), cwd=tmp_path).returncode == 0
    folder = str(next((tmp_path / "results").rglob("record.json")).parent)
    plain = evalsuite("show", folder, cwd=tmp_path).stdout
    full = evalsuite("show", folder, "--slices", "--outputs", "3", cwd=tmp_path).stdout
    assert "story_opening" not in plain and "answer 0, ok" not in plain
    assert "story_opening" in full and full.count(", ok") == 3


def test_the_leaderboard_shows_any_measure_and_slice(tmp_path: Path) -> None:
    for model in ("fake:text", "fake:text?temperature=0.3"):
        assert evalsuite(*task(model, "--limit", "20"), cwd=tmp_path).returncode == 0
    ead = evalsuite("leaderboard", "show", "rlhf_diversity", "--measure", "per_input_ead",
                    "--slice", "naming", cwd=tmp_path)  # fmt: skip
    assert ead.returncode == 0, ead.stderr
    assert "per_input_ead" in ead.stdout and "naming" in ead.stdout
    lines = [line for line in ead.stdout.splitlines() if line.startswith("fake:text")]
    assert len(lines) == 2 and "temperature" in lines[1], "the warmer one is first"


def test_a_figure_is_drawn_and_needs_one_fingerprint(tmp_path: Path) -> None:
    for limit in ("20", "30"):
        assert evalsuite(*task("fake:text", "--limit", limit), cwd=tmp_path).returncode == 0
    arguments = ("leaderboard", "plot", "rlhf_diversity", "--to", "figure.png")
    both = evalsuite(*arguments, cwd=tmp_path)
    assert both.returncode == 2 and "--fingerprint" in both.stderr
    fingerprint = both.stderr.strip().split(" ")[-1]
    assert evalsuite(*arguments, "--fingerprint", fingerprint, cwd=tmp_path).returncode == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    wrong = evalsuite("leaderboard", "plot", "rlhf_diversity", "--to", "figure.gif",
                      "--fingerprint", fingerprint, cwd=tmp_path)  # fmt: skip
    assert wrong.returncode == 2 and ".png" in wrong.stderr


NASTY = "[/bold]\x1b]0;owned\x07\x9b2J"
SHOWN = "[/bold]]0;owned2J"


def test_markup_and_control_characters_of_users_are_text(tmp_path: Path) -> None:
    prompts = [
        {"id": f"q{i}", "prompt": f"Say {NASTY} {i}", "category": ("[/bold]", NASTY)[i % 2]}
        for i in range(20)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, prompts)) + "\n")
    out = "p[/red]x :smile:"
    ran = evalsuite(*task("fake:text", "--set", "own.jsonl", "--samples", "2", "--out", out),
                    cwd=tmp_path)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert f"leaderboard  {out}" in ran.stdout
    folder = str(next((tmp_path / out / "results").rglob("record.json")).parent)
    shown = evalsuite("show", folder, "--slices", "--outputs", "2", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert SHOWN in shown.stdout
    board = evalsuite("leaderboard", "show", "rlhf_diversity", "--slice", "[/bold]", "--out", out,
                      cwd=tmp_path)  # fmt: skip
    assert board.returncode == 0, board.stderr
    assert "· [/bold]" in board.stdout
    for text in (ran.stdout, ran.stderr, shown.stdout, board.stdout):
        assert not any(c in text for c in "\x1b\x07\x9b")


def test_markup_and_control_characters_in_a_task_card_are_text(tmp_path: Path) -> None:
    site = tmp_path / "site"
    distribution(site, "odd", entry_points="[evalsuite.tasks]\nodd = odd:task\n")
    (site / "odd.py").write_text(
        "from dataclasses import replace\n"
        "from evalsuite_tasks.rlhf_diversity.task import task as t\n"
        f"new = {{'name': 'odd', 'summary': {NASTY!r}, 'title': {NASTY!r}}}\n"
        "task = replace(t, card=t.card.model_copy(update=new))\n"
    )
    for arguments in (("tasks",), ("show", "odd")):
        found = evalsuite(*arguments, cwd=tmp_path, PYTHONPATH=str(site))
        assert found.returncode == 0, found.stderr
        assert SHOWN in found.stdout and "\x1b" not in found.stdout


VIEWS = """
from dataclasses import replace
from evalsuite.tasks import View
from evalsuite_tasks.rlhf_diversity.task import task as t


def lengths(tables, options):
    rows = tuple(
        (group.unit.id, sum(len(row.text.split()) for row in group.rows), options.best_of / 8, None)
        for group in tables.outputs.groups()
    )
    return View("words", "of [b]all[/b] answers", ("unit", "words", "share", "else"), rows)


def empty(tables, options):
    return View("nothing", "", ("unit", "words"), ())


def made(**views):
    mode = replace(t.modes["text"], views=views)
    return replace(t, card=t.card.model_copy(update={"name": NAME}), modes={"text": mode})
"""


@pytest.fixture
def viewed(tmp_path: Path) -> Path:
    """A site folder with one task that has views and one that has none."""
    site = tmp_path / "site"
    for name, views in (("seen", "lengths=lengths, empty=empty"), ("unseen", "")):
        distribution(site, name, entry_points=f"[evalsuite.tasks]\n{name} = {name}_task:task\n")
        (site / f"{name}_task.py").write_text(f"NAME = {name!r}\n{VIEWS}\ntask = made({views})\n")
    return site


def test_a_view_of_a_record_is_made_from_its_answers_and_options(
    tmp_path: Path, viewed: Path
) -> None:
    run = ("run", "seen", "--model", "fake:text", *JUDGE, "--limit", "12", "--samples", "2",
           "--option", "best_of=2")  # fmt: skip
    ran = evalsuite(*run, cwd=tmp_path, PYTHONPATH=str(viewed))
    assert ran.returncode == 0, ran.stderr
    folder = next((tmp_path / "results").rglob("record.json")).parent
    rows = pq.read_table(folder / "responses.parquet").to_pylist()
    words: dict[str, int] = {}
    for row in rows:
        if row["table"] == "outputs":
            words[row["unit"]] = words.get(row["unit"], 0) + len(row["text"].split())
    show = ("show", str(folder), "--view", "lengths")
    given = evalsuite(*show, "--json", cwd=tmp_path, PYTHONPATH=str(viewed))
    assert (given.returncode, given.stderr) == (0, "")
    value = json.loads(given.stdout)
    assert value["columns"] == ["unit", "words", "share", "else"]
    assert {row[0]: row[1] for row in value["rows"]} == words
    assert {tuple(row[2:]) for row in value["rows"]} == {(0.25, None)}
    shown = evalsuite(*show, cwd=tmp_path, PYTHONPATH=str(viewed)).stdout.splitlines()
    assert shown[0] == "words" and shown[-1] == "note: of [b]all[/b] answers"
    assert {line.split()[0]: line.split()[1:] for line in shown[2:-1]} == {
        unit: [f"{n}", "0.250", "-"] for unit, n in words.items()
    }
    nothing = evalsuite(*show[:-1], "empty", cwd=tmp_path, PYTHONPATH=str(viewed))
    assert nothing.returncode == 0 and nothing.stdout.splitlines()[0] == "nothing"


def test_a_view_that_there_is_not_is_refused_with_a_suggestion(
    tmp_path: Path, viewed: Path
) -> None:
    folders = {}
    for name in ("seen", "unseen"):
        run = ("run", name, "--model", "fake:text", *JUDGE, "--limit", "12", "--samples", "2")
        assert evalsuite(*run, cwd=tmp_path, PYTHONPATH=str(viewed)).returncode == 0
        record = next((tmp_path / "results" / name).rglob("record.json"))
        folders[name] = str(record.parent)
    for arguments, says in (
        ((folders["seen"], "--view", "length"), "Did you mean 'lengths'?"),
        ((folders["unseen"], "--view", "lengths"), "unseen: mode text has no views"),
        (("seen", "--view", "lengths"), "seen is a task. Name a record"),
        (("nowhere", "--view", "lengths"), "nowhere: no record there"),
        ((folders["seen"], "--view", "lengths", "--slices"), "takes neither --slices nor"),
    ):
        found = evalsuite("show", *arguments, cwd=tmp_path, PYTHONPATH=str(viewed))
        assert found.returncode == 2 and found.stdout == "", found.stderr
        assert says in found.stderr and len(found.stderr.strip().splitlines()) == 1
    (Path(folders["seen"]) / "responses.parquet").unlink()
    bare = evalsuite(
        "show", folders["seen"], "--view", "lengths", cwd=tmp_path, PYTHONPATH=str(viewed)
    )
    assert bare.returncode == 2 and "has no responses.parquet" in bare.stderr


def test_a_backend_that_cannot_describe_itself_is_listed_as_broken(tmp_path: Path) -> None:
    site = tmp_path / "site"
    distribution(site, "odd", entry_points="[evalsuite.models]\nodd = odd:backend\n")
    (site / "odd.py").write_text(
        "print('loud at import')\nclass Odd:\n    def open(self, spec, **more): ...\n"
        "    def describe(self):\n        print('loud')\n        raise OSError('no [/b] server')\n"
        "backend = Odd()\n"
    )
    problem = "describe() failed: OSError: no [/b] server"
    for command in ("models", "doctor"):
        text = evalsuite(command, cwd=tmp_path, PYTHONPATH=str(site), COLUMNS="240")
        assert text.returncode == 0, text.stderr
        assert problem in text.stdout and "Traceback" not in text.stderr
        found = evalsuite(command, "--json", cwd=tmp_path, PYTHONPATH=str(site))
        assert found.returncode == 0, found.stderr
        values = json.loads(found.stdout)
        assert problem in {value.get("problem", value.get("found")) for value in values}
        assert "loud" in found.stderr


def test_a_name_of_two_packages_stops_no_command_that_does_not_ask_for_it(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name in ("first", "second"):
        distribution(site, name, entry_points=f"[evalsuite.tasks]\ndouble = {name}:task\n")
    found = evalsuite("tasks", "--json", cwd=tmp_path, PYTHONPATH=str(site))
    problems = {value["name"]: value["problem"] for value in json.loads(found.stdout)}
    assert problems["rlhf_diversity"] is None
    assert "first (first:task) and second (second:task)" in problems["double"]
    ran = evalsuite("run", "double", cwd=tmp_path, PYTHONPATH=str(site))
    assert ran.returncode == 2 and "2 packages register" in ran.stderr


def test_a_package_below_its_floor_fails_the_doctor(tmp_path: Path) -> None:
    site = tmp_path / "site"
    distribution(site, "torch", "2.9.1")
    found = evalsuite("doctor", "--json", cwd=tmp_path, PYTHONPATH=str(site))
    assert found.returncode == 2
    (torch,) = (value for value in json.loads(found.stdout) if value["what"] == "torch")
    assert torch["needed"] and not torch["ok"]
    assert torch["found"].startswith("2.9.1 (needs >=")
    text = evalsuite("doctor", cwd=tmp_path, PYTHONPATH=str(site)).stdout
    assert [line.split()[:2] for line in text.splitlines() if "2.9.1" in line] == [
        ["lacking", "torch"]
    ]


def test_text_models_are_refused_below_the_security_floors(tmp_path: Path) -> None:
    site = tmp_path / "site"
    distribution(site, "transformers", "4.57.0")
    arguments = task("embedded:smollm2-135m", "--limit", "12", "--samples", "2")
    found = evalsuite(*arguments, cwd=tmp_path, PYTHONPATH=str(site))
    assert found.returncode == 3, found.stderr
    said = found.stderr.splitlines()[-1]
    assert "transformers 4.57.0 is refused" in said
    assert "pip install 'transformers>=5.5'" in said


def test_only_the_packages_a_model_needs_can_have_it_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs = [
        Need("torch", ">=2.10", "text", "2.10.0", True),
        Need("matplotlib", ">=3.9", "plots", "3.0", False),
        Need("gguf", ">=0.17", "text", None, False),
    ]
    monkeypatch.setattr(model_packages, "needs", lambda: needs)
    require_text_packages("some:model")
    with pytest.raises(Refused, match="gguf of unknown version is refused"):
        require_text_packages("some:model", "gguf")
    with pytest.raises(MissingPackage, match="needs nobody_has_this"):
        require_text_packages("some:model", "nobody_has_this")


def test_the_models_are_listed_with_every_option_they_take(tmp_path: Path) -> None:
    from evalsuite.models.text_embedding import EmbeddingSettings

    lines = evalsuite("models", cwd=tmp_path).stdout.splitlines()
    generators, embedders = (
        set(line.rpartition("take: ")[2].rstrip(".").split(", "))
        for line in lines
        if "take: " in line
    )
    assert set(OF_EMBEDDING) == {field.name for field in fields(EmbeddingSettings)}
    assert generators | set(OF_EMBEDDING) == set(CausalOptions.model_fields)
    assert embedders == set(EncoderOptions.model_fields)
    assert {"temperature", "template", "system", "dtype", "post_training_of"} <= generators
    assert {"pooling", "normalize", "max_length", "long", "threads"} <= embedders


def test_the_card_of_a_task_names_its_views(tmp_path):
    for name, view in (("rlhf_diversity", "frontier"), ("vendi", "n_sweep")):
        done = evalsuite("show", name, cwd=tmp_path)
        assert f"view {view}: evalsuite show RECORD --view {view}" in done.stdout
