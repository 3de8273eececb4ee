"""Verbalised sampling: the call, the strict reading of its answers, and their way back."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalsuite.errors import BadInput, GenerationError
from evalsuite.models import text_generation
from evalsuite.models.sampling import Drawn, SampleRow
from evalsuite.models.verbalized import (
    FORM_TOKENS,
    MOST_ITEMS,
    WORDING,
    Item,
    answer_in_calls,
    call_for,
    read_items,
    wrap,
)
from evalsuite.requests import Entrant, ImagePart, Prompt, Request, Response, Sampling, TextPart
from tests.models.conftest import byte_tokenizer, open_local

ENTRANT = Entrant(model="m", backend="b", revision="1", settings=(("verbalized", 3),))
GOOD = "1. (50%) Red.\n2. (12.5%) Deep blue.\n3. (0%) Green"


def request(index: int = 0, text: str = "A colour?", seed: int = 0, **sampling: Any) -> Request:
    chosen = Sampling(**{"max_new_tokens": 20, **sampling})
    return Request("generates_text", ENTRANT, Prompt.of_text(text), chosen, seed, index)


class Scripted:
    """Answers every call with the same text and keeps what it was asked."""

    def __init__(self, text: str, **fields: Any) -> None:
        self.fields = {"text": text, "finish": "stop", "n_new_tokens": 32, **fields}
        self.asked: list[Request] = []

    def __call__(self, calls: Sequence[Request]) -> list[Response]:
        self.asked += calls
        return [Response(call.key, "ok", n_prompt_tokens=90, **self.fields) for call in calls]


def test_a_call_shows_an_example_and_asks_for_so_many_answers() -> None:
    prompt = Prompt(
        parts=(
            TextPart(role="system", text="Be brief."),
            TextPart(text="Hello"),
            TextPart(role="assistant", text="Hi!"),
            TextPart(text="Name a colour."),
        )
    )
    parts = [part for part in wrap(prompt, 4).parts if isinstance(part, TextPart)]
    roles = [part.role for part in parts]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [part.text for part in parts[3:5]] == ["Hello", "Hi!"]
    assert parts[0].text == "Be brief."
    assert parts[5].text.startswith("Name a colour.\n\nGive 4 different answers")
    assert parts[5].text.removeprefix("Name a colour.") == parts[1].text[-len(parts[5].text) + 14 :]


@pytest.mark.parametrize("n_items", range(2, MOST_ITEMS + 1))
def test_the_example_can_be_read_itself(n_items: int) -> None:
    example = wrap(Prompt.of_text("x"), n_items).parts[1]
    assert isinstance(example, TextPart)
    items = read_items(example.text, n_items)
    assert isinstance(items, tuple)
    assert sum(item.probability for item in items) < 1
    assert len({item.text for item in items}) == n_items


@pytest.mark.parametrize("n_items", [0, 1, MOST_ITEMS + 1])
def test_a_call_for_too_few_or_too_many_answers_is_refused(n_items: int) -> None:
    with pytest.raises(ValueError, match=f"n_items must be from 2 to 10, got {n_items}"):
        wrap(Prompt.of_text("x"), n_items)


@pytest.mark.parametrize(
    "parts",
    [(), (TextPart(role="assistant", text="x"),), (TextPart(text="x"), ImagePart(sha256="0"))],
)
def test_a_prompt_that_does_not_end_with_a_users_text_cannot_be_wrapped(parts: Any) -> None:
    with pytest.raises(GenerationError, match="ends with a user's text"):
        wrap(Prompt(parts=parts), 3)


def test_the_wording_is_the_one_that_was_measured() -> None:
    # Another wording gives other answers, and entrants another identity: change both knowingly.
    assert WORDING == "3399f38cea2b"


def test_good_answers_are_read_with_their_probabilities() -> None:
    expected = (Item("Red.", 0.5), Item("Deep blue.", 0.125), Item("Green", 0.0))
    for text in (
        GOOD,
        f"\n {GOOD}\n\n",
        GOOD.replace("\n", "\n\n  "),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("(", "( ").replace("%", " % ").replace(". (", ".("),
    ):
        assert read_items(text, 3) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it has 0 answers, not 3"),
        ("\n \n", "it has 0 answers, not 3"),
        ("1. (50%) Red.", "it has 1 answer, not 3"),
        ("1. (50%) Red.\n2. (1%) Blue.", "it has 2 answers, not 3"),
        (GOOD + "\n4. (5%) Grey", "after its 3 answers it goes on with '4. (5%) Grey'"),
        (GOOD + "\nI hope this helps!", "after its 3 answers it goes on with 'I hope this helps!'"),
        ("Sure!\n" + GOOD, "line 1 is not '1. (percentage%) answer' but 'Sure!'"),
        (GOOD.replace("3.", "4."), "line 3 is not '3. (percentage%) answer' but '4. (0%) Green'"),
        (GOOD.replace("1.", "01."), "line 1 is not"),
        (GOOD.replace("blue", "\nblue"), "line 3 is not '3. (percentage%) answer' but 'blue.'"),
        (GOOD.replace("50%", "0.5"), "line 1 is not"),
        (GOOD.replace("50%", "-5%"), "line 1 is not"),
        (GOOD.replace("50%", "nan%"), "line 1 is not"),
        (GOOD.replace("50%", "5e1%"), "line 1 is not"),
        (GOOD.replace("50%", "\u0665\u0660%"), "line 1 is not"),  # digits, but not ASCII
        (GOOD.replace("50%", "100.1%"), "line 1 has a probability of 100.1%"),
        (GOOD.replace("50%", "500%"), "line 1 has a probability of 500%"),
        (GOOD.replace("Red.", ""), "line 1 is not"),
        (GOOD.replace("\n2.", " 2."), "line 1 holds a second answer"),
        ("3. (1%) a\n2. (1%) b\n1. (1%) c", "line 1 is not"),
        ("x" * 500, "but '" + "x" * 60 + "...'"),
    ],
)
def test_what_does_not_fit_is_named_and_not_guessed(text: str, problem: str) -> None:
    found = read_items(text, 3)
    assert isinstance(found, str)
    assert problem in found


PIECES = st.sampled_from(
    [
        "1",
        "2",
        "3",
        "4",
        ". ",
        "(",
        ")",
        "%",
        "30",
        "100",
        ".5",
        "\n",
        "\r",
        " ",
        "a",
        "1. (5%) x",
        "\n2. (7%) y",
        "\n3. (9%) z",
        "\u2028",
        "\x00",
        "\u0661",
        "-",
        "1e9",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)), st.integers(1, 4))
def test_anything_is_read_or_refused_and_never_half(text: str, n_items: int) -> None:
    found = read_items(text, n_items)
    if isinstance(found, str):
        assert found
        return
    assert len(found) == n_items
    assert all(0 <= item.probability <= 1 and item.text.strip() == item.text for item in found)
    # Nothing but numbers, percentages and blanks is lost.
    rest = re.sub(r"\s", "", text)
    for number, item in enumerate(found, 1):
        body = re.sub(r"\s", "", item.text)
        assert body
        head, _, rest = rest.partition(")")
        assert re.fullmatch(rf"{number}\.\([0-9.]+%", head)
        assert rest.startswith(body)
        rest = rest[len(body) :]
    assert rest == ""


ANSWER = st.from_regex(r"[^\s(][^\n(]{0,20}", fullmatch=True).map(str.strip).filter(bool)


@given(st.lists(st.tuples(st.integers(0, 1000), ANSWER), min_size=1, max_size=10))
def test_a_well_formed_call_is_always_read(items: list[tuple[int, str]]) -> None:
    text = "\n".join(f"{i}. ({p / 10}%) {answer}" for i, (p, answer) in enumerate(items, 1))
    found = read_items(text, len(items))
    assert found == tuple(Item(answer, p / 10 / 100) for p, answer in items)


def test_answers_of_one_call_come_from_one_call() -> None:
    script = Scripted(GOOD)
    asked = [request(i) for i in range(7)]
    out = answer_in_calls(asked, 3, script)
    assert [call.index for call in script.asked] == [0, 1, 2]
    assert [r.key for r in out] == [q.key for q in asked]
    texts = ["Red.", "Deep blue.", "Green"]
    assert [r.text for r in out] == [*texts, *texts, "Red."]
    assert [r.scores for r in out[:3]] == [(0.5,), (0.125,), (0.0,)]
    assert {r.finish for r in out} == {"stop"}


def test_the_shares_of_a_calls_tokens_add_up() -> None:
    out = answer_in_calls([request(i) for i in range(3)], 3, Scripted(GOOD, n_new_tokens=32))
    assert [r.n_new_tokens for r in out] == [11, 11, 10]
    assert [r.n_prompt_tokens for r in out] == [90, 90, 90]


def test_an_answer_does_not_depend_on_which_others_are_asked() -> None:
    asked = [request(i, text) for text in ("a", "b") for i in range(6)]
    whole = answer_in_calls(asked, 3, Scripted(GOOD))
    assert [r for q in asked for r in answer_in_calls([q], 3, Scripted(GOOD))] == whole


def test_a_call_has_its_own_stream_and_room_for_all_answers() -> None:
    calls = [call_for(request(i, seed=s), 3) for s in (0, 1) for i in range(6)]
    assert len({call.key for call in calls}) == 4
    assert not {call.key for call in calls} & {request(i).key for i in range(6)}
    first = call_for(request(2, temperature=0.5, stop=("\n",)), 3)
    assert first.sampling == Sampling(temperature=0.5, max_new_tokens=3 * (20 + FORM_TOKENS))
    assert first.entrant == ENTRANT
    assert first.prompt == wrap(Prompt.of_text("A colour?"), 3)


def test_a_stop_string_cuts_the_items_and_not_the_call() -> None:
    out = answer_in_calls([request(i, stop=("blue", "R")) for i in range(3)], 3, Scripted(GOOD))
    assert [r.text for r in out] == ["", "Deep ", "Green"]


@pytest.mark.parametrize("text", ["", "Sure! " + GOOD, GOOD + "\n4. (1%) Pink"])
def test_all_answers_of_a_call_that_cannot_be_read_are_filtered(text: str) -> None:
    out = answer_in_calls([request(i) for i in range(3)], 3, Scripted(text))
    assert {r.status for r in out} == {"filtered"}
    assert {(r.text, r.scores) for r in out} == {(None, None)}
    assert all("a call for 3 answers cannot be read" in (r.message or "") for r in out)
    assert sum(r.n_new_tokens or 0 for r in out) == 32


def test_a_call_that_was_cut_is_not_read() -> None:
    out = answer_in_calls([request(0)], 3, Scripted(GOOD, finish="length"))
    assert out[0].status == "filtered"
    assert "cut" in (out[0].message or "")


def test_a_call_that_failed_fails_its_answers() -> None:
    def fail(calls: Sequence[Request]) -> list[Response]:
        return [Response(call.key, "error", message="no room") for call in calls]

    out = answer_in_calls([request(0), request(1)], 3, fail)
    assert [(r.status, r.message) for r in out] == [("error", "no room")] * 2


def test_a_request_that_cannot_be_a_call_fails_alone() -> None:
    bare = Request("generates_text", ENTRANT, Prompt.of_text("x"))
    out = answer_in_calls([bare, request(0, beams=3), request(0)], 3, Scripted(GOOD))
    assert [r.status for r in out] == ["error", "error", "ok"]
    assert "needs a sampling" in (out[0].message or "")
    assert "no beams" in (out[1].message or "")


def test_the_option_is_part_of_the_entrant_and_needs_a_chat_template(
    tiny_folders: dict[str, Path],
) -> None:
    folder = tiny_folders["llama"]
    plain, five, four = (open_local(folder, o) for o in ("", "?verbalized=5", "?verbalized=4"))
    assert dict(five.entrant.settings) == {"verbalized": 5, "verbalized_wording": WORDING}
    assert len({h.entrant.identity for h in (plain, five, four)}) == 3
    with pytest.raises(BadInput, match=r"verbalized=5 needs \?template=chat"):
        open_local(folder, "?verbalized=5&template=plain")
    with pytest.raises(BadInput, match="takes no beams"):
        open_local(folder, "?verbalized=5&beams=5")
    for n in (1, MOST_ITEMS + 1):
        with pytest.raises(BadInput, match="verbalized"):
            open_local(folder, f"?verbalized={n}")


def test_the_generator_asks_in_calls(tiny_folders: dict[str, Path]) -> None:
    # Byte tokens: a call of two with its example is some 480 tokens long, and the tiny model has
    # 128 positions; with more of them its answers are noise, which is filtered.
    handle = open_local(tiny_folders["llama"], "?verbalized=2")
    model = handle.load("cpu")
    asked = [
        Request("generates_text", handle.entrant, Prompt.of_text("Hi"), Sampling(), index=i)
        for i in range(2)
    ]
    length = len("<user><assistant><user><assistant>") + sum(
        len(part.text) for part in wrap(Prompt.of_text("Hi"), 2).parts if isinstance(part, TextPart)
    )
    assert model.sizes(asked) == [-(-length // 2) + FORM_TOKENS] * 2
    out = model.generate_text(asked)
    assert {r.status for r in out} == {"error"}
    assert f"{length} tokens" in (out[0].message or "")
    model._generator._context = None
    out = model.generate_text(asked)
    assert {r.status for r in out} == {"filtered"}
    assert [r.n_prompt_tokens for r in out] == [length, length]


def test_a_call_that_can_be_read_gives_texts_with_scores(
    tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = open_local(tiny_folders["llama"], "?verbalized=3")
    model = handle.load("cpu")
    model._generator._context = None
    ids = tuple(byte_tokenizer()(GOOD)["input_ids"])

    def scripted(_model: Any, rows: Sequence[SampleRow], **_: Any) -> list[Drawn]:
        return [Drawn(ids, len(ids) + 1, "stop") for _ in rows]

    monkeypatch.setattr(text_generation, "generate", scripted)
    asked = [
        Request("generates_text", handle.entrant, Prompt.of_text(t), Sampling(), index=i)
        for t in ("Hi", "Ho")
        for i in range(3)
    ]
    out = model.generate_text(asked)
    assert [r.text for r in out] == ["Red.", "Deep blue.", "Green"] * 2
    assert [r.scores for r in out] == [(0.5,), (0.125,), (0.0,)] * 2
    assert sum(r.n_new_tokens or 0 for r in out) == 2 * (len(ids) + 1)
