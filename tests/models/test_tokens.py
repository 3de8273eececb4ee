"""Texts as tokens of a causal model's vocabulary."""

from pathlib import Path

import pytest
import transformers

from evalsuite.models.capabilities import TokenizesText, TokenList
from evalsuite.requests import Prompt, Request
from tests.models.conftest import open_local


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_the_tokens_are_those_of_the_tokenizer_without_special_ones(
    kind: str, tiny_folders: dict[str, Path]
) -> None:
    handle = open_local(tiny_folders[kind])
    assert TokenizesText in handle.capabilities
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_folders[kind])
    given = ["A red ball.", "é", "<end> of it"]
    asked = [Request("tokenizes_text", handle.entrant, Prompt.of_text(text)) for text in given]
    model = handle.load("cpu")
    found = [TokenList.from_text(r.text or "") for r in model.tokenize_text(asked)]
    assert {tokens.vocab_size for tokens in found} == {len(tokenizer)}
    assert list(found[0].ids) == tokenizer("A red ball.", add_special_tokens=False)["input_ids"]
    for text, tokens in zip(given, found, strict=True):
        assert not set(tokens.ids) & set(tokenizer.all_special_ids)  # spelt out, not meant
        assert tokenizer.decode(list(tokens.ids)) == text
