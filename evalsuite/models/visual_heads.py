"""An image and the words before it, as a chat model reads them once for all questions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from evalsuite.errors import GenerationError
from evalsuite.models.visual_turns import Turn, adds_special_tokens

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Head:
    """What the questions about an image share.

    Parameters
    ----------
    tensors : dict of str to tensor
        Inputs of the model for one row: token ids up to the image's last, pixels and sizes.
    turns : tuple of (int, Turn)
        The questions, each with the place of its request.
    """

    tensors: dict[str, Any]
    turns: tuple[tuple[int, Turn], ...]

    @property
    def shapes(self) -> str:
        """Heads of equal shapes can be read together."""
        return str(sorted((name, tuple(value.shape)) for name, value in self.tensors.items()))

    @property
    def n_tokens(self) -> int:
        """Tokens, those of the image among them."""
        return int(self.tensors["input_ids"].shape[1])


def read_head(
    model: Any, processor: Any, image: "Image", turns: Sequence[tuple[int, Turn]]
) -> Head:
    """Make a model's inputs of an image and the words before it.

    Parameters
    ----------
    model, processor
        Those of transformers.
    image : PIL image
    turns : sequence of (int, Turn)
        Questions with equal heads, at least one.

    Raises
    ------
    GenerationError
        If the processor does not take the image, or writes the question otherwise than its
        tokenizer does, so that the words behind the image cannot be told from those before.
    """
    turn = turns[0][1]
    try:
        inputs = processor(
            images=[image],
            text=[turn.text],
            return_tensors="pt",
            add_special_tokens=adds_special_tokens(processor.tokenizer, turn.text),
        )
    # Processors are many, and say in as many ways that an image is not for them.
    except (ValueError, TypeError, RuntimeError, LookupError) as error:
        what = " ".join(str(error).split())[:200]
        raise GenerationError(f"the model's processor does not take this image: {what}") from error
    ids, n_tail = inputs["input_ids"], len(turn.tail)
    if n_tail == 0 or tuple(ids[0, -n_tail:].tolist()) != turn.tail:
        raise GenerationError(
            "the model's processor writes the question otherwise than its tokenizer"
        )
    tensors = {}
    for name, value in inputs.items():
        if name == "attention_mask":  # without padding it says nothing
            continue
        own = value[:, :-n_tail] if value.shape == ids.shape else value
        own = own.to(model.dtype) if own.is_floating_point() else own
        tensors[name] = own.to(model.device)
    return Head(tensors, tuple(turns))


def blocks(heads: Sequence[Head], budget: int) -> Iterator[Sequence[Head]]:
    """Cut heads into those that are read together: of equal shapes, as many as the budget holds.

    Parameters
    ----------
    heads : sequence of Head
    budget : int
        Most tokens of a block; a single head above it still gets a block of its own.
    """
    for _, group in groupby(sorted(heads, key=_shapes), key=_shapes):
        alike = list(group)
        n = max(1, budget // alike[0].n_tokens)
        yield from (alike[start : start + n] for start in range(0, len(alike), n))


def _shapes(head: Head) -> str:
    return head.shapes
