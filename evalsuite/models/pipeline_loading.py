"""Pipelines in memory; imported when one is loaded, because torch is."""

import importlib
from typing import TYPE_CHECKING, Any

import diffusers
import torch
import transformers
from safetensors import SafetensorError

from evalsuite.errors import BadInput
from evalsuite.models.device import choose_device, memory_watched
from evalsuite.models.image_generation import ImageGenerator
from evalsuite.models.pipeline_folders import Component
from evalsuite.models.pipeline_options import SCHEDULERS, PipelineOptions
from evalsuite.models.prompt_mixing import denoiser_of

if TYPE_CHECKING:
    from evalsuite.models.diffusers import DiffusersHandle

_LOADING_ERRORS = (
    OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError,
    SafetensorError,
)  # fmt: skip

# Pixels of one pack. On a CPU larger packs gain nothing.
_CPU_PIXELS = 64 * 32 * 32
# Memory that one pixel of an image takes at float32: the widest layers of common decoders hold 256
# channels, 1 KiB a pixel, and a few of them live at once. A pack that does not fit is halved.
_BYTES_A_PIXEL = 8192


def load_pipeline(handle: "DiffusersHandle", device: str) -> ImageGenerator:
    """Load a pipeline with its components, scheduler and options.

    Raises
    ------
    BadInput
        If weights are absent or do not fit, or an option does not fit the pipeline.
    """
    target = choose_device(device)
    name, options = handle.entrant.model, handle.options
    diffusers.utils.logging.disable_progress_bar()  # the suite shows its own
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        with memory_watched():
            pipeline = _assemble(handle).to(target)
    except _LOADING_ERRORS as error:
        raise BadInput(f"model {name}: cannot be loaded: {_first_line(error)}") from error
    if type(pipeline).__name__ != handle.folder.kind:
        raise BadInput(f"model {name}: loads as {type(pipeline).__name__}, not as its own class")
    if options.scheduler is not None:
        pipeline.scheduler = _other_scheduler(pipeline.scheduler, options.scheduler, name)
    # Whether an invisible mark is drawn would hang on which packages are installed.
    if hasattr(pipeline, "watermark"):
        pipeline.watermark = None
    pipeline.set_progress_bar_config(disable=True)
    size = output_size(pipeline, options)
    budget = options.batch_pixels or _pack_pixels(pipeline, options, target, size)
    generator = ImageGenerator(pipeline, options, name=name, size=size, pack_pixels=budget)
    generator.check()
    return generator


def _assemble(handle: "DiffusersHandle") -> Any:
    """Load the components that have weights by themselves, to see what is absent from each."""
    loaded = {
        part.name: model
        for part in handle.folder.components
        if part.has_weights and (model := _component(handle, part)) is not None
    }
    return diffusers.DiffusionPipeline.from_pretrained(
        str(handle.folder.path), use_safetensors=True, local_files_only=True, **loaded
    )


def _component(handle: "DiffusersHandle", part: Component) -> Any:
    """Load one model; None if the class is none, so that the pipeline loads it its own way."""
    library: Any = {"diffusers": diffusers, "transformers": transformers}.get(part.library)
    if library is None:
        library = importlib.import_module(f"diffusers.pipelines.{part.library}")
    kind = getattr(library, part.kind, None)
    if kind is None:
        raise ValueError(f"the installed {part.library} has no class {part.kind!r}")
    if not issubclass(kind, torch.nn.Module):
        return None
    precision = "torch_dtype" if issubclass(kind, diffusers.ModelMixin) else "dtype"
    model, report = kind.from_pretrained(
        str(handle.folder.path / part.name),
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **{precision: getattr(torch, handle.options.dtype)},
    )
    # Absent weights are filled with random numbers; positions are counted, not learnt.
    absent = sorted(key for key in report["missing_keys"] if "position_ids" not in key)
    if what := absent or sorted(str(key) for key in report["mismatched_keys"]):
        raise ValueError(
            f"the weights of {part.name} do not fit its architecture: {len(what)} tensors are "
            f"absent or of another shape, {what[0]} first"
        )
    return model.eval()


def _other_scheduler(own: Any, chosen: str, model: str) -> Any:
    """Make the chosen scheduler from the configuration of the pipeline's own."""
    kind = getattr(diffusers, SCHEDULERS[chosen])
    # LCM works wherever DDIM does (with distilled weights), but stands in no list of diffusers.
    peer = diffusers.DDIMScheduler if chosen == "lcm" else kind
    if kind is not type(own) and peer not in own.compatibles:
        raise BadInput(
            f"model {model}: was trained for {type(own).__name__}, which scheduler={chosen} cannot "
            "stand in for; leave ?scheduler out"
        )
    try:
        return kind.from_config(own.config)
    except _LOADING_ERRORS as error:
        raise BadInput(
            f"model {model}: scheduler={chosen} cannot be made from the configuration of its "
            f"{type(own).__name__}: {_first_line(error)}"
        ) from error


def output_size(pipeline: Any, options: PipelineOptions) -> tuple[int, int]:
    """Width and height of the images, in pixels, as far as the pipeline tells beforehand."""
    side = getattr(pipeline, "default_sample_size", None)
    if side is None:
        denoiser = denoiser_of(pipeline)
        side = None if denoiser is None else getattr(denoiser.config, "sample_size", None)
    sides = (side, side) if isinstance(side, int) else tuple(side or (128, 128))[-2:]
    factor = getattr(pipeline, "vae_scale_factor", 1 if not hasattr(pipeline, "vae") else 8)
    return options.width or sides[1] * factor, options.height or sides[0] * factor


def _pack_pixels(
    pipeline: Any, options: PipelineOptions, device: str, size: tuple[int, int]
) -> int:
    """Pixels that fit beside the weights; of the whole memory, so that resuming cuts equally."""
    if not device.startswith("cuda"):
        return max(_CPU_PIXELS, size[0] * size[1])
    memory: int = torch.cuda.get_device_properties(device).total_memory
    models = [m for m in pipeline.components.values() if isinstance(m, torch.nn.Module)]
    weights: int = sum(p.numel() * p.element_size() for model in models for p in model.parameters())
    width = 2 if options.dtype != "float32" else 1
    return max(size[0] * size[1], (memory - weights) * width // (2 * _BYTES_A_PIXEL))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
