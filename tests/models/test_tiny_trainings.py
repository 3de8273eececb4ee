"""The scripts that trained the suite's models still train, go on after a kill, and save."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from evalsuite.embedded import train_tinyclip
from evalsuite.embedded.accept_tinyclip import figures as clip_figures
from evalsuite.embedded.train_tinydiffusion import Training
from evalsuite.embedded.training_loop import Schedule, train
from evalsuite.embedded.training_scenes import (
    captions_of,
    draw_scenes,
    held_out,
    training_joint,
    vocabulary,
)
from evalsuite.models.diffusers import open_pipeline_folder
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Prompt, Request
from evalsuite.tinyworld.captions import parse
from evalsuite.tinyworld.joint import STEREOTYPED
from evalsuite.tinyworld.world import OCCUPATIONS, all_scenes

EMBEDDED = Path(str(files("evalsuite").joinpath("embedded")))


def test_a_tenth_of_the_combinations_is_held_out_and_never_drawn():
    people = [scene for scene in all_scenes("person") if held_out(scene)]
    shapes = [scene for scene in all_scenes("shape") if held_out(scene)]
    assert (len(people), len(shapes)) == (48, 36)
    drawn = draw_scenes("person", 400, joint=training_joint(), seed=5)
    assert not any(held_out(scene) for scene in drawn.scenes)


def test_holding_out_leaves_the_presentation_of_every_occupation_as_declared():
    for name in OCCUPATIONS:
        own, declared = (
            joint.shares("person", "presentation", {"occupation": name})
            for joint in (training_joint(), STEREOTYPED)
        )
        assert own == pytest.approx(declared)


def test_captions_are_prompts_of_the_grammar_in_known_words():
    rng, words = np.random.default_rng(1), set(vocabulary())
    scenes = draw_scenes("shape", 200, joint=training_joint(), seed=6).scenes
    for names_all in (False, True):
        for text in captions_of(scenes, rng, names_all=names_all, dropped=0.0):
            assert parse(text).kind == "shape"
            assert set(text.split()) <= words
    assert captions_of(scenes, rng, names_all=False, dropped=1.0) == [""] * 200


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    def trained(checkpoint: Path, *stops: int) -> torch.Tensor:
        for steps in stops:
            torch.manual_seed(0)
            layer = torch.nn.Linear(3, 1)

            def loss_of(step: int, layer=layer, steps=steps) -> torch.Tensor:
                if step == steps:
                    raise KeyboardInterrupt
                data = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
                return (layer(data) - data.sum(dim=1, keepdim=True)).square().mean()

            schedule = Schedule(steps=20, peak=1e-2, warm_up=3)
            try:
                found = train({"a": layer}, loss_of, schedule, checkpoint=checkpoint, every=5)
            except KeyboardInterrupt:
                continue
        return found["a"]["weight"]

    whole = trained(tmp_path / "whole.safetensors", 20)
    resumed = trained(tmp_path / "resumed.safetensors", 7, 13, 20)
    assert torch.equal(whole, resumed)


def test_a_tiny_training_saves_a_pipeline_that_the_suite_loads(tmp_path):
    torch.set_num_threads(1)
    Training(tmp_path, names_all=False, autoencoder_folder=tmp_path, scale=0.002).run()
    spec = ModelSpec.parse("diffusers:mine?steps=2&guidance=1.0")
    handle = open_pipeline_folder(spec, tmp_path / "pipeline", model="diffusers:mine")
    request = Request("generates_images", handle.entrant, Prompt.of_text("a red star"))
    (answer,) = handle.load("cpu").generate_images([request])
    assert answer.status == "ok"


def test_a_tiny_training_of_the_clip_saves_all_that_its_judge_reads(tmp_path):
    torch.set_num_threads(1)
    train_tinyclip.train_model(tmp_path, scale=0.003)
    folder = tmp_path / "model"
    assert set(json.loads((folder / "probes.json").read_text())) == {
        name.removesuffix(".weight")
        for name in load_file(folder / "probes.safetensors")
        if name.endswith(".weight")
    }
    assert {f.name for f in folder.iterdir()} == {f.name for f in (EMBEDDED / "tinyclip").iterdir()}


@pytest.mark.slow
def test_the_figures_of_the_clips_card_are_reached():
    torch.set_num_threads(1)
    for name, attributes in clip_figures(EMBEDDED / "tinyclip", n=800).items():
        for attribute, cells in attributes.items():
            assert min(cells.values()) >= 0.95, (name, attribute, cells)
