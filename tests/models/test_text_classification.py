"""Text classifiers and reward models through `transformers:`, on small models of a known rule."""

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
from tokenizers import processors

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import ClassifiesText, RatesText
from evalsuite.models.spec import ModelSpec
from evalsuite.models.transformers import backend
from evalsuite.requests import LabelsPart, Prompt, Request, TextPart
from tests.models.conftest import CHAT, byte_tokenizer
from tests.models.tiny_classifiers import relation, reward, save_nli_classifier, save_reward_model

ASKED = ("entailment", "neutral", "contradiction")
PREMISE = "sun rain tree bird."


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_nli_classifier(tmp_path_factory.mktemp("models") / "nli")


@pytest.fixture(scope="module")
def rater(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_reward_model(tmp_path_factory.mktemp("models") / "rater")


def opened(folder: Path, options: str = "") -> Any:
    return backend.open(
        ModelSpec.parse(f"transformers:{folder}{options}"), offline=True, home=folder
    )


def asks(handle: Any, pairs: list[tuple[str, ...]], labels: tuple[str, ...] | None = ASKED) -> Any:
    more = () if labels is None else (LabelsPart(labels=labels),)
    kind = "rates_text" if labels is None else "classifies_text"
    return [
        Request(kind, handle.entrant, Prompt(parts=(*(TextPart(text=t) for t in pair), *more)))
        for pair in pairs
    ]


def classified(
    folder: Path,
    pairs: list[tuple[str, ...]],
    options: str = "",
    labels: tuple[str, ...] = ASKED,
) -> np.ndarray:
    handle = opened(folder, options)
    found = handle.load("cpu").classify_text(asks(handle, pairs, labels))
    assert all(response.status == "ok" for response in found)
    return np.array([response.scores for response in found])


HYPOTHESES = ["sun yes rain tree.", "no bird night stone.", "river stone bird night.",
              "tree river sun yes.", "rain sun tree no."]  # fmt: skip


def test_an_nli_model_says_what_its_rule_says(nli: Path) -> None:
    found = classified(nli, [(PREMISE, text) for text in HYPOTHESES])
    assert found.argmax(axis=1).tolist() == [relation(text) for text in HYPOTHESES]
    assert found.sum(axis=1) == pytest.approx(1)
    assert found.max(axis=1).min() > 0.9


def test_scores_are_those_of_transformers_itself(nli: Path) -> None:
    model = transformers.BertForSequenceClassification.from_pretrained(nli).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(nli)
    with torch.inference_mode():
        for text in HYPOTHESES:
            logits = model(**tokenizer(PREMISE, text, return_tensors="pt")).logits
            expected = logits.softmax(dim=-1)[0].numpy()
            assert classified(nli, [(PREMISE, text)])[0] == pytest.approx(expected, abs=1e-5)


def test_scores_are_in_the_order_of_the_labels_that_are_asked_for(nli: Path) -> None:
    handle = opened(nli)
    asked = asks(handle, [(PREMISE, HYPOTHESES[1])], ("Contradiction", "entailment"))
    (found,) = handle.load("cpu").classify_text(asked)
    whole = classified(nli, [(PREMISE, HYPOTHESES[1])])[0]
    assert found.scores == pytest.approx((whole[2], whole[0]))


def test_other_batches_give_the_same_scores(nli: Path) -> None:
    pairs = [(PREMISE, text) for text in HYPOTHESES] + [("sun.", "yes."), ("night " * 12, "no.")]
    together = classified(nli, pairs)
    alone = np.concatenate([classified(nli, [pair]) for pair in pairs])
    packed = classified(nli, pairs, "?batch_tokens=20")
    assert together == pytest.approx(alone, abs=1e-5)
    assert packed == pytest.approx(alone, abs=1e-5)


def test_a_text_that_is_too_long_is_cut_and_says_so(nli: Path) -> None:
    handle = opened(nli)
    short, long = handle.load("cpu").classify_text(
        asks(handle, [(PREMISE, "yes."), ("sun " * 60, "yes.")])
    )
    assert (short.finish, long.finish) == ("stop", "length")
    assert long.n_prompt_tokens > 60


def test_a_label_that_the_model_lacks_is_refused_with_those_it_has(nli: Path) -> None:
    handle = opened(nli)
    with pytest.raises(BadInput, match="no label 'joy'; it has ENTAILMENT, NEUTRAL, CONTRA"):
        handle.load("cpu").classify_text(asks(handle, [("a", "b")], ("joy",)))


def test_nameless_labels_are_named_by_the_user(tmp_path: Path) -> None:
    folder = save_nli_classifier(tmp_path / "nameless", labels=None)
    handle = opened(folder)
    with pytest.raises(BadInput, match=r"LABEL_0.*\?labels=a,b,c"):
        handle.load("cpu").classify_text(asks(handle, [("a", "b")]))
    options = "?labels=entailment,neutral,contradiction"
    found = classified(folder, [(PREMISE, text) for text in HYPOTHESES], options)
    assert found.argmax(axis=1).tolist() == [relation(text) for text in HYPOTHESES]
    assert opened(folder, options).entrant.identity != handle.entrant.identity
    with pytest.raises(BadInput, match="names 2 labels, but it has 3"):
        opened(folder, "?labels=a,b")


def test_a_reward_model_rates_an_answer_to_its_prompt(rater: Path) -> None:
    handle = opened(rater)
    assert handle.capabilities == {RatesText}
    answers = ["sun rain tree bird.", "good sun rain bird night.",
               "sun good good rain tree bird.", "good good good river rain bird tree."]  # fmt: skip
    found = handle.load("cpu").rate_text(asks(handle, [(PREMISE, a) for a in answers], None))
    ratings = [response.scores[0] for response in found]
    assert ratings == pytest.approx([reward(a) for a in answers], abs=0.4)
    assert ratings == sorted(ratings)


def test_a_classifier_rates_by_the_probability_of_a_label(nli: Path) -> None:
    handle = opened(nli, "?score_label=contradiction")
    assert handle.capabilities == {ClassifiesText, RatesText}
    (found,) = handle.load("cpu").rate_text(asks(handle, [(PREMISE, HYPOTHESES[1])], None))
    assert found.scores == pytest.approx(classified(nli, [(PREMISE, HYPOTHESES[1])])[0][2:])
    with pytest.raises(BadInput, match="no label 'joy'"):
        opened(nli, "?score_label=joy")


def test_a_request_that_is_no_text_or_pair_is_an_error_of_its_own(nli: Path) -> None:
    handle = opened(nli)
    requests = asks(handle, [("a", "b", "c"), (PREMISE, "yes.")])
    first, second = handle.load("cpu").classify_text(requests)
    assert first.status == "error" and "one text or a pair" in (first.message or "")
    assert second.status == "ok"


def test_pickled_weights_are_refused(nli: Path, tmp_path: Path) -> None:
    for file in nli.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(Exception, match="safetensors"):
        opened(tmp_path)


LONG_AND_SHORT = [
    ("Is it far?", "No."),
    ("Why?", "Because the road was closed all day."),
    ("", "x"),
]


def save_tiny_classifier(
    kind: str, folder: Path, *, n_labels: int = 3, pad: int | None = 0, **more: Any
) -> Path:
    """Save a classifier of random weights that reads bytes, with a chat template."""
    torch.manual_seed(3)
    size: dict[str, Any] = {
        "vocab_size": 260, "pad_token_id": pad, "eos_token_id": 1, "bos_token_id": 1,
        "num_labels": n_labels, **more,
    }  # fmt: skip
    if kind == "bart":
        config: Any = transformers.BartConfig(
            **size, d_model=32, encoder_ffn_dim=64, decoder_ffn_dim=64, encoder_layers=1,
            decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
            max_position_embeddings=128, init_std=0.4,
        )  # fmt: skip
    elif kind == "xlnet":
        config = transformers.XLNetConfig(
            **size, d_model=32, n_layer=1, n_head=4, d_inner=64, initializer_range=0.4
        )
    elif kind == "t5":
        config = transformers.T5Config(
            **size, d_model=32, d_ff=64, d_kv=8, num_layers=1, num_heads=4, decoder_start_token_id=0
        )
    else:
        config = (transformers.LlamaConfig if kind == "llama" else transformers.BertConfig)(
            **size, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=128, initializer_range=0.4,
        )  # fmt: skip
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    model.eval().save_pretrained(folder)
    tokenizer = byte_tokenizer(is_encoder=kind != "llama")
    if kind in ("bart", "t5"):  # these are read at the end of the text
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="$A <end>", pair="$A <end> $B <end>", special_tokens=[("<end>", 1)]
        )
    if kind == "llama":
        tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "pad"), [("bert", 0), ("llama", 0), ("llama", None), ("bart", 0), ("t5", 0)]
)
def test_scores_of_every_kind_of_architecture_are_those_of_each_pair_alone(
    kind: str, pad: int | None, tmp_path: Path
) -> None:
    folder = save_tiny_classifier(kind, tmp_path / kind, pad=pad)
    kinds = transformers.AutoModelForSequenceClassification
    model = kinds.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    found = classified(folder, LONG_AND_SHORT, "", ("LABEL_0", "LABEL_1", "LABEL_2"))
    with torch.inference_mode():
        for scores, pair in zip(found, LONG_AND_SHORT, strict=True):
            ids = torch.tensor([tokenizer(*pair)["input_ids"]])
            assert scores == pytest.approx(model(ids).logits.softmax(-1)[0].numpy(), abs=1e-5)
    assert np.ptp(found, axis=0).max() > 0.01


def test_an_architecture_that_reads_padding_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_classifier("xlnet", tmp_path / "xlnet")
    with pytest.raises(BadInput, match="reads the padding of shorter texts"):
        opened(folder).load("cpu")


def test_an_absent_pooler_is_not_filled_with_random_numbers(nli: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(nli, tmp_path / "holes"))
    weights = load_file(folder / "model.safetensors")
    del weights["bert.pooler.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match="pooler"):
        opened(folder).load("cpu")


def test_a_spelt_out_separator_does_not_part_a_text(nli: Path) -> None:
    # As a token it would end the premise, and what follows would be read as the hypothesis.
    handle = opened(nli)
    request, same = asks(handle, [("sun <sep> yes", "rain"), ("sun < sep > yes", "rain")])
    found = handle.load("cpu").classify_text([request, same])
    assert found[0].n_prompt_tokens == found[1].n_prompt_tokens
    assert found[0].scores == pytest.approx(found[1].scores, abs=1e-6)


def test_a_reward_model_with_a_chat_template_reads_the_chat(tmp_path: Path) -> None:
    folder = save_tiny_classifier("llama", tmp_path / "reward", n_labels=1)
    handle = opened(folder)
    assert (handle.entrant.template, handle.capabilities) == ("chat", {RatesText})
    pair, single = asks(handle, [("Hi", "Hello!"), ("Hello!",)], None)
    rated, alone = handle.load("cpu").rate_text([pair, single])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("<user>Hi<assistant>Hello!<assistant>")["input_ids"]
    assert CHAT.endswith("<assistant>")  # this template always ends so
    model = transformers.LlamaForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        expected = float(model(torch.tensor([ids])).logits[0, 0])
    assert rated.scores == pytest.approx((expected,), abs=1e-5)
    assert alone.status == "error" and "?template=pair" in (alone.message or "")


def test_a_reward_model_takes_a_plain_pair_on_request(tmp_path: Path) -> None:
    folder = save_tiny_classifier("llama", tmp_path / "reward", n_labels=1)
    handle = opened(folder, "?template=pair")
    assert handle.entrant.identity != opened(folder).entrant.identity
    responses = handle.load("cpu").rate_text(asks(handle, [("Hi", "Hello!"), ("Hi",)], None))
    assert [r.n_prompt_tokens for r in responses] == [8, 2]
    bare = save_tiny_classifier("bert", tmp_path / "bare", n_labels=1)
    with pytest.raises(BadInput, match="no chat template"):
        opened(bare, "?template=chat")


def test_labels_that_are_scored_each_by_itself_rate_and_do_not_classify(tmp_path: Path) -> None:
    folder = save_tiny_classifier(
        "bert",
        tmp_path / "multi",
        problem_type="multi_label_classification",
        id2label={0: "toxic", 1: "rude", 2: "kind"},
    )
    with pytest.raises(BadInput, match=r"scores each label by itself.*toxic, rude, kind"):
        opened(folder)
    handle = opened(folder, "?score_label=rude")
    assert handle.capabilities == {RatesText}
    (found,) = handle.load("cpu").rate_text(asks(handle, [("Go away!",)], None))
    model = transformers.BertForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer("Go away!")["input_ids"]])
    with torch.inference_mode():
        expected = float(model(ids).logits[0, 1].sigmoid())
    assert found.scores == pytest.approx((expected,), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"problem_type": "regression"}, "gives 3 numbers"),
        ({"id2label": {"0": "a", "1": "b", "5": "c"}}, "does not name 3 labels"),
        ({"id2label": {"0": "a", "1": "a"}}, "does not name 2 labels"),
        ({"id2label": ["a", "b"]}, "no list of labels"),
        ({"id2label": {"x": "a"}}, "no list of labels"),
        ({"num_labels": 10**15}, "claims 1000000000000000 labels"),
    ],
)
def test_outputs_that_cannot_be_asked_for_are_said_when_it_is_opened(
    change: dict[str, Any], says: str, nli: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(nli, tmp_path / "odd"))
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match=says):
        opened(folder).load("cpu")


def test_outputs_that_are_not_numbers_are_errors(nli: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(nli, tmp_path / "broken"))
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][0] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    handle = opened(folder)
    (found,) = handle.load("cpu").classify_text(asks(handle, [("sun", "yes")]))
    assert found.status == "error" and "not finite" in (found.message or "")


@pytest.mark.slow
def test_both_judges_serve_a_run_from_the_command_line(
    nli: Path, rater: Path, tmp_path: Path
) -> None:
    prompts = ["sun rain tree bird.", "night tree sun stone.", "river rain sun bird."]
    answers = ["sun rain tree bird.", "good river sun bird stone.",
               "stone good good night rain tree."]  # fmt: skip
    lines = [{"id": f"p{i}", "prompt": text} for i, text in enumerate(prompts)]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, lines)))
    given = [{"id": f"p{i}", "texts": answers} for i in range(3)]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, given)))
    done = subprocess.run(
        [sys.executable, "-m", "evalsuite", "run", "rlhf_diversity", "--model",
         "outputs:texts.jsonl", "--set", "./set.jsonl", "--samples", "3",
         "--judge", f"nli=transformers:{nli}", "--judge", f"quality=transformers:{rater}",
         "--judge", "embedder=fake:text-embedder", "--option", "quality_threshold=0.5",
         "--option", "best_of=2", "--json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    found = {e["measure"]: e["estimate"] for e in record["estimates"] if e["slice"] == "all"}
    pairs = [(f"{a}.", f"{b}.") for a in answers for b in answers if a != b]
    scores = classified(nli, pairs)
    weights = np.array([-1.0, 0.0, 1.0])[scores.argmax(axis=1)] * scores.max(axis=1)
    assert found["per_input_nli"]["estimate"] == pytest.approx(2 * weights.mean(), abs=1e-4)
    assert found["quality_mean"]["estimate"] == pytest.approx(1.0, abs=0.4)
    assert found["quality_pass_rate"]["estimate"] == pytest.approx(2 / 3)
    assert found["effective_sbert"]["estimate"] < found["per_input_sbert"]["estimate"]
    folder = next((tmp_path / "results").rglob("record.json")).parent
    view = subprocess.run(
        [sys.executable, "-m", "evalsuite", "show", str(folder), "--view", "frontier"],
        cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert view.returncode == 0 and "threshold" in view.stdout
