"""Tiny text models made from their configurations, and the real small ones, loaded once."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

from evalsuite.models import embedded
from evalsuite.models.spec import ModelSpec
from evalsuite.models.transformers import backend

CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


def byte_tokenizer(*, is_encoder: bool = False, **more: Any) -> Any:
    """A token for every byte and a few special ones: any text can be read and written."""
    special = ["<pad>", "<end>", "<cls>", "<sep>"]
    alphabet = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    if is_encoder:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<cls> $A <sep>", special_tokens=[("<cls>", 2), ("<sep>", 3)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>", **more
    )


def save_tiny(kind: str, folder: Path, *, chat: bool = True) -> Path:
    """Save a model of random weights whose answers hang on its whole prompt."""
    torch.manual_seed(7)
    size: dict[str, Any] = {"vocab_size": 260, "pad_token_id": 0, "eos_token_id": 1}
    if kind == "llama":
        config = transformers.LlamaConfig(
            **size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            initializer_range=0.4,
        )
        model: Any = transformers.LlamaForCausalLM(config)
    elif kind == "gpt2":
        config = transformers.GPT2Config(
            **size, n_embd=32, n_layer=2, n_head=4, n_positions=128, initializer_range=0.4
        )
        model = transformers.GPT2LMHeadModel(config)
    elif kind == "mistral":
        config = transformers.MistralConfig(
            **size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            initializer_range=0.4,
            sliding_window=8,
        )
        model = transformers.MistralForCausalLM(config)
    else:
        config = transformers.BertConfig(
            **size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=64,
            initializer_range=0.4,
        )
        model = transformers.BertModel(config)
    model.eval().save_pretrained(folder)
    tokenizer = byte_tokenizer(is_encoder=kind == "bert")
    if chat and kind != "bert":
        tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of tiny models; tests that change one copy it first."""
    root = tmp_path_factory.mktemp("tiny")
    return {kind: save_tiny(kind, root / kind) for kind in ("llama", "gpt2", "mistral", "bert")}


def open_local(folder: Path, options: str = "") -> Any:
    spec = ModelSpec.parse(f"transformers:{folder}{options}")
    return backend.open(spec, offline=True, home=folder)


@pytest.fixture(scope="session")
def conversion_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the real model is unpacked: the user's own home, or one for this session."""
    own = os.environ.get("EVALSUITE_HOME")
    return Path(own) if own else tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def smollm2_handle(conversion_home: Path) -> Any:
    spec = ModelSpec.parse("embedded:smollm2-135m")
    return embedded.backend.open(spec, offline=True, home=conversion_home)


@pytest.fixture(scope="session")
def smollm2(smollm2_handle: Any) -> Any:
    """The real model, loaded."""
    return smollm2_handle.load("cpu")
