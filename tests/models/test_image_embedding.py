"""CLIP, SigLIP and DINOv2 through `transformers:`, held against the library's own calls."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from evalsuite.errors import BadInput, MissingPackage, Refused
from evalsuite.models.capabilities import (
    AnswersVisualQuestions,
    CaptionsImages,
    ClassifiesImages,
    EmbedsImages,
    EmbedsText,
    GeneratesText,
    TokenizesText,
)
from evalsuite.models.spec import ModelSpec
from evalsuite.models.transformers import backend
from tests.models.tiny_image_models import (
    Album,
    ask_images,
    ask_texts,
    opened_pictures,
    pictures,
    save_clip,
    save_dinov2,
    save_siglip,
    save_vit_classifier,
    vectors,
)

IMAGES = pictures(9)
TEXTS = ["a photo of a red star", "blue", "green circle", "a pale nurse", "pilot"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("images")
    return {
        "clip": save_clip(root / "clip"),
        "siglip": save_siglip(root / "siglip"),
        "dinov2": save_dinov2(root / "dinov2"),
        "registers": save_dinov2(root / "registers", registers=3),
        "vit": save_vit_classifier(root / "vit"),
    }


def opened(folder: Path, options: str = "") -> Any:
    return backend.open(
        ModelSpec.parse(f"transformers:{folder}{options}"), offline=True, home=folder
    )


def image_vectors(folder: Path, options: str = "", *, n_a_pack: int = 99) -> np.ndarray:
    handle = opened(folder, options)
    model, album = handle.load("cpu"), Album(IMAGES)
    asked = ask_images(handle, IMAGES)
    packs = [asked[i : i + n_a_pack] for i in range(0, len(asked), n_a_pack)]
    return np.concatenate([vectors(model.embed_images(pack, album)) for pack in packs])


def text_vectors(folder: Path, *, options: str = "", n_a_pack: int = 99) -> np.ndarray:
    handle = opened(folder, options)
    model, asked = handle.load("cpu"), ask_texts(handle, TEXTS)
    packs = [asked[i : i + n_a_pack] for i in range(0, len(asked), n_a_pack)]
    return np.concatenate([vectors(model.embed_text(pack)) for pack in packs])


def pixels(folder: Path) -> torch.Tensor:
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return processor(images=opened_pictures(IMAGES), return_tensors="pt")["pixel_values"]


def unit(rows: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(rows.double(), dim=-1).numpy()


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_image_vectors_are_those_of_the_library_itself(folders: dict[str, Path], kind: str) -> None:
    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    with torch.inference_mode():
        own = model.get_image_features(pixel_values=pixels(folders[kind])).pooler_output
    found = image_vectors(folders[kind])
    assert found == pytest.approx(unit(own), abs=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert np.abs(found[0] - found[1]).max() > 0.01  # else the comparison says nothing
    assert image_vectors(folders[kind], "?normalize=false") == pytest.approx(
        own.numpy(), rel=1e-4, abs=1e-5
    )


def test_clip_texts_are_those_of_the_library_itself(folders: dict[str, Path]) -> None:
    model = transformers.CLIPModel.from_pretrained(folders["clip"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["clip"])
    with torch.inference_mode():
        for text, found in zip(TEXTS, text_vectors(folders["clip"]), strict=True):
            own = model.get_text_features(**_inputs(tokenizer, text)).pooler_output
            assert found == pytest.approx(unit(own)[0], abs=1e-5)


def test_siglip_texts_are_padded_to_the_full_length_as_it_learned_them(
    folders: dict[str, Path],
) -> None:
    model = transformers.SiglipModel.from_pretrained(folders["siglip"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["siglip"])
    found = text_vectors(folders["siglip"])
    with torch.inference_mode():
        padded = tokenizer(TEXTS, padding="max_length", max_length=12, return_tensors="pt")
        own = model.get_text_features(input_ids=padded["input_ids"]).pooler_output
        short = model.get_text_features(input_ids=_inputs(tokenizer, TEXTS[1])["input_ids"])
    assert found == pytest.approx(unit(own), abs=1e-5)
    assert np.abs(found[1] - unit(short.pooler_output)[0]).max() > 1e-3


def _inputs(tokenizer: Any, text: str) -> dict[str, torch.Tensor]:
    read = tokenizer(text, return_tensors="pt")
    return {name: read[name] for name in ("input_ids", "attention_mask")}


@pytest.mark.parametrize(("kind", "n_before"), [("dinov2", 1), ("registers", 4)])
def test_dinov2_pools_its_class_token_or_its_patches(
    folders: dict[str, Path], kind: str, n_before: int
) -> None:
    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    with torch.inference_mode():
        states = model(pixel_values=pixels(folders[kind])).last_hidden_state
    by_class = image_vectors(folders[kind])
    by_patches = image_vectors(folders[kind], "?pooling=mean")
    assert by_class == pytest.approx(unit(states[:, 0]), abs=1e-5)
    assert by_patches == pytest.approx(unit(states[:, n_before:].mean(dim=1)), abs=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip", "dinov2", "registers"])
def test_image_vectors_do_not_depend_on_packing(folders: dict[str, Path], kind: str) -> None:
    alone = image_vectors(folders[kind], n_a_pack=1)
    assert image_vectors(folders[kind], n_a_pack=8) == pytest.approx(alone, abs=1e-5)
    assert image_vectors(folders[kind], "?batch_pixels=3000") == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_text_vectors_do_not_depend_on_packing(folders: dict[str, Path], kind: str) -> None:
    alone = text_vectors(folders[kind], n_a_pack=1)
    assert text_vectors(folders[kind]) == pytest.approx(alone, abs=1e-5)
    assert text_vectors(folders[kind], options="?batch_pixels=3000") == pytest.approx(
        alone, abs=1e-5
    )


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_texts_and_images_share_a_space(folders: dict[str, Path], kind: str) -> None:
    handle = opened(folders[kind])
    assert handle.capabilities == {EmbedsImages, EmbedsText, ClassifiesImages}
    assert image_vectors(folders[kind]).shape[1] == text_vectors(folders[kind]).shape[1]


def test_a_text_that_is_too_long_is_cut_and_says_so(folders: dict[str, Path]) -> None:
    handle = opened(folders["clip"])
    long, short = handle.load("cpu").embed_text(ask_texts(handle, ["red " * 30, "red"]))
    assert (long.finish, short.finish) == ("length", "stop")
    assert (long.n_prompt_tokens, short.n_prompt_tokens) == (32, 3)


def test_an_empty_text_has_a_vector(folders: dict[str, Path]) -> None:
    handle = opened(folders["siglip"])
    (found,) = handle.load("cpu").embed_text(ask_texts(handle, [""]))
    assert found.status == "ok"


def test_an_image_that_cannot_be_read_harms_no_other(folders: dict[str, Path]) -> None:
    broken = IMAGES[1][:60]
    shown = [IMAGES[0], broken, IMAGES[2], IMAGES[0]]
    handle = opened(folders["dinov2"])
    found = handle.load("cpu").embed_images(ask_images(handle, shown), Album(shown))
    assert [response.status for response in found] == ["ok", "error", "ok", "ok"]
    assert "cannot be decoded" in found[1].message
    whole = image_vectors(folders["dinov2"])
    assert found[2].vector == pytest.approx(whole[2], abs=1e-5)


def test_an_image_that_is_asked_for_twice_is_read_once(folders: dict[str, Path]) -> None:
    handle, album = opened(folders["dinov2"]), Album(IMAGES)
    handle.load("cpu").embed_images(ask_images(handle, [IMAGES[0]] * 3), album)
    assert album.n_read == 1


def test_images_of_any_size_are_embedded_together(folders: dict[str, Path]) -> None:
    shown = [*pictures(1, size=(10, 90)), *pictures(1, size=(64, 64)), *pictures(1, size=(5, 5))]
    handle = opened(folders["clip"])
    model = handle.load("cpu")
    together = vectors(model.embed_images(ask_images(handle, shown), Album(shown)))
    for image, found in zip(shown, together, strict=True):
        (alone,) = vectors(model.embed_images(ask_images(handle, [image]), Album(shown)))
        assert found == pytest.approx(alone, abs=1e-5)


def test_outputs_that_are_not_finite_are_errors(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "broken"))
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"] *= float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    handle = opened(folder)
    (found,) = handle.load("cpu").embed_images(ask_images(handle, IMAGES[:1]), Album(IMAGES))
    assert found.status == "error" and "not finite" in found.message


def test_what_can_change_a_vector_is_in_the_entrant_and_nothing_else(
    folders: dict[str, Path],
) -> None:
    handle = opened(folders["dinov2"], "?pooling=mean&dtype=bfloat16")
    assert handle.entrant.dtype == "bfloat16"
    assert dict(handle.entrant.settings) == {"pooling": "mean", "normalize": True}
    plain = opened(folders["dinov2"]).entrant.identity
    for options in ("?pooling=mean", "?dtype=bfloat16", "?normalize=false"):
        assert opened(folders["dinov2"], options).entrant.identity != plain
    assert opened(folders["dinov2"], "?batch_pixels=9&threads=1").entrant.identity == plain


def test_low_precision_gives_nearly_the_same_vectors(folders: dict[str, Path]) -> None:
    found = image_vectors(folders["clip"], "?dtype=bfloat16")
    cosines = (found * image_vectors(folders["clip"])).sum(axis=1)
    assert cosines.min() > 0.99
    assert not np.array_equal(found, image_vectors(folders["clip"]))


def test_sizes_and_budget_are_in_pixels(folders: dict[str, Path]) -> None:
    handle = opened(folders["clip"], "?batch_pixels=5000")
    model = handle.load("cpu")
    assert model.sizes(ask_images(handle, IMAGES[:2])) == [32 * 32] * 2
    # Three questions about one image read it once.
    three = [ask_images(handle, IMAGES[:1], labels)[0] for labels in ("ab", "cd", "ef")]
    assert model.sizes([*three, *ask_images(handle, IMAGES[1:2])]) == [342, 342, 342, 1024]
    assert model.sizes(ask_texts(handle, ["red star", "red"])) == [4 * 256, 3 * 256]
    assert model.pack_budget == 5000


def test_a_folder_without_image_settings_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "bare"))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BadInput, match=r"no preprocessor_config\.json"):
        opened(folder)


@pytest.mark.parametrize("file", ["preprocessor_config.json", "config.json"])
def test_a_folder_that_asks_for_code_is_refused(
    folders: dict[str, Path], tmp_path: Path, file: str
) -> None:
    folder = Path(shutil.copytree(folders["dinov2"], tmp_path / "code"))
    config = json.loads((folder / file).read_text())
    config["auto_map"] = {"AutoImageProcessor": "own.Processor"}
    (folder / file).write_text(json.dumps(config))
    with pytest.raises(Refused, match="'auto_map' in"):
        opened(folder)


def test_pickled_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["dinov2"], tmp_path / "pickled"))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(Refused, match="only pickled weights"):
        opened(folder)


def test_absent_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "part"))
    weights = load_file(folder / "model.safetensors")
    del weights["logit_scale"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match="do not fit its architecture"):
        opened(folder).load("cpu")


@pytest.mark.parametrize(
    "values",
    [
        {"image_processor_type": "NoSuchProcessor"},
        {"image_processor_type": 3},
        {"size": "large"},
        {"image_mean": "grey"},
    ],
)
def test_image_settings_that_make_no_sense_are_one_clear_error(
    folders: dict[str, Path], tmp_path: Path, values: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(folders["clip"], tmp_path / "odd"))
    config = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**config, **values}))
    with pytest.raises(BadInput, match="images cannot be prepared as its files say"):
        opened(folder).load("cpu")


def test_an_option_of_another_kind_is_unknown(folders: dict[str, Path]) -> None:
    with pytest.raises(BadInput, match="no option 'pooling'"):
        opened(folders["clip"], "?pooling=mean")


def test_missing_packages_are_named_with_their_command(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.models.model_packages.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pillow: pip install 'evalsuite\[image\]'"):
        opened(folders["clip"]).load("cpu")


_VISION = {"vision_config": {"hidden_size": 8}}


@pytest.mark.parametrize(
    ("config", "can"),
    [
        ({"architectures": ["BlipForQuestionAnswering"]}, {AnswersVisualQuestions}),
        ({"architectures": ["ViltForQuestionAnswering"]}, {AnswersVisualQuestions}),
        ({"architectures": ["BlipForConditionalGeneration"], **_VISION}, {CaptionsImages}),
        ({"architectures": ["GitForCausalLM"], **_VISION}, {CaptionsImages}),
        ({"architectures": ["VisionEncoderDecoderModel"]}, {CaptionsImages}),
        ({"architectures": ["ConvNextForImageClassification"]}, {ClassifiesImages}),
        (
            {"architectures": ["Qwen2VLForConditionalGeneration"], **_VISION},
            {AnswersVisualQuestions, CaptionsImages},
        ),
        ({"architectures": ["ViTModel"]}, {EmbedsImages}),
        ({"architectures": ["LlamaForCausalLM"]}, {GeneratesText, EmbedsText, TokenizesText}),
    ],
)
def test_an_architecture_can_what_it_is_for(
    tmp_path: Path, config: dict[str, Any], can: set[type]
) -> None:
    assert opened(described(tmp_path, config)).capabilities == can


def test_a_visual_chat_model_needs_a_chat_template(tmp_path: Path) -> None:
    folder = described(tmp_path, {"architectures": ["LlavaForConditionalGeneration"], **_VISION})
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BadInput, match="has no chat template"):
        opened(folder)


def test_an_architecture_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="SamModel is neither"):
        opened(described(tmp_path, {"architectures": ["SamModel"], **_VISION}))


def described(folder: Path, config: dict[str, Any]) -> Path:
    """A folder that says what it is and holds nothing that could be loaded."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder
