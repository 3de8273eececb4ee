"""What building a prompt set prints."""

import json
import sys
from dataclasses import asdict

from evalsuite.building import SavedSet
from evalsuite.progress import printable


def print_built(found: SavedSet, *, as_json: bool) -> None:
    """Print what was built on standard output; what was not, and what was dropped, beside it."""
    built = found.built
    if as_json:
        value = {
            "file": None if found.file is None else str(found.file),
            "built": built.built,
            "failures": [asdict(problem) for problem in built.failures],
            "notes": [asdict(problem) for problem in built.notes],
            "n_requests": found.n_requests,
            "n_cached": found.n_cached,
        }
        print(json.dumps(value))
        return
    for note in built.notes:
        print(printable(str(note)), file=sys.stderr)
    for failure in built.failures:
        print(printable(f"left out: {failure}"), file=sys.stderr)
    n_all = len(built.built) + len(built.failures)
    where = "no file is written" if found.file is None else printable(str(found.file))
    print(
        f"{len(built.built)} of {n_all} built, {found.n_requests:,} answers "
        f"({found.n_cached:,} from the store): {where}"
    )
