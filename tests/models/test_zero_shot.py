"""Labels for images: by their texts' vectors, and by a head of fixed labels."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput, GenerationError
from evalsuite.models.capabilities import ClassifiesImages
from evalsuite.models.image_embedding import ImageEmbedder
from evalsuite.models.spec import ModelSpec
from evalsuite.models.transformers import backend
from evalsuite.models.zero_shot import ZeroShotClassifier, softmax
from evalsuite.requests import Entrant, ImagePart, LabelsPart, Prompt, Request, TextPart
from tests.models.tiny_image_models import (
    Album,
    ask_images,
    opened_pictures,
    pictures,
    save_clip,
    save_siglip,
    save_vit_classifier,
    scores,
)

IMAGES = pictures(9)
LABELS = ("red star", "blue circle", "nurse")
PAIRS = ("clip", "siglip")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("labels")
    return {
        "clip": save_clip(root / "clip"),
        "siglip": save_siglip(root / "siglip"),
        "vit": save_vit_classifier(root / "vit"),
    }


def opened(folder: Path, options: str = "") -> Any:
    return backend.open(
        ModelSpec.parse(f"transformers:{folder}{options}"), offline=True, home=folder
    )


def labelled(
    folder: Path, labels: Sequence[str] = LABELS, options: str = "", *, n_a_pack: int = 99
) -> np.ndarray:
    handle = opened(folder, options)
    model, album = handle.load("cpu"), Album(IMAGES)
    asked = ask_images(handle, IMAGES, labels)
    packs = [asked[i : i + n_a_pack] for i in range(0, len(asked), n_a_pack)]
    return np.concatenate([scores(model.classify_images(pack, album)) for pack in packs])


def own_logits(folder: Path, texts: Sequence[str]) -> torch.Tensor:
    """Logits per image as a whole forward of the library gives them."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    padded = tokenizer(list(texts), padding="max_length", max_length=12, return_tensors="pt")
    inputs = {"input_ids": padded["input_ids"]}
    if model.config.model_type == "clip":
        inputs["attention_mask"] = padded["attention_mask"]
    pixels = processor(images=opened_pictures(IMAGES), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        return model(pixel_values=pixels, **inputs).logits_per_image


@pytest.mark.parametrize("kind", PAIRS)
def test_scores_are_the_softmax_of_the_librarys_logits(folders: dict[str, Path], kind: str) -> None:
    found = labelled(folders[kind])
    expected = own_logits(folders[kind], LABELS).softmax(dim=-1).numpy()
    assert found == pytest.approx(expected, abs=2e-5)
    assert found.sum(axis=1) == pytest.approx(1)
    assert found.std(axis=0).max() > 1e-3  # else the comparison says nothing


@pytest.mark.parametrize("kind", PAIRS)
def test_a_template_is_put_around_each_label(folders: dict[str, Path], kind: str) -> None:
    found = labelled(folders[kind], options="?label_template=a photo of a {}")
    texts = [f"a photo of a {label}" for label in LABELS]
    expected = own_logits(folders[kind], texts).softmax(dim=-1).numpy()
    assert found == pytest.approx(expected, abs=2e-5)
    assert np.abs(found - labelled(folders[kind])).max() > 1e-3


@pytest.mark.parametrize("kind", [*PAIRS, "vit"])
def test_scores_do_not_depend_on_packing(folders: dict[str, Path], kind: str) -> None:
    labels = ("red", "blue", "green")
    alone = labelled(folders[kind], labels, n_a_pack=1)
    assert labelled(folders[kind], labels, n_a_pack=8) == pytest.approx(alone, abs=1e-5)
    packed = labelled(folders[kind], labels, "?batch_pixels=3000")
    assert packed == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("kind", [*PAIRS, "vit"])
def test_scores_follow_the_order_of_the_labels(folders: dict[str, Path], kind: str) -> None:
    found = labelled(folders[kind], ("red", "blue", "green"))
    turned = labelled(folders[kind], ("green", "red", "blue"))
    assert turned == pytest.approx(found[:, [2, 0, 1]], abs=1e-5)


def test_vectors_that_are_not_scaled_leave_the_scores_alone(folders: dict[str, Path]) -> None:
    plain = labelled(folders["clip"])
    assert labelled(folders["clip"], options="?normalize=false") == pytest.approx(plain)


def test_an_image_and_a_set_of_labels_are_computed_once(folders: dict[str, Path]) -> None:
    handle = opened(folders["clip"])
    model, album = handle.load("cpu"), Album(IMAGES)
    texts, pictures_seen = [], []
    towers = model._towers
    read, see = towers.text_features, towers.image_features
    towers.text_features = lambda rows: texts.append(len(rows)) or read(rows)
    towers.image_features = lambda rows: pictures_seen.append(len(rows)) or see(rows)
    asked = [
        request
        for labels in (LABELS, ("red", "blue"))
        for request in ask_images(handle, IMAGES, labels)
    ]
    model.classify_images(asked, album)
    model.classify_images(asked[:3], album)
    assert sum(texts) == 5 and sum(pictures_seen) == len(IMAGES) + 3
    assert album.n_read == len(IMAGES) + 3


def test_what_cannot_be_answered_is_an_error_of_its_own(folders: dict[str, Path]) -> None:
    handle = opened(folders["clip"])
    image = ask_images(handle, IMAGES[:1])[0].prompt.parts[0]
    broken = IMAGES[1][:50]
    labels = LabelsPart(labels=LABELS)
    prompts = [
        (image, labels),
        (image,),
        (image, TextPart(text="Which colour?"), labels),
        (labels,),
        (*ask_images(handle, [broken])[0].prompt.parts, labels),
        (image, LabelsPart(labels=())),
        (image, LabelsPart(labels=("red " * 40, "blue"))),
    ]
    asked = [Request("classifies_images", handle.entrant, Prompt(parts=parts)) for parts in prompts]
    found = handle.load("cpu").classify_images(asked, Album([*IMAGES, broken]))
    assert [response.status for response in found] == ["ok", *["error"] * 6]
    said = [response.message for response in found[1:]]
    for message, what in zip(
        said,
        ["no labels", "reads no question", "one image at a time", "cannot be decoded", "no labels",
         "would be cut"],
        strict=True,
    ):  # fmt: skip
        assert what in message
    assert [response.key for response in found] == [request.key for request in asked]


def test_a_head_of_fixed_labels_says_what_the_library_says(folders: dict[str, Path]) -> None:
    assert opened(folders["vit"]).capabilities == {ClassifiesImages}
    model = transformers.ViTForImageClassification.from_pretrained(folders["vit"]).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folders["vit"], backend="pil")
    pixels = processor(images=opened_pictures(IMAGES), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        logits = model(pixel_values=pixels).logits
    found = labelled(folders["vit"], ("red", "blue", "green"))
    assert found == pytest.approx(logits.softmax(dim=-1).numpy(), abs=1e-5)
    some = labelled(folders["vit"], ("Green", "red"))
    assert some == pytest.approx(logits[:, [2, 0]].softmax(dim=-1).numpy(), abs=1e-5)


def test_a_label_that_the_head_lacks_is_refused_with_those_it_has(
    folders: dict[str, Path],
) -> None:
    with pytest.raises(BadInput, match="no label 'nurse'; it has red, blue, green"):
        labelled(folders["vit"], ("red", "nurse"))


def test_nameless_labels_are_named_by_the_user(tmp_path: Path) -> None:
    folder = save_vit_classifier(tmp_path / "nameless", ("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(BadInput, match=r"\?labels=a,b,c"):
        labelled(folder, ("red", "blue"))
    assert labelled(folder, ("red", "blue"), "?labels=red,blue,green").shape == (9, 2)
    assert opened(folder, "?labels=a,b,c").entrant.identity != opened(folder).entrant.identity


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_a_head_that_does_not_choose_one_label_is_refused(
    folders: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    folder = Path(shutil.copytree(folders["vit"], tmp_path / kind))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "problem_type": kind}))
    with pytest.raises(BadInput, match="not labels to choose from"):
        opened(folder).load("cpu")


class _FixedTower:
    """One image vector, whatever is shown."""

    def __init__(self, vector: Sequence[float]) -> None:
        self._vector = torch.tensor([list(vector)], dtype=torch.float64)

    def image_features(self, tensors: Sequence[torch.Tensor]) -> Any:
        return self._vector.repeat(len(tensors), 1)


def classified(vector: Sequence[float], texts: dict[str, Any], scale: float) -> Any:
    """Classify one image by given vectors of texts."""

    def embed(asked: Sequence[str]) -> np.ndarray:
        if any(texts[text] is None for text in asked):
            raise GenerationError("too long")
        return np.array([texts[text] for text in asked], dtype=float)

    images = ImageEmbedder(
        _FixedTower(vector),
        lambda image: torch.zeros(3, 2, 2),
        normalize=False,
        batch_pixels=99,
    )
    classifier = ZeroShotClassifier(images, embed, label_text=str, scale=scale)
    parts = (*_image_parts(), LabelsPart(labels=tuple(texts)))
    entrant = Entrant(model="m", backend="b", revision="1")
    asked = [Request("classifies_images", entrant, Prompt(parts=parts))]
    return classifier.classify(asked, Album(IMAGES))[0]


def _image_parts() -> tuple[ImagePart, ...]:
    entrant = Entrant(model="m", backend="b", revision="1")
    handle = type("Handle", (), {"entrant": entrant})
    parts = ask_images(handle, IMAGES[:1])[0].prompt.parts
    return tuple(part for part in parts if isinstance(part, ImagePart))


def test_scores_are_those_of_a_hand_computed_case() -> None:
    # Cosines 1 and 0, scale log 3: odds of three to one.
    found = classified([2.0, 0.0], {"near": [5.0, 0.0], "far": [0.0, 0.1]}, float(np.log(3)))
    assert found.scores == pytest.approx((0.75, 0.25))


def test_vectors_that_are_not_finite_are_an_error() -> None:
    found = classified([float("nan"), 0.0], {"a": [1.0, 0.0], "b": [0.0, 1.0]}, 1.0)
    assert found.status == "error" and "not finite" in found.message


@settings(max_examples=60, deadline=None)
@given(
    vector=st.lists(st.floats(allow_nan=True), min_size=3, max_size=3),
    texts=st.dictionaries(
        st.text(max_size=4),
        st.none() | st.lists(st.floats(allow_nan=True), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    ),
    scale=st.floats(0, 1e6),
)
def test_whatever_a_model_gives_is_a_distribution_or_an_error(
    vector: list[float], texts: dict[str, Any], scale: float
) -> None:
    found = classified(vector, texts, scale)
    if found.status == "ok":
        assert len(found.scores) == len(texts)
        assert sum(found.scores) == pytest.approx(1) and min(found.scores) >= 0
    else:
        assert found.scores is None and found.message


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9))
def test_a_softmax_never_overflows(logits: list[float]) -> None:
    assert softmax(np.array(logits)).sum() == pytest.approx(1)
