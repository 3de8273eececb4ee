"""Text models behind the suite's interface: templates, limits, embeddings, loading."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from evalsuite.errors import BadInput, MissingPackage, OutOfMemory, UnknownName
from evalsuite.models import chat_template, padding_check, text_generation
from evalsuite.models.capabilities import EmbedsText, GeneratesText, TokenizesText
from evalsuite.models.device import memory_watched
from evalsuite.requests import Prompt, Request, Response, Sampling, TextPart
from tests.models.conftest import byte_tokenizer, open_local

TEXTS = ["A red ball.", "", "Why?", "The cat sat on the mat and looked at the sea."]


def ask(handle: Any, texts: list[str], n: int = 1, **sampling: Any) -> list[Request]:
    chosen = Sampling(**{"max_new_tokens": 8, **sampling})
    return [
        Request("generates_text", handle.entrant, Prompt.of_text(text), chosen, index=i)
        for text in texts
        for i in range(n)
    ]


def embedding(handle: Any, texts: list[str]) -> list[Request]:
    return [Request("embeds_text", handle.entrant, Prompt.of_text(text)) for text in texts]


def generated(folder: Path, texts: list[str], options: str = "", **sampling: Any) -> list[Response]:
    handle = open_local(folder, options)
    out: list[Response] = handle.load("cpu").generate_text(ask(handle, texts, **sampling))
    return out


def test_opening_a_model_imports_neither_torch_nor_transformers(
    tiny_folders: dict[str, Path],
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from evalsuite.models.transformers import backend\n"
        "from evalsuite.models.spec import ModelSpec\n"
        f"spec = ModelSpec.parse({'transformers:' + str(tiny_folders['llama'])!r})\n"
        "backend.open(spec, offline=True, home=Path('.')); backend.describe()\n"
        "print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_capabilities_follow_the_architecture(tiny_folders: dict[str, Path]) -> None:
    for kind in ("llama", "gpt2", "mistral"):
        assert open_local(tiny_folders[kind]).capabilities == {
            GeneratesText,
            EmbedsText,
            TokenizesText,
        }
    assert open_local(tiny_folders["bert"]).capabilities == {EmbedsText}


def test_other_architectures_are_named_and_declined(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["llama"], tmp_path / "t5"))
    config = {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="T5ForConditionalGeneration"):
        open_local(folder)


def test_what_can_change_an_answer_changes_the_entrant(tiny_folders: dict[str, Path]) -> None:
    options = [
        "",
        "?template=plain",
        "?system=Be+brief.",
        "?dtype=bfloat16",
        "?pooling=cls",
        "?normalize=false",
        "?max_length=9",
        "?long=chunk",
    ]
    identities = {open_local(tiny_folders["llama"], o).entrant.identity for o in options}
    assert len(identities) == len(options)


def test_what_cannot_change_an_answer_leaves_the_entrant(tiny_folders: dict[str, Path]) -> None:
    plain = open_local(tiny_folders["llama"]).entrant
    same = open_local(tiny_folders["llama"], "?batch_tokens=64&threads=1&temperature=0.5")
    assert same.entrant == plain
    assert same.chosen_decoding == {"temperature": 0.5}


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("bert", "?temperature=1", UnknownName),
        ("bert", "?max_length=65", BadInput),
        ("llama", "?template=plain&system=x", BadInput),
        ("llama", "?temprature=1", UnknownName),
        ("llama", "?dtype=int8", BadInput),
    ],
)
def test_options_that_do_not_fit_are_the_users_error(
    tiny_folders: dict[str, Path], kind: str, options: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        open_local(tiny_folders[kind], options)


def test_the_template_is_chat_only_where_there_is_one(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    assert open_local(tiny_folders["llama"]).entrant.template == "chat"
    folder = Path(shutil.copytree(tiny_folders["llama"], tmp_path / "plain"))
    (folder / "chat_template.jinja").unlink()
    assert open_local(folder).entrant.template == "plain"
    with pytest.raises(BadInput, match="no chat template"):
        open_local(folder, "?template=chat")


def test_the_prompt_reaches_the_model_as_the_template_says(tiny_folders: dict[str, Path]) -> None:
    for options, text in (
        ("", "<user>Hi<assistant>"),
        ("?system=Be+brief.", "<system>Be brief.<user>Hi<assistant>"),
        ("?template=plain", "Hi"),
    ):
        handle = open_local(tiny_folders["llama"], options)
        assert handle.load("cpu").sizes(ask(handle, ["Hi"])) == [len(text)]  # one token a byte


def test_a_template_with_a_date_does_not_hang_on_the_day(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["llama"], tmp_path / "dated"))
    template = "{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}"
    (folder / "chat_template.jinja").write_text(template)
    handle = open_local(folder)
    model = handle.load("cpu")
    chat = model._generator._chat([TextPart(text="Hi")])
    assert chat == chat_template.TEMPLATE_DATE + "Hi"


def test_a_template_that_takes_no_system_message_fails_that_request_only(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["llama"], tmp_path / "strict"))
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}x"
    )
    (folder / "chat_template.jinja").write_text(template)
    handle = open_local(folder)
    parts = (TextPart(role="system", text="s"), TextPart(text="u"))
    bad = Request("generates_text", handle.entrant, Prompt(parts=parts), Sampling(max_new_tokens=2))
    good = ask(handle, ["u"], max_new_tokens=2)[0]
    out = handle.load("cpu").generate_text([bad, good])
    assert [r.status for r in out] == ["error", "ok"]
    assert "no system role" in (out[0].message or "")


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_texts_do_not_depend_on_batch_or_order(kind: str, tiny_folders: dict[str, Path]) -> None:
    handle = open_local(tiny_folders[kind])
    model = handle.load("cpu")
    requests = ask(handle, TEXTS, n=4, max_new_tokens=12)
    whole = model.generate_text(requests)
    assert [r for q in requests for r in model.generate_text([q])] == whole
    assert model.generate_text(requests[::-1])[::-1] == whole
    assert [r.key for r in whole] == [q.key for q in requests]
    assert len({r.text for r in whole}) > 12


def test_an_empty_prompt_is_answered(tiny_folders: dict[str, Path]) -> None:
    (answer,) = generated(tiny_folders["llama"], [""], "?template=plain")
    assert (answer.status, answer.n_prompt_tokens) == ("ok", 1)


def test_a_stop_string_is_cut_off_the_text(tiny_folders: dict[str, Path]) -> None:
    folder = tiny_folders["llama"]
    (free,) = generated(folder, ["Go"], max_new_tokens=30)
    assert free.text is not None
    assert len(free.text) > 10
    stop = free.text[6:8]
    (cut,) = generated(folder, ["Go"], max_new_tokens=30, temperature=0.0)
    (greedy_stop,) = generated(
        folder, ["Go"], max_new_tokens=30, temperature=0.0, stop=((cut.text or "")[3:5],)
    )
    assert cut.text is not None
    assert greedy_stop.text == cut.text[: cut.text.index(cut.text[3:5])]
    assert greedy_stop.finish == "stop"
    assert stop not in (greedy_stop.text or "")


def test_a_prompt_that_does_not_fit_is_an_error_and_not_cut(tiny_folders: dict[str, Path]) -> None:
    texts = ["x" * 121, "x" * 120]
    long, fits = generated(tiny_folders["llama"], texts, "?template=plain")
    assert (long.status, fits.status) == ("error", "ok")
    assert "121 tokens" in (long.message or "")
    assert "128" in (long.message or "")


def test_weights_that_are_not_numbers_give_errors(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["llama"], tmp_path / "broken"))
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"][:] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    out = generated(folder, TEXTS)
    assert {r.status for r in out} == {"error"}
    assert "not finite" in (out[0].message or "")


def test_absent_weights_are_not_filled_with_random_numbers(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["llama"], tmp_path / "holes"))
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match="up_proj"):
        open_local(folder).load("cpu")


def test_a_damaged_weight_file_is_the_users_error(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["llama"], tmp_path / "cut"))
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(BadInput, match="cannot be loaded"):
        open_local(folder).load("cpu")


def test_missing_packages_are_named_with_their_command(
    tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalsuite.models.model_packages.find_spec", lambda name: None)
    with pytest.raises(
        MissingPackage, match=r"torch, transformers: pip install 'evalsuite\[text\]'"
    ):
        open_local(tiny_folders["llama"]).load("cpu")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory"),
    ],
)
def test_running_out_of_memory_is_told_apart(error: Exception) -> None:
    with pytest.raises(OutOfMemory), memory_watched():
        raise error


def test_another_runtime_error_is_left_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_watched():
        raise RuntimeError("shapes do not match")


def test_a_cuda_device_that_is_not_there_is_the_users_error(tiny_folders: dict[str, Path]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(BadInput, match="no CUDA device"):
        open_local(tiny_folders["llama"]).load("cuda")


def vectors(folder: Path, texts: list[str], options: str = "") -> tuple[np.ndarray, list[Response]]:
    handle = open_local(folder, options)
    out = handle.load("cpu").embed_text(embedding(handle, texts))
    return np.stack([r.vector for r in out]), out


def states(folder: Path, text: str) -> np.ndarray:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        return model(**tokenizer(text, return_tensors="pt"))[0][0].double().numpy()


@pytest.mark.parametrize("kind", ["bert", "llama", "gpt2"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_pooling_equals_a_computation_by_hand(
    kind: str, pooling: str, tiny_folders: dict[str, Path]
) -> None:
    texts = ["A red ball.", "Why?", "A cat sat on a mat."]
    mine, _ = vectors(tiny_folders[kind], texts, f"?pooling={pooling}&normalize=false")
    for vector, text in zip(mine, texts, strict=True):
        hidden = states(tiny_folders[kind], text)
        expected = hidden.mean(axis=0) if pooling == "mean" else hidden[0]
        np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(
    tiny_folders: dict[str, Path],
) -> None:
    whole, out = vectors(tiny_folders["bert"], TEXTS)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    small, _ = vectors(tiny_folders["bert"], TEXTS, "?batch_tokens=1")
    np.testing.assert_allclose(small, whole, atol=1e-5)
    assert {r.finish for r in out} == {"stop"}


def test_a_long_text_is_cut_and_says_so(tiny_folders: dict[str, Path]) -> None:
    text = "a long text that has more letters than the window"
    mine, out = vectors(tiny_folders["bert"], [text, "short"], "?max_length=12")
    assert [r.finish for r in out] == ["length", "stop"]
    assert out[0].n_prompt_tokens == len(text) + 2
    np.testing.assert_allclose(mine[0], vectors(tiny_folders["bert"], [text[:10]])[0][0], atol=1e-5)


def test_a_long_text_in_chunks_is_the_mean_over_its_windows(tiny_folders: dict[str, Path]) -> None:
    text = "a long text that has more letters than the window"
    assert len(text) % 10 != 0  # so that the last window is shorter and weighs less
    mine, out = vectors(tiny_folders["bert"], [text, "short"], "?max_length=12&long=chunk")
    pieces = [text[i : i + 10] for i in range(0, len(text), 10)]
    pooled, _ = vectors(tiny_folders["bert"], pieces, "?normalize=false")
    expected = np.average(pooled, axis=0, weights=[len(piece) + 2 for piece in pieces])
    np.testing.assert_allclose(mine[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert [r.finish for r in out] == ["stop", "stop"]


def test_pooling_and_window_come_from_the_folder(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["bert"], tmp_path / "sentence"))
    (folder / "1_Pooling").mkdir()
    modes = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20}))
    settings = dict(open_local(folder).entrant.settings)
    assert (settings["pooling"], settings["max_length"]) == ("cls", 20)
    assert dict(open_local(tiny_folders["bert"]).entrant.settings)["max_length"] == 64


def test_a_pooling_that_is_not_offered_is_not_replaced_silently(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["bert"], tmp_path / "last"))
    (folder / "1_Pooling").mkdir()
    modes = {"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(modes))
    with pytest.raises(BadInput, match="lasttoken"):
        open_local(folder)
    assert open_local(folder, "?pooling=mean").entrant is not None


def test_layers_behind_the_pooling_are_not_left_out_silently(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["bert"], tmp_path / "dense"))
    modules = [{"type": f"sentence_transformers.models.{m}"} for m in ("Transformer", "Dense")]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(BadInput, match="Dense"):
        open_local(folder)


def test_every_end_token_of_a_model_counts(tiny_folders: dict[str, Path]) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folders["llama"])
    model.generation_config.eos_token_id = [17, 18]
    assert text_generation.end_ids(model, byte_tokenizer()) == {1, 17, 18}


TINY = {"vocab_size": 260, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
LAYERS = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.4,
}
TROCR = {
    "d_model": 32,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 128,
    "init_std": 0.4,
}
UNPADDABLE = {
    "TrOCRForCausalLM": lambda: transformers.TrOCRConfig(**TINY, **TROCR),
    "RoFormerForCausalLM": lambda: transformers.RoFormerConfig(
        **TINY, **LAYERS, is_decoder=True, embedding_size=32
    ),
    "BertLMHeadModel": lambda: transformers.BertConfig(**TINY, **LAYERS),
    "RobertaForCausalLM": lambda: transformers.RobertaConfig(**TINY, **LAYERS, is_decoder=True),
    "BartForCausalLM": lambda: transformers.BartConfig(  # its forward fails on an empty cache
        **TINY, **TROCR, is_decoder=True, is_encoder_decoder=False
    ),
    "OpenAIGPTLMHeadModel": lambda: transformers.OpenAIGPTConfig(
        **TINY, n_positions=128, n_embd=32, n_layer=2, n_head=4
    ),
}


def from_config(architecture: str) -> Any:
    torch.manual_seed(3)
    return getattr(transformers, architecture)(UNPADDABLE[architecture]()).eval()


def save_with_tokenizer(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def changed_config(source: Path, folder: Path, **changes: Any) -> Path:
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral"])
def test_models_that_take_padding_differ_by_rounding_alone(
    kind: str, tiny_folders: dict[str, Path]
) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folders[kind]).eval()
    assert padding_check.largest_difference(model) < 1e-5
    for dtype in (torch.bfloat16, torch.float16):
        assert padding_check.largest_difference(model.to(dtype)) < 0.05


def test_the_padding_check_covers_prompts_answers_and_a_row_that_leaves(
    tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[dict[tuple[int, ...], Any]] = []
    forced = padding_check.forced_logits
    monkeypatch.setattr(
        padding_check, "forced_logits", lambda *args: read.append(forced(*args)) or read[-1]
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folders["gpt2"]).eval()
    padding_check.check_padding(model, "tiny")
    assert sorted(map(len, read[0])) == [3, 4, 5, 9, 10]
    assert all(0 < token < 260 for text in read[0] for token in text)


@pytest.mark.parametrize("architecture", UNPADDABLE)
def test_architectures_whose_answers_depend_on_the_packing_are_refused(architecture: str) -> None:
    with pytest.raises(BadInput, match=rf"depend on how prompts are packed.*{architecture}"):
        padding_check.check_padding(from_config(architecture), "tiny")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_model_that_does_not_take_padding_is_refused_when_it_is_loaded(
    dtype: str, tmp_path: Path
) -> None:
    folder = save_with_tokenizer(from_config("TrOCRForCausalLM"), tmp_path / "trocr")
    with pytest.raises(BadInput, match="does not take left padding"):
        open_local(folder, f"?dtype={dtype}").load("cpu")


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("BertLMHeadModel", "BertConfig"), ("RobertaForCausalLM", "RobertaConfig")],
)
def test_an_encoder_with_a_language_head_that_reads_ahead_is_refused(
    architecture: str, kind: str, tmp_path: Path
) -> None:
    # Untrained weights this small hide the look-ahead in rounding; config.json does not.
    config = getattr(transformers, kind)(**TINY, **(LAYERS | {"initializer_range": 0.02}))
    folder = save_with_tokenizer(getattr(transformers, architecture)(config), tmp_path / "model")
    with pytest.raises(BadInput, match=rf"{architecture} without is_decoder"):
        open_local(folder)


def test_a_decoder_of_an_encoders_family_is_sampled_from(tmp_path: Path) -> None:
    config = transformers.BertConfig(**TINY, **LAYERS, is_decoder=True)
    folder = save_with_tokenizer(transformers.BertLMHeadModel(config).eval(), tmp_path / "bert")
    assert {r.status for r in generated(folder, TEXTS[:1], "?template=plain")} == {"ok"}


def phi3(**settings: Any) -> dict[str, Any]:
    factors = {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    config = transformers.Phi3Config(**TINY, **LAYERS, num_key_value_heads=2, **settings)
    config.rope_parameters |= {"rope_type": "longrope", **factors}
    config.architectures = ["Phi3ForCausalLM"]
    return dict(config.to_dict())


def test_longrope_is_refused_where_the_batch_would_choose_its_factors(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    long = phi3(original_max_position_embeddings=32)
    folder = changed_config(tiny_folders["llama"], tmp_path / "long", **long)
    with pytest.raises(BadInput, match="'longrope' changes beyond 32 tokens"):
        open_local(folder)
    short = phi3(original_max_position_embeddings=128)
    folder = changed_config(tiny_folders["llama"], tmp_path / "short", **short)
    assert GeneratesText in open_local(folder).capabilities


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": {"type": "dynamic", "original_max_position_embeddings": 64}},
        {"rope_parameters": {"rope_type": "su"}, "original_max_position_embeddings": 64},
        {
            "rope_parameters": {
                "full_attention": {"rope_type": "longrope", "original_max_position_embeddings": 64}
            }
        },
        {
            "model_type": "phi3",
            "rope_scaling": {"type": "yarn"},
            "original_max_position_embeddings": 64,
        },
    ],
)
def test_scaling_by_length_is_found_under_its_other_names(
    changes: dict[str, Any], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = changed_config(tiny_folders["llama"], tmp_path / "scaled", **changes)
    with pytest.raises(BadInput, match="changes beyond 64 tokens"):
        open_local(folder)


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_type": "dynamic", "factor": 2.0},
        {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64},
        {"rope_type": "linear", "factor": 2.0},
    ],
)
def test_scaling_that_the_batch_does_not_move_is_taken(
    scaling: dict[str, Any], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    changes = {"rope_parameters": {**scaling, "rope_theta": 10000.0}}
    folder = changed_config(tiny_folders["llama"], tmp_path / "scaled", **changes)
    assert {r.status for r in generated(folder, TEXTS)} == {"ok"}


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}),
    ],
)
def test_settings_that_change_every_text_are_not_ignored_silently(
    file: str, setting: dict[str, Any], tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_folders["bert"], tmp_path / "sentence"))
    (folder / file).write_text(json.dumps(dict.fromkeys(setting)))
    assert open_local(folder).capabilities == {EmbedsText}
    (folder / file).write_text(json.dumps(setting))
    with pytest.raises(BadInput, match=rf"{next(iter(setting))}.*not be the model's own"):
        open_local(folder)
