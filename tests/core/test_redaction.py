from pathlib import Path

import pytest

from evalsuite.redaction import HIDDEN, redact
from evalsuite.settings import settings

CANARY = "c4n4ry-0f-4-s3cr3t"


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "openai_apikey",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "PASSWD",
    ],
)
def test_the_value_of_a_secret_variable_is_hidden_wherever_it_stands(monkeypatch, name):
    monkeypatch.setenv(name, CANARY)
    assert redact(f"got <{CANARY}> and {CANARY}{CANARY}") == f"got <{HIDDEN}> and {HIDDEN * 2}"


def test_the_value_of_another_variable_is_not_a_secret(monkeypatch):
    monkeypatch.setenv("EVALSUITE_COLOUR", CANARY)
    assert redact(CANARY) == CANARY


def test_a_secret_that_begins_with_another_one_is_hidden_whole(monkeypatch):
    monkeypatch.setenv("A_TOKEN", CANARY)
    monkeypatch.setenv("B_TOKEN", CANARY + "-and-more")
    assert redact(f"{CANARY}-and-more") == HIDDEN


def test_a_short_value_is_not_taken_for_a_secret(monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    assert redact("the answer is false") == "the answer is false"


@pytest.mark.parametrize(
    "secret",
    [
        "hf_AbCdEfGhIjKl",
        "sk-proj-abcdefgh12345",
        "AKIAABCDEFGHIJKLMNOP",
        "Bearer abc.def-ghi_jkl=",
        "Bearer   abcdefghij",
    ],
)
@pytest.mark.parametrize("before", ["", "key=", '"', " ", "(", "_"])
def test_what_looks_like_a_secret_is_hidden(secret, before):
    text = redact(f"said {before}{secret} there")
    assert text == f"said {before}{HIDDEN} there"


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://ann:pw123@example.org/x", f"https://{HIDDEN}@example.org/x"),
        ("https://a-token@example.org", f"https://{HIDDEN}@example.org"),
        ("https://ann:p@ss@example.org", f"https://{HIDDEN}@example.org"),
        ("http://:pw@127.0.0.1:8000/v1", f"http://{HIDDEN}@127.0.0.1:8000/v1"),
    ],
)
def test_the_user_part_of_an_address_is_hidden(url, left):
    assert redact(url) == left


@pytest.mark.parametrize(
    "text",
    [
        "openai:name@http://127.0.0.1:8000/v1",
        "transformers:org/mask-generation-large@main",
        "https://example.org/a@b?x=c@d",
        "https://example.org?mail=a@b.org",
        "task-description and risk-assessment",
        "ann@example.org",
    ],
)
def test_what_is_no_secret_is_left_alone(text):
    assert redact(text) == text


def test_the_home_folder_is_not_told(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann-canary")
    assert redact("/home/ann-canary/models/x: missing") == "~/models/x: missing"


@pytest.mark.parametrize("home", ["/", ""])
def test_a_home_of_one_slash_does_not_eat_every_slash(monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    assert redact("/data/x") == "/data/x"


def test_a_user_without_a_home_still_gets_messages_and_settings(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setenv("EVALSUITE_HOME", "/data/store")
    assert redact("/data/x: missing") == "/data/x: missing"
    assert settings().home == Path("/data/store")
