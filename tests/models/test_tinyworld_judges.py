"""The judges of tinyworld answer its questions, and no others."""

import numpy as np
import pytest

from evalsuite.errors import BadInput, UnknownName
from evalsuite.images import image_sha256, png_bytes
from evalsuite.models.capabilities import AnswersVisualQuestions, EmbedsImages
from evalsuite.models.embedded import backend
from evalsuite.models.spec import ModelSpec
from evalsuite.models.tinyworld_answers import NONE_FITS
from evalsuite.requests import ImagePart, LabelsPart, Prompt, Request, TextPart
from evalsuite.tinyworld.drawing import draw
from evalsuite.tinyworld.questions import question
from evalsuite.tinyworld.world import ATTRIBUTES, Scene, all_scenes

JUDGES = ["embedded:tinyclip", "embedded:tinyworld-oracle"]
NURSE = Scene.of(
    "person", occupation="nurse", presentation="feminine", tone="dark", background="mint"
)
STAR = Scene.of("shape", shape="star", colour="red", size="large", background="grey")


def opened(name: str, tmp_path):
    return backend.open(ModelSpec.parse(name), offline=True, home=tmp_path)


class Gallery:
    """Drawings by the sha256 of their PNG bytes; counts how often each is read."""

    def __init__(self, *scenes: Scene) -> None:
        self.images = [png_bytes(draw(scene, i)) for i, scene in enumerate(scenes)]
        self.parts = [ImagePart(sha256=image_sha256(image)) for image in self.images]
        self.n_read = 0

    def read(self, part: ImagePart) -> bytes:
        self.n_read += 1
        return self.images[self.parts.index(part)]


def ask(handle, gallery: Gallery, asked) -> list:
    requests = [
        Request(
            "answers_visual_questions",
            handle.entrant,
            Prompt(
                parts=(
                    gallery.parts[i],
                    TextPart(text=text),
                    *((LabelsPart(labels=labels),) if labels else ()),
                )
            ),
        )
        for i, text, labels in asked
    ]
    return handle.load("cpu").answer_questions(requests, gallery.read)


@pytest.mark.parametrize("name", JUDGES)
def test_every_attribute_is_read(name, tmp_path):
    handle, gallery = opened(name, tmp_path), Gallery(NURSE, STAR)
    asked, truth = [], []
    for i, scene in enumerate((NURSE, STAR)):
        for attribute, values in ATTRIBUTES[scene.kind].items():
            noun = "nurse" if scene is NURSE else "star"
            asked.append((i, question(attribute, noun), (*values, "None of the above")))
            truth.append(values.index(scene[attribute]))
    answers = ask(handle, gallery, asked)
    assert [int(np.argmax(answer.scores)) for answer in answers] == truth
    assert all(sum(answer.scores) == pytest.approx(1.0) for answer in answers)


@pytest.mark.parametrize("name", JUDGES)
def test_a_question_about_the_other_kind_has_no_answer(name, tmp_path):
    labels = (*ATTRIBUTES["person"]["tone"], NONE_FITS)
    (answer,) = ask(opened(name, tmp_path), Gallery(STAR), [(0, question("tone", "nurse"), labels)])
    assert labels[int(np.argmax(answer.scores))] == NONE_FITS
    (free,) = ask(opened(name, tmp_path), Gallery(STAR), [(0, question("tone", "nurse"), None)])
    assert free.text == NONE_FITS


@pytest.mark.parametrize("name", JUDGES)
def test_answers_do_not_hang_on_the_order_of_labels_or_the_pack(name, tmp_path):
    handle, gallery = opened(name, tmp_path), Gallery(*all_scenes("person")[::37])
    labels = ATTRIBUTES["person"]["tone"]
    asked = [(i, question("tone", "person"), labels) for i in range(len(gallery.images))]
    turned = [(i, text, labels[::-1]) for i, text, labels in asked]
    together = ask(handle, gallery, asked)
    for one, other, single in zip(
        together,
        ask(handle, gallery, turned),
        [ask(handle, gallery, [a])[0] for a in asked],
        strict=True,
    ):
        assert one.scores == pytest.approx(other.scores[::-1], abs=1e-6)
        assert one.scores == pytest.approx(single.scores, abs=1e-5)


@pytest.mark.parametrize("name", JUDGES)
def test_an_image_is_read_once_for_all_its_questions(name, tmp_path):
    gallery = Gallery(NURSE)
    asked = [(0, question(a, "nurse"), values) for a, values in ATTRIBUTES["person"].items()]
    ask(opened(name, tmp_path), gallery, asked)
    assert gallery.n_read == 1


@pytest.mark.parametrize("name", JUDGES)
def test_strange_questions_and_answers_are_bad_input(name, tmp_path):
    handle, gallery = opened(name, tmp_path), Gallery(NURSE)
    with pytest.raises(BadInput, match=r"nothing but the questions of tinyworld.*--set tinyworld"):
        ask(handle, gallery, [(0, "What shape is the cookie?", ("round", "square"))])
    with pytest.raises(BadInput, match="'green' is no answer"):
        ask(handle, gallery, [(0, question("tone", "nurse"), ("light", "green"))])


def test_they_are_known_by_name_and_capability(tmp_path):
    clip, oracle = (opened(name, tmp_path) for name in JUDGES)
    assert {AnswersVisualQuestions, EmbedsImages} <= clip.capabilities
    assert oracle.capabilities == {AnswersVisualQuestions}
    assert oracle.entrant.backend == "procedural"
    names = {listing.name for listing in backend.describe()}
    assert {*JUDGES, "embedded:tinyworld"} <= names
    with pytest.raises(UnknownName, match="tinyclip"):
        opened("embedded:tinyclp", tmp_path)
    with pytest.raises(BadInput, match="one revision"):
        opened("embedded:tinyclip@main", tmp_path)
