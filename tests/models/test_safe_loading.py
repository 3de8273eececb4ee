"""What is refused before anything is loaded, and what a folder's revision covers."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from evalsuite.errors import BadInput, EvalsuiteError, Refused
from evalsuite.models.safe_loading import ModelFolder, resolve
from evalsuite.models.spec import ModelSpec
from tests.models.conftest import open_local

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, tiny_folders: dict[str, Path]) -> Path:
    return Path(shutil.copytree(tiny_folders["llama"], tmp_path / "my-model"))


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


def local(folder: Path) -> ModelFolder:
    spec = ModelSpec.parse(f"transformers:{folder}")
    return resolve(spec, offline=True, trusted=frozenset())


def from_hub(name: str, *trusted: str) -> ModelFolder:
    spec = ModelSpec.parse(f"transformers:{name}")
    return resolve(spec, offline=True, trusted=frozenset(trusted))


def change(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_a_local_folder_is_named_without_its_place(folder: Path) -> None:
    handle = open_local(folder)
    assert handle.entrant.model == "transformers:my-model"
    assert str(folder.parent) not in handle.entrant.model_dump_json()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_the_revision_changes_with_every_file_that_matters(folder: Path, name: str) -> None:
    before = local(folder).revision
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    after = local(folder).revision
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", before)
    assert after != before


def test_the_revision_does_not_hang_on_place_or_readme(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    (moved / "README.md").write_text("hello")
    assert local(moved).revision == local(folder).revision


@pytest.mark.parametrize("suffix", ["bin", "pt", "pth", "ckpt", "pkl"])
def test_pickled_weights_are_refused(folder: Path, suffix: str) -> None:
    (folder / "model.safetensors").rename(folder / f"pytorch_model.{suffix}")
    with pytest.raises(Refused, match="convert to safetensors") as caught:
        local(folder)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "generation_config.json"])
@pytest.mark.parametrize(
    "entries",
    [
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"custom_pipelines": {"x": {}}},
        {"_attn_implementation_internal": "evil/kernel"},
        {"kernel_config": {}},
        {"text_config": {"vision": [{"auto_map": {}}]}},
        {"attn_implementation": "evil/kernel"},
    ],
)
def test_foreign_code_is_refused(folder: Path, file: str, entries: dict[str, Any]) -> None:
    change(folder / file, **entries)
    with pytest.raises(Refused, match=re.escape(file)):
        local(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "no safetensors weights"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "not valid JSON"),
        (lambda f: (f / "adapter_config.json").write_text("{}"), "adapter"),
        (lambda f: shutil.rmtree(f), "does not exist"),
        (lambda f: (shutil.rmtree(f), f.write_text("x")), "is a file"),
    ],
)
def test_a_folder_that_is_no_model_is_the_users_error(
    folder: Path, damage: Any, message: str
) -> None:
    damage(folder)
    with pytest.raises(BadInput, match=message) as caught:
        local(folder)
    assert caught.value.exit_code == 2


def test_a_weight_index_may_only_name_files_that_are_there(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "no.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadInput, match="is not there"):
        local(folder)


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "other.index.json"])
@pytest.mark.parametrize(
    "shard",
    ["../elsewhere.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "a.bin", "weights.txt"],
)
def test_a_weight_index_may_only_name_safetensors_of_its_folder(
    folder: Path, hub: Path, shard: str, name: str
) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": shard}}
    (folder / "a.bin").write_bytes(b"pickle")
    (folder / "weights.txt").write_bytes(b"pickle")
    for place in (folder, hub):
        (place / name).write_text(json.dumps(index))
    with pytest.raises(Refused, match="convert to safetensors"):
        local(folder)
    with pytest.raises(Refused, match="convert to safetensors"):
        from_hub("org/name")


def test_pickled_shards_behind_a_decoy_never_reach_torch_load(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    reached: list[object] = []
    monkeypatch.setattr(torch, "load", lambda *a, **k: reached.append(a))
    torch.save({}, folder / "a.bin")
    index = {"metadata": {}, "weight_map": {"model.embed_tokens.weight": "a.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(Refused):
        open_local(folder).load("cpu")
    assert reached == []


@pytest.mark.parametrize("inside", [True, False])
def test_a_config_that_names_weights_of_its_own_is_refused(folder: Path, inside: bool) -> None:
    entry = {"transformers_weights": "../tw/model.safetensors"}
    change(folder / "config.json", **(entry if not inside else {"text_config": entry}))
    with pytest.raises(Refused, match="transformers_weights"):
        local(folder)


def test_the_revision_covers_files_however_deep_they_lie(folder: Path) -> None:
    before = local(folder).revision
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "default.jinja").write_text("{{ messages }}")
    assert local(folder).revision != before


def test_a_folder_that_cannot_be_opened_is_one_clear_line(folder: Path) -> None:
    with pytest.raises(BadInput, match="cannot be opened"):
        local(folder / ("a" * 300))
    (folder / "loop").symlink_to("loop")
    assert local(folder).revision
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(BadInput, match="cannot be read"):
        local(folder)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder / "inner").mkdir()
    (folder / "inner" / "vocab.json").symlink_to(secret)
    with pytest.raises(Refused, match="link to outside"):
        local(folder)


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "again.json").symlink_to(folder / "tokenizer.json")
    assert local(folder).label == "my-model"


def test_a_hub_model_in_the_cache_is_pinned_by_its_commit(hub: Path) -> None:
    found = from_hub("org/name")
    assert (found.revision, found.label, found.path) == (COMMIT, "org/name", hub)
    assert from_hub(f"org/name@{COMMIT}").revision == COMMIT


def test_a_hub_model_that_is_not_cached_says_how_to_fetch_it(hub: Path) -> None:
    with pytest.raises(BadInput, match="hf download org/other"):
        from_hub("org/other")


def test_hub_code_runs_only_if_trusted_at_that_very_commit(hub: Path) -> None:
    change(hub / "config.json", auto_map={"AutoModel": "modeling.Model"})
    trusted = f"org/name@{COMMIT}"
    for name, trust in (
        (f"org/name@{COMMIT}", ()),
        (f"org/name@{COMMIT}", (f"org/name@{COMMIT[::-1]}",)),
        (f"org/name@{COMMIT}", (f"org/other@{COMMIT}",)),
        ("org/name", (trusted,)),  # not pinned: the next run might load something else
    ):
        with pytest.raises(Refused, match=f"--trust-remote-code org/name@{COMMIT}"):
            from_hub(name, *trust)
    assert from_hub(f"org/name@{COMMIT}", trusted).remote_code


@pytest.mark.parametrize("name", ["a/b/c", "../x/..", "org/..", "org/na me", "-x/y"])
def test_odd_names_are_no_hub_ids(name: str) -> None:
    with pytest.raises(EvalsuiteError):
        from_hub(name)


def test_the_package_never_unpickles() -> None:
    unsafe = re.compile(
        r"torch\.load\b|\bimport pickle|\bpickle\.|\bjoblib\b|allow_pickle\s*=\s*True|torch\.hub\b"
        r"|trust_remote_code=True"
    )
    files = sorted((ROOT / "evalsuite").rglob("*.py")) + sorted((ROOT / "tasks").rglob("*.py"))
    assert len(files) > 20
    found = [
        f"{file.name}: {m[0]}" for file in files for m in [unsafe.search(file.read_text())] if m
    ]
    assert found == []
