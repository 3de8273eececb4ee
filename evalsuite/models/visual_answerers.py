"""How BLIP and ViLT answer questions about images: BLIP writes, ViLT has a list of answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.errors import BadInput, GenerationError
from evalsuite.models.answer_likelihood import shares
from evalsuite.models.captioning import GREEDY, written
from evalsuite.models.visual_prompts import VisualPrompt, not_finite
from evalsuite.requests import Response

_READ_TOGETHER = 256  # answers of one forward pass of BLIP's decoder


@dataclass(frozen=True)
class AskedRow:
    """A question about an image, as tokens.

    Parameters
    ----------
    key : bytes
        The request's.
    image : str
        sha256 of the image part.
    question : tuple of int
    answers : tuple of str or None
        The closed set; None where the answer is free.
    """

    key: bytes
    image: str
    question: tuple[int, ...]
    answers: tuple[str, ...] | None


class BlipAnswers:
    """BLIP: a question is read beside the image's features, and its answer written or ranked.

    An answer's score is the log-likelihood of its tokens and of the end behind them, which is how
    the model's authors rank answers.

    Parameters
    ----------
    model : BlipForQuestionAnswering, in evaluation mode
    tokenizer : its tokenizer
    name : str
        The model's name, for messages.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._longest = int(model.config.text_config.max_position_embeddings)
        end = model.config.text_config.sep_token_id
        if end is None or end != tokenizer.sep_token_id:
            raise BadInput(f"model {name}: its config.json and tokenizer end answers differently")
        self._end = int(end)

    def check(self, prompts: Sequence[VisualPrompt]) -> None:
        """Any answer can be ranked."""

    def question_ids(self, question: str) -> tuple[int, ...]:
        """Tokens of a question."""
        return _question_ids(self._tokenizer, question, self._longest)

    def features(self, pixels: Any) -> Any:
        """Output of the vision encoder."""
        return self.model.vision_model(pixel_values=pixels).last_hidden_state

    def answer(self, features: Any, rows: Sequence[AskedRow]) -> list[Response]:
        """Rank the answers of each row, or write one."""
        ids = torch.tensor([row.question for row in rows], device=features.device)
        seen = torch.ones(features.shape[:-1], dtype=torch.long, device=features.device)
        states = self.model.text_encoder(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            encoder_hidden_states=features,
            encoder_attention_mask=seen,
        ).last_hidden_state
        if rows[0].answers is None:
            return self._written(states, rows)
        return self._ranked(states, rows)

    def _written(self, states: Any, rows: Sequence[AskedRow]) -> list[Response]:
        start = torch.full((len(rows), 1), self.model.decoder_start_token_id, device=states.device)
        found = self.model.text_decoder.generate(
            input_ids=start,
            attention_mask=torch.ones_like(start),
            encoder_hidden_states=states,
            encoder_attention_mask=_all_seen(states),
            eos_token_id=self._end,
            pad_token_id=self.model.config.text_config.pad_token_id,
            **GREEDY,
        ).tolist()
        return [
            written(row.key, tokens, self._tokenizer, self._end)
            for row, tokens in zip(rows, found, strict=True)
        ]

    def _ranked(self, states: Any, rows: Sequence[AskedRow]) -> list[Response]:
        own = [[self._answer_ids(answer) for answer in row.answers or ()] for row in rows]
        flat = [(k, ids) for k, answers in enumerate(own) for ids in answers]
        values = np.concatenate(
            [
                self._log_likelihoods(states, flat[start : start + _READ_TOGETHER])
                for start in range(0, len(flat), _READ_TOGETHER)
            ]
        )
        cuts = np.cumsum([len(answers) for answers in own])[:-1]
        return [
            _scored(row.key, part, shares(part, answers, score="sum"))
            for row, answers, part in zip(rows, own, np.split(values, cuts), strict=True)
        ]

    def _answer_ids(self, answer: str) -> tuple[int, ...]:
        ids = self._tokenizer(answer, add_special_tokens=False, split_special_tokens=True)
        return (*ids["input_ids"], self._end)

    def _log_likelihoods(
        self, states: Any, answers: Sequence[tuple[int, tuple[int, ...]]]
    ) -> NDArray[np.float64]:
        """Of answers, each with the row of the question that it is an answer to."""
        width = max(len(ids) for _, ids in answers)
        # The start token, then the answer; a decoder does not see the padding on its right.
        padded = torch.full((len(answers), width + 1), self.model.decoder_start_token_id)
        is_token = torch.zeros((len(answers), width), dtype=torch.bool)
        for i, (_, ids) in enumerate(answers):
            padded[i, 1 : len(ids) + 1] = torch.tensor(ids)
            is_token[i, : len(ids)] = True
        padded, is_token = padded.to(states.device), is_token.to(states.device)
        own = states[torch.tensor([k for k, _ in answers], device=states.device)]
        logits = self.model.text_decoder(
            input_ids=padded[:, :-1],
            attention_mask=torch.ones_like(padded[:, :-1]),
            encoder_hidden_states=own,
            encoder_attention_mask=_all_seen(own),
        ).logits.float()
        chosen = logits.gather(-1, padded[:, 1:, None])[..., 0] - logits.logsumexp(-1)
        values = chosen.double().masked_fill(~is_token, 0.0).sum(-1)
        found: NDArray[np.float64] = values.cpu().numpy()
        return found


class ViltAnswers:
    """ViLT: question and patches are read together, and a head scores a fixed list of answers.

    Parameters
    ----------
    model : ViltForQuestionAnswering, in evaluation mode
    tokenizer : its tokenizer
    name : str
        The model's name, for messages.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._name = name
        self._longest = int(model.config.max_position_embeddings)
        self._labels = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
        self._places = {label.casefold(): i for i, label in reversed([*enumerate(self._labels)])}
        self._places |= {label: i for i, label in enumerate(self._labels)}
        if model.config.max_image_length > 0:
            raise BadInput(
                f"model {name}: looks at {model.config.max_image_length} patches of an image that "
                "are drawn by chance; set max_image_length to -1 in its config.json"
            )

    def check(self, prompts: Sequence[VisualPrompt]) -> None:
        """Check that the model has every answer that is asked for."""
        asked = dict.fromkeys(answer for p in prompts for answer in p.answers or ())
        if missing := [answer for answer in asked if self._place(answer) is None]:
            raise BadInput(
                f"model {self._name}: has a list of {len(self._labels)} answers, and lacks "
                f"{', '.join(map(repr, missing))} of those asked for; choose a model that writes "
                "its answers"
            )

    def _place(self, answer: str) -> int | None:
        return self._places.get(answer, self._places.get(answer.casefold()))

    def question_ids(self, question: str) -> tuple[int, ...]:
        """Tokens of a question."""
        return _question_ids(self._tokenizer, question, self._longest)

    def features(self, pixels: Any) -> Any:
        """The pixels: everything behind them is read together with the question."""
        return pixels

    def answer(self, features: Any, rows: Sequence[AskedRow]) -> list[Response]:
        """Score the asked answers among each other, or take the best of all."""
        ids = torch.tensor([row.question for row in rows], device=features.device)
        # The order in which patches are read is drawn; it moves nothing but rounding.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            logits = self.model(
                input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=features
            ).logits
        found = logits.double().cpu().numpy()
        return [self._response(row, own) for row, own in zip(rows, found, strict=True)]

    def _response(self, row: AskedRow, logits: NDArray[np.float64]) -> Response:
        if row.answers is None:
            if not np.isfinite(logits).all():
                return not_finite(row.key)
            return Response(row.key, "ok", text=self._labels[int(logits.argmax())], finish="stop")
        own = logits[[place for a in row.answers if (place := self._place(a)) is not None]]
        return _scored(row.key, own, shares(own, [(0,)] * len(own), score="sum"))


def _question_ids(tokenizer: Any, question: str, longest: int) -> tuple[int, ...]:
    # A question that spells out a special token is still a question.
    ids = tuple(tokenizer(question, split_special_tokens=True, verbose=False)["input_ids"])
    if len(ids) > longest:
        raise GenerationError(
            f"the question has {len(ids)} tokens and the model reads at most {longest}"
        )
    return ids


def _all_seen(states: Any) -> Any:
    return torch.ones(states.shape[:-1], dtype=torch.long, device=states.device)


def _scored(key: bytes, values: NDArray[np.float64], scores: tuple[float, ...]) -> Response:
    if not np.isfinite(values).all():
        return not_finite(key)
    return Response(key, "ok", scores=scores)
