from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from evalsuite.requests import (
    Box,
    Decoding,
    Entrant,
    ImagePart,
    LabelsPart,
    Prompt,
    Request,
    Response,
    Sampling,
    TextPart,
    canonical_json,
    uniforms,
    unique_by_key,
)

ENTRANT = Entrant(model="fake:text", backend="fake", revision="1", settings=(("words", 50),))
REQUEST = Request(
    "generates_text", ENTRANT, Prompt.of_text("Tell me."), Sampling(), seed=3, index=2, occurrence=1
)
GOLDEN = "1045caefc5163f0075e8bdb0c28aede1669663a0f4622b07c8c278db61d8a799"


def key_with_entrant(**changes):
    return replace(REQUEST, entrant=Entrant(**ENTRANT.model_dump() | changes)).key


def test_the_key_of_a_fixed_request_never_changes():
    # Another value here means that every store and every record in the world loses its answers.
    assert REQUEST.key.hex() == GOLDEN


@pytest.mark.parametrize(
    "change",
    [
        {"backend": "other"},
        {"revision": "2"},
        {"template": "chat"},
        {"dtype": "bfloat16"},
        {"settings": (("words", 51),)},
        {"settings": ()},
        {"remote_code": True},
    ],
    ids=str,
)
def test_the_key_changes_with_what_the_entrant_chose(change):
    assert key_with_entrant(**change) != REQUEST.key


@pytest.mark.parametrize(
    "change",
    [
        {"model": "another name"},
        {"post_training_of": "base"},
        {"decoding": Decoding(temperature=0.2)},
    ],
    ids=str,
)
def test_the_key_does_not_change_with_names_or_the_decoding_beside_it(change):
    assert key_with_entrant(**change) == REQUEST.key


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.7},
        {"top_p": 0.9},
        {"top_k": 40},
        {"min_p": 0.05},
        {"stop": ("\n",)},
        {"max_new_tokens": 49},
        {"beams": 4},
        {"beams": 4, "beam_groups": 2},
        {"beams": 4, "beam_groups": 2, "diversity_strength": 0.5},
    ],
    ids=str,
)
def test_the_key_changes_with_each_field_of_the_sampling(change):
    assert replace(REQUEST, sampling=Sampling(**change)).key != REQUEST.key


def test_every_field_of_the_sampling_has_a_case_above():
    assert set(Sampling.model_fields) == {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "stop",
        "max_new_tokens",
        "beams",
        "beam_groups",
        "diversity_strength",
    }


def test_a_sampling_without_beams_has_the_key_that_it_had_before_there_were_beams():
    old = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "stop": []}
    assert Sampling().model_dump(mode="json") == old | {"max_new_tokens": 48}
    assert Sampling(beams=0).digest == Sampling().digest


@pytest.mark.parametrize(
    "fields",
    [
        {"beam_groups": 2},
        {"diversity_strength": 0.5},
        {"beams": 4, "diversity_strength": 0.5},
        {"beams": 4, "beam_groups": 3},
        {"beams": 4, "temperature": 0.5},
        {"beams": 4, "top_p": 0.5},
    ],
    ids=str,
)
def test_beams_that_do_not_fit_together_are_refused(fields):
    with pytest.raises(ValidationError, match="beam"):
        Decoding.model_validate(fields)


@pytest.mark.parametrize(
    "change",
    [
        {"capability": "embeds_text"},
        {"prompt": Prompt.of_text("Tell me!")},
        {"sampling": None},
        {"seed": 4},
        {"index": 3},
        {"occurrence": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_key_changes_with_each_field_of_the_request(change):
    assert replace(REQUEST, **change).key != REQUEST.key


def test_seed_index_and_occurrence_are_not_mixed_up():
    swaps = [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1), (12, 3, 0)]
    keys = {replace(REQUEST, seed=s, index=i, occurrence=o).key for s, i, o in swaps}
    assert len(keys) == len(swaps)


@pytest.mark.parametrize(
    "parts",
    [
        (TextPart(text="ab"),),
        (TextPart(text="a"), TextPart(text="b")),
        (TextPart(role="system", text="a"), TextPart(text="b")),
        (TextPart(text="b"), TextPart(text="a")),
        (TextPart(text="a\n\nb"),),
        (TextPart(text="a"), LabelsPart(labels=("b",))),
        (LabelsPart(labels=("a", "b")),),
        (LabelsPart(labels=("b", "a")),),
        (ImagePart(sha256="a" * 64),),
        (TextPart(text="a" * 64),),
    ],
)
def test_prompts_with_other_parts_have_other_digests(parts):
    others = [Prompt.of_text("a"), Prompt(parts=(TextPart(text="a"), TextPart(text="c")))]
    assert Prompt(parts=parts).digest not in {other.digest for other in others}
    assert Prompt(parts=parts).digest == Prompt(parts=parts).digest


@given(st.lists(st.text(max_size=3), max_size=3), st.lists(st.text(max_size=3), max_size=3))
def test_two_prompts_share_a_digest_only_if_they_are_equal(a, b):
    first, second = (Prompt(parts=tuple(TextPart(text=t) for t in texts)) for texts in (a, b))
    assert (first.digest == second.digest) == (a == b)


def test_a_copy_does_not_keep_the_digest_of_what_it_was_copied_from():
    assert ENTRANT.identity  # computed before the copy is made
    assert ENTRANT.model_copy(update={"dtype": "float16"}).identity == (
        Entrant(**ENTRANT.model_dump() | {"dtype": "float16"}).identity
    )
    sampling = Sampling()
    assert sampling.digest != sampling.model_copy(update={"temperature": 0.5}).digest
    assert ENTRANT.model_copy() == ENTRANT


def test_values_are_frozen_and_refuse_unknown_fields():
    with pytest.raises(ValidationError):
        ENTRANT.model = "other"
    with pytest.raises(ValidationError):
        Sampling(temprature=1.0)
    with pytest.raises(AttributeError):
        REQUEST.seed = 1


@pytest.mark.parametrize(
    "field",
    [
        {"temperature": -0.1},
        {"temperature": float("inf")},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"top_k": -1},
        {"min_p": 1.0},
        {"min_p": float("nan")},
        {"stop": ("",)},
        {"max_new_tokens": 0},
    ],
    ids=str,
)
def test_a_decoding_out_of_range_is_refused(field):
    with pytest.raises(ValidationError):
        Sampling(**field)


def test_canonical_json_does_not_depend_on_the_order_of_names_and_refuses_nan():
    assert canonical_json({"b": 1, "a": "é"}) == canonical_json({"a": "é", "b": 1})
    assert canonical_json({"b": 1, "a": "é"}) == '{"a":"é","b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json([float("nan")])


@given(st.binary(min_size=32, max_size=32), st.integers(0, 50), st.integers(0, 50))
def test_the_first_uniforms_are_the_same_however_many_are_drawn(key, n, more):
    assert (uniforms(key, n) == uniforms(key, n + more)[:n]).all()
    assert ((uniforms(key, n) >= 0) & (uniforms(key, n) < 1)).all()


def keys(n, **fields):
    return [replace(REQUEST, index=i, **fields).key for i in range(n)]


def test_uniforms_are_uniform_over_keys_and_along_a_stream():
    draws = np.array([uniforms(key, 20) for key in keys(500)])
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 0.001
    # The first step over requests decides the first token of every sample.
    assert stats.kstest(draws[:, 0], "uniform").pvalue > 0.001
    assert stats.kstest(draws[0], "uniform").pvalue > 0.001


def test_the_streams_of_neighbouring_requests_are_independent():
    draws = np.array([uniforms(key, 400) for key in keys(40)])
    correlations = np.corrcoef(draws)[np.triu_indices(40, 1)]
    # Of 780 correlations of 400 pairs each (sd 0.05) none is beyond 5 sd.
    assert np.abs(correlations).max() < 0.25
    assert correlations.std() == pytest.approx(0.05, rel=0.15)
    assert len(np.unique(draws)) == draws.size


def test_a_stream_ignores_nothing_of_the_first_sixteen_bytes_of_its_key():
    key = bytes(range(32))
    for i in range(16):
        other = key[:i] + bytes([key[i] ^ 1]) + key[i + 1 :]
        assert (uniforms(other, 4) != uniforms(key, 4)).all()


VALUES = {
    "text": "x",
    "vector": np.zeros(2, dtype=np.float32),
    "image": b"png",
    "scores": (0.5, 0.5),
    "boxes": (Box("cat", 0.9, 0, 0, 1, 1),),
}


@pytest.mark.parametrize("status", ["refused", "filtered", "error"])
@pytest.mark.parametrize("name", VALUES)
def test_only_a_response_of_status_ok_carries_a_value(status, name):
    assert getattr(Response(b"k", "ok", **{name: VALUES[name]}), name) is VALUES[name]
    with pytest.raises(ValueError, match=f"{status}.*cannot carry a value"):
        Response(b"k", status, **{name: VALUES[name]})


@pytest.mark.parametrize("empty", [{"text": ""}, {"scores": ()}, {"boxes": ()}, {"image": b""}])
def test_an_empty_value_is_a_value_and_not_a_missing_one(empty):
    with pytest.raises(ValueError, match="cannot carry a value"):
        Response(b"k", "refused", **empty)


def test_a_missing_response_says_why():
    assert Response(b"k", "error", message="boom").message == "boom"


@given(st.lists(st.integers(0, 5)))
def test_repeated_requests_are_dropped_and_the_first_of_each_keeps_its_place(indices):
    requests = [replace(REQUEST, index=i) for i in indices]
    assert [request.index for request in unique_by_key(requests)] == list(dict.fromkeys(indices))


def test_unique_by_key_keeps_the_very_first_object_of_equal_ones():
    first, second = replace(REQUEST), replace(REQUEST)
    assert unique_by_key(iter([first, second]))[0] is first


def test_minus_zero_is_zero_in_a_key() -> None:
    assert Sampling(temperature=-0.0).digest == Sampling(temperature=0.0).digest
