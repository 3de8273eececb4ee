"""What a measure is, declared once in its task's card."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ALL = "all"
"""Name of the slice that holds every unit."""


class MeasureCard(BaseModel):
    """What a measure is.

    Parameters
    ----------
    name : str
        Lower case, stands in every row.
    version : int
        Raised by any change that can move its values; part of the fingerprint.
    summary : str
        One line for people.
    higher_is_better : bool or None
        None where neither direction is better.
    low, high : float or None
        Ends of the range; None where it is not bounded.
    unit : str
        Unit of the value, empty for a pure number.
    judge : str or None
        Role of the judge that it needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
    summary: str
    version: int = 1
    higher_is_better: bool | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    judge: str | None = None
