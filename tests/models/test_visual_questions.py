"""BLIP and ViLT through `transformers:`, against the library's own forward passes."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from evalsuite.errors import BadInput
from evalsuite.images import read_image
from evalsuite.models.capabilities import AnswersVisualQuestions
from evalsuite.requests import Prompt, Request, TextPart
from tests.models import tiny_visual_models as tiny
from tests.models.test_visual_chat import PNGS, opened, question, read

QUESTIONS = ["What colour is it?", "How many are there?", "Which?"]
ANSWERS = ("red", "blue", "three")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("vqa")
    kinds = {"blip": tiny.blip_vqa, "vilt": tiny.vilt}
    return {name: tiny.save(kind, root / name) for name, kind in kinds.items()}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, tuple[Any, Any]]:
    handles = {name: opened(folder) for name, folder in folders.items()}
    return {name: (handle, handle.load("cpu")) for name, handle in handles.items()}


def inputs(folder: Path, image: str, text: str) -> Any:
    pixels = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    words = transformers.AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    seen = pixels(images=read_image(PNGS[image]), return_tensors="pt")["pixel_values"]
    return {"input_ids": words["input_ids"], "attention_mask": words["attention_mask"],
            "pixel_values": seen}  # fmt: skip


def shares(values: Any) -> list[float]:
    return list(torch.tensor(values, dtype=torch.float64).softmax(-1).tolist())


def test_blip_ranks_answers_as_its_own_loss_does(
    folders: dict[str, Path], loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, blip = loaded["blip"]
    answers = ("red", "red brick", "a dark blue")
    asked = [(image, text) for image in PNGS for text in QUESTIONS]
    found = blip.answer_questions([question(handle, *a, answers) for a in asked], read)
    model = transformers.BlipForQuestionAnswering.from_pretrained(folders["blip"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["blip"])
    for i in (0, 4, 11):
        own, values = inputs(folders["blip"], *asked[i]), []
        for answer in answers:
            ids = tokenizer(answer, return_tensors="pt")["input_ids"]
            ids[0, 0] = model.decoder_start_token_id
            labels = ids.clone()
            labels[0, 0] = -100  # the start token is given, not written
            with torch.inference_mode():
                seen = model.vision_model(own["pixel_values"]).last_hidden_state
                states = model.text_encoder(
                    input_ids=own["input_ids"], encoder_hidden_states=seen
                ).last_hidden_state
                loss = model.text_decoder(
                    input_ids=ids, labels=labels, encoder_hidden_states=states, reduction="none",
                    label_smoothing=0.0,
                ).logits.double().log_softmax(-1)  # fmt: skip
            chosen = loss[0, :-1].gather(-1, ids[0, 1:, None])
            values.append(float(chosen.sum()))
        assert found[i].scores == pytest.approx(shares(values), abs=1e-4)


def test_blip_writes_what_its_own_generate_writes(
    folders: dict[str, Path], loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, blip = loaded["blip"]
    asked = [(image, text) for image in PNGS for text in QUESTIONS]
    found = blip.answer_questions([question(handle, *a, None) for a in asked], read)
    model = transformers.BlipForQuestionAnswering.from_pretrained(folders["blip"]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["blip"])
    for i in (1, 6, 11):
        ids = model.generate(
            **inputs(folders["blip"], *asked[i]), max_new_tokens=32, do_sample=False
        )
        expected = tokenizer.decode(ids[0], skip_special_tokens=True).strip()
        assert found[i].status == "ok" and found[i].text == expected


def test_blip_reads_each_image_once(
    loaded: dict[str, tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, blip = loaded["blip"]
    seen = []
    tower = blip._answers.model.vision_model
    own = tower.forward

    def counted(pixel_values: Any, **more: Any) -> Any:
        seen.append(len(pixel_values))
        return own(pixel_values=pixel_values, **more)

    monkeypatch.setattr(tower, "forward", counted)
    asked = [question(handle, image, text, ANSWERS) for image in PNGS for text in QUESTIONS]
    blip.answer_questions(asked, read)
    assert seen == [len(PNGS)]


def test_vilt_scores_are_its_outputs_for_the_asked_answers_alone(
    folders: dict[str, Path], loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, vilt = loaded["vilt"]
    asked = [(image, text) for image in PNGS for text in QUESTIONS]
    found = vilt.answer_questions([question(handle, *a, ("blue", "green")) for a in asked], read)
    free = vilt.answer_questions([question(handle, *a, None) for a in asked], read)
    model = transformers.ViltForQuestionAnswering.from_pretrained(folders["vilt"]).eval()
    for i, own in enumerate(asked):
        with torch.inference_mode():
            logits = model(**inputs(folders["vilt"], *own)).logits[0]
        assert found[i].scores == pytest.approx(shares(logits[[2, 1]].tolist()), abs=1e-4)
        assert free[i].text == tiny.ANSWERS[int(logits.argmax())]


def test_an_answer_that_vilt_does_not_have_is_named_before_anything_is_read(
    loaded: dict[str, tuple[Any, Any]],
) -> None:
    handle, vilt = loaded["vilt"]
    image = next(iter(PNGS))
    with pytest.raises(BadInput, match=r"5 answers, and lacks 'seven', 'None of the above'"):
        vilt.answer_questions(
            [question(handle, image, "How many?", ("two", "seven", "None of the above"))],
            lambda part: pytest.fail("was read"),
        )


@pytest.mark.parametrize("kind", ["blip", "vilt"])
@pytest.mark.parametrize("answers", [ANSWERS, None])
def test_answers_do_not_depend_on_packing(
    kind: str, answers: tuple[str, ...] | None, folders: dict[str, Path],
    loaded: dict[str, tuple[Any, Any]],
) -> None:  # fmt: skip
    handle, model = loaded[kind]
    requests = [question(handle, image, text, answers) for image in PNGS for text in QUESTIONS]
    whole = model.answer_questions(requests, read)
    order = np.random.default_rng(2).permutation(len(requests)).tolist()
    small = opened(folders[kind], "?batch_tokens=1").load("cpu")
    for other, part in ((model, order[:1]), (model, order[1:7]), (small, order[4:])):
        own = other.answer_questions([requests[i] for i in part], read)
        for i, response in zip(part, own, strict=True):
            assert response.text == whole[i].text
            if answers:
                assert response.scores == pytest.approx(whole[i].scores, abs=1e-5)


@pytest.mark.parametrize("kind", ["blip", "vilt"])
def test_a_bad_image_and_a_long_question_are_errors_of_their_own(
    kind: str, loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, model = loaded[kind]
    good, bad = next(iter(PNGS)), "0" * 64
    requests = [
        question(handle, bad, "Which?", ANSWERS),
        question(handle, good, "Which?" * 40, ANSWERS),
        question(handle, good, "Which?", ANSWERS),
        Request("answers_visual_questions", handle.entrant, Prompt(parts=(TextPart(text="W?"),))),
    ]
    found = model.answer_questions(requests, lambda p: PNGS.get(p.sha256, b"GIF89a"))
    assert [response.status for response in found] == ["error", "error", "ok", "error"]
    assert "not a PNG" in str(found[0].message) and "reads at most" in str(found[1].message)


def test_a_vilt_that_looks_at_patches_drawn_by_chance_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["vilt"], tmp_path / "vilt")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_image_length": 4}))
    with pytest.raises(BadInput, match="drawn by chance"):
        opened(folder).load("cpu")


def test_the_global_generator_is_left_as_it_was(loaded: dict[str, tuple[Any, Any]]) -> None:
    handle, vilt = loaded["vilt"]
    before = torch.random.get_rng_state()
    vilt.answer_questions([question(handle, next(iter(PNGS)), "Which?", ANSWERS)], read)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_such_a_model_can_is_known_before_it_is_loaded(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        assert opened(folder).capabilities == {AnswersVisualQuestions}
