"""Decodings of a model to be tried as remedies: a checked plan of each, or why there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from evalsuite.asking import effective_decoding
from evalsuite.errors import BadInput
from evalsuite.execution import Prepared, RunPlan, prepare
from evalsuite.models.capabilities import NeedsUnits
from evalsuite.requests import Decoding
from evalsuite.settings import settings

BASELINE = "baseline"


@dataclass(frozen=True)
class Candidate:
    """A decoding to be tried: a checked plan, or why there is none."""

    name: str
    model: str
    prepared: Prepared | None
    why: str | None = None

    @property
    def decoding(self) -> Decoding | None:
        """How it chooses tokens."""
        if self.prepared is None:
            return None
        return effective_decoding(self.prepared.model, self.prepared.task.card.decoding)

    @property
    def is_dependent(self) -> bool:
        """Whether its answers to a prompt are no independent draws."""
        if self.prepared is None or self.decoding is None:
            return False
        return bool(
            self.decoding.beams or "verbalized" in dict(self.prepared.model.entrant.settings)
        )


def default_remedies(samples: int) -> dict[str, str]:
    """The remedies that are tried where the user names none.

    >>> default_remedies(4)["diverse beam search"]
    'beams=4&beam_groups=4&diversity_strength=0.5'
    """
    return {
        "cold": "temperature=0.3",
        "top-p": "top_p=0.9",
        "min-p": "min_p=0.1",
        "diverse beam search": f"beams={samples}&beam_groups={samples}&diversity_strength=0.5",
        "verbalized sampling": "verbalized=4",
    }


def prepare_remedies(plan: RunPlan, remedies: Mapping[str, str] | None) -> list[Candidate]:
    """Check the baseline and every remedy before anything runs; the baseline comes first.

    Raises
    ------
    BadInput
        If the baseline cannot be run, options cannot be read, or the model takes no remedy at all.
    """
    base = prepare(plan, settings())
    if isinstance(base.model, NeedsUnits):
        raise BadInput(
            f"{base.model.entrant.model} holds texts that are made already: no other decoding can "
            "be tried on it. Run each file with `evalsuite run`, and compare their records"
        )
    model = plan.model or base.model.entrant.model
    found = [Candidate(BASELINE, model, base)]
    chosen = default_remedies(base.options.samples) if remedies is None else remedies
    for name, text in chosen.items():
        if name == BASELINE:
            raise BadInput(f"a remedy cannot be called {BASELINE!r}: that is the model as it is")
        found.append(_candidate(name, with_options(model, text, name), plan, found))
    if all(own.prepared is None for own in found[1:]):
        whys = "; ".join(f"{own.name}: {own.why}" for own in found[1:]) or "none is named"
        raise BadInput(f"no remedy is possible: {whys}")
    return found


def _candidate(name: str, model: str, plan: RunPlan, before: Sequence[Candidate]) -> Candidate:
    try:
        prepared = prepare(plan.model_copy(update={"model": model}), settings())
    except BadInput as error:
        return Candidate(name, model, None, f"{error}")
    own = Candidate(name, model, prepared)
    for other in before:
        if other.prepared is not None and _is_same(own, other):
            return Candidate(name, model, None, f"is the same as {other.name}")
    return own


def _is_same(a: Candidate, b: Candidate) -> bool:
    if a.prepared is None or b.prepared is None:
        return False
    identities = [own.model.entrant.identity for own in (a.prepared, b.prepared)]
    return identities[0] == identities[1] and a.decoding == b.decoding


def with_options(model: str, options: str, name: str) -> str:
    """A model's name with options added, in the place of those that it has.

    Parameters
    ----------
    model : str
    options : str
        Such as ``temperature=0.3&top_p=0.9``.
    name : str
        What an error names.

    Raises
    ------
    BadInput
        If the options cannot be read.

    Examples
    --------
    >>> with_options("fake:text?temperature=1&words=60", "temperature=0.3", "cold")
    'fake:text?words=60&temperature=0.3'
    """
    head, _, query = model.partition("?")
    if any("\ud800" <= character <= "\udfff" for character in options):
        raise BadInput(f"remedy {name}: its options are not UTF-8")
    try:
        added = parse_qsl(options, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise BadInput(
            f"remedy {name}: options are written name=value&name=value, got {options!r}"
        ) from None
    names = {own for own, _ in added}
    kept = [(own, v) for own, v in parse_qsl(query, keep_blank_values=True) if own not in names]
    return f"{head}?{urlencode([*kept, *added], quote_via=quote)}"
