"""What every statistic of the suite returns."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Estimate(BaseModel):
    """A number, how sure it is, and what it was made of. Never NaN and never infinite.

    Parameters
    ----------
    estimate : float or None
        None where the quantity cannot be computed.
    se : float or None
        Standard error, at least 0; None where it is unknown. Not 0 for want of data.
    ci_low, ci_high : float or None
        Ends of the confidence interval; None where no interval can be formed, and then
        ``warnings`` says why.
    level : float
        Nominal coverage of the interval, in (0, 1).
    method : str
        How the interval was made.
    n : int
        Values that the estimate is made of.
    n_clusters : int
        Independent groups among them; ``n`` where each is on its own.
    n_missing : int
        Values that should be there and are not; they are not part of ``n``.
    warnings : tuple of str
        What a reader has to know, each beginning with a code and a colon.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    estimate: Finite | None
    se: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None
    ci_low: Finite | None
    ci_high: Finite | None
    level: float = Field(0.95, gt=0.0, lt=1.0)
    method: str
    n: int = Field(ge=0)
    n_clusters: int = Field(ge=0)
    n_missing: int = Field(0, ge=0)
    warnings: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ci_low is not None and self.ci_high is not None and self.ci_low > self.ci_high:
            raise ValueError(f"interval [{self.ci_low}, {self.ci_high}] ends before it begins")
        return self
