"""Chat models that see images through `transformers:`, on tiny models of three architectures."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from evalsuite.errors import BadInput
from evalsuite.images import image_sha256, png_bytes, read_image
from evalsuite.models import answer_likelihood, visual_options
from evalsuite.models.capabilities import AnswersVisualQuestions, CaptionsImages
from evalsuite.models.spec import ModelSpec
from evalsuite.models.transformers import backend
from evalsuite.models.visual_prompts import MAX_NEW_TOKENS
from evalsuite.requests import ImagePart, LabelsPart, Prompt, Request, TextPart
from tests.models import tiny_visual_models as tiny

KINDS = {"llava": tiny.llava, "idefics3": tiny.idefics3, "qwen2_vl": tiny.qwen2_vl}
COLOURS = ("red", "red brick", "dark blue")
QUESTIONS: list[tuple[str, tuple[str, ...]]] = [
    ("What colour is it?", COLOURS),
    ("Is the person in this image old or young?", ("old", "young")),
    ("Day?", ("yes", "no")),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("chat")
    return {name: tiny.save(kind, root / name) for name, kind in KINDS.items()}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, tuple[Any, Any]]:
    handles = {name: opened(folder) for name, folder in folders.items()}
    return {name: (handle, handle.load("cpu")) for name, handle in handles.items()}


def opened(folder: Path, options: str = "") -> Any:
    spec = ModelSpec.parse(f"transformers:{folder}{options}")
    return backend.open(spec, offline=True, home=folder)


def pictures(sizes: list[tuple[int, int]]) -> dict[str, bytes]:
    rng = np.random.default_rng(5)
    pngs = [png_bytes(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    return {image_sha256(png): png for png in pngs}


PNGS = pictures([(32, 32), (40, 60), (32, 32), (60, 40)])


def read(part: ImagePart) -> bytes:
    return PNGS[part.sha256]


def question(handle: Any, image: str, text: str, answers: tuple[str, ...] | None) -> Request:
    more = () if answers is None else (LabelsPart(labels=answers),)
    parts = (ImagePart(sha256=image), TextPart(text=text), *more)
    return Request("answers_visual_questions", handle.entrant, Prompt(parts=parts))


def all_questions(handle: Any) -> list[Request]:
    return [question(handle, image, *own) for image in PNGS for own in QUESTIONS]


def naive_scores(folder: Path, request: Request) -> list[float]:
    """A whole forward pass for each answer, by the library's own processor and chat template."""
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    processor.image_processor = transformers.AutoImageProcessor.from_pretrained(
        folder, backend="pil"
    )
    image, text, labels = request.prompt.parts
    assert isinstance(image, ImagePart) and isinstance(text, TextPart)
    assert isinstance(labels, LabelsPart)
    listed = "\n".join(f"- {answer}" for answer in labels.labels)
    words = visual_options.CLOSED_WORDING.format(question=text.text, answers=listed)
    content = [{"type": "image"}, {"type": "text", "text": words}]
    chat = processor.tokenizer.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=False,
        add_generation_prompt=True,
        chat_template=processor.chat_template,
    )

    def tokens(text: str) -> Any:
        return processor(images=[read_image(read(image))], text=[text], return_tensors="pt")

    n_prompt = tokens(chat)["input_ids"].shape[1]
    values = []
    for answer in labels.labels:
        inputs = tokens(chat + answer + "<end>")
        with torch.inference_mode():
            logits = model(**inputs).logits[0].double().log_softmax(-1)
        ids = inputs["input_ids"][0, n_prompt:].tolist()
        values.append(sum(float(logits[n_prompt + i - 1, t]) for i, t in enumerate(ids)))
    whole = np.exp(np.array(values) - np.logaddexp.reduce(values))
    return [float(share) for share in whole]


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_a_whole_forward_pass_for_each_answer(
    kind: str, folders: dict[str, Path], loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, model = loaded[kind]
    requests = all_questions(handle)
    found = model.answer_questions(requests, read)
    for i in (0, 4, 8, 9):  # every question, and images of every size
        expected = naive_scores(folders[kind], requests[i])
        assert found[i].scores == pytest.approx(expected, abs=1e-4)
        assert sum(found[i].scores) == pytest.approx(1)
    assert [response.key for response in found] == [request.key for request in requests]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", ["", "?batch_tokens=600"])
def test_answers_do_not_depend_on_packing(
    kind: str, options: str, folders: dict[str, Path], loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, model = loaded[kind]
    requests = all_questions(handle)
    requests += [question(handle, image, "Who is it?", None) for image in PNGS]
    whole = model.answer_questions(requests, read)
    other = opened(folders[kind], options).load("cpu") if options else model
    order = np.random.default_rng(1).permutation(len(requests)).tolist()
    parts = [order[:1], order[1:6], order[6:]]
    for part in parts:
        for i, response in zip(
            part, other.answer_questions([requests[i] for i in part], read), strict=True
        ):
            assert response.text == whole[i].text
            if response.scores:
                assert response.scores == pytest.approx(whole[i].scores, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_hang_on_image_and_question(kind: str, loaded: dict[str, tuple[Any, Any]]) -> None:
    handle, model = loaded[kind]
    one, other, *_ = PNGS
    asked = [question(handle, one, "Which?", COLOURS), question(handle, other, "Which?", COLOURS),
             question(handle, one, "Who?", COLOURS)]  # fmt: skip
    scores = [response.scores for response in model.answer_questions(asked, read)]
    for unlike in scores[1:]:
        assert np.abs(np.log(unlike) - np.log(scores[0])).max() > 0.01


def test_an_image_is_read_once_for_all_its_questions(
    loaded: dict[str, tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, model = loaded["llava"]
    seen = []
    tower = model._model.model.vision_tower
    own = tower.forward

    def counted(pixel_values: Any, **more: Any) -> Any:
        seen.append(len(pixel_values))
        return own(pixel_values, **more)

    monkeypatch.setattr(tower, "forward", counted)
    model.answer_questions(all_questions(handle), read)
    assert sum(seen) == len(PNGS)
    assert len(seen) == 1  # they are of one size for this model


def test_an_answer_ends_with_the_end_of_the_turn(loaded: dict[str, tuple[Any, Any]]) -> None:
    _, model = loaded["llava"]
    red, brick, _ = model._writer.turn("What colour is it?", COLOURS).answers
    assert red[-1] == brick[-1] == model._processor.tokenizer.eos_token_id
    assert red[:-1] == brick[: len(red) - 1] != red


def test_mean_scores_are_of_another_entrant(folders: dict[str, Path]) -> None:
    by_sum, by_mean = (opened(folders["llava"], o) for o in ("", "?answer_score=mean"))
    assert by_sum.entrant.identity != by_mean.entrant.identity
    model = by_mean.load("cpu")
    own = model.answer_questions([question(by_mean, next(iter(PNGS)), "Which?", COLOURS)], read)
    image = read_image(next(iter(PNGS.values())))
    assert own[0].scores == pytest.approx(model.plain_scores(image, "Which?", COLOURS), abs=1e-4)
    plain = by_sum.load("cpu").plain_scores(image, "Which?", COLOURS)
    assert np.abs(np.subtract(own[0].scores, plain)).max() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_a_caption_is_what_the_model_writes_greedily(
    kind: str, folders: dict[str, Path], loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, model = loaded[kind]
    image = list(PNGS)[1]
    request = Request("captions_images", handle.entrant, Prompt(parts=(ImagePart(sha256=image),)))
    found = model.caption_images([request], read)[0]
    turn = model._writer.turn(None, None)
    inputs = model._processor(
        images=[read_image(PNGS[image])], text=[turn.text], return_tensors="pt"
    )
    network = transformers.AutoModelForImageTextToText.from_pretrained(folders[kind]).eval()
    with torch.inference_mode():
        ids = network.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
    own = ids[0, inputs["input_ids"].shape[1] :]
    expected = model._processor.tokenizer.decode(own, skip_special_tokens=True)
    assert found.text == expected.strip()
    assert found.status == "ok" and found.n_new_tokens <= MAX_NEW_TOKENS
    assert found.n_prompt_tokens == inputs["input_ids"].shape[1]


def test_a_bad_image_is_an_error_of_its_own_and_the_pack_goes_on(
    loaded: dict[str, tuple[Any, Any]],
) -> None:
    handle, model = loaded["llava"]
    good = next(iter(PNGS))
    broken = {"0" * 64: b"\x89PNG broken", "1" * 64: PNGS[good][:-40]}
    requests = [question(handle, image, "Which?", COLOURS) for image in (*broken, good)]
    found = model.answer_questions(requests, lambda p: (broken | PNGS)[p.sha256])
    assert [response.status for response in found] == ["error", "error", "ok"]
    assert all(f"image {'01'[i] * 12}" in str(found[i].message) for i in range(2))


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ((TextPart(text="Which?"),), "one image"),
        ((ImagePart(sha256="a"), ImagePart(sha256="b"), TextPart(text="W?")), "one image"),
        ((ImagePart(sha256="a"), TextPart(text=" ")), "blank"),
        ((ImagePart(sha256="a"), TextPart(text="W?"), LabelsPart(labels=("a", "a"))), "twice"),
        ((ImagePart(sha256="a"), TextPart(text="W?"), LabelsPart(labels=())), "none"),
    ],
)
def test_what_is_no_visual_question_is_an_error(
    parts: Any, problem: str, loaded: dict[str, tuple[Any, Any]]
) -> None:
    handle, model = loaded["llava"]
    request = Request("answers_visual_questions", handle.entrant, Prompt(parts=parts))
    png = next(iter(PNGS.values()))
    (found,) = model.answer_questions([request], lambda p: png)
    assert found.status == "error" and problem in str(found.message)


def test_a_question_that_spells_out_a_token_of_the_model_is_an_error(
    loaded: dict[str, tuple[Any, Any]],
) -> None:
    handle, model = loaded["llava"]
    image = next(iter(PNGS))
    asked = [question(handle, image, "Is <image> red?", COLOURS),
             question(handle, image, "Which?", ("red", "<end>"))]  # fmt: skip
    for found in model.answer_questions(asked, read):
        assert found.status == "error" and "spells out" in str(found.message)


def test_a_question_that_is_too_long_is_an_error(loaded: dict[str, tuple[Any, Any]]) -> None:
    handle, model = loaded["llava"]
    image = next(iter(PNGS))
    asked = [question(handle, image, "very " * 250, COLOURS),
             question(handle, image, "Which?", COLOURS)]  # fmt: skip
    found = model.answer_questions(asked, read)
    assert [response.status for response in found] == ["error", "ok"]
    assert "at most 1024" in str(found[0].message)


def test_sizes_share_an_image_among_its_questions(loaded: dict[str, tuple[Any, Any]]) -> None:
    handle, model = loaded["llava"]
    few = [question(handle, image, "Which?", COLOURS) for image in PNGS]
    many = few + [question(handle, image, "Where?", COLOURS) for image in PNGS]
    assert len(set(model.sizes(many))) == 1
    assert model.sizes(many)[0] < model.sizes(few)[0]
    assert model.sizes([]) == []


def changed(folder: Path, target: Path, file: str, change: Any) -> Path:
    shutil.copytree(folder, target)
    path = target / file
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    return target


def test_a_model_without_chat_template_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["llava"], tmp_path / "m")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(BadInput, match="no chat template"):
        opened(folder).load("cpu")


@pytest.mark.parametrize(
    "template", ["{{ messages[0].content[1].text }}", "{{ messages.nothing.here }}", "{% if %}"]
)
def test_a_chat_template_that_takes_no_image_is_refused(
    template: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["llava"], tmp_path / "m")
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(BadInput, match="chat template"):
        opened(folder).load("cpu")


def test_a_model_that_answers_otherwise_in_parts_is_refused(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evalsuite.models.shared_reading import Branches

    own = Branches.read

    def forgetful(self: Branches, tokens: Any, *, last_only: bool = False) -> Any:
        return own(self, tokens, last_only=last_only) * 1.1

    monkeypatch.setattr(Branches, "read", forgetful)
    with pytest.raises(BadInput, match="answers otherwise"):
        opened(folders["llava"]).load("cpu")


def test_answers_have_rows_of_their_own_where_they_cannot_be_read_side_by_side(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = answer_likelihood._beside
    monkeypatch.setattr(answer_likelihood, "_beside", lambda *given: own(*given) * 1.5)
    handle = opened(folders["qwen2_vl"])
    request = question(handle, next(iter(PNGS)), "Which?", COLOURS)
    (found,) = handle.load("cpu").answer_questions([request], read)
    assert found.scores == pytest.approx(naive_scores(folders["qwen2_vl"], request), abs=1e-4)


def test_outputs_that_are_not_finite_are_errors(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["llava"], tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    head = next(name for name in weights if "lm_head" in name)
    weights[head][7] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BadInput, match="not finite"):
        opened(folder).load("cpu")


def test_what_a_chat_model_can_is_known_before_it_is_loaded(folders: dict[str, Path]) -> None:
    handle = opened(folders["qwen2_vl"])
    assert handle.capabilities == {AnswersVisualQuestions, CaptionsImages}
    assert dict(handle.entrant.settings)["answer_score"] == "sum"
