"""Captions by BLIP, GIT and ViT-GPT2 through `transformers:`, against the library's generate."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from evalsuite.errors import BadInput
from evalsuite.images import read_image
from evalsuite.models.capabilities import CaptionsImages
from evalsuite.models.visual_prompts import MAX_NEW_TOKENS
from evalsuite.requests import ImagePart, Prompt, Request, TextPart
from tests.models import tiny_visual_models as tiny
from tests.models.test_visual_chat import PNGS, opened, read

KINDS = {"blip": tiny.blip_captions, "git": tiny.git, "vit_gpt2": tiny.vit_gpt2}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("captions")
    return {name: tiny.save(kind, root / name) for name, kind in KINDS.items()}


def caption_of(handle: Any, image: str) -> Request:
    return Request("captions_images", handle.entrant, Prompt(parts=(ImagePart(sha256=image),)))


@pytest.mark.parametrize("kind", KINDS)
def test_captions_are_those_of_greedy_generate_in_any_packing(
    kind: str, folders: dict[str, Path]
) -> None:
    handle = opened(folders[kind])
    model = handle.load("cpu")
    requests = [caption_of(handle, image) for image in PNGS]
    found = model.caption_images(requests, read)
    alone = [model.caption_images([request], read)[0] for request in reversed(requests)]
    assert [response.text for response in reversed(alone)] == [r.text for r in found]
    network = transformers.AutoModelForImageTextToText.from_pretrained(folders[kind]).eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(folders[kind], backend="pil")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders[kind])
    for image, response in zip(PNGS, found, strict=True):
        seen = pixels(images=read_image(PNGS[image]), return_tensors="pt")["pixel_values"]
        ids = network.generate(pixel_values=seen, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        expected = tokenizer.decode(ids[0], skip_special_tokens=True).strip()
        assert response.status == "ok" and response.text == expected
        assert response.n_new_tokens <= MAX_NEW_TOKENS


def test_settings_of_generation_in_the_folder_do_not_count(folders: dict[str, Path]) -> None:
    folder = folders["git"]
    path = folder / "generation_config.json"
    before = path.read_text()
    handle = opened(folder)
    request = caption_of(handle, next(iter(PNGS)))
    plain = handle.load("cpu").caption_images([request], read)[0].text
    try:
        own = {"num_beams": 4, "do_sample": True, "repetition_penalty": 5.0, "max_length": 3}
        path.write_text(json.dumps(json.loads(before) | own))
        assert opened(folder).load("cpu").caption_images([request], read)[0].text == plain
    finally:
        path.write_text(before)


def test_a_bad_image_or_prompt_is_an_error_of_its_own(folders: dict[str, Path]) -> None:
    handle = opened(folders["git"])
    parts = (TextPart(text="no image"),)
    requests = [
        caption_of(handle, "0" * 64),
        caption_of(handle, next(iter(PNGS))),
        Request("captions_images", handle.entrant, Prompt(parts=parts)),
    ]
    model = handle.load("cpu")
    found = model.caption_images(requests, lambda p: PNGS.get(p.sha256, b"<svg/>"))
    assert [response.status for response in found] == ["error", "ok", "error"]
    assert "not a PNG" in str(found[0].message)


def test_a_model_whose_captions_nothing_ends_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    import shutil

    folder = shutil.copytree(folders["vit_gpt2"], tmp_path / "m")
    path = folder / "generation_config.json"
    own = {k: v for k, v in json.loads(path.read_text()).items() if k != "eos_token_id"}
    path.write_text(json.dumps(own))
    with pytest.raises(BadInput, match="ends its captions"):
        opened(folder).load("cpu")


def test_what_such_a_model_can_is_known_before_it_is_loaded(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        assert opened(folder).capabilities == {CaptionsImages}
