"""The exact sampler draws from the joint it declares, from each request's own stream."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from evalsuite.errors import BadInput, UnknownName
from evalsuite.images import read_image
from evalsuite.models.capabilities import GeneratesImages
from evalsuite.models.procedural import open_procedural
from evalsuite.models.spec import ModelSpec
from evalsuite.prompts import Unit
from evalsuite.requests import Prompt, Request
from evalsuite.tinyworld.joint import BALANCED, STEREOTYPED
from evalsuite.tinyworld.oracle import read_scenes
from evalsuite.tinyworld.world import ATTRIBUTES


def opened(options: str = ""):
    return open_procedural(ModelSpec.parse("embedded:tinyworld" + options))


def requests(handle, prompt: str, n: int, *, seed: int = 0) -> list[Request]:
    return [
        Request("generates_images", handle.entrant, Prompt.of_text(prompt), seed=seed, index=i)
        for i in range(n)
    ]


def images(options: str, prompt: str, n: int) -> list[bytes]:
    handle = opened(options)
    answers = handle.load("cpu").generate_images(requests(handle, prompt, n))
    assert all(answer.status == "ok" for answer in answers)
    return [answer.image for answer in answers]


def scenes(options: str, prompt: str, n: int):
    pixels = np.stack([np.asarray(read_image(png)) for png in images(options, prompt, n)])
    return [reading.scene for reading in read_scenes(pixels)]


@pytest.mark.parametrize(("name", "joint"), [("balanced", BALANCED), ("stereotyped", STEREOTYPED)])
def test_what_a_prompt_leaves_open_follows_the_joint(name, joint):
    drawn = scenes(f"?bias={name}", "a nurse", 800)
    named = {"occupation": "nurse"}
    for attribute in ("presentation", "tone", "background"):
        counts = Counter(scene[attribute] for scene in drawn)
        values = ATTRIBUTES["person"][attribute]
        expected = 800 * joint.shares("person", attribute, named)
        assert chisquare([counts[v] for v in values], expected).pvalue > 1e-4, attribute


def test_what_a_prompt_names_is_drawn():
    for scene in scenes(
        "?bias=stereotyped", "a man nurse with dark skin on a lilac background", 40
    ):
        assert scene.values == ("nurse", "masculine", "dark", "lilac")


def test_collapse_draws_the_likeliest_scene_that_much_more():
    drawn = scenes("?bias=stereotyped&collapse=0.6", "a star", 600)
    best = STEREOTYPED.given("shape", {"shape": "star"}).max()
    share = np.mean([s.values == ("star", "yellow", "large", "grey") for s in drawn])
    expected = 0.4 * best + 0.6
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 600))


def test_a_share_of_the_images_are_copies_of_one():
    drawn = images("?duplicates=0.4", "a star", 1000)
    most = Counter(drawn).most_common(2)
    assert most[0][1] == pytest.approx(400, abs=4 * np.sqrt(1000 * 0.24))
    assert most[1][1] == 1
    assert len(set(images("?duplicates=1", "a star", 50))) == 1


def test_an_image_follows_from_its_request_alone():
    handle = opened("?bias=stereotyped&duplicates=0.3")
    asked = requests(handle, "a heart", 30) + requests(handle, "a person", 30)
    whole = handle.load("cpu").generate_images(asked)
    single = [handle.load("cpu").generate_images([request])[0] for request in reversed(asked)]
    assert [r.image for r in whole] == [r.image for r in reversed(single)]


def test_every_option_that_changes_an_image_is_part_of_the_entrant(tmp_path):
    file = tmp_path / "bias.json"
    file.write_text('{"size": {"*": [1, 0]}}')
    options = ("", "?bias=stereotyped", "?collapse=0.5", "?duplicates=0.5", "?size=64")
    entrants = [opened(o).entrant for o in (*options, f"?bias={file}")]
    assert len({entrant.identity for entrant in entrants}) == 6
    assert {entrant.backend for entrant in entrants} == {"procedural"}
    assert {scene["size"] for scene in scenes(f"?bias={file}", "a star", 20)} == {"small"}
    assert str(tmp_path) not in entrants[-1].model_dump_json(exclude={"model"})


def test_a_strange_prompt_is_refused_before_anything_is_drawn():
    units = [
        Unit(id="one", prompt=Prompt.of_text("a doctor."), cluster="one"),
        Unit(id="two", prompt=Prompt.of_text("a cookie in a bakery."), cluster="two"),
    ]
    with pytest.raises(BadInput, match=r"'a cookie in a bakery.' is no prompt.*--set tinyworld"):
        opened().for_units(units, known=units, samples=1, replicates=1)
    with pytest.raises(BadInput, match="--set tinyworld"):
        images("", "a cookie", 1)


def test_bad_options_are_named(tmp_path):
    with pytest.raises(BadInput, match="collapse"):
        opened("?collapse=1.5")
    with pytest.raises(UnknownName, match="duplicates"):
        opened("?duplicate=0.5")
    with pytest.raises(BadInput, match="balanced, stereotyped or a JSON file"):
        opened("?bias=fair")
    (tmp_path / "bad.json").write_text('{"tone": {"nurse": [1]}}')
    with pytest.raises(BadInput, match=r"bad\.json: joint: tone of nurse must be a list of 5"):
        opened(f"?bias={tmp_path / 'bad.json'}")
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"latin\.json"):
        opened(f"?bias={tmp_path / 'latin.json'}")


def test_it_only_draws():
    assert opened().capabilities == {GeneratesImages}
