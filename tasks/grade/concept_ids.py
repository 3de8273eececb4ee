"""Ids for concepts that a user names: safe for a path, and made of the name alone."""

import re
import unicodedata
from collections.abc import Sequence

from evalsuite.errors import BadInput
from evalsuite_tasks.grade.attributes import first_twice, shown, sound_text

_LONGEST_NAME = 100
_ARTICLE = re.compile(r"^(a|an|the|some) ", re.IGNORECASE)


def concept_ids(names: Sequence[str]) -> tuple[str, ...]:
    """Ids for concepts, made of their names.

    Raises
    ------
    BadInput
        If there is no name, one is not fit for a prompt, or two give one id.

    Examples
    --------
    >>> concept_ids(["a cookie jar", "crème brûlée"])
    ('cookie-jar', 'creme-brulee')
    """
    if not names:
        raise BadInput("no concept to build; name one, such as 'a cookie'")
    ids = tuple(map(_concept_id, names))
    twice = first_twice(ids)
    if twice is not None:
        same = [name for name, own in zip(names, ids, strict=True) if own == twice]
        raise BadInput(
            f"concepts {' and '.join(map(shown, same))} would have one id, {twice!r}; leave out "
            "all but one"
        )
    return ids


def _concept_id(name: str) -> str:
    try:
        sound_text(name)
    except ValueError as error:
        raise BadInput(f"concept {shown(name)}: {error}; name it as a prompt would") from None
    # NFKD parts letters from their accents, which are then left out.
    plain = unicodedata.normalize("NFKD", _ARTICLE.sub("", name)).encode("ascii", "ignore")
    own = re.sub(r"[^a-z0-9]+", "-", plain.decode().lower()).strip("-")
    if name != name.strip() or len(name) > _LONGEST_NAME or not own:
        raise BadInput(
            f"concept {shown(name)}: not a name of up to {_LONGEST_NAME} characters with a Latin "
            "letter or digit and no blank at its ends; name it as a prompt would: 'a cookie'"
        )
    return own[:80]
