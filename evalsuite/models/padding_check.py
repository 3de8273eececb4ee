"""Whether a model's answers are the same alone and in a padded batch; asked once, at loading.

Some architectures number positions from the left edge of the batch, or look ahead, or forget the
cache, and say nothing about it: their answers would hang on what else is in the batch.
"""

from typing import Any

import torch

from evalsuite.errors import BadInput
from evalsuite.models.device import memory_watched
from evalsuite.models.sampling import forced_logits

# In standard deviations of the logits. Measured: 2e-6 for 27 tiny architectures and 6e-6 for a real
# one of 30 layers in float32; rounding alone moves the real one's logits by .07 in bfloat16; models
# that do not take padding are off by .3 to 1.5.
_TOLERANCE = {torch.float32: 1e-3}
_HALF_PRECISION = 0.15
_PROMPT_TOKENS = (3, 9)
_ANSWER_TOKENS = (2, 1)  # the longer row leaves first, and its padding is cut off the other


def check_padding(model: Any, name: str) -> None:
    """Compare a small padded batch, read as the sampling loop does, with each of its rows alone.

    Rows whose logits are not finite are passed over: they fail one by one when they are drawn.

    Parameters
    ----------
    model : transformers causal language model
        In evaluation mode.
    name : str
        For the message.

    Raises
    ------
    BadInput
        If the answers differ by more than rounding, or the model cannot read such a batch at all.
    OutOfMemory
        If there is no room for 18 tokens.
    """
    try:
        with memory_watched():
            worst = largest_difference(model)
    # What a forward raises that does not know padding or a cache is up to its authors.
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise _refusal(model, name, f"fails on left padding: {lines[0]}") from error
    if worst > _TOLERANCE.get(model.dtype, _HALF_PRECISION):
        raise _refusal(model, name, "does not take left padding")


def largest_difference(model: Any) -> float:
    """Return the largest difference of the next logits between a padded batch and its rows alone.

    Returns
    -------
    float
        In [0, inf): root mean square over the vocabulary, in standard deviations of the logits.
    """
    answers = _texts(model)
    worst = 0.0
    for text, packed in forced_logits(model, answers).items():
        with torch.inference_mode():
            ids = torch.tensor([text], device=model.device)
            alone = model(input_ids=ids, use_cache=False).logits[0, -1].double()
        difference = packed.double() - alone
        if bool(difference.isfinite().all()) and bool(difference.any()):
            worst = max(worst, float(difference.square().mean().sqrt() / alone.std()))
    return worst


def _texts(model: Any) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Prompts and answers of tokens that lie evenly in the vocabulary, padding not among them."""
    n = sum(_PROMPT_TOKENS + _ANSWER_TOKENS)
    size = model.get_input_embeddings().weight.shape[0]
    padding = model.config.pad_token_id
    spread = [(2 * i + 1) * size // (2 * n) for i in range(n)]
    ids = iter([(i + 1) % size if i == padding else i for i in spread])
    return {
        tuple(next(ids) for _ in range(n_prompt)): tuple(next(ids) for _ in range(n_answer))
        for n_prompt, n_answer in zip(_PROMPT_TOKENS, _ANSWER_TOKENS, strict=True)
    }


def _refusal(model: Any, name: str, what: str) -> BadInput:
    return BadInput(
        f"model {name}: its answers would depend on how prompts are packed (its architecture "
        f"{type(model).__name__} {what}); it cannot be sampled from here. Choose a model of "
        "another architecture."
    )
