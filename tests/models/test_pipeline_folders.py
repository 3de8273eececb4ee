"""What is refused before a pipeline is loaded, and what its revision covers."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.errors import BadInput, EvalsuiteError, MissingPackage, Refused
from evalsuite.models import pipeline_folders
from evalsuite.models.diffusers import backend
from evalsuite.models.pipeline_folders import PipelineFolder, resolve_pipeline
from evalsuite.models.spec import ModelSpec
from tests.models.tiny_pipelines import save_stable_diffusion

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    return save_stable_diffusion(root / "whole", tiny_vae=True, checker=False)


@pytest.fixture
def folder(tmp_path: Path, whole: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "my-pipeline"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A hub cache that holds ``org/name`` at COMMIT, the way huggingface_hub lays it out."""
    repository = tmp_path / "hub" / "models--org--name"
    snapshot = repository / "snapshots" / COMMIT
    shutil.copytree(folder, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return snapshot


def resolved(name: str | Path) -> PipelineFolder:
    return resolve_pipeline(ModelSpec.parse(f"diffusers:{name}"), offline=True)


def change(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_a_whole_pipeline_is_read_without_its_place(folder: Path) -> None:
    found = resolved(folder)
    assert (found.label, found.kind) == ("my-pipeline", "StableDiffusionPipeline")
    assert {part.name for part in found.components if part.has_weights} == {
        "unet", "vae", "text_encoder", "safety_checker",
    }  # fmt: skip
    handle = backend.open(ModelSpec.parse(f"diffusers:{folder}"), offline=True, home=folder)
    assert str(folder.parent) not in handle.entrant.model_dump_json()


FILES = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "text_encoder/model.safetensors",
    "tokenizer/tokenizer.json",
    "safety_checker/model.safetensors",
    "feature_extractor/preprocessor_config.json",
]


@pytest.mark.parametrize("name", FILES)
def test_the_revision_changes_with_every_file_that_is_loaded(folder: Path, name: str) -> None:
    before = resolved(folder).revision
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", before)
    assert resolved(folder).revision != before


def test_the_revision_does_not_hang_on_place_or_other_files(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    (moved / "README.md").write_text("hello")
    (moved / "v1-pruned.safetensors").write_bytes(b"")
    (moved / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"not read")
    assert resolved(moved).revision == resolved(folder).revision


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "safety_checker"])
@pytest.mark.parametrize("suffix", ["bin", "ckpt", "pt", "pkl"])
def test_pickled_weights_of_any_component_are_refused(folder: Path, part: str, suffix: str) -> None:
    file = next((folder / part).glob("*.safetensors"))
    file.rename(file.with_suffix(f".{suffix}"))
    with pytest.raises(Refused, match=rf"{part}/\w+\.{suffix} is pickled.*save_pretrained") as it:
        resolved(folder)
    assert it.value.exit_code == 3


def test_an_index_that_names_pickles_is_refused(folder: Path) -> None:
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "diffusion_pytorch_model.bin"}}))
    with pytest.raises(Refused, match=r"diffusion_pytorch_model\.bin"):
        resolved(folder)


CONFIGS = [
    "model_index.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer_config.json",
    "feature_extractor/preprocessor_config.json",
]


@pytest.mark.parametrize("file", CONFIGS)
@pytest.mark.parametrize(
    "entries",
    [
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"custom_pipeline": "evil/pipeline"},
        {"custom_pipelines": {"x": {}}},
        {"_attn_implementation_internal": "evil/kernel"},
        {"kernel_config": {"repo": "evil"}},
        {"inner": {"deep": [{"auto_map": {}}]}},
        {"attn_implementation": "evil/kernel"},
    ],
)
def test_foreign_code_is_refused_in_every_configuration(
    folder: Path, file: str, entries: dict[str, Any]
) -> None:
    change(folder / file, **entries)
    with pytest.raises(Refused, match=re.escape(file)):
        resolved(folder)


def test_the_size_of_a_convolution_is_no_foreign_code(folder: Path) -> None:
    change(folder / "vae" / "config.json", kernel_size=3, kernel_sizes=[3, [3, 5]])
    resolved(folder)


@pytest.mark.parametrize("name", ["pipeline.py", "unet/diffusers.py", "tokenizer/x/y.py"])
def test_code_in_the_folder_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("raise SystemExit('this must never run')")
    with pytest.raises(Refused, match=re.escape(name)):
        resolved(folder)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("unet", ["os", "system"]),
        ("unet", ["my_module", "UNet"]),
        ("unet", ["diffusers.models", "UNet2DConditionModel"]),
        ("unet", ["../diffusers", "UNet2DConditionModel"]),
        ("unet", [None, "UNet2DConditionModel"]),
        ("unet", ["diffusers"]),
        ("unet", ["diffusers", "OnnxRuntimeModel"]),
        ("unet", ["diffusers", "StableDiffusionPipeline"]),
        ("../unet", ["diffusers", "UNet2DConditionModel"]),
        ("_class_name", ["pipeline", "Evil"]),
        ("_class_name", None),
    ],
)
def test_classes_from_elsewhere_are_refused(folder: Path, entry: str, value: Any) -> None:
    change(folder / "model_index.json", **{entry: value})
    with pytest.raises(Refused, match=r"model_index\.json"):
        resolved(folder)


def test_a_component_that_is_null_is_absent_and_fine(folder: Path) -> None:
    change(folder / "model_index.json", safety_checker=[None, None])
    shutil.rmtree(folder / "safety_checker")
    assert resolved(folder).component("safety_checker") is None


@pytest.mark.parametrize("file", ["unet/model_index.json", "text_encoder/adapter_config.json"])
def test_what_would_be_loaded_along_with_a_component_is_refused(folder: Path, file: str) -> None:
    (folder / file).write_text("{}")
    with pytest.raises(Refused, match=re.escape(file)):
        resolved(folder)


def test_a_configuration_with_a_weight_file_of_its_own_is_refused(folder: Path) -> None:
    change(folder / "text_encoder" / "config.json", transformers_weights="evil.bin")
    with pytest.raises(Refused, match=r"text_encoder/config\.json"):
        resolved(folder)


@pytest.mark.parametrize(
    "link",
    [lambda f, out: (f / "unet" / "extra.json").symlink_to(out / "secret.json"),
     lambda f, out: (f / "more").symlink_to(out)],
)  # fmt: skip
def test_links_that_leave_the_folder_are_refused(
    folder: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    link(folder, outside)
    with pytest.raises(Refused, match="link to outside"):
        resolved(folder)


def test_links_within_the_folder_are_fine(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    file.rename(folder / "unet" / "weights")
    file.symlink_to(folder / "unet" / "weights")
    resolved(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model_index.json").unlink(), "no model_index.json"),
        (lambda f: (f / "model_index.json").write_text("["), "not valid JSON"),
        (lambda f: (f / "model_index.json").write_text("[]"), "not a JSON object"),
        (lambda f: shutil.rmtree(f / "vae"), "'vae', but that folder is not there"),
        (lambda f: (f / "unet" / "config.json").unlink(), "'unet' has no config.json"),
        (lambda f: (f / "unet" / "config.json").write_text("{"), "config.json is not valid JSON"),
        (lambda f: (f / "scheduler" / "scheduler_config.json").unlink(), "scheduler_config.json"),
        (lambda f: [x.unlink() for x in (f / "tokenizer").iterdir()], "'tokenizer' has no files"),
        (lambda f: (f / "vae/diffusion_pytorch_model.safetensors").unlink(), "no safetensors"),
        (
            lambda f: (f / "vae/diffusion_pytorch_model.safetensors").rename(
                f / "vae/diffusion_pytorch_model.fp16.safetensors"
            ),
            "weights of a variant only",
        ),
        (lambda f: shutil.rmtree(f), "does not exist"),
        (lambda f: (shutil.rmtree(f), f.write_text("x")), "is a file"),
    ],
)
def test_an_incomplete_folder_is_one_clear_error_of_the_user(
    folder: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(folder)
    with pytest.raises(BadInput, match=re.escape(message)) as caught:
        resolved(folder)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_weights_that_are_no_safetensors_are_one_clear_error(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x80\x04pickle")
    handle = backend.open(ModelSpec.parse(f"diffusers:{folder}"), offline=True, home=folder)
    with pytest.raises(BadInput, match="cannot be loaded"):
        handle.load("cpu")


def test_a_hub_pipeline_is_named_by_its_commit(hub: Path) -> None:
    for name in ("org/name", f"org/name@{COMMIT}", "org/name@main"):
        found = resolved(name)
        assert (found.label, found.revision, found.path) == ("org/name", COMMIT, hub)


def test_only_one_copy_of_the_weights_and_no_code_is_fetched(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    real = huggingface_hub.snapshot_download

    def spy(*args: Any, **options: Any) -> str:
        asked.append(options["allow_patterns"])
        return str(real(*args, **options))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", spy)
    resolved("org/name")
    assert asked[0] == ["model_index.json"]
    wanted = set(huggingface_hub.utils.filter_repo_objects(
        ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
         "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
         "text_encoder/model.safetensors",
         "unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.bin",
         "v1-5-pruned.safetensors", "unet/model.py", "other/model.safetensors", "README.md",
         "unet/diffusion_flax_model.msgpack", "tokenizer/merges.txt"],
        allow_patterns=asked[1],
    ))  # fmt: skip
    assert wanted == {
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
        "text_encoder/model.safetensors", "tokenizer/merges.txt",
    }  # fmt: skip


def test_code_of_a_hub_pipeline_is_refused_even_if_it_is_trusted(hub: Path) -> None:
    change(hub / "unet" / "config.json", auto_map={"AutoModel": "evil.Model"})
    name = f"org/name@{COMMIT}"
    with pytest.raises(Refused, match="auto_map"):
        spec = ModelSpec.parse(f"diffusers:{name}")
        backend.open(spec, offline=True, home=hub, trusted=frozenset({name}))


def test_a_hub_pipeline_that_is_not_there_says_how_to_fetch_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BadInput, match="hf download org/name"):
        resolved("org/name")


def test_without_diffusers_the_command_that_installs_it_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_folders, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"evalsuite\[image\]"):
        resolved(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["unet", "_class_name", "auto_map", "x/y", "vae"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=JSON, file=st.sampled_from(CONFIGS))
def test_malformed_configurations_give_messages_and_no_tracebacks(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, value: Any, file: str
) -> None:
    folder = tmp_path_factory.mktemp("odd") / "odd"
    shutil.copytree(whole, folder, copy_function=lambda a, b: Path(b).hardlink_to(a))
    (folder / file).unlink()
    (folder / file).write_text(json.dumps(value))
    try:
        resolved(folder)
    except EvalsuiteError as error:
        assert str(error).startswith("model diffusers:")
