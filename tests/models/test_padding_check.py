"""A model whose answers would depend on how prompts are packed is refused when it is loaded."""

from typing import Any

import pytest
import torch
import transformers

from evalsuite.errors import BadInput
from evalsuite.models.padding_check import check_padding

SMALL: dict[str, Any] = {
    "vocab_size": 120, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 64,
}  # fmt: skip


def built(architecture: str, config: str, **options: Any) -> Any:
    torch.manual_seed(0)
    made = getattr(transformers, config)(**(SMALL | options))
    # Wider weights than a fresh model has, so that a wrong position shows in the logits.
    model = getattr(transformers, architecture)(made).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize(
    ("architecture", "config", "options"),
    [
        ("LlamaForCausalLM", "LlamaConfig", {"num_key_value_heads": 2}),
        ("MistralForCausalLM", "MistralConfig", {"num_key_value_heads": 2}),
        ("GPT2LMHeadModel", "GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
        ("BloomForCausalLM", "BloomConfig", {"n_layer": 2, "n_head": 4}),
    ],
)
def test_a_model_that_takes_left_padding_passes(
    architecture: str, config: str, options: dict[str, Any]
) -> None:
    model = built(architecture, config, **options)
    check_padding(model, "transformers:small")
    assert not model.training


@pytest.mark.parametrize(
    ("architecture", "config", "options"),
    [
        ("RoFormerForCausalLM", "RoFormerConfig", {"is_decoder": True, "embedding_size": 32}),
        ("BertLMHeadModel", "BertConfig", {"is_decoder": False}),
        ("RobertaForCausalLM", "RobertaConfig", {"is_decoder": False}),
    ],
)
def test_a_model_whose_answers_hang_on_packing_is_refused(
    architecture: str, config: str, options: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match="depend on how prompts are packed"):
        check_padding(built(architecture, config, **options), "transformers:small")
