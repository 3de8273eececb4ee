from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalsuite.errors import BadInput, EvalsuiteError, UnknownName
from evalsuite.models.spec import ModelSpec, first_problem, unknown


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    temperature: float = Field(1.0, ge=0.0)
    template: str | None = None
    stop: tuple[str, ...] | None = None


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="?@:"), min_size=1)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(NAMES, NAMES, st.none() | NAMES, st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_a_name_is_read_back_as_it_was_written(backend, name, revision, options):
    written = ModelSpec(
        backend=backend,
        name=name,
        # A path starts with one of these; then everything behind it belongs to the path.
        revision=None if name.startswith(("/", "~", "./", "../")) else revision,
        options=tuple(options),
    )
    text = f"{written}" + (f"?{urlencode(options)}" if options else "")
    assert ModelSpec.parse(text) == written


@given(st.text() | st.from_regex(r"[a-z]*:[@a/.~]*(\?[a-z=&%@0-9]*)?", fullmatch=True))
def test_no_text_does_anything_but_parse_or_give_a_message(text):
    try:
        spec = ModelSpec.parse(text)
    except EvalsuiteError as error:
        assert error.exit_code == 2
        assert "\n" not in str(error)
    else:
        assert spec.backend
        assert spec.name
        assert spec.revision != ""


@given(st.text(max_size=30))
def test_no_options_do_anything_but_fit_or_give_a_message(query):
    try:
        options = ModelSpec.parse(f"fake:text?{query}").read_options(Options)
    except EvalsuiteError as error:
        assert error.exit_code == 2
    else:
        assert isinstance(options, Options)


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("transformers:org/name@main", "org/name", "main"),
        ("transformers:org/name", "org/name", None),
        ("transformers:./a@b/c@d", "./a@b/c@d", None),
        ("transformers:../a@b", "../a@b", None),
        ("transformers:/data/a@b", "/data/a@b", None),
        ("transformers:~/a@b", "~/a@b", None),
        ("transformers:./ends-with@", "./ends-with@", None),
        ("openai:gpt@http://127.0.0.1:8000/v1", "gpt", "http://127.0.0.1:8000/v1"),
    ],
)
def test_an_at_sign_in_a_path_is_part_of_the_path(text, name, revision):
    spec = ModelSpec.parse(text)
    assert (spec.name, spec.revision) == (name, revision)
    assert str(spec) == text


@pytest.mark.parametrize(
    "text",
    ["", "fake", ":", "fake:", ":text", "fake:?a=b", "fake:@main", "fake:text@", "fake:@"],
)
def test_a_name_without_one_of_its_halves_is_refused(text):
    with pytest.raises(BadInput, match="expected backend:name"):
        ModelSpec.parse(text)


@pytest.mark.parametrize("query", ["temperature", "a=1&b", "a=1&&b=2", "&"])
def test_options_without_a_value_are_refused(query):
    with pytest.raises(BadInput, match=r"\?name=value"):
        ModelSpec.parse(f"fake:text?{query}")


@pytest.mark.parametrize("text", ["outputs:\udcff", "fake:text?stop=\udcff", "\ud800:x"])
def test_an_argument_that_is_not_utf8_is_refused_and_not_hashed_later(text):
    with pytest.raises(BadInput, match="not UTF-8"):
        ModelSpec.parse(text)


def test_percent_signs_are_decoded_and_empty_values_kept():
    spec = ModelSpec.parse("fake:text?template=&stop=%0A&stop=a%26b")
    assert spec.options == (("template", ""), ("stop", "\n"), ("stop", "a&b"))
    assert spec.read_options(Options).stop == ("\n", "a&b")
    assert spec.read_options(Options).template == ""


def test_an_option_given_twice_is_refused_unless_it_collects():
    with pytest.raises(BadInput, match="'temperature' is given twice"):
        ModelSpec.parse("fake:text?temperature=1&temperature=1").read_options(Options)


def test_an_unknown_option_suggests_the_nearest():
    with pytest.raises(
        UnknownName, match=r"no option 'temprature'\. Did you mean 'temperature'"
    ) as e:
        ModelSpec.parse("fake:text?temprature=1").read_options(Options)
    assert "fake:text" in str(e.value)


@pytest.mark.parametrize("value", ["warm", "-1", ""])
def test_a_value_that_does_not_fit_names_the_option_and_the_value(value):
    with pytest.raises(BadInput, match="temperature: ") as caught:
        ModelSpec.parse(f"fake:text?temperature={value}").read_options(Options)
    assert repr(value) in str(caught.value)


def test_a_name_far_from_all_is_answered_with_the_whole_list():
    assert unknown("task", "qqq", ["b", "a"], of="x") == "x: no task 'qqq'. There are: a, b"


def test_the_first_problem_of_several_is_told_in_one_line():
    with pytest.raises(ValidationError) as caught:
        Options(temperature="a\nb", template=3)
    assert first_problem(caught.value).startswith("temperature: ")
    assert "\n" not in first_problem(caught.value)
