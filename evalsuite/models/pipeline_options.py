"""The options of a text-to-image pipeline; what is left out is filled from its own defaults."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from evalsuite.errors import BadInput
from evalsuite.models.pipeline_folders import PipelineFolder
from evalsuite.models.pipeline_signature import CallSignature

SchedulerName = Literal["ddim", "dpm++", "euler", "euler_a", "heun", "lcm", "pndm", "unipc"]

SCHEDULERS: dict[str, str] = {
    "ddim": "DDIMScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
}
"""Class in diffusers of each scheduler that can be chosen."""

# The pipeline's own name of each option.
_PARAMETERS = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "width": "width",
    "height": "height",
    "negative_prompt": "negative_prompt",
}


def _plus(value: object) -> object:
    # In the query of a model's name a plus sign that is not escaped reads as a blank.
    return value.replace(" ", "+") if isinstance(value, str) else value


class PipelineOptions(BaseModel):
    """What may stand behind the ``?`` of a pipeline's name.

    Parameters
    ----------
    steps, guidance : int, float
        Denoising steps and strength of classifier-free guidance; by default the pipeline's own.
    width, height : int
        Of the image, in pixels; by default the pipeline's own.
    negative_prompt : str or None
        What guidance leads away from.
    scheduler : str or None
        One of `SCHEDULERS`, made from the configuration of the pipeline's own.
    prefix : str
        Stands before every prompt, as it is written.
    dtype : float32, bfloat16 or float16
    batch_pixels : int
        Pixels of one pack; they do not change an image beyond rounding.
    post_training_of : str or None
        The base model that this one was trained from, as it stands in the leaderboard.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int | None = Field(None, ge=1, le=10_000)
    guidance: float | None = Field(None, ge=0.0, le=1000.0, allow_inf_nan=False)
    width: int | None = Field(None, ge=8, le=8192)
    height: int | None = Field(None, ge=8, le=8192)
    negative_prompt: str | None = None
    scheduler: Annotated[SchedulerName | None, BeforeValidator(_plus)] = None
    prefix: str = ""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_pixels: int | None = Field(None, ge=1)
    post_training_of: str | None = None

    def call_arguments(self) -> dict[str, int | float | str]:
        """The arguments of the pipeline's call that the user or its defaults have settled.

        >>> PipelineOptions(steps=20, guidance=1.5).call_arguments()
        {'num_inference_steps': 20, 'guidance_scale': 1.5}
        """
        values = {own: getattr(self, name) for name, own in _PARAMETERS.items()}
        return {name: value for name, value in values.items() if value is not None}


def complete_options(
    options: PipelineOptions, signature: CallSignature, model: str
) -> PipelineOptions:
    """Fill in the pipeline's own steps, guidance and size, where its code states them.

    Raises
    ------
    BadInput
        If the pipeline does not take an option that the user set.
    """
    for name, own in _PARAMETERS.items():
        if getattr(options, name) is not None and not signature.takes(own):
            raise BadInput(f"model {model}: {signature.kind} takes no {name}; leave it out")
    updates: dict[str, int | float] = {}
    for name in ("steps", "guidance", "width", "height"):
        default = signature.number(_PARAMETERS[name])
        if getattr(options, name) is None and default is not None:
            updates[name] = float(default) if name == "guidance" else int(default)
    return options.model_copy(update=updates)


def entrant_settings(
    options: PipelineOptions, folder: PipelineFolder
) -> tuple[tuple[str, str | int | float | bool | None], ...]:
    """Everything of the options that can change an image, sorted by name."""
    own = folder.component("scheduler")
    scheduler = SCHEDULERS[options.scheduler] if options.scheduler else own.kind if own else None
    settings: dict[str, str | int | float | bool | None] = {
        name: getattr(options, name) for name in _PARAMETERS
    }
    settings |= {"scheduler": scheduler, "prefix": options.prefix or None}
    return tuple(sorted((name, value) for name, value in settings.items() if value is not None))
