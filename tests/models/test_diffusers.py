"""Pipelines behind the suite's interface: options, random streams, packing, what is filtered."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evalsuite.engine.local import LocalEngine
from evalsuite.errors import BadInput, GenerationError, OutOfMemory, UnknownName
from evalsuite.images import read_image
from evalsuite.models.capabilities import CAPABILITIES, GeneratesImages
from evalsuite.models.diffusers import backend, open_pipeline_folder
from evalsuite.models.image_generation import generator_of
from evalsuite.models.spec import ModelSpec
from evalsuite.progress import Silent
from evalsuite.requests import Prompt, Request, Response
from tests.models.tiny_pipelines import (
    ddim,
    save_flux,
    save_latent_consistency,
    save_stable_diffusion,
)

PROMPTS = [
    "a red circle",
    "a photo of a blue star on green",
    "doctor",
    "a photo of a red square on a blue circle on a green star of a doctor",
]
STEPS = "?steps=2"
SMALL_FLUX = "?steps=2&width=16&height=16"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("pipelines")
    return {
        "stable": save_stable_diffusion(root / "stable"),
        "flagging": save_stable_diffusion(root / "flagging", tiny_vae=True, checker=True),
        "checked": save_stable_diffusion(root / "checked", tiny_vae=True, checker=False),
        "lcm": save_latent_consistency(root / "lcm"),
        "flux": save_flux(root / "flux"),
    }


def opened(folder: Path, options: str = STEPS) -> Any:
    spec = ModelSpec.parse(f"diffusers:{folder}{options}")
    return backend.open(spec, offline=True, home=folder)


def ask(handle: Any, n: int = 2, prompts: Sequence[str] = PROMPTS) -> list[Request]:
    return [
        Request("generates_images", handle.entrant, Prompt.of_text(text), index=i)
        for text in prompts
        for i in range(n)
    ]


def pixels(responses: Sequence[Response]) -> NDArray[np.int64]:
    assert {r.status for r in responses} == {"ok"}, responses[0].message
    return np.stack([np.asarray(read_image(r.image or b"")).astype(np.int64) for r in responses])


def in_packs(model: Any, requests: Sequence[Request], size: int) -> dict[bytes, Response]:
    packs = [requests[i : i + size] for i in range(0, len(requests), size)]
    return {r.key: r for pack in packs for r in model.generate_images(pack)}


def test_opening_a_pipeline_imports_neither_torch_nor_diffusers(folders: dict[str, Path]) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from evalsuite.models.diffusers import backend\n"
        "from evalsuite.models.spec import ModelSpec\n"
        f"spec = ModelSpec.parse({'diffusers:' + str(folders['stable'])!r})\n"
        "backend.open(spec, offline=True, home=Path('.')); backend.describe()\n"
        "print({'torch', 'transformers', 'diffusers', 'huggingface_hub'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_entrant_says_what_the_pipeline_chose_by_itself(folders: dict[str, Path]) -> None:
    stable = dict(opened(folders["stable"], "").entrant.settings)
    assert stable == {"guidance": 7.5, "steps": 50, "scheduler": "DDIMScheduler"}
    lcm = dict(opened(folders["lcm"], "").entrant.settings)
    assert lcm == {"guidance": 8.5, "steps": 4, "scheduler": "LCMScheduler"}
    entrant = opened(folders["stable"], "").entrant
    assert (entrant.model, entrant.dtype) == ("diffusers:stable", "float32")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", entrant.revision)


def test_the_recorded_defaults_are_those_of_the_library() -> None:
    import inspect

    from evalsuite.models.pipeline_signature import read_signature

    for kind in ("StableDiffusionXLPipeline", "FluxPipeline", "SanaPipeline", "IFPipeline"):
        known = inspect.signature(getattr(diffusers, kind).__call__).parameters
        read = read_signature(kind, "m")
        assert list(read.defaults) == [name for name in known if name not in ("self", "kwargs")]
        for name in ("num_inference_steps", "guidance_scale", "height"):
            assert read.defaults[name] == known[name].default


@pytest.mark.parametrize(
    "kind",
    [
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionControlNetPipeline",
        "DDPMPipeline",
        "WanPipeline",
        "AudioLDM2Pipeline",
        "KandinskyV22Pipeline",
        "NoSuchPipeline",
        "Stable.*Pipeline",
    ],
)
def test_pipelines_that_do_not_go_from_text_to_images_are_declined(kind: str) -> None:
    from evalsuite.models.pipeline_signature import read_signature

    with pytest.raises(BadInput, match=re.escape(kind)):
        read_signature(kind, "m")


def test_what_can_change_an_image_changes_the_entrant(folders: dict[str, Path]) -> None:
    options = [
        "", "?steps=3", "?guidance=2", "?width=64", "?height=64", "?negative_prompt=blue",
        "?scheduler=euler", "?scheduler=euler_a", "?dtype=bfloat16", "?prefix=a+photo+of+",
    ]  # fmt: skip
    identities = {opened(folders["stable"], o).entrant.identity for o in options}
    assert len(identities) == len(options)


@pytest.mark.parametrize(
    "options",
    ["?batch_pixels=4096", "?post_training_of=x", "?steps=50", "?guidance=7.5", "?scheduler=ddim"],
)
def test_what_cannot_change_an_image_leaves_the_identity(
    folders: dict[str, Path], options: str
) -> None:
    plain = opened(folders["stable"], "").entrant.identity
    assert opened(folders["stable"], options).entrant.identity == plain


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("lcm", "?negative_prompt=red", BadInput),
        ("stable", "?steps=0", BadInput),
        ("stable", "?guidance=nan", BadInput),
        ("stable", "?scheduler=ddpm2", BadInput),
        ("stable", "?stepps=3", UnknownName),
        ("stable", "?dtype=int8", BadInput),
        ("stable", "?width=1000000", BadInput),
    ],
)
def test_options_that_do_not_fit_are_found_before_loading(
    folders: dict[str, Path], kind: str, options: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        opened(folders[kind], options)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("stable", "?width=30", "width=30 is no multiple of 4"),
        ("stable", "?height=33", "height=33 is no multiple of 4"),
        ("flux", "?width=16&height=16&scheduler=euler_a", "scheduler=euler_a"),
        ("flux", "?width=16&height=16&scheduler=ddim", "FlowMatchEulerDiscreteScheduler"),
        ("stable", "?steps=5000", "cannot run with these options"),
    ],
)
def test_options_that_the_pipeline_rejects_are_found_before_generating(
    folders: dict[str, Path], kind: str, options: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        opened(folders[kind], options).load("cpu")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("stable", STEPS),
        ("stable", "?steps=2&scheduler=euler_a&negative_prompt=blue"),
        ("stable", "?steps=2&scheduler=dpm%2B%2B&guidance=1"),
        ("stable", "?steps=4&scheduler=pndm&guidance=1"),
        ("lcm", STEPS),
        ("flux", SMALL_FLUX),
    ],
)
def test_images_do_not_hang_on_packing_or_order(
    folders: dict[str, Path], kind: str, options: str
) -> None:
    handle = opened(folders[kind], options)
    model = handle.load("cpu")
    requests = ask(handle)
    alone = in_packs(model, requests, 1)
    rng = np.random.default_rng(0)
    shuffled = [requests[i] for i in rng.permutation(len(requests))]
    want = pixels([alone[r.key] for r in requests])
    assert want.std(axis=(1, 2, 3)).min() > 5  # something is drawn
    for order, size in ((requests, 7), (shuffled, 3)):
        found = in_packs(model, order, size)
        assert np.abs(pixels([found[r.key] for r in requests]) - want).max() <= 1
    # And they do hang on the prompt and on the sample.
    assert np.abs(want[0] - want[1]).max() > 20
    assert np.abs(want[0] - want[2]).max() > 20


def test_each_scheduler_draws_by_itself(folders: dict[str, Path]) -> None:
    requests = ask(
        opened(folders["stable"]), 1, PROMPTS[:1]
    )  # the same stream for all, though keys differ
    drawn = {}
    for name in ("ddim", "dpm++", "euler", "heun", "lcm", "unipc"):
        handle = opened(folders["stable"], f"?steps=3&guidance=1&scheduler={name}")
        drawn[name] = pixels(handle.load("cpu").generate_images(requests))
    # Without noise of its own, DDIM is Euler's method on the same steps.
    assert np.abs(drawn["ddim"] - drawn["euler"]).max() <= 1
    for name in ("dpm++", "heun", "lcm", "unipc"):
        assert np.abs(drawn["ddim"] - drawn[name]).max() > 5


@pytest.mark.parametrize("options", ["?steps=2&guidance=1", "?steps=2&negative_prompt=blue+star",
                                     "?steps=2&prefix=a+photo+of+a+"])  # fmt: skip
def test_each_option_reaches_the_pipeline(folders: dict[str, Path], options: str) -> None:
    requests = ask(opened(folders["stable"]), 1)
    plain = pixels(opened(folders["stable"]).load("cpu").generate_images(requests))
    other = pixels(opened(folders["stable"], options).load("cpu").generate_images(requests))
    assert np.abs(plain - other).max() > 5


def test_the_image_is_the_one_that_diffusers_draws(folders: dict[str, Path]) -> None:
    handle = opened(folders["stable"])
    request = ask(handle, 1)[0]
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(
        folders["stable"], use_safetensors=True, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(PROMPTS[0], num_inference_steps=2, generator=generator_of(request.key))
    ours = pixels(handle.load("cpu").generate_images([request]))[0]
    assert np.abs(ours - np.asarray(theirs.images[0]).astype(np.int64)).max() <= 1


def test_size_is_that_of_the_pipeline_or_of_the_options(folders: dict[str, Path]) -> None:
    handle = opened(folders["stable"])
    model = handle.load("cpu")
    requests = ask(handle)
    assert model.sizes(requests) == [32 * 32] * 8
    assert model.pack_budget >= 32 * 32
    wide = opened(folders["stable"], "?steps=1&width=48&height=24&batch_pixels=5000")
    other = wide.load("cpu")
    assert other.sizes(ask(wide, 1)) == [48 * 24] * 4
    assert other.pack_budget == 5000
    assert pixels(other.generate_images(ask(wide, 1))).shape == (4, 24, 48, 3)


def test_what_the_safety_checker_takes_is_filtered(folders: dict[str, Path]) -> None:
    flagging, checked = opened(folders["flagging"]), opened(folders["checked"])
    taken = flagging.load("cpu").generate_images(ask(flagging))
    assert {(r.status, r.image) for r in taken} == {("filtered", None)}
    assert {r.message for r in taken} == {"the pipeline's safety checker took the image"}
    assert {r.status for r in checked.load("cpu").generate_images(ask(checked))} == {"ok"}


class Stub:
    """Stands between a generator and its pipeline and changes what comes out."""

    def __init__(self, pipeline: Any, change: Callable[[Any, list[str]], Any]) -> None:
        self._pipeline, self._change = pipeline, change

    def __call__(self, **arguments: Any) -> Any:
        return self._change(self._pipeline(**arguments), arguments["prompt"])


def answers_after(
    folder: Path, change: Callable[[Any, list[str]], Any]
) -> tuple[list[Request], Any]:
    handle = opened(folder, "?steps=1")
    model = handle.load("cpu")
    model._pipeline = Stub(model._pipeline, change)
    return ask(handle, 1), model


def test_blank_images_are_filtered_and_broken_ones_are_errors(folders: dict[str, Path]) -> None:
    def change(output: Any, prompts: list[str]) -> Any:
        output.images[1] = 0.25
        output.images[2, 3, 4] = np.nan
        return output

    requests, model = answers_after(folders["lcm"], change)
    answers = model.generate_images(requests)
    assert [r.status for r in answers] == ["ok", "filtered", "error", "ok"]
    assert [r.key for r in answers] == [r.key for r in requests]
    assert "blank" in answers[1].message and "finite" in answers[2].message


def run_engine(
    model: Any, requests: list[Request], missing: set[bytes] | None = None
) -> dict[bytes, Response]:
    engine = LocalEngine("cpu")
    handle: Any = type("Handle", (), {"load": lambda self, device: model,
                                      "entrant": requests[0].entrant})()  # fmt: skip
    found: dict[bytes, Response] = {}

    def sink(responses: Sequence[Response]) -> None:
        found.update({r.key: r for r in responses})

    keys = {r.key for r in requests} if missing is None else missing
    engine.answer(handle, CAPABILITIES[GeneratesImages], requests, keys, sink, Silent())
    return found


def test_an_interrupted_run_ends_with_the_same_images(folders: dict[str, Path]) -> None:
    small, large = (opened(folders["stable"], f"{STEPS}&batch_pixels={n * 1024}") for n in (2, 5))
    requests = ask(small)
    whole = run_engine(large.load("cpu"), requests)
    first = run_engine(small.load("cpu"), requests[:3])
    rest = run_engine(large.load("cpu"), ask(large), {r.key for r in requests} - first.keys())
    assert not first.keys() & rest.keys()
    resumed = first | rest
    change = pixels([whole[r.key] for r in requests]) - pixels([resumed[r.key] for r in requests])
    assert np.abs(change).max() <= 1


def test_an_error_of_one_request_loses_no_other(folders: dict[str, Path]) -> None:
    def change(output: Any, prompts: list[str]) -> Any:
        if "doctor" in prompts:
            raise KeyError("no doctors here")
        return output

    requests, model = answers_after(folders["lcm"], change)
    with pytest.raises(GenerationError, match="no doctors here"):
        model.generate_images(requests)
    found = run_engine(model, requests[1:3])
    assert [found[r.key].status for r in requests[1:3]] == ["ok", "error"]


def test_a_pack_that_does_not_fit_is_halved(folders: dict[str, Path]) -> None:
    def change(output: Any, prompts: list[str]) -> Any:
        if len(prompts) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return output

    requests, model = answers_after(folders["lcm"], change)
    with pytest.raises(OutOfMemory):
        model.generate_images(requests)
    assert {r.status for r in run_engine(model, requests[:2]).values()} == {"ok"}


def test_fewer_images_than_prompts_are_no_answer(folders: dict[str, Path]) -> None:
    def change(output: Any, prompts: list[str]) -> Any:
        output.images = output.images[:1]
        return output

    requests, model = answers_after(folders["lcm"], change)
    with pytest.raises(GenerationError, match="1 images for 4 prompts"):
        model.generate_images(requests)


def test_prompts_that_would_change_each_other_are_not_mixed(folders: dict[str, Path]) -> None:
    handle = opened(folders["stable"])
    model = handle.load("cpu")
    assert model._mixes
    tokenizer = model._pipeline.tokenizer

    class ToTheLongest:
        """As pipelines do that pad to the longest prompt of a call."""

        model_max_length = tokenizer.model_max_length

        def __call__(self, texts: Any, **more: Any) -> Any:
            # Guidance pads its rows to those of the prompts.
            padding = "longest" if any(texts) else "max_length"
            return tokenizer(texts, **{**more, "padding": padding})

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

    model._pipeline.tokenizer = ToTheLongest()
    requests = ask(handle)
    mixed = in_packs(model, requests, 8)
    alone = in_packs(model, requests, 1)
    assert np.abs(pixels([mixed[r.key] for r in requests])
                  - pixels([alone[r.key] for r in requests])).max() > 1  # fmt: skip
    model.check()
    assert not model._mixes
    grouped = in_packs(model, requests, 8)
    assert np.abs(pixels([grouped[r.key] for r in requests])
                  - pixels([alone[r.key] for r in requests])).max() <= 1  # fmt: skip


def test_a_prompt_that_the_encoder_cuts_is_told(folders: dict[str, Path]) -> None:
    handle = opened(folders["stable"], "?steps=1")
    requests = ask(handle, 1, ["a red star", " ".join(["red"] * 14), " ".join(["red"] * 15)])
    answers = handle.load("cpu").generate_images(requests)
    assert [r.finish for r in answers] == ["stop", "stop", "length"]


def test_lower_precision_is_part_of_the_entrant_and_runs(folders: dict[str, Path]) -> None:
    handle = opened(folders["stable"], "?steps=2&dtype=bfloat16")
    assert handle.entrant.dtype == "bfloat16"
    model = handle.load("cpu")
    assert {p.dtype for p in model._pipeline.unet.parameters()} == {torch.bfloat16}
    pixels(model.generate_images(ask(handle, 1)))


def test_loading_and_drawing_leave_the_process_as_it_was(folders: dict[str, Path]) -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002  (the global one is the subject)
    handle = opened(folders["stable"], "?steps=2&scheduler=euler_a")
    handle.load("cpu").generate_images(ask(handle, 1))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


def test_a_folder_that_another_backend_carries_opens_by_the_same_code(
    folders: dict[str, Path],
) -> None:
    spec = ModelSpec.parse("embedded:tinydiffusion?steps=2&guidance=1.5")
    handle = open_pipeline_folder(
        spec, folders["stable"], model="embedded:tinydiffusion", backend="embedded"
    )
    assert handle.entrant.model == "embedded:tinydiffusion"
    assert handle.entrant.revision == opened(folders["stable"]).entrant.revision
    assert dict(handle.entrant.settings)["guidance"] == 1.5
    assert handle.capabilities == {GeneratesImages}
    pixels(handle.load("cpu").generate_images(ask(handle, 1)))


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_absent_weights_are_not_filled_with_random_numbers(
    folders: dict[str, Path], tmp_path: Path, part: str
) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(folders["stable"], tmp_path / "part"))
    file = next((folder / part).glob("*.safetensors"))
    tensors = load_file(file)
    dropped = next(name for name in sorted(tensors) if name.endswith("weight"))
    del tensors[dropped]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(BadInput, match=f"weights of {part} do not fit"):
        opened(folder).load("cpu")


@pytest.mark.parametrize("scheduler", ["trailing", "leading"])
def test_changed_scheduler_settings_change_revision_and_images(
    folders: dict[str, Path], tmp_path: Path, scheduler: str
) -> None:
    folder = save_stable_diffusion(
        tmp_path / "other", scheduler=ddim(timestep_spacing=scheduler, beta_end=0.03)
    )
    assert opened(folder).entrant.revision != opened(folders["stable"]).entrant.revision
