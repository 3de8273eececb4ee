"""Tiny models of random weights that embed or label images, made from their configurations."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from evalsuite.images import image_sha256, png_bytes, read_image
from evalsuite.requests import ImagePart, LabelsPart, Prompt, Request, TextPart

WORDS = ["a", "photo", "of", "red", "blue", "green", "star", "circle", "nurse", "pilot", "pale"]
_SPECIAL = ["<pad>", "<unk>", "<s>"]
_TOKENS = [*_SPECIAL, *WORDS, "</s>"]
END = len(_TOKENS) - 1
CONTEXT = 12
_TOWER: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip


def word_tokenizer(*, start: bool = True) -> Any:
    """A token for each word, begun and ended; the end has the largest id."""
    tokenizer = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(_TOKENS)}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if start else "$A </s>", special_tokens=[("<s>", 2), ("</s>", END)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>",
        eos_token="</s>", model_max_length=CONTEXT,
    )  # fmt: skip


def _shaken(model: Any) -> Any:
    """Weights large enough that outputs hang on the whole input."""
    torch.manual_seed(5)
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.2)
    return model.eval()


def _save(folder: Path, model: Any, image_processor: Any, tokenizer: Any = None) -> Path:
    _shaken(model).save_pretrained(folder)
    image_processor.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def save_clip(folder: Path) -> Path:
    """CLIPModel: 32 x 32 images, 12 tokens."""
    text = {**_TOWER, "vocab_size": len(_TOKENS), "max_position_embeddings": CONTEXT,
            "eos_token_id": END, "bos_token_id": 2, "pad_token_id": 0}  # fmt: skip
    config = transformers.CLIPConfig(
        text_config=text, vision_config={**_TOWER, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )  # fmt: skip
    return _save(folder, transformers.CLIPModel(config), clip_processor(), word_tokenizer())


def clip_processor() -> Any:
    return transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )


def save_siglip(folder: Path) -> Path:
    """SiglipModel: its tokenizer gives input ids alone and begins no text."""
    text = {**_TOWER, "vocab_size": len(_TOKENS), "max_position_embeddings": CONTEXT,
            "projection_size": 32, "pad_token_id": 0, "eos_token_id": END}  # fmt: skip
    config = transformers.SiglipConfig(
        text_config=text, vision_config={**_TOWER, "image_size": 32, "patch_size": 8}
    )
    processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    return _save(folder, transformers.SiglipModel(config), processor, word_tokenizer(start=False))


def save_dinov2(folder: Path, *, registers: int = 0) -> Path:
    """Dinov2Model, with or without register tokens."""
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "image_size": 32, "patch_size": 8}  # fmt: skip
    if registers:
        config = transformers.Dinov2WithRegistersConfig(num_register_tokens=registers, **size)
        model: Any = transformers.Dinov2WithRegistersModel(config)
    else:
        model = transformers.Dinov2Model(transformers.Dinov2Config(**size))
    processor = transformers.BitImageProcessor(
        size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}
    )
    return _save(folder, model, processor)


def save_vit_classifier(folder: Path, labels: Sequence[str] = ("red", "blue", "green")) -> Path:
    """ViTForImageClassification over a few labels."""
    config = transformers.ViTConfig(
        **_TOWER, image_size=32, patch_size=8, id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )  # fmt: skip
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    return _save(folder, transformers.ViTForImageClassification(config), processor)


OPEN_CLIP_CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {
            "layers": 2, "width": 32, "head_width": 8, "patch_size": 8, "image_size": 32,
        },
        "text_cfg": {
            "context_length": CONTEXT, "vocab_size": len(_TOKENS), "width": 32, "heads": 4,
            "layers": 2, "hf_tokenizer_name": "words",
        },
    },
    "preprocess_cfg": {"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
}  # fmt: skip


def save_open_clip(folder: Path, *, config: dict[str, Any] | None = None) -> Path:
    """An open_clip folder, laid out as its repositories on the hub."""
    import open_clip

    folder.mkdir(parents=True)
    config = config or OPEN_CLIP_CONFIG
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    known = {k: v for k, v in config["model_cfg"]["text_cfg"].items() if k != "hf_tokenizer_name"}
    model_config = {**config["model_cfg"], "text_cfg": known}
    torch.manual_seed(4)  # some biases are drawn when a model is built
    model = _shaken(open_clip.model.CLIP(**model_config))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    word_tokenizer().save_pretrained(folder)
    return folder


def pictures(n: int, *, seed: int = 0, size: tuple[int, int] = (40, 48)) -> list[bytes]:
    """PNG bytes of blurred noise: different images that no two share."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    rows, columns = -(-size[0] // 6), -(-size[1] // 6)
    large = coarse.repeat(rows, axis=1).repeat(columns, axis=2)[:, : size[0], : size[1]]
    return [png_bytes(np.ascontiguousarray(image)) for image in large]


def opened_pictures(images: Sequence[bytes]) -> list[Any]:
    return [read_image(image) for image in images]


class Album:
    """Reads images by their sha256, as a run does from its store; counts what is read."""

    def __init__(self, images: Sequence[bytes]) -> None:
        self._images = {image_sha256(image): image for image in images}
        self.n_read = 0

    def __call__(self, part: ImagePart) -> bytes:
        self.n_read += 1
        return self._images[part.sha256]


def ask_images(
    handle: Any, images: Sequence[bytes], labels: Sequence[str] | None = None
) -> list[Request]:
    """Requests to embed images, or to label them."""
    more = () if labels is None else (LabelsPart(labels=tuple(labels)),)
    kind = "embeds_images" if labels is None else "classifies_images"
    return [
        Request(kind, handle.entrant, Prompt(parts=(ImagePart(sha256=image_sha256(image)), *more)))
        for image in images
    ]


def ask_texts(handle: Any, texts: Sequence[str]) -> list[Request]:
    return [
        Request("embeds_text", handle.entrant, Prompt(parts=(TextPart(text=text),)))
        for text in texts
    ]


def vectors(responses: Sequence[Any]) -> np.ndarray:
    assert [response.status for response in responses] == ["ok"] * len(responses)
    return np.stack([response.vector for response in responses])


def scores(responses: Sequence[Any]) -> np.ndarray:
    assert [response.status for response in responses] == ["ok"] * len(responses)
    return np.array([response.scores for response in responses])
