"""Chat models that see images: answers to questions about them, and captions.

Each image is read once for all questions about it that are asked together, and images of like size
are read together.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from evalsuite.errors import GenerationError
from evalsuite.models.answer_likelihood import plain_log_likelihood, score_answers, shares
from evalsuite.models.capabilities import ReadImage
from evalsuite.models.device import memory_watched
from evalsuite.models.loaded_weights import load_weights
from evalsuite.models.model_facts import ModelFacts
from evalsuite.models.safe_loading import ModelFolder
from evalsuite.models.shared_reading import Branches, write_greedily
from evalsuite.models.text_generation import end_ids
from evalsuite.models.visual_check import SharingRefused, check_sharing
from evalsuite.models.visual_heads import Head, blocks, read_head
from evalsuite.models.visual_loading import IMAGE_TOKENS, batch_tokens, load_processor
from evalsuite.models.visual_options import VisualChatOptions
from evalsuite.models.visual_prompts import (
    MAX_CHARACTERS,
    MAX_NEW_TOKENS,
    not_finite,
    read_prompts,
    readable_prompts,
)
from evalsuite.models.visual_turns import Tokens, Turn, TurnWriter
from evalsuite.requests import Request, Response

if TYPE_CHECKING:
    from PIL.Image import Image


class VisualChat:
    """Answers questions about images by likelihood or in words, and describes images.

    Parameters
    ----------
    model : transformers model that writes text about images, in evaluation mode
    processor : its processor
    options : VisualChatOptions
    name : str
        The model's name, for messages.
    positions : int or None
        Most tokens that it reads at once.
    beside : bool
        Whether the answers of a question are read side by side, as in `score_answers`.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        options: VisualChatOptions,
        *,
        name: str,
        positions: int | None,
        beside: bool,
    ) -> None:
        self._model = model
        self._processor = processor
        self._score = options.answer_score
        self._positions = positions
        self._beside = beside
        self._end_ids = end_ids(model, processor.tokenizer)
        self._writer = TurnWriter(processor, end_ids=self._end_ids, name=name)
        self._budget = batch_tokens(options, model)

    @property
    def pack_budget(self) -> int:
        """Tokens of a pack."""
        return self._budget

    def sizes(self, requests: Sequence[Request]) -> list[int]:
        """Tokens that each request takes: the same for all, so that an image's stay together.

        An image's tokens are shared by the questions about it.
        """
        prompts = readable_prompts(requests)
        n_images = len({prompt.image.sha256 for prompt in prompts})
        turns = self._writer.turns((prompt.question, prompt.answers) for prompt in prompts).values()
        longest = max(
            (len(t.tail) + sum(map(len, t.answers)) for t in turns if isinstance(t, Turn)),
            default=1,
        )
        shared = IMAGE_TOKENS * n_images // max(1, len(prompts))
        return [longest + shared] * len(requests)

    def answer_questions(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Score the answers of each question's closed set, or write an answer."""
        return self._respond(requests, read)

    def caption_images(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        """Describe each image in a sentence."""
        return self._respond(requests, read)

    def plain_scores(
        self, image: "Image", question: str, answers: tuple[str, ...]
    ) -> tuple[float, ...]:
        """Score answers by a whole forward pass for each: slow, what the shared way must equal.

        Raises
        ------
        GenerationError
            If the template or the processor does not take them.
        """
        turn = self._writer.turn(question, answers)
        head = read_head(self._model, self._processor, image, [(0, turn)])
        with memory_watched(), torch.inference_mode():
            values = [
                plain_log_likelihood(self._model, head.tensors, turn.tail, answer)
                for answer in turn.answers
            ]
        return shares(np.array(values), turn.answers, score=self._score)

    def _respond(self, requests: Sequence[Request], read: ReadImage) -> list[Response]:
        prompts, images = read_prompts(requests, read)
        readable = {i: prompt for i, prompt in enumerate(prompts) if not isinstance(prompt, str)}
        problems = {i: prompt for i, prompt in enumerate(prompts) if isinstance(prompt, str)}
        turns = self._writer.turns((p.question, p.answers) for p in readable.values())
        asked: dict[tuple[str, Tokens], list[tuple[int, Turn]]] = {}
        for i, prompt in readable.items():
            turn = turns[prompt.question, prompt.answers]
            if isinstance(turn, str):
                problems[i] = turn
            else:
                asked.setdefault((prompt.image.sha256, turn.head), []).append((i, turn))
        heads = []
        for (name, _), own in asked.items():
            try:
                heads.append(read_head(self._model, self._processor, images[name], own))
            except GenerationError as error:
                problems |= {i: str(error) for i, _ in own}
        found = {i: Response(requests[i].key, "error", message=m) for i, m in problems.items()}
        with memory_watched(), torch.inference_mode():
            for block in blocks(heads, self._budget):
                found |= self._answer_block(block, requests)
        return [found[i] for i in range(len(requests))]

    def _answer_block(
        self, heads: Sequence[Head], requests: Sequence[Request]
    ) -> dict[int, Response]:
        names = heads[0].tensors
        branches = Branches.reading(
            self._model, {name: torch.cat([h.tensors[name] for h in heads]) for name in names}
        )
        asked = [(row, place, turn) for row, h in enumerate(heads) for place, turn in h.turns]
        found: dict[int, Response] = {}
        for part in self._alike(asked, branches.n_read):
            keys = [requests[place].key for _, place, _ in part]
            responses = self._answer(branches, [(row, turn) for row, _, turn in part], keys)
            found.update(zip((place for _, place, _ in part), responses, strict=True))
        return found

    def _alike(
        self, asked: Sequence[tuple[int, int, Turn]], n_head: int
    ) -> Iterator[Sequence[tuple[int, int, Turn]]]:
        """Questions that are read together: of one length and kind, as the budget holds."""

        def kind(item: tuple[int, int, Turn]) -> tuple[int, bool]:
            return len(item[2].tail), bool(item[2].answers)

        for (length, _), group in groupby(sorted(asked, key=kind), key=kind):
            alike = list(group)
            n = max(1, self._budget // (n_head + length))
            yield from (alike[start : start + n] for start in range(0, len(alike), n))

    def _answer(
        self, branches: Branches, asked: Sequence[tuple[int, Turn]], keys: Sequence[bytes]
    ) -> list[Response]:
        """Answer questions of one length, all with a closed set or all without."""
        turns = [turn for _, turn in asked]
        longest = max(len(a) for t in turns for a in t.answers or ((0,) * MAX_NEW_TOKENS,))
        n_prompt = branches.n_read + len(turns[0].tail)
        if self._positions is not None and n_prompt + longest > self._positions:
            message = (
                f"image and question have {n_prompt} tokens and the answer may have {longest}, but "
                f"the model reads at most {self._positions}"
            )
            return [Response(key, "error", message=message) for key in keys]
        own = branches.fork([row for row, _ in asked])
        tails = torch.tensor([turn.tail for turn in turns], device=self._model.device)
        logits = own.read(tails, last_only=True)[:, -1]
        if turns[0].answers:
            return self._scored(own, logits, turns, keys)
        return self._written(own, logits, keys, n_prompt)

    def _scored(
        self, branches: Branches, logits: Any, turns: Sequence[Turn], keys: Sequence[bytes]
    ) -> list[Response]:
        values = score_answers(
            branches, logits, [t.answers for t in turns], budget=self._budget, beside=self._beside
        )
        return [
            Response(
                key,
                "ok",
                scores=shares(own, turn.answers, score=self._score),
                n_prompt_tokens=branches.n_read,
            )
            if np.isfinite(own).all()
            else not_finite(key)
            for key, turn, own in zip(keys, turns, values, strict=True)
        ]

    def _written(
        self, branches: Branches, logits: Any, keys: Sequence[bytes], n_prompt: int
    ) -> list[Response]:
        written = write_greedily(branches, logits, end_ids=self._end_ids, limit=MAX_NEW_TOKENS)
        return [
            not_finite(key)
            if one is None
            else Response(
                key,
                "ok",
                text=self._decoded(one[0]),
                finish=one[1],
                n_prompt_tokens=n_prompt,
                n_new_tokens=len(one[0]),
            )
            for key, one in zip(keys, written, strict=True)
        ]

    def _decoded(self, ids: Sequence[int]) -> str:
        text: str = self._processor.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text.strip()[:MAX_CHARACTERS]


def load(
    folder: ModelFolder, facts: ModelFacts, options: VisualChatOptions, device: str
) -> VisualChat:
    """Load a chat model that sees images.

    Raises
    ------
    BadInput
        If its weights do not fit its architecture, it has no processor or chat template, or its
        answers are others when an image is read once for all its questions.
    """
    name = f"transformers:{folder.label}"
    auto = transformers.AutoModelForImageTextToText
    model = load_weights(auto, folder, options, device, name=name)
    processor = load_processor(folder, name=name)

    def checked(*, beside: bool) -> VisualChat:
        positions = facts.positions
        chat = VisualChat(model, processor, options, name=name, positions=positions, beside=beside)
        check_sharing(chat, name=name, dtype=model.dtype)
        return chat

    try:
        return checked(beside=True)
    except SharingRefused:  # Slower, and right for more architectures: sliding windows, for one.
        return checked(beside=False)
