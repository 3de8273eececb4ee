import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput
from evalsuite.prompts import Unit, parse_prompts, prompts_digest, read_prompts, stratified
from evalsuite.requests import Prompt, digest
from evalsuite_tasks.rlhf_diversity.task import task as rlhf_diversity

GOOD = '{"id": "a", "prompt": "one", "category": "x"}'


def unit(id, stratum="", *, prompt="p", cluster=None):
    return Unit(id=id, prompt=Prompt.of_text(prompt), stratum=stratum, cluster=cluster or id)


def units_of(sizes):
    return [unit(f"s{s}-{i}", f"s{s}") for s, n in enumerate(sizes) for i in range(n)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"id": ' + "1" * 5000 + ', "prompt": "p"}', "not JSON"),
        ("[1]", "expected an object"),
        ('"text"', "expected an object"),
        ("null", "expected an object"),
        ('{"id": "b"}', "prompt: Field required"),
        ('{"prompt": "p"}', "id: Field required"),
        ('{"id": 7, "prompt": "p"}', "id: "),
        ('{"id": "b", "prompt": 7}', "prompt: "),
        ('{"id": "b", "prompt": NaN}', "prompt: "),
        ('{"id": "b", "prompt": ""}', "prompt: "),
        ('{"id": "b", "prompt": " \\t\\u3000"}', "the prompt is blank"),
        ('{"id": "b", "prompt": "p", "promt": "q"}', "promt: "),
        ('{"id": "../b", "prompt": "p"}', "id: "),
        ('{"id": "b\\n", "prompt": "p"}', "id: "),
        ('{"id": "", "prompt": "p"}', "id: "),
        ('{"id": "b", "prompt": "p", "cluster": "a/b"}', "cluster: "),
        ('{"id": "b", "prompt": "p\\ud800"}', "string"),
        ('{"id": "b", "prompt": "p", "category": "\\ud800"}', "lone surrogate"),
        ('{"id": "b", "prompt": "p", "\\ud800": 1}', "string"),
        ('{"id": "b", "prompt": "p", "category": "all"}', "name of the whole set"),
    ],
    ids=range(22),
)
def test_a_broken_line_is_named_by_its_number(line, problem):
    with pytest.raises(BadInput, match=re.escape(problem)) as caught:
        parse_prompts(f"{GOOD}\n\n{line}\n", source="mine.jsonl")
    assert str(caught.value).startswith("mine.jsonl, line 3: ")


def test_a_repeated_id_names_both_lines():
    text = f'{GOOD}\n{{"id": "b", "prompt": "p"}}\n\n{GOOD}'
    with pytest.raises(BadInput, match=r"f, line 4: id 'a' stands in line 1 already"):
        parse_prompts(text, source="f")


@pytest.mark.parametrize("text", ["", "\n\n", "  \r\n\t"])
def test_an_empty_set_is_refused(text):
    with pytest.raises(BadInput, match="f: the prompt set is empty"):
        parse_prompts(text, source="f")


def test_category_and_cluster_may_be_left_out():
    (found,) = parse_prompts('{"id": "a", "prompt": " one "}', source="f")
    assert found == unit("a", prompt=" one ")
    assert (found.stratum, found.cluster) == ("", "a")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_a_file_reads_the_same_with_any_line_ending_and_byte_order_mark(tmp_path, ending, mark):
    lines = [GOOD, '{"id": "b", "prompt": "zwei Zeilen\\u2028und eine\\n, ä"}', ""]
    file = tmp_path / "set.jsonl"
    file.write_bytes(mark + ending.join(lines).encode())
    assert read_prompts(file) == parse_prompts("\n".join(lines), source="f")


def test_a_line_separator_inside_a_prompt_does_not_end_the_line():
    (found,) = parse_prompts('{"id": "a", "prompt": "one\u2028two\x85three"}', source="f")
    assert found.prompt.text == "one\u2028two\x85three"


def test_a_file_that_is_not_utf8_names_the_byte(tmp_path):
    file = tmp_path / "set.jsonl"
    file.write_bytes(b'{"id": "a", "prompt": "caf\xe9"}')
    with pytest.raises(BadInput, match=r"set\.jsonl: not UTF-8 \(byte 26\)"):
        read_prompts(file)


def test_a_file_that_is_not_there_or_is_a_folder_is_bad_input(tmp_path):
    for path in (tmp_path / "no.jsonl", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read_prompts(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
garbled_lines = st.dictionaries(
    st.sampled_from(["id", "prompt", "category", "cluster", "\ud800"]), json_values
).map(json.dumps)


@given(st.text(st.characters()) | garbled_lines | st.lists(garbled_lines).map("\n".join))
@example('{"id": "a", "prompt": "\\udfff"}')
def test_garbage_is_read_or_refused_but_never_crashes(text):
    try:
        units = parse_prompts(text, source="f")
    except BadInput as error:
        assert str(error).startswith("f")
    else:
        assert units
        assert prompts_digest(units)


@settings(deadline=None)
@given(st.binary())
def test_garbled_bytes_are_read_or_refused_but_never_crash(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "garbled.jsonl"
    file.write_bytes(data)
    try:
        assert read_prompts(file)
    except BadInput as error:
        assert "garbled.jsonl" in str(error)


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=8)


@given(SIZES, st.randoms(use_true_random=False), st.data())
def test_a_stratified_part_has_its_size_and_the_order_of_the_set(sizes, random, data):
    units = units_of(sizes)
    random.shuffle(units)
    limit = data.draw(st.integers(1, len(units) + 3))
    part = [u.id for u in stratified(units, limit)]
    assert len(part) == min(limit, len(units))
    assert part == [u.id for u in units if u.id in set(part)]


@settings(deadline=None)
@given(SIZES, st.randoms(use_true_random=False))
def test_a_smaller_part_is_within_every_larger_one(sizes, random):
    units = units_of(sizes)
    random.shuffle(units)
    parts = [{u.id for u in stratified(units, limit)} for limit in range(1, len(units) + 1)]
    assert all(small < large for small, large in pairwise(parts))


@settings(deadline=None)
@given(SIZES)
@example([100, *[1] * 60])
@example([57, 11, 11, 11, 11])
def test_a_part_is_proportional_to_within_one_unit_of_each_stratum(sizes):
    units = units_of(sizes)
    for limit in range(1, len(units) + 1):
        part = stratified(units, limit)
        for s, size in enumerate(sizes):
            share = sum(u.stratum == f"s{s}" for u in part)
            assert abs(share - limit * size / len(units)) < 1


def test_the_first_units_of_a_stratum_are_taken_first():
    part = stratified(units_of([4, 4]), 4)
    assert [u.id for u in part] == ["s0-0", "s0-1", "s1-0", "s1-1"]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_part_of_nothing_is_refused(limit):
    with pytest.raises(BadInput, match="--limit must be at least 1"):
        stratified(units_of([2]), limit)


def test_the_digest_changes_with_any_change_of_the_set():
    base = [unit("a", "x", prompt="p"), unit("b", "y", prompt="q")]
    others = [
        base[::-1],
        base[:1],
        [*base, unit("c")],
        [unit("a2", "x", prompt="p", cluster="a"), base[1]],
        [unit("a", "z", prompt="p"), base[1]],
        [unit("a", "x", prompt="p", cluster="b"), base[1]],
        [unit("a", "x", prompt="p "), base[1]],
    ]
    digests = [prompts_digest(units) for units in [base, *others]]
    assert len(set(digests)) == len(digests)
    assert prompts_digest(list(base)) == prompts_digest(tuple(base))


@pytest.fixture(scope="module")
def shipped():
    return rlhf_diversity.prompt_set("open")


def test_the_shipped_set_is_the_one_its_card_pins_and_large_enough(shipped):
    # prompt_set compares the sha256 of the file with the card's and raises where they differ.
    assert len(shipped) >= 100
    assert len({u.stratum for u in shipped}) >= 8
    assert all(u.stratum for u in shipped)


def test_no_two_prompts_of_the_shipped_set_share_a_sentence(shipped):
    seen = {}
    for u in shipped:
        sentences = re.split(r"[.!?]+", u.prompt.text.casefold())
        for sentence in {" ".join(s.split()) for s in sentences} - {""}:
            assert sentence not in seen, f"{u.id} and {seen[sentence]} share {sentence!r}"
            seen[sentence] = u.id


def test_the_smallest_useful_part_of_the_shipped_set_has_every_category(shipped):
    n = len({u.stratum for u in shipped})
    assert len({u.stratum for u in stratified(shipped, n)}) == n


def test_details_move_the_digest_and_no_details_leave_it_as_it_was():
    base = unit("a")
    more = base.model_copy(update={"details": '{"concept":"cup"}'})
    old = digest([["a", "", "a", base.prompt.digest]])
    assert prompts_digest([base]) == old != prompts_digest([more])


@pytest.mark.parametrize(
    ("details", "problem"),
    [('{"a": 1}', "not canonical"), ('{"b":1,"a":2}', "not canonical"), ("{", "not JSON"),
     ("[" * 100_000, "not JSON"), ('{"a":NaN}', "not JSON")],
)  # fmt: skip
def test_details_that_are_no_canonical_json_are_refused(details, problem):
    with pytest.raises(ValueError, match=f"details are {problem}"):
        Unit(id="a", cluster="a", prompt=Prompt.of_text("p"), details=details)
