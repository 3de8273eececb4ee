"""Bad input gives one clear line and exit code 2 or 3, no traceback, and nothing half-written."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spine.runs import evalsuite, task

GOOD = '{"id": "a", "prompt": "Name a river."}\n'


def complaint(*arguments: str, cwd: Path, code: int = 2, **env: str) -> str:
    """Run, expect a refusal, and return its one line."""
    found = evalsuite(*arguments, cwd=cwd, **env)
    assert found.returncode == code, (found.returncode, found.stderr)
    lines = [line for line in found.stderr.strip().splitlines() if line]
    own = [line for line in lines if line.startswith("evalsuite: ")]
    assert len(own) == 1 and lines[-1] == own[0], found.stderr
    assert "Traceback" not in found.stderr
    assert not list(cwd.rglob("record.json")), "a refused run wrote a record"
    return own[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "rlhf_diversty"), "Did you mean 'rlhf_diversity'?"),
        (("run", "rlhf_diversity", "--model", "smollm2"), "expected backend:name"),
        (("run", "rlhf_diversity", "--model", "fakr:text"), "Did you mean 'fake'?"),
        (("run", "rlhf_diversity", "--model", "fake:txt"), "Did you mean 'text'"),
        (("run", "rlhf_diversity", "--model", "embedded:minilm"), "Did you mean 'minilm-l6'?"),
        (task("fake:text?temprature=1"), "Did you mean 'temperature'?"),
        (task("fake:text?temperature=-1"), "temperature"),
        (task("fake:text?temperature=nan"), "temperature"),
        (task("fake:text?temperature=1&temperature=2"), "given twice"),
        (task("fake:text", "--mode", "txt"), "Did you mean 'text'?"),
        (task("fake:images"), "needs a model that generates_text"),
        (task("fake:text", "--set", "opne"), "Did you mean 'open'?"),
        (task("fake:text", "--set", "absent.jsonl"), "absent.jsonl: cannot be read"),
        (task("fake:text", "--option", "max_new_token=3"), "Did you mean 'max_new_tokens'?"),
        (task("fake:text", "--option", "max_new_tokens=0"), "max_new_tokens"),
        (task("fake:text", "--option", "nothing"), "expected name=value"),
        (task("fake:text", "--samples", "1"), "samples"),
        (task("fake:text", "--limit", "0"), "--limit must be at least 1"),
        (task("fake:text", "--replicates", "0"), "replicates"),
        (task("fake:text", "--seed", "-1"), "seed"),
        (task("fake:text", "--judge", "embeder=fake:all"), "Did you mean 'embedder'?"),
        (task("fake:text", "--judge", "embedder=fake:text-embedder"), "given twice"),
        (("run", "rlhf_diversity", "--model", "fake:text", "--judge", "embedder=fake:text"),
         "embeds_text"),
        (("show", "nowhere"), "no record there"),
        (("leaderboard", "show", "rlhf_diversity"), "evalsuite run rlhf_diversity"),
        (("leaderboard", "show", "rlhf_diversity", "--measure", "per_input_sber"),
         "Did you mean 'per_input_sbert'?"),
        (("leaderboard", "build"), "no records"),
        (("compare", "nowhere"), "two records or more"),
        (("compare", "nowhere", "there"), "nowhere: no record there"),
        (("gate", "--base", "nowhere", "--candidate", "there", "--margin", "0.1", "--to", "to"),
         "nowhere: no record there"),
        (("gate", "--base", "nowhere", "--candidate", "there", "--margin", "-0.1", "--to", "to"),
         "the margin is the largest acceptable loss"),
        (("plan", "rlhf_diversity", "--pilot", "nowhere", "--detect", "0.1"),
         "nowhere: no record there"),
        (("plan", "rlhf_diversity", "--pilot", "nowhere", "--detect", "nan"),
         "difference to detect"),
    ],
)  # fmt: skip
def test_a_wrong_name_or_value_is_named_with_a_suggestion(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    assert says in complaint(*arguments, cwd=tmp_path)
    assert not list(tmp_path.iterdir()) or arguments[0] not in {"compare", "gate", "plan"}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("compare",), "records"),
        (("compare", "a", "b", "--units", "-1"), "--units"),
        (("gate", "--base", "a", "--candidate", "b"), "--margin"),
        (("gate", "--base", "a", "--candidate", "b", "--margin", "much"), "--margin"),
        (("plan", "rlhf_diversity", "--detect", "0.1"), "--pilot"),
        (("plan", "rlhf_diversity", "--pilot", "a", "--detect", "a lot"), "--detect"),
    ],
)
def test_an_argument_that_is_lacking_or_no_number_is_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], names: str
) -> None:
    found = evalsuite(*arguments, cwd=tmp_path)
    assert found.returncode == 2 and names in found.stderr
    assert "Traceback" not in found.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD + '{"id": "b", "prompt": }\n', "line 2: not JSON"),
        (GOOD + "\n" + GOOD, "line 3: id 'a' stands in line 1 already"),
        (GOOD + '{"id": "b"}\n', "line 2: prompt"),
        (GOOD + '{"id": "b", "prompt": "x", "kategory": "y"}\n', "line 2: kategory"),
        (GOOD + '{"id": "../b", "prompt": "x"}\n', "line 2: id"),
        (GOOD + '{"id": "b", "prompt": "  "}\n', "line 2: the prompt is blank"),
        (GOOD + "7\n", "line 2: expected an object"),
        ("", "the prompt set is empty"),
        ("\n \n", "the prompt set is empty"),
    ],
)
def test_a_broken_prompt_file_is_named_with_its_line(
    tmp_path: Path, content: str, says: str
) -> None:
    (tmp_path / "set.jsonl").write_text(content)
    said = complaint(*task("fake:text", "--set", "set.jsonl"), cwd=tmp_path)
    assert "set.jsonl" in said and says in said


def test_a_prompt_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_bytes(b'{"id": "a", "prompt": "caf\xe9"}')
    said = complaint(*task("fake:text", "--set", "set.jsonl"), cwd=tmp_path)
    assert "not UTF-8" in said


def test_embeddings_that_are_not_numbers_are_refused_and_not_kept(tmp_path: Path) -> None:
    arguments = ("run", "rlhf_diversity", "--model", "fake:text", "--limit", "4", "--samples", "2")
    judge = ("--judge", "embedder=fake:text-embedder?nan=0.3")
    said = complaint(*arguments, *judge, cwd=tmp_path)
    assert "not finite" in said and "embedder" in said
    shards = list((tmp_path / "home" / "store" / "embeds_text").rglob("*.parquet"))
    assert shards == [], "one pack, and it was bad"


def test_a_full_disk_is_said_and_what_was_finished_is_kept(tmp_path: Path) -> None:
    # A limit on the size of files stands in for the disk: the same kind of error, no root needed.
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "sys.argv = ['evalsuite', *sys.argv[1:]]\n"
        "from evalsuite.cli import main\n"
        "main()\n"
    )
    assert resource.RLIM_INFINITY, "the platform has limits"
    arguments = task("fake:text?batch_tokens=100000", "--limit", "60")
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 2, found.stderr
    assert "no space left" in found.stderr and "Traceback" not in found.stderr
    assert not list(tmp_path.rglob("*.parquet")) and not list(tmp_path.rglob("record.json"))
    assert not list((tmp_path / "home").rglob("*.tmp"))
    assert evalsuite(*arguments, cwd=tmp_path).returncode == 0


def test_a_home_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    assert "store" in complaint(*task("fake:text", "--limit", "4"), cwd=tmp_path)


@pytest.mark.parametrize(
    ("content", "says"), [('{"schema": 99}', "99"), ("{", "STORE.json"), ("[]", "STORE.json")]
)
def test_a_store_of_a_newer_version_or_without_a_readable_card_is_refused(
    tmp_path: Path, content: str, says: str
) -> None:
    store = tmp_path / "home" / "store"
    store.mkdir(parents=True)
    (store / "STORE.json").write_text(content)
    said = complaint(*task("fake:text", "--limit", "4"), cwd=tmp_path)
    assert says in said or "store" in said
    assert (store / "STORE.json").read_text() == content


def test_results_behind_a_link_that_leads_out_are_refused(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "out" / "results").mkdir(parents=True)
    (tmp_path / "out" / "results" / "rlhf_diversity").symlink_to(tmp_path / "away")
    said = complaint(*task("fake:text", "--limit", "4", "--out", "out"), cwd=tmp_path)
    assert "symbolic link" in said


def test_an_option_of_the_command_line_that_does_not_exist_is_exit_2(tmp_path: Path) -> None:
    found = evalsuite(*task("fake:text", "--limt", "4"), cwd=tmp_path)
    assert found.returncode == 2
    assert "--limit" in found.stderr


@pytest.mark.parametrize("where", ["environment", "prompt file name", "error"])
def test_secrets_and_the_home_folder_reach_no_file_and_no_message(
    tmp_path: Path, where: str
) -> None:
    canary = "hf_CanaryCanaryCanary123"
    env = {"HF_TOKEN": canary, "MY_API_KEY": "Zq9-secret-value-77", "HOME": str(tmp_path)}
    arguments = task("fake:text", "--limit", "12", "--samples", "2", "--json")
    if where == "prompt file name":
        lines = [json.dumps({"id": f"p{i}", "prompt": f"Number {i}?"}) for i in range(12)]
        (tmp_path / "own.jsonl").write_text("\n".join(lines))
        arguments = (*arguments, "--set", str(tmp_path / "own.jsonl"))
    if where == "error":
        arguments = task(f"fake:text?stop={canary}&x=Zq9-secret-value-77", "--limit", "2")
    found = evalsuite(*arguments, cwd=tmp_path, **env)
    assert found.returncode == (2 if where == "error" else 0), found.stderr
    files = [file for file in (tmp_path / "results").rglob("*") if file.is_file()]
    files += list((tmp_path / "leaderboards").rglob("*.csv"))
    texts = [found.stdout, found.stderr, *(file.read_bytes().decode("latin-1") for file in files)]
    for secret in (canary, "Zq9-secret-value-77", str(tmp_path)):
        assert not any(secret in text for text in texts), secret
