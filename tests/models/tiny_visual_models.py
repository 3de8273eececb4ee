"""Tiny visual models of random weights, made from their configurations, with their processors."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

_SPECIAL = ["<pad>", "<end>", "<start>", "<image>", "<fake_token_around_image>", "<global-img>",
            "<end_of_utterance>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
            "<|video_pad|>", "<cls>", "<sep>", "<unk>"]  # fmt: skip
CHAT = (
    "{% for m in messages %}{{ m.role }}: {% for p in m.content %}"
    "{% if p.type == 'image' %}IMAGE{% else %}{{ p.text }}{% endif %}{% endfor %}"
    "{% if m.role == 'assistant' %}<end>\n{% else %}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
_TEXT: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 1024, "initializer_range": 0.3,
}  # fmt: skip
_VISION: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": 32, "patch_size": 8, "initializer_range": 0.3,
}  # fmt: skip


def byte_tokenizer(*, is_bert: bool = False, **more: Any) -> Any:
    """A token for every byte and the special ones of all models here."""
    alphabet = _SPECIAL + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_SPECIAL)
    names: dict[str, Any] = {"eos_token": "<end>", "bos_token": "<start>"}
    if is_bert:
        names = {"cls_token": "<cls>", "sep_token": "<sep>", "unk_token": "<unk>"}
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<cls> $A <sep>", special_tokens=[("<cls>", 11), ("<sep>", 12)]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", **names, **more
    )


N_TOKENS = len(_SPECIAL) + 256


def _ids(name: str) -> int:
    return _SPECIAL.index(name)


def llava() -> tuple[Any, Any]:
    """LLaVA: a CLIP vision tower before a Llama."""
    tokenizer = byte_tokenizer()
    image = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    processor = transformers.LlavaProcessor(
        image, tokenizer, patch_size=8, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=CHAT.replace("IMAGE", "<image>"),
    )  # fmt: skip
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**_VISION),
        text_config=transformers.LlamaConfig(
            vocab_size=N_TOKENS, pad_token_id=0, bos_token_id=2, eos_token_id=1, **_TEXT
        ),
        image_token_index=_ids("<image>"),
        vision_feature_layer=-1,
    )
    return transformers.LlavaForConditionalGeneration(config), processor


def idefics3() -> tuple[Any, Any]:
    """Idefics3, SmolVLM's architecture: images are cut into tiles by their size."""
    tokenizer = byte_tokenizer()
    image = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    processor = transformers.Idefics3Processor(
        image, tokenizer, image_seq_len=4, chat_template=CHAT.replace("IMAGE", "<image>")
    )
    vision = {**_VISION, "num_hidden_layers": 1}
    config = transformers.Idefics3Config(
        vision_config=vision,
        text_config=transformers.LlamaConfig(
            vocab_size=N_TOKENS, pad_token_id=0, bos_token_id=2, eos_token_id=1, **_TEXT
        ),
        image_token_id=_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    return transformers.Idefics3ForConditionalGeneration(config), processor


def qwen2_vl() -> tuple[Any, Any]:
    """Qwen2-VL: images of any size, whose positions have three axes."""
    tokenizer = byte_tokenizer()
    image = transformers.Qwen2VLImageProcessor(
        patch_size=8, merge_size=2, temporal_patch_size=2,
        size={"shortest_edge": 16 * 16, "longest_edge": 64 * 64},
    )  # fmt: skip
    video = transformers.Qwen2VLVideoProcessor(patch_size=8, merge_size=2, temporal_patch_size=2)
    template = CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    processor = transformers.Qwen2VLProcessor(image, tokenizer, video, chat_template=template)
    config = transformers.Qwen2VLConfig(
        text_config={
            **_TEXT, "vocab_size": N_TOKENS, "pad_token_id": 0, "bos_token_id": 2,
            "eos_token_id": 1, "rope_parameters": {
                "rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
        },
        vision_config={
            "depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2,
            "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "initializer_range": 0.3,
        },
        image_token_id=_ids("<|image_pad|>"), video_token_id=_ids("<|video_pad|>"),
        vision_start_token_id=_ids("<|vision_start|>"), vision_end_token_id=_ids("<|vision_end|>"),
    )  # fmt: skip
    return transformers.Qwen2VLForConditionalGeneration(config), processor


def blip_vqa() -> tuple[Any, Any]:
    """BLIP for visual questions."""
    return transformers.BlipForQuestionAnswering(_blip_config()), _blip_processor()


def blip_captions() -> tuple[Any, Any]:
    """BLIP for captions."""
    return transformers.BlipForConditionalGeneration(_blip_config()), _blip_processor()


def _blip_config() -> Any:
    text = {
        "vocab_size": N_TOKENS, "hidden_size": 32, "encoder_hidden_size": 32,
        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": 128, "bos_token_id": 2, "eos_token_id": 12, "pad_token_id": 0,
        "sep_token_id": 12, "initializer_range": 0.3, "hidden_act": "gelu",
    }  # fmt: skip
    return transformers.BlipConfig(text_config=text, vision_config=_VISION, projection_dim=32)


def _blip_processor() -> Any:
    image = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    return transformers.BlipProcessor(image, byte_tokenizer(is_bert=True))


ANSWERS = ("red", "Green", "blue", "two", "three")


def vilt() -> tuple[Any, Any]:
    """ViLT with five answers."""
    image = transformers.ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8)
    tokenizer = byte_tokenizer(is_bert=True)
    config = transformers.ViltConfig(
        vocab_size=N_TOKENS, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64, image_size=32, patch_size=8,
        id2label=dict(enumerate(ANSWERS)), initializer_range=0.3, pad_token_id=0,
    )  # fmt: skip
    return transformers.ViltForQuestionAnswering(config), transformers.ViltProcessor(
        image, tokenizer
    )


def git() -> tuple[Any, Any]:
    """GIT, a decoder that reads patches as its first tokens."""
    image = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    config = transformers.GitConfig(
        vision_config=_VISION, vocab_size=N_TOKENS, hidden_size=32, intermediate_size=48,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=128,
        pad_token_id=0, bos_token_id=11, eos_token_id=12, initializer_range=0.3,
    )  # fmt: skip
    return transformers.GitForCausalLM(config), transformers.GitProcessor(
        image, byte_tokenizer(is_bert=True)
    )


def vit_gpt2() -> tuple[Any, Any]:
    """A ViT that reads and a GPT-2 that writes; image processor and tokenizer lie side by side."""
    model = transformers.VisionEncoderDecoderModel(
        encoder=transformers.ViTModel(transformers.ViTConfig(**_VISION), add_pooling_layer=False),
        decoder=transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=N_TOKENS, n_embd=32, n_layer=2, n_head=4, n_positions=64,
                bos_token_id=2, eos_token_id=1, add_cross_attention=True, is_decoder=True,
                initializer_range=0.3,
            )
        ),
    )  # fmt: skip
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = 2
    model.config.pad_token_id = model.generation_config.pad_token_id = 1
    model.config.eos_token_id = model.generation_config.eos_token_id = 1

    class Pair:
        image_processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
        tokenizer = byte_tokenizer()

        def save_pretrained(self, folder: Path) -> None:
            self.image_processor.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)

    return model, Pair()


def save(kind: Any, folder: Path) -> Path:
    """Build one of the models above with fixed random weights and save it with its processor."""
    torch.manual_seed(11)
    model, processor = kind()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
