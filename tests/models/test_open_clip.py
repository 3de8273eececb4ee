"""open_clip models through `open_clip:`, held against the library's own calls."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from evalsuite.errors import BadInput, EvalsuiteError, MissingPackage, Refused
from evalsuite.models.backends import BACKENDS
from evalsuite.models.capabilities import ClassifiesImages, EmbedsImages, EmbedsText
from evalsuite.models.open_clip import backend
from evalsuite.models.open_clip_folders import open_clip_folder
from evalsuite.models.spec import ModelSpec
from tests.models.tiny_image_models import (
    CONTEXT,
    OPEN_CLIP_CONFIG,
    Album,
    ask_images,
    ask_texts,
    opened_pictures,
    pictures,
    save_open_clip,
    scores,
    vectors,
)

IMAGES = pictures(9)
TEXTS = ["a photo of a red star", "blue", "green circle", "a pale nurse", "pilot"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_open_clip(tmp_path_factory.mktemp("open_clip") / "tiny")


@pytest.fixture(scope="module")
def reference(folder: Path) -> tuple[Any, Any, Any]:
    """The model, its preprocessing and its tokenizer, all as open_clip loads them."""
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    return model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{folder}")


def opened(folder: Path, options: str = "") -> Any:
    return backend.open(ModelSpec.parse(f"open_clip:{folder}{options}"), offline=True, home=folder)


def image_vectors(folder: Path, options: str = "", *, n_a_pack: int = 99) -> np.ndarray:
    handle = opened(folder, options)
    model, album = handle.load("cpu"), Album(IMAGES)
    asked = ask_images(handle, IMAGES)
    packs = [asked[i : i + n_a_pack] for i in range(0, len(asked), n_a_pack)]
    return np.concatenate([vectors(model.embed_images(pack, album)) for pack in packs])


def text_vectors(folder: Path, options: str = "", *, n_a_pack: int = 99) -> np.ndarray:
    handle = opened(folder, options)
    model, asked = handle.load("cpu"), ask_texts(handle, TEXTS)
    packs = [asked[i : i + n_a_pack] for i in range(0, len(asked), n_a_pack)]
    return np.concatenate([vectors(model.embed_text(pack)) for pack in packs])


def test_the_backend_is_registered() -> None:
    assert BACKENDS["open_clip"] is backend


def test_image_vectors_are_those_of_the_library_itself(folder: Path, reference: Any) -> None:
    model, preprocess, _ = reference
    with torch.inference_mode():
        rows = torch.stack([preprocess(image) for image in opened_pictures(IMAGES)])
        own = model.encode_image(rows, normalize=True).numpy()
        bare = model.encode_image(rows).numpy()
    found = image_vectors(folder)
    assert found == pytest.approx(own, abs=1e-5)
    assert np.abs(found[0] - found[1]).max() > 0.01  # else the comparison says nothing
    assert image_vectors(folder, "?normalize=false") == pytest.approx(bare, rel=1e-4, abs=1e-5)


def test_text_vectors_are_those_of_the_library_itself(folder: Path, reference: Any) -> None:
    model, _, tokenizer = reference
    with torch.inference_mode():
        own = model.encode_text(tokenizer(TEXTS), normalize=True).numpy()
    assert text_vectors(folder) == pytest.approx(own, abs=1e-5)


def test_labels_are_scored_as_the_library_would(folder: Path, reference: Any) -> None:
    model, preprocess, tokenizer = reference
    labels = ("red star", "blue circle", "nurse")
    handle = opened(folder)
    found = scores(
        handle.load("cpu").classify_images(ask_images(handle, IMAGES, labels), Album(IMAGES))
    )
    with torch.inference_mode():
        rows = torch.stack([preprocess(image) for image in opened_pictures(IMAGES)])
        logits, _ = model.get_logits(rows, tokenizer(list(labels)))
    assert found == pytest.approx(logits.softmax(dim=-1).numpy(), abs=1e-5)


def test_vectors_do_not_depend_on_packing(folder: Path) -> None:
    images, texts = image_vectors(folder, n_a_pack=1), text_vectors(folder, n_a_pack=1)
    assert image_vectors(folder, n_a_pack=8) == pytest.approx(images, abs=1e-5)
    assert image_vectors(folder, "?batch_pixels=3000") == pytest.approx(images, abs=1e-5)
    assert text_vectors(folder) == pytest.approx(texts, abs=1e-5)


def test_a_convolutional_tower_gives_the_same_in_any_pack(tmp_path: Path) -> None:
    config = copy.deepcopy(OPEN_CLIP_CONFIG)
    config["model_cfg"]["vision_cfg"] = {
        "layers": [1, 1, 1, 1], "width": 16, "head_width": 64, "image_size": 32,
    }  # fmt: skip
    folder = save_open_clip(tmp_path / "convolutions", config=config)
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    with torch.inference_mode():
        rows = torch.stack([preprocess(image) for image in opened_pictures(IMAGES)])
        own = model.eval().encode_image(rows, normalize=True).numpy()
    assert image_vectors(folder) == pytest.approx(own, abs=1e-5)
    assert image_vectors(folder, n_a_pack=1) == pytest.approx(own, abs=1e-5)


def test_what_can_change_a_vector_is_in_the_entrant(folder: Path) -> None:
    handle = opened(folder, "?dtype=bfloat16&label_template=a photo of a {}")
    assert handle.capabilities == {EmbedsImages, EmbedsText, ClassifiesImages}
    assert (handle.entrant.model, handle.entrant.backend) == ("open_clip:tiny", "open_clip")
    assert handle.entrant.dtype == "bfloat16"
    assert dict(handle.entrant.settings) == {
        "label_template": "a photo of a {}",
        "normalize": True,
    }
    plain = opened(folder)
    assert plain.entrant.identity != handle.entrant.identity
    assert opened(folder, "?batch_pixels=99").entrant.identity == plain.entrant.identity


@pytest.mark.parametrize(
    "file", ["open_clip_model.safetensors", "open_clip_config.json", "tokenizer.json"]
)
def test_the_revision_covers_every_file_that_is_read(
    folder: Path, tmp_path: Path, file: str
) -> None:
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    with (changed / file).open("ab") as opened_file:
        opened_file.write(b" ")
    assert opened(changed).entrant.revision != opened(folder).entrant.revision


def test_a_template_without_a_place_for_the_label_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"needs one \{\} where the label stands"):
        opened(folder, "?label_template=a photo")


def test_low_precision_runs_and_gives_nearly_the_same(folder: Path) -> None:
    found = image_vectors(folder, "?dtype=bfloat16")
    whole = image_vectors(folder)
    assert (found * whole).sum(axis=1).min() > 0.99
    assert not np.array_equal(found, whole)


def test_a_text_that_is_too_long_is_cut_and_a_label_is_an_error(folder: Path) -> None:
    handle = opened(folder)
    model, long = handle.load("cpu"), "red " * 30
    (text,) = model.embed_text(ask_texts(handle, [long]))
    assert (text.finish, text.n_prompt_tokens) == ("length", 32)
    asked = ask_images(handle, IMAGES[:1], [long, "blue"])
    (label,) = model.classify_images(asked, Album(IMAGES))
    assert label.status == "error" and "would be cut" in label.message


def test_a_bare_tokenizer_file_reads_texts_like_the_whole_folder(
    folder: Path, tmp_path: Path
) -> None:
    config = copy.deepcopy(OPEN_CLIP_CONFIG)
    del config["model_cfg"]["text_cfg"]["hf_tokenizer_name"]
    bare = save_open_clip(tmp_path / "bare", config=config)
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        (bare / file).unlink(missing_ok=True)
    assert text_vectors(bare) == pytest.approx(text_vectors(folder), abs=1e-6)
    (bare / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"put its tokenizer\.json into the folder"):
        opened(bare).load("cpu")


def test_a_model_without_a_tokenizer_file_reads_texts_by_open_clips_own(tmp_path: Path) -> None:
    config = copy.deepcopy(OPEN_CLIP_CONFIG)
    text = config["model_cfg"]["text_cfg"]
    del text["hf_tokenizer_name"]
    text["vocab_size"] = 49408
    folder = save_open_clip(tmp_path / "own", config=config)
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokens = open_clip.SimpleTokenizer(context_length=CONTEXT)(TEXTS)
    with torch.inference_mode():
        own = model.eval().encode_text(tokens, normalize=True).numpy()
    assert text_vectors(folder) == pytest.approx(own, abs=1e-5)


def test_siglip_style_models_load(tmp_path: Path) -> None:
    config = copy.deepcopy(OPEN_CLIP_CONFIG)
    config["model_cfg"]["init_logit_bias"] = -10.0
    folder = save_open_clip(tmp_path / "bias", config=config)
    handle = opened(folder)
    asked = ask_images(handle, IMAGES, ("red", "blue"))
    found = scores(handle.load("cpu").classify_images(asked, Album(IMAGES)))
    assert found.sum(axis=1) == pytest.approx(1)


def with_config(folder: Path, target: Path, change: Any) -> Path:
    changed = Path(shutil.copytree(folder, target))
    config = json.loads((changed / "open_clip_config.json").read_text())
    change(config)
    (changed / "open_clip_config.json").write_text(json.dumps(config))
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(auto_map={}), "'auto_map' in open_clip_config.json"),
        (
            lambda c: c["model_cfg"]["text_cfg"].update(hf_model_name="org/text"),
            "a tower of another repository .org/text.",
        ),
        (
            lambda c: c["model_cfg"]["vision_cfg"].update(timm_model_name="hf-hub:org/tower"),
            "a tower of another repository",
        ),
        (
            lambda c: c["model_cfg"]["text_cfg"].update(
                tokenizer_kwargs={"trust_remote_code": True}
            ),
            "tokenizer_kwargs in open_clip_config.json has 'trust_remote_code'",
        ),
    ],
)
def test_a_configuration_that_runs_or_fetches_something_is_refused(
    folder: Path, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(Refused, match=message):
        opened(with_config(folder, tmp_path / "odd", change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("model_cfg"), "has no model_cfg"),
        (lambda c: c["model_cfg"].update(text_cfg=[]), "has no model_cfg"),
        (lambda c: c["model_cfg"].update(multimodal_cfg={}), "is a CoCa model"),
    ],
)
def test_a_configuration_that_is_no_clip_model_is_one_clear_error(
    folder: Path, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        opened(with_config(folder, tmp_path / "odd", change))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["model_cfg"].update(embed_dim=8),
        lambda c: c["model_cfg"].update(embed_dim="wide"),
        lambda c: c["model_cfg"]["vision_cfg"].update(width=7),
        lambda c: c["model_cfg"]["vision_cfg"].update(no_such_setting=1),
        lambda c: c["model_cfg"]["vision_cfg"].update(patch_size=0),
        lambda c: c["model_cfg"]["text_cfg"].update(context_length="long"),
        lambda c: c["preprocess_cfg"].update(interpolation="best"),
        lambda c: c["preprocess_cfg"].update(mean="grey"),
    ],
)
def test_settings_that_make_no_sense_are_one_clear_error(
    folder: Path, tmp_path: Path, change: Any
) -> None:
    changed = with_config(folder, tmp_path / "odd", change)
    with pytest.raises(BadInput, match=r"open_clip:odd: (cannot be loaded|images cannot be)"):
        opened(changed).load("cpu")


def test_pickled_weights_are_refused_even_beside_weights_of_another_library(
    folder: Path, tmp_path: Path
) -> None:
    pickled = Path(shutil.copytree(folder, tmp_path / "pickled"))
    weights = pickled / "open_clip_model.safetensors"
    shutil.copy(weights, pickled / "model.safetensors")
    weights.rename(pickled / "open_clip_pytorch_model.bin")
    with pytest.raises(Refused, match="has only pickled weights"):
        opened(pickled)
    (pickled / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(BadInput, match=r"has no open_clip_model\.safetensors"):
        opened(pickled)


def test_a_pickle_beside_safetensors_is_never_opened(folder: Path, tmp_path: Path) -> None:
    mixed = Path(shutil.copytree(folder, tmp_path / "mixed"))
    for name in ("open_clip_pytorch_model.bin", "a.pth", "model.safetensors"):
        (mixed / name).write_bytes(b"not weights")
    assert image_vectors(mixed) == pytest.approx(image_vectors(folder))


def test_absent_or_broken_weights_are_one_clear_error(folder: Path, tmp_path: Path) -> None:
    part = Path(shutil.copytree(folder, tmp_path / "part"))
    file = part / "open_clip_model.safetensors"
    weights = load_file(file)
    del weights["ln_final.weight"]
    save_file(weights, file)
    with pytest.raises(BadInput, match="cannot be loaded"):
        opened(part).load("cpu")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(BadInput, match="cannot be loaded"):
        opened(part).load("cpu")


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    vocabulary = json.loads((other / "tokenizer.json").read_text())
    vocabulary["model"]["vocab"].update({f"more{i}": 100 + i for i in range(9)})
    (other / "tokenizer.json").write_text(json.dumps(vocabulary))
    with pytest.raises(BadInput, match="its tokenizer has 24 tokens, but the model knows 15"):
        opened(other).load("cpu")


def test_a_hub_model_that_is_not_in_the_cache_says_how_to_fetch_it() -> None:
    spec = ModelSpec.parse("open_clip:org/no-such-model@" + "0" * 40)
    with pytest.raises(BadInput, match="not in the hub cache"):
        backend.open(spec, offline=True, home=Path())


def test_a_hub_model_is_loaded_from_its_snapshot_at_a_commit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "1" * 40
    cached = tmp_path / "models--org--tiny"
    snapshot = cached / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (cached / "blobs").mkdir()
    for file in folder.iterdir():  # links to blobs, as the hub's cache has them
        shutil.copy(file, cached / "blobs" / file.name)
        (snapshot / file.name).symlink_to(cached / "blobs" / file.name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    spec = ModelSpec.parse(f"open_clip:org/tiny@{commit}")
    handle = backend.open(spec, offline=True, home=tmp_path)
    assert (handle.entrant.model, handle.entrant.revision) == ("open_clip:org/tiny", commit)
    found = handle.load("cpu").embed_images(ask_images(handle, IMAGES), Album(IMAGES))
    assert vectors(found) == pytest.approx(image_vectors(folder))


@settings(max_examples=60, deadline=None)
@given(
    values=st.recursive(
        st.none() | st.booleans() | st.integers(-3, 99) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["model_cfg", "text_cfg", "vision_cfg", "tokenizer_kwargs", "timm_model_name"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    )
)
def test_any_configuration_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: Any
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "open_clip_config.json").write_text(json.dumps(values))
    (folder / "open_clip_model.safetensors").write_bytes(b"")
    try:
        open_clip_folder(folder, label="any", model="open_clip:any")
    except EvalsuiteError as error:
        assert "open_clip:any" in str(error)


def test_missing_packages_are_named_with_their_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.models.model_packages.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"open-clip-torch.*'evalsuite\[image\]'"):
        opened(folder).load("cpu")


def test_opening_a_model_imports_no_torch(folder: Path) -> None:
    code = (
        "import sys\nfrom evalsuite.models.open_clip import backend\n"
        "from evalsuite.models.spec import ModelSpec\n"
        f"backend.open(ModelSpec.parse({f'open_clip:{folder}'!r}), offline=True, home=None)\n"
        "print('torch' in sys.modules, 'open_clip' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
