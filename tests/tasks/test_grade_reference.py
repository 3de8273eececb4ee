"""Distances from shares: of another run, of a file, and what chance alone shows."""

import contextlib
import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite.metrics import expected_total_variation
from evalsuite_tasks.grade.reference_shares import parse_shares, read_reference
from evalsuite_tasks.grade.task import GradeOptions, task
from evalsuite_tasks.grade.views import share_view
from tests.tasks.grade_tables import made, score, units, value

VALUES = ("blue", "green", "red")
UNITS = units({name: {"colour": VALUES} for name in ("cup", "hat", "bag")})


def drawn(answers: list[str]) -> dict[tuple[str, str], list[str]]:
    return {(unit.id, "colour"): answers for unit in UNITS}


def written(path, rows: list[str]) -> str:
    path.write_text("concept,attribute,value,share\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def exact(path, shares: dict[str, float]) -> str:
    names = ("cup", "hat", "bag")
    return written(path, [f"{c},colour,{v},{s}" for c in names for v, s in shares.items()])


def test_the_shares_of_one_run_are_the_reference_of_another(tmp_path):
    view = share_view(made(drawn(["red", "red", "blue", "green"]), UNITS), GradeOptions())
    file = tmp_path / "shares.json"
    file.write_text(json.dumps(asdict(view)), encoding="utf-8")
    found = score(made(drawn(["red", "blue", "blue", "blue"]), UNITS), reference=str(file))
    assert value(found, "tvd_to_reference") == pytest.approx(0.5)
    same = score(made(drawn(["red", "red", "blue", "green"]), UNITS), reference=str(file))
    assert value(same, "tvd_to_reference") == 0.0


def test_less_what_chance_shows_equal_distributions_are_at_no_distance(tmp_path):
    shares = {"blue": 0.2, "green": 0.3, "red": 0.5}
    file = exact(tmp_path / "shares.csv", shares)
    rng = np.random.default_rng(1)
    plain, beyond = [], []
    for _ in range(30):
        said = {
            (unit.id, "colour"): rng.choice(VALUES, size=5, p=list(shares.values())).tolist()
            for unit in UNITS
        }
        found = score(made(said, UNITS), reference=file)
        plain.append(value(found, "tvd_to_reference"))
        beyond.append(value(found, "tvd_beyond_chance"))
    chance = expected_total_variation(list(shares.values()), n=30)
    assert np.mean(plain) == pytest.approx(chance, abs=0.02)
    assert np.mean(beyond) == pytest.approx(0.0, abs=0.02)


def test_a_value_that_the_set_does_not_have_counts_as_a_category(tmp_path):
    file = exact(tmp_path / "shares.csv", {"mauve": 0.5, "red": 0.5})
    found = score(made(drawn(["red", "red"]), UNITS), reference=file)
    assert value(found, "tvd_to_reference") == pytest.approx(0.5)


def test_groups_that_the_reference_lacks_are_missing(tmp_path):
    file = written(tmp_path / "s.csv", ["cup,colour,red,1.0", "hat,colour,red,1.0"])
    found = score(made(drawn(["red", "blue"]), UNITS), reference=file)
    own = found["tvd_to_reference"].estimate
    assert (own.n, own.n_missing) == (2, 1)


def test_a_reference_of_another_set_is_refused(tmp_path):
    file = written(tmp_path / "s.csv", ["sky,colour,red,1.0"])
    with pytest.raises(BadInput, match="none of the concepts"):
        score(made(drawn(["red", "blue"]), UNITS), reference=file)


def test_the_content_stands_in_the_options_so_that_a_record_needs_no_file(tmp_path):
    file = exact(tmp_path / "shares.csv", {"blue": 0.5, "red": 0.5})
    options = task.read_options("image", {"reference": file})
    (tmp_path / "shares.csv").unlink()
    again = task.read_options("image", options.model_dump(mode="json"))
    assert again == options
    assert parse_shares(options.reference)["cup", "colour"].shares == {"blue": 0.5, "red": 0.5}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (["cup,colour,red,much"], "is no number"),
        (["cup,colour,red,1.5"], "is no number from 0 to 1"),
        (["cup,colour,red,0.5"], "sum to 0.5"),
        (["cup,colour,red,0.5", "cup,colour,Red,0.5"], "stands twice"),
        (["cup,colour,red,nan"], "is no number from 0 to 1"),
    ],
)
def test_shares_that_are_none_are_refused_with_a_reason(tmp_path, rows, what):
    with pytest.raises(BadInput, match=what):
        task.read_options("image", {"reference": written(tmp_path / "s.csv", rows)})


def test_a_file_that_is_not_there_is_an_error_of_the_input(tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        task.read_options("image", {"reference": str(tmp_path / "none.json")})


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=80) | st.sampled_from(['{"columns": 3}', '{"columns": [], "rows": [[1]]}']))
def test_malformed_files_are_errors_of_the_input_and_nothing_else(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("r") / "shares.json"
    file.write_text(content, encoding="utf-8")
    with contextlib.suppress(ValueError):
        read_reference(str(file))
