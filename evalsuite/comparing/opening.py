"""Several records opened to stand in one table: no record twice, every name told apart."""

from collections.abc import Sequence
from pathlib import Path

from evalsuite.comparing.pairing import check_comparable
from evalsuite.comparing.scored_record import ScoredRecord, open_record, told_apart
from evalsuite.errors import BadInput


def open_comparable(records: Sequence[str | Path], command: str) -> list[ScoredRecord]:
    """Open records of one fingerprint, in the order given.

    Parameters
    ----------
    records : sequence of paths
    command : str
        What a refusal names.

    Raises
    ------
    BadInput
        If there are fewer than two, one stands twice, or fingerprints differ (naming the part).
    """
    if len(records) < 2:
        raise BadInput(f"{command} takes two records or more; name their folders")
    opened = [open_record(path) for path in records]
    for place, own in enumerate(opened):
        if own.record.hash in {other.record.hash for other in opened[:place]}:
            raise BadInput(f"{own.folder} is given twice")
    check_comparable(opened)
    return told_apart(opened)
