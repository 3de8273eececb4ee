"""Texts that were already generated: matched with the prompts of a run, looked up, and rated."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput, UnknownName
from evalsuite.models.capabilities import GeneratesText, NeedsUnits, RatesText
from evalsuite.models.outputs import OutputsHandle, backend
from evalsuite.models.spec import ModelSpec
from evalsuite.prompts import Unit
from evalsuite.requests import Prompt, Request, Response, Sampling, TextPart
from tests.spine.runs import evalsuite, record_of, task

HOME = Path("unused")


def unit(name: str, text: str) -> Unit:
    return Unit(id=name, cluster=name, prompt=Prompt.of_text(text))


UNITS = (unit("a1", "Say A."), unit("a2", "Say B."), unit("b1", "Say C."))
TWINS = (unit("a1", "Say A."), unit("a2", "Say B."), unit("a3", "Say A."))


def write(folder: Path, *rows: dict[str, Any], name: str = "samples.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def opened(path: Path, options: str = "") -> OutputsHandle:
    return backend.open(ModelSpec.parse(f"outputs:{path}{options}"), offline=True, home=HOME)


def bound(
    path: Path,
    options: str = "",
    *,
    units: tuple[Unit, ...] = UNITS,
    known: tuple[Unit, ...] | None = None,
    samples: int = 1,
    replicates: int = 1,
) -> OutputsHandle:
    return opened(path, options).for_units(
        units, known=known or units, samples=samples, replicates=replicates
    )


def asked(handle: OutputsHandle, units: tuple[Unit, ...], samples: int) -> list[Response]:
    """Ask as `evalsuite.asking.Asker.generate` does: equal prompts are counted."""
    seen: dict[str, int] = {}
    requests = []
    for own in units:
        occurrence = seen.get(own.prompt.digest, 0)
        seen[own.prompt.digest] = occurrence + 1
        for index in range(samples):
            place = (handle.entrant, own.prompt, Sampling(), 7, index, occurrence)
            requests.append(Request("generates_text", *place))
    model = handle.load("cpu")
    assert isinstance(model, GeneratesText)
    assert len(model.sizes(requests)) == len(requests) <= model.pack_budget
    responses = model.generate_text(requests)
    assert [response.key for response in responses] == [request.key for request in requests]
    return responses


def texts(handle: OutputsHandle, units: tuple[Unit, ...], samples: int = 1) -> list[str | None]:
    return [response.text for response in asked(handle, units, samples)]


def problem(path: Path, options: str = "", **asked_for: Any) -> str:
    with pytest.raises(BadInput) as caught:
        bound(path, options, **asked_for)
    assert str(caught.value).isprintable()
    return str(caught.value)


def both(*texts: str, **more: Any) -> list[dict[str, Any]]:
    """One answer to each of the three prompts, by id and prompt."""
    return [
        {"id": own.id, "prompt": own.prompt.text, "text": text, **more}
        for own, text in zip(UNITS, texts, strict=True)
    ]


def test_answers_are_matched_by_id_or_by_prompt(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"prompt": "Say C.", "text": "C"},
        {"id": "a2", "text": "B"},
        {"id": "a1", "prompt": "Say A.", "text": "A"},
    )
    assert texts(bound(path), UNITS) == ["A", "B", "C"]


def test_samples_follow_the_index_and_without_one_the_file(tmp_path: Path) -> None:
    rows = [{"id": "a1", "text": "x"}, {"id": "a1", "text": "y"}]
    only = UNITS[:1]
    assert texts(bound(write(tmp_path, *rows), units=only, samples=2), only, 2) == ["x", "y"]
    numbered = [{**row, "index": 1 - i} for i, row in enumerate(rows)]
    assert texts(bound(write(tmp_path, *numbered), units=only, samples=2), only, 2) == ["y", "x"]


def test_an_answer_carries_its_finish_and_nothing_that_nobody_counted(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "a1", "text": "x", "finish": "length"})
    (response,) = asked(bound(path, units=UNITS[:1]), UNITS[:1], 1)
    assert (response.status, response.finish, response.n_new_tokens) == ("ok", "length", None)


@pytest.mark.parametrize("status", ["refused", "filtered", "error"])
def test_an_answer_that_did_not_come_is_missing_even_with_a_text(
    tmp_path: Path, status: str
) -> None:
    path = write(tmp_path, {"id": "a1", "text": "I cannot help.", "status": status})
    (response,) = asked(bound(path, units=UNITS[:1]), UNITS[:1], 1)
    assert (response.status, response.text) == (status, None)
    assert response.message == "so says samples.jsonl, line 1"


def test_equal_texts_are_answers_like_any_other(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "a1", "texts": ["x", "x", "x"]})
    assert texts(bound(path, units=UNITS[:1], samples=3), UNITS[:1], 3) == ["x", "x", "x"]


def test_a_prompt_that_several_ids_share_has_its_answers_by_id(tmp_path: Path) -> None:
    rows = [{"id": own.id, "prompt": own.prompt.text, "text": own.id} for own in TWINS]
    path = write(tmp_path, *reversed(rows))
    assert texts(bound(path, units=TWINS), TWINS) == ["a1", "a2", "a3"]


def test_answers_to_a_prompt_that_several_ids_share_are_divided_in_file_order(
    tmp_path: Path,
) -> None:
    rows = [{"prompt": "Say A.", "text": text} for text in "1234"]
    path = write(tmp_path, *rows, {"prompt": "Say B.", "texts": ["5", "6"]})
    handle = bound(path, units=TWINS, samples=2)
    assert texts(handle, TWINS, 2) == ["1", "2", "5", "6", "3", "4"]


def test_a_part_of_the_prompts_gets_the_answers_that_it_has_in_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "Say A.", "texts": ["1", "2"]}, {"id": "a2", "text": "3"})
    part = TWINS[1:]
    assert texts(bound(path, units=TWINS), TWINS) == ["1", "3", "2"]
    assert texts(bound(path, units=part, known=TWINS), part) == ["3", "2"]


def test_known_prompts_that_are_not_asked_may_have_any_number_of_answers(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "a1", "text": "x"}, {"id": "a2", "texts": ["y", "z"]})
    assert texts(bound(path, units=UNITS[:1], known=UNITS), UNITS[:1]) == ["x"]


def test_surplus_answers_are_dropped_only_when_told_to(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "a1", "texts": ["x", "y", "z"]})
    handle = bound(path, "?surplus=drop", units=UNITS[:1], samples=2)
    assert texts(handle, UNITS[:1], 2) == ["x", "y"]
    assert ("surplus", "drop") in handle.entrant.settings


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "a11"}, "id 'a11' is none of the prompt set; did you mean 'a1'?"),
        ({"id": "???"}, "id '???' is none of the prompt set; an id is one such as 'a1'"),
        (
            {"prompt": "Say A"},
            "the prompt 'Say A' is none of the prompt set; it differs from that of id 'a1' from "
            "character 6 on",
        ),
        (
            {"prompt": "!" * 99},
            f"the prompt '{'!' * 60}...' is none of the prompt set; name the prompt set of these "
            "answers with --set, or give ids",
        ),
        (
            {"id": "a1", "prompt": "Say A!"},
            "the prompt is not that of id 'a1' (it differs from character 6 on); correct one of "
            "them, or name the prompt set of these answers with --set",
        ),
        (
            {"id": "a1", "prompt": "Say B."},
            "the prompt is not that of id 'a1' (it is that of 'a2'); correct one of them, or name "
            "the prompt set of these answers with --set",
        ),
    ],
)
def test_a_row_of_no_known_prompt_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    path = write(tmp_path, *both("x", "y", "z"), {**row, "text": "x"})
    assert problem(path) == f"samples.jsonl, line 4: {said}"


def test_an_index_given_twice_names_both_lines(tmp_path: Path) -> None:
    rows = [{"id": "a1", "text": "x", "index": 0}, {"prompt": "Say A.", "text": "y", "index": 0}]
    assert problem(write(tmp_path, *rows), units=UNITS[:1]) == (
        "samples.jsonl, line 2: index 0 of prompt 'Say A.' stands in samples.jsonl, line 1 "
        "already; count the answers to a prompt from 0"
    )


def test_indexes_that_count_from_one_are_refused(tmp_path: Path) -> None:
    rows = [{"id": "a1", "text": "x", "index": index} for index in (1, 2)]
    assert problem(write(tmp_path, *rows), units=UNITS[:1], samples=2) == (
        "samples.jsonl, line 1: id 'a1' has 2 answers, and none of index 0; count from 0 to 1, "
        "with a status where no answer came"
    )


def test_too_few_answers_name_the_prompts_and_how_many_could_be_asked(tmp_path: Path) -> None:
    rows = [{"id": own.id, "texts": ["x", "y"]} for own in UNITS]
    assert problem(write(tmp_path, *rows), samples=3) == (
        "samples.jsonl: 3 of 3 prompts have too few answers for 3 each ('a1' has 2, 'a2' has 2, "
        "'b1' has 2); add them, with a status where none came, or ask for --samples 2"
    )
    assert problem(write(tmp_path, *rows[:2]), samples=2) == (
        "samples.jsonl: 1 of 3 prompts have too few answers for 2 each ('b1' has 0); add them, "
        "with a status where none came"
    )


def test_too_many_answers_say_how_to_score_all_or_the_first(tmp_path: Path) -> None:
    rows = [{"id": own.id, "texts": ["x", "y"]} for own in UNITS]
    assert problem(write(tmp_path, *rows)) == (
        "samples.jsonl: 3 of 3 prompts have more answers than 1 each ('a1' has 2, 'a2' has 2, "
        "'b1' has 2); ask for all with --samples 2, or keep the first 1 with ?surplus=drop"
    )
    uneven = write(tmp_path, *rows[:2], {"id": "b1", "text": "z"})
    assert "--samples" not in problem(uneven)


def test_rows_with_and_without_an_id_for_a_shared_prompt_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"prompt": "Say A.", "text": "x"}, {"id": "a3", "text": "y"})
    assert problem(path, units=TWINS) == (
        "samples.jsonl, line 1: has no id, and its prompt is that of 'a1', 'a3'; as "
        "samples.jsonl, line 2 has an id, give one to every row of that prompt"
    )


def test_several_replicates_are_refused(tmp_path: Path) -> None:
    message = problem(write(tmp_path, *both("x", "y", "z")), replicates=2)
    assert message.startswith("samples.jsonl: holds the texts of one run, and 2 replicates are")


def test_the_row_has_the_name_the_content_and_the_statement_but_no_path(tmp_path: Path) -> None:
    path = write(tmp_path, *both("x", "y", "z"))
    entrant = opened(path, "?temperature=0.7&post_training_of=base").entrant
    assert entrant.model == "outputs:samples.jsonl"
    assert entrant.revision.startswith("sha256:")
    assert entrant.decoding is not None and entrant.decoding.temperature == 0.7
    assert entrant.post_training_of == "base"
    assert str(tmp_path) not in entrant.model_dump_json()
    assert opened(path, "?name=gpt-x%20of%20May").entrant.model == "outputs:gpt-x of May"


def test_a_file_with_an_at_sign_is_opened_and_a_folder_ends_as_it_likes(tmp_path: Path) -> None:
    path = write(tmp_path / "run", *both("x", "y", "z"), name="gpt@may.jsonl")
    assert opened(path).entrant.model == "outputs:gpt@may.jsonl"
    for folder in (f"{tmp_path}/run/", f"{tmp_path}/run/.", f"{tmp_path}/run/../run"):
        assert opened(Path(folder)).entrant.model == "outputs:run"


def test_equal_content_is_an_equal_entrant_wherever_it_lies(tmp_path: Path) -> None:
    one = write(tmp_path / "one", *both("x", "y", "z"))
    two = write(tmp_path / "two", *both("x", "y", "z"), name="copy.jsonl")
    assert bound(one).entrant.identity == bound(two).entrant.identity
    other = write(tmp_path / "two", *both("x", "y", "w"))
    assert bound(one).entrant.identity != bound(other).entrant.identity


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("?surplus=keep", BadInput),
        ("?name=", BadInput),
        ("?name=%20", BadInput),
        ("?name=a%0Ab", BadInput),
        ("?temperature=-1", BadInput),
        ("?nmae=x", UnknownName),
    ],
)
def test_an_option_that_does_not_do_is_refused(
    tmp_path: Path, options: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        opened(write(tmp_path, *both("x", "y", "z")), options)
    assert str(caught.value).isprintable()


def test_an_unknown_home_is_refused() -> None:
    with pytest.raises(BadInput, match="no such user's home"):
        opened(Path("~nobody-of-that-name/x.jsonl"))


def test_the_entrant_of_plain_rows_does_not_depend_on_what_is_asked(tmp_path: Path) -> None:
    path = write(tmp_path, *both("x", "y", "z"))
    part = bound(path, units=UNITS[:1], known=UNITS)
    assert part.entrant == bound(path).entrant == opened(path).entrant


def test_the_entrant_of_ids_alone_follows_the_prompt_set_and_not_its_part(tmp_path: Path) -> None:
    path = write(tmp_path, *({"id": own.id, "text": own.id} for own in UNITS))
    swapped = (unit("a1", "Say B."), unit("a2", "Say A."), unit("b1", "Say C."))
    part = bound(path, units=UNITS[:1], known=UNITS)
    assert part.entrant.identity == bound(path).entrant.identity
    assert part.entrant.identity != bound(path, units=swapped).entrant.identity


RUNS = st.lists(
    st.tuples(st.sets(st.integers(0, 2), min_size=1), st.integers(1, 2), st.booleans()),
    min_size=2,
    max_size=5,
)


@given(
    names=st.permutations(["a1", "a2", "a3"] * 2),
    said=st.sampled_from([("id",), ("prompt",), ("id", "prompt")]),
    runs=RUNS,
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)
def test_equal_requests_have_equal_answers_whatever_was_asked(
    tmp_path: Path, names: list[str], said: tuple[str, ...], runs: list[tuple[set[int], int, bool]]
) -> None:
    # The store gives the answer to a request to every later one with its key.
    prompts = {own.id: own.prompt.text for own in TWINS}
    whole = [{"id": n, "prompt": prompts[n], "text": str(i)} for i, n in enumerate(names)]
    path = write(tmp_path, *({k: row[k] for k in (*said, "text")} for row in whole))
    swapped = (unit("a1", "Say B."), unit("a2", "Say A."), unit("a3", "Say A."))
    stored: dict[bytes, str | None] = {}
    for places, samples, is_swapped in runs:
        known = swapped if is_swapped and "prompt" not in said else TWINS
        units = tuple(known[place] for place in sorted(places))
        handle = bound(path, "?surplus=drop", units=units, known=known, samples=samples)
        for response in asked(handle, units, samples):
            assert response.status == "ok"
            assert stored.setdefault(response.key, response.text) == response.text


def test_a_request_that_no_unit_makes_is_an_error_and_no_other_text(tmp_path: Path) -> None:
    handle = bound(write(tmp_path, *both("x", "y", "z")))
    again = asked(handle, (*UNITS, UNITS[0], unit("c1", "Say D.")), 1)[-2:]
    assert [response.status for response in again] == ["error", "error"]
    assert again[1].message == "the files hold no answer 0 to the prompt 'Say D.'"


def rated(handle: OutputsHandle, *pairs: tuple[str, ...]) -> list[Response]:
    model = handle.load("cpu")
    assert isinstance(model, RatesText)
    prompts = [Prompt(parts=tuple(TextPart(text=text) for text in texts)) for texts in pairs]
    return model.rate_text([Request("rates_text", handle.entrant, p) for p in prompts])


def test_rewards_are_found_by_prompt_and_text_together(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"prompt": "Say A.", "text": "x", "reward": 1},
        {"prompt": "Say B.", "text": "x", "reward": -2.5},
        {"prompt": "Say B.", "text": "y"},
    )
    handle = opened(path)
    assert handle.capabilities == {GeneratesText, RatesText}
    found = rated(
        handle, ("Say A.", "x"), ("Say B.", "x"), ("Say B.", "y"), ("Say C.", "x"), ("x",)
    )
    assert [r.scores for r in found] == [(1.0,), (-2.5,), None, None, None]
    assert [r.status for r in found] == ["ok", "ok", "filtered", "filtered", "filtered"]
    assert found[2].message == "the files hold no reward for this answer to this prompt"


def test_two_rewards_for_one_answer_name_both_lines(tmp_path: Path) -> None:
    rows = [{"prompt": "Say A.", "text": "x", "reward": reward} for reward in (1, 1, 2)]
    with pytest.raises(
        BadInput, match=r"line 3: reward 2\.0 for an answer that .*line 1 gives 1\.0"
    ):
        opened(write(tmp_path, *rows)).load("cpu")


def test_rewards_beside_ids_alone_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"id": "a1", "text": "x", "reward": 1})
    with pytest.raises(BadInput, match="line 1: has a reward and no prompt; add the column"):
        opened(path).load("cpu")
    assert texts(bound(path, units=UNITS[:1]), UNITS[:1]) == ["x"]


def test_without_rewards_it_rates_nothing_and_unbound_it_answers_nothing(tmp_path: Path) -> None:
    handle = opened(write(tmp_path, *both("x", "y", "z")))
    assert handle.capabilities == {GeneratesText}
    with pytest.raises(BadInput, match="answer as the model under test"):
        handle.load("cpu")


def test_it_is_asked_what_it_needs_and_lists_itself(tmp_path: Path) -> None:
    assert isinstance(opened(write(tmp_path, *both("x", "y", "z"))), NeedsUnits)
    assert [listing.name for listing in backend.describe()] == ["outputs:FILE or outputs:FOLDER"]


def run_outputs(tmp_path: Path, model: str, *arguments: str) -> Any:
    words = (*task(model, *arguments), "--set", "prompts.jsonl", "--json")
    return evalsuite(*words, cwd=tmp_path)


def test_a_file_of_texts_is_scored_and_rated_from_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, *({"id": u.id, "prompt": u.prompt.text} for u in UNITS), name="prompts.jsonl")
    rows = [
        {"prompt": u.prompt.text, "text": f"{u.id} {i}", "index": i, "reward": i, "model": "gpt"}
        for u in UNITS
        for i in range(4)
    ]
    write(tmp_path, *rows)
    quality = ("--judge", "quality=outputs:samples.jsonl")
    model = "outputs:samples.jsonl?name=gpt-x"
    record = record_of(run_outputs(tmp_path, model, "--samples", "4", *quality))
    assert record["counts"] == {
        "requests": 12,
        "ok": 12,
        "missing": {"refused": 0, "filtered": 0, "error": 0},
    }
    assert record["entrant"]["model"] == "outputs:gpt-x"
    mean = next(e for e in record["estimates"] if e["measure"] == "quality_mean")
    assert mean["estimate"]["estimate"] == pytest.approx(1.5)
    refused = run_outputs(tmp_path, model, "--samples", "5")
    assert refused.returncode == 2
    assert "samples.jsonl: 3 of 3 prompts have too few answers for 5 each" in refused.stderr
