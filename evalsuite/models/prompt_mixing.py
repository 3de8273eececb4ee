"""Whether prompts of different length can share a call without changing each other's image."""

from collections.abc import Callable
from typing import Any

import torch

_SHORT, _LONG = "a", "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3
# Relative change of a conditioning: above what another order of adding numbers makes of it, below
# what padding that is not masked does.
_ROUNDING = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}


class _Stopped(Exception):
    """Ends a pipeline's call when its denoiser has been asked for the first step."""


def prompts_mix(pipeline: Any, arguments: Callable[[list[str]], dict[str, Any]]) -> bool:
    """Ask for a short prompt alone and beside a long one, and compare what the denoiser is given.

    Pipelines that pad to a fixed length give it the same; those that pad to the longest prompt of
    the call do not.

    Parameters
    ----------
    pipeline : diffusers pipeline
    arguments : callable
        Gives the arguments of the pipeline's call for its prompts.

    Returns
    -------
    bool
        False also where the denoiser cannot be found.
    """
    denoiser = denoiser_of(pipeline)
    if denoiser is None:
        return False
    alone = _conditioning(pipeline, denoiser, arguments([_SHORT]))
    beside = _conditioning(pipeline, denoiser, arguments([_SHORT, _LONG]))
    agree = (_rows_agree(value, beside[name]) for name, value in alone.items() if name in beside)
    return bool(alone) and alone.keys() == beside.keys() and all(agree)


def denoiser_of(pipeline: Any) -> Any:
    """The network that takes the denoising steps; None if it goes by no usual name."""
    for name in ("unet", "transformer"):
        if isinstance(model := getattr(pipeline, name, None), torch.nn.Module):
            return model
    return None


def _conditioning(
    pipeline: Any, denoiser: Any, arguments: dict[str, Any]
) -> dict[str, torch.Tensor]:
    """What the prompts become: the tensors, besides the latents, that the denoiser is given."""
    found: dict[str, torch.Tensor] = {}

    def hook(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for name, value in kwargs.items():
            if name.startswith("encoder_") and isinstance(value, torch.Tensor):
                found[name] = value.detach().cpu()
        raise _Stopped

    generators = [torch.Generator("cpu").manual_seed(0) for _ in arguments["prompt"]]
    handle = denoiser.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        pipeline(**arguments, generator=generators)
    except _Stopped:
        pass
    finally:
        handle.remove()
    return found


def _rows_agree(alone: torch.Tensor, beside: torch.Tensor) -> bool:
    """Whether the rows of the short prompt are the same, without and with guidance's own rows."""
    if alone.shape[1:] != beside.shape[1:] or beside.shape[0] != 2 * alone.shape[0]:
        return False
    # Guidance stacks the rows without the prompt above those with it.
    first, other = alone.double().flatten(1), beside[::2].double().flatten(1)
    change = (first - other).norm(dim=1) / first.norm(dim=1).clamp_min(1e-12)
    return bool((change <= _ROUNDING.get(alone.dtype, 0.0)).all())
