"""Answers to questions about images by models made for that: BLIP and ViLT.

Rows that are read together have equal lengths, so that no answer depends on padding.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol

import torch
import transformers

from evalsuite.errors import BadInput, GenerationError
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.device import memory_watched
from evalsuite.models.image_options import ImageOptions
from evalsuite.models.image_preparation import Prepare, image_processor, image_rows
from evalsuite.models.loaded_weights import load_tokenizer, load_weights
from evalsuite.models.model_facts import ModelFacts
from evalsuite.models.safe_loading import ModelFolder
from evalsuite.models.visual_answerers import AskedRow, BlipAnswers, ViltAnswers
from evalsuite.models.visual_loading import IMAGE_TOKENS, batch_tokens
from evalsuite.models.visual_prompts import VisualPrompt, read_prompts, readable_prompts
from evalsuite.requests import Request, Response


class Answers(Protocol):
    """An architecture: images to features, and questions about features to answers."""

    @property
    def model(self) -> Any:
        """The transformers model."""
        ...

    def check(self, prompts: Sequence[VisualPrompt]) -> None:
        """Raise BadInput if answers are asked for that the model does not have."""
        ...

    def question_ids(self, question: str) -> tuple[int, ...]:
        """Tokens of a question; GenerationError if it is too long."""
        ...

    def features(self, pixels: Any) -> Any:
        """What of images of one shape is computed once for all questions, a row an image."""
        ...

    def answer(self, features: Any, rows: Sequence[AskedRow]) -> list[Response]:
        """Answer questions of one length, all closed or all free, a row of features each."""
        ...


class VisualAnswerer:
    """Answers questions about images with BLIP or ViLT.

    Parameters
    ----------
    answers : Answers
        The architecture.
    prepare : callable
        Makes the pixels of an image.
    budget : int
        Most tokens, those of images among them, of one forward pass.
    """

    def __init__(self, answers: Answers, prepare: Prepare, *, budget: int) -> None:
        self._answers = answers
        self._prepare = prepare
        self._budget = budget

    @property
    def pack_budget(self) -> int:
        """Tokens of a pack."""
        return self._budget

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens that each request takes: an image is as long as many words."""
        return [IMAGE_TOKENS] * len(requests)

    def answer_questions(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Score the answers of each question's closed set, or give an answer.

        Raises
        ------
        BadInput
            If the model has a vocabulary of answers, and one that is asked for is not in it.
        """
        self._answers.check(readable_prompts(requests))
        prompts, images = read_prompts(requests, read)
        found: dict[int, Response] = {}
        asked: dict[str, list[tuple[int, AskedRow]]] = {}
        for i, prompt in enumerate(prompts):
            try:
                row = self._row(prompt, requests[i].key)
            except GenerationError as error:
                found[i] = Response(requests[i].key, "error", message=str(error))
                continue
            asked.setdefault(row.image, []).append((i, row))
        pixels = {name: self._prepare(images[name]) for name in asked}
        with memory_watched(), torch.inference_mode():
            for names in self._alike(pixels):
                rows = image_rows([pixels[name] for name in names], self._answers.model)
                own = [(k, i, row) for k, name in enumerate(names) for i, row in asked[name]]
                found |= self._answered(self._answers.features(rows), own)
        return [found[i] for i in range(len(requests))]

    def _row(self, prompt: VisualPrompt | str, key: bytes) -> AskedRow:
        if isinstance(prompt, str):
            raise GenerationError(prompt)
        if prompt.question is None:
            raise GenerationError("this model answers questions and writes no captions")
        ids = self._answers.question_ids(prompt.question)
        return AskedRow(key, prompt.image.sha256, ids, prompt.answers)

    def _alike(self, pixels: dict[str, Any]) -> Iterator[Sequence[str]]:
        """Images of one shape, as many as are read together."""

        def shape(name: str) -> tuple[int, ...]:
            return tuple(pixels[name].shape)

        n = max(1, self._budget // IMAGE_TOKENS)
        for _, group in groupby(sorted(pixels, key=shape), key=shape):
            names = list(group)
            yield from (names[start : start + n] for start in range(0, len(names), n))

    def _answered(
        self, features: Any, asked: Sequence[tuple[int, int, AskedRow]]
    ) -> dict[int, Response]:
        def kind(item: tuple[int, int, AskedRow]) -> tuple[int, bool]:
            return len(item[2].question), item[2].answers is None

        found: dict[int, Response] = {}
        n = max(1, self._budget // IMAGE_TOKENS)
        for _, group in groupby(sorted(asked, key=kind), key=kind):
            alike = list(group)
            for start in range(0, len(alike), n):
                part = alike[start : start + n]
                own = features[torch.tensor([k for k, _, _ in part], device=features.device)]
                responses = self._answers.answer(own, [row for _, _, row in part])
                found.update(zip((i for _, i, _ in part), responses, strict=True))
        return found


def load(
    folder: ModelFolder, facts: ModelFacts, options: ImageOptions, device: str
) -> VisualAnswerer:
    """Load a BLIP or ViLT model that answers questions.

    Raises
    ------
    BadInput
        If its weights do not fit its architecture, it is another one, or its answers hang on
        chance.
    """
    name = f"transformers:{folder.label}"
    kinds: dict[str, type[BlipAnswers | ViltAnswers]] = {"blip": BlipAnswers, "vilt": ViltAnswers}
    kind = kinds.get(str(folder.config.get("model_type")))
    if kind is None:
        raise BadInput(
            f"model {name}: of those made for visual questions only BLIP and ViLT are read"
        )
    auto = transformers.AutoModelForVisualQuestionAnswering
    model = load_weights(auto, folder, options, device, name=name)
    answers = kind(model, load_tokenizer(folder, name=name), name=name)
    prepare = image_processor(folder, name=name)
    return VisualAnswerer(answers, prepare, budget=batch_tokens(options, model))
