"""Which record holds the model that another record's model was trained from."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

from evalsuite.comparing.scored_record import ScoredRecord
from evalsuite.errors import BadInput
from evalsuite.record import entrant_name
from evalsuite.requests import Entrant

_NAME = re.compile(r"(?:(?P<backend>[\w-]+):)?(?P<name>[^?@]+)(?:@(?P<revision>[^?@]+))?")
_PATH_STARTS = ("./", "../", "/", "~")


def parents(records: Sequence[ScoredRecord]) -> list[int | None]:
    """The place of the record that each was trained from; None where none of them is it.

    Raises
    ------
    BadInput
        If several records could be the one, or a record is its own ancestor.

    Notes
    -----
    ``post_training_of`` names a parent by the name of its entrant (with options), by its model
    (without them), or by that without backend or revision. Where several records fit, those of the
    same decoding go before others, then those of the same seed, then one whose full name it is.
    """
    found = [_parent(own, records) for own in records]
    for start in range(len(records)):
        path = [start]
        while (above := found[path[-1]]) is not None:
            if above in path:
                circle = [records[i].name for i in (*path[path.index(above) :], above)]
                raise BadInput(
                    "post_training_of leads in a circle: "
                    + " was trained from ".join(circle)
                    + "; run one of them again with the right name"
                )
            path.append(above)
    return found


def _parent(own: ScoredRecord, records: Sequence[ScoredRecord]) -> int | None:
    declared = own.record.entrant.post_training_of
    if not declared:
        return None
    fits = [
        i
        for i, other in enumerate(records)
        if other is not own and is_named(other.record.entrant, declared)
    ]
    entrant, seed = own.record.entrant, own.record.seed
    narrower: tuple[Callable[[ScoredRecord], bool], ...] = (
        lambda other: other.record.entrant.decoding == entrant.decoding,
        lambda other: other.record.seed == seed,
        lambda other: entrant_name(other.record.entrant) == declared,
    )
    for is_nearer in narrower:
        nearer = [i for i in fits if is_nearer(records[i])]
        fits = nearer or fits
    if len(fits) > 1:
        names = ", ".join(records[i].name for i in fits)
        raise BadInput(
            f"{own.name} was trained from {declared}, which fits {len(fits)} of the records: "
            f"{names}. Name only one of them here, or the full name (with ?options) in "
            "post_training_of"
        )
    return fits[0] if fits else None


def is_named(entrant: Entrant, declared: str) -> bool:
    """Whether a name is that of an entrant, its model, or the model without backend or revision.

    >>> base = Entrant(model="transformers:org/base", backend="transformers", revision="4f2a")
    >>> [is_named(base, name) for name in ("org/base", "org/base@4f2a", "fake:org/base", "base")]
    [True, True, False, False]
    """
    if declared in (entrant_name(entrant), entrant.model):
        return True
    wanted, own = _NAME.fullmatch(declared), _NAME.fullmatch(entrant.model)
    if wanted is None or own is None:
        return False
    return (
        _label(wanted["name"]) == _label(own["name"])
        and wanted["backend"] in (None, own["backend"])
        and wanted["revision"] in (None, own["revision"], entrant.revision)
    )


def _label(name: str) -> str:
    """A folder is called by its last part, wherever it lies."""
    return PurePath(name).name if name.startswith(_PATH_STARTS) else name
