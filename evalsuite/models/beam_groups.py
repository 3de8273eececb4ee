"""What a group of beams does at a step: which go on, which end, and when none can be better.

See `evalsuite.models.beam_search` for the rules as a whole; nothing here knows of a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from evalsuite.models.sampling import HasStop
from evalsuite.requests import Finish, Sampling


@dataclass(frozen=True)
class Hypothesis:
    """One finished answer.

    Parameters
    ----------
    token_ids : tuple of int
        Without the end token.
    n_drawn : int
        Tokens with the end token.
    finish : stop or length
    log_prob : float
        Natural logarithm of the model's probability of the answer, end token included.
    score : float
        ``log_prob`` less the penalties; what its group ranked it by.
    group : int
        The group that found it, from 0.
    """

    token_ids: tuple[int, ...]
    n_drawn: int
    finish: Finish
    log_prob: float
    score: float
    group: int


@dataclass(frozen=True)
class BeamRules:
    """What is the same for all prompts of a search.

    Parameters
    ----------
    sampling : Sampling
        With ``beams``; all of them are cut into ``beam_groups`` of equal ``width``.
    end_ids : frozenset of int
        Tokens that end an answer.
    has_stop : callable
        Whether the text of some tokens contains one of the stop strings.
    """

    sampling: Sampling
    end_ids: frozenset[int]
    has_stop: HasStop

    @property
    def width(self) -> int:
        """Beams of a group."""
        return self.sampling.beams // self.sampling.beam_groups

    @property
    def n_continuations(self) -> int:
        """How many of a group's best are looked at: a beam can end by each end token."""
        return self.width * max(2, 1 + len(self.end_ids))

    def finish(self, tokens: Sequence[int]) -> Finish | None:
        """How an answer has ended; None if it goes on."""
        if tokens[-1] in self.end_ids:
            return "stop"
        if self.sampling.stop and self.has_stop(tokens, self.sampling.stop):
            return "stop"
        return "length" if len(tokens) == self.sampling.max_new_tokens else None


@dataclass(frozen=True)
class Continuation:
    """A beam with one more token; ``parent`` is its place in its group."""

    parent: int
    token: int
    score: float
    log_prob: float


@dataclass(frozen=True)
class Beam:
    """The beginning of an answer, and the place in its group that its cache is read from."""

    tokens: tuple[int, ...] = ()
    score: float = 0.0
    log_prob: float = 0.0
    parent: int = 0


@dataclass
class BeamGroup:
    """Beams of one prompt that are ranked among themselves, and their finished hypotheses."""

    number: int
    beams: list[Beam] = field(default_factory=lambda: [Beam()])
    finished: list[Hypothesis] = field(default_factory=list)

    def advance(self, continuations: Sequence[Continuation], rules: BeamRules) -> list[int]:
        """Take the best continuations, best first, and return the tokens that were chosen."""
        running: list[Beam] = []
        chosen: list[int] = []
        for rank, best in enumerate(continuations):
            before = self.beams[best.parent]
            beam = Beam((*before.tokens, best.token), best.score, best.log_prob, best.parent)
            finish = rules.finish(beam.tokens)
            if finish is None and len(running) < rules.width:
                running.append(beam)
            elif finish is not None and rank < rules.width:
                self.finished.append(self._hypothesis(beam, finish, rules))
                chosen.append(best.token)
            if rank >= rules.width - 1 and len(running) == rules.width:
                break
        # The sort is stable: of equal scores the earlier hypothesis stays in front.
        self.finished.sort(key=lambda hypothesis: -hypothesis.score)
        del self.finished[rules.width :]
        self.beams = running if self._can_improve(running, rules.width) else []
        return chosen + [beam.tokens[-1] for beam in self.beams]

    def _can_improve(self, running: Sequence[Beam], width: int) -> bool:
        if not running or len(self.finished) < width:
            return bool(running)
        return running[0].score > self.finished[-1].score

    def _hypothesis(self, beam: Beam, finish: Finish, rules: BeamRules) -> Hypothesis:
        is_end = beam.tokens[-1] in rules.end_ids
        return Hypothesis(
            token_ids=beam.tokens[:-1] if is_end else beam.tokens,
            n_drawn=len(beam.tokens),
            finish=finish,
            log_prob=beam.log_prob,
            score=beam.score,
            group=self.number,
        )
