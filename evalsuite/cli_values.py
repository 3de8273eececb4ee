"""What several commands share: reading values written name=value, and saying what was left out."""

import sys

from evalsuite.errors import BadInput

Pairs = tuple[tuple[str, str], ...]


def judge_sets(values: list[str] | None) -> list[Pairs]:
    """The judges of each run that is asked for: a role that stands several times takes several.

    Raises
    ------
    BadInput
        If two roles stand several times, or one model stands twice in a role.
    """
    pairs = _split("--judge", values)
    by_role: dict[str, list[str]] = {}
    for role, model in pairs:
        if model in by_role.setdefault(role, []):
            raise BadInput(f"--judge: {role}={model} is given twice")
        by_role[role].append(model)
    several = [role for role, models in by_role.items() if len(models) > 1]
    if len(several) > 1:
        raise BadInput(
            f"--judge: {' and '.join(several)} have several models each; compare the judges of one "
            "role at a time, so that what differs is known"
        )
    n = max(map(len, by_role.values()), default=1)
    return [
        tuple((role, models[i if len(models) > 1 else 0]) for role, models in by_role.items())
        for i in range(n)
    ]


def named_values(flag: str, values: list[str] | None) -> Pairs:
    """Values of a flag that are written name=value, each name once.

    Raises
    ------
    BadInput
        If one is written otherwise, or a name stands twice.
    """
    pairs = _split(flag, values)
    names = [name for name, _ in pairs]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise BadInput(f"{flag}: {min(doubled)!r} is given twice")
    return tuple(pairs)


def _split(flag: str, values: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for value in values or ():
        name, equals, rest = value.partition("=")
        if not equals or not name or not rest:
            raise BadInput(f"{flag} {value!r}: expected name=value")
        pairs.append((name, rest))
    return pairs


def report_rejected(rejected: tuple[str, ...]) -> None:
    """Say on standard error what was left out of the leaderboard."""
    from evalsuite.progress import printable
    from evalsuite.redaction import redact

    for fault in rejected:
        print(f"left out of the leaderboard: {printable(redact(fault))}", file=sys.stderr)
