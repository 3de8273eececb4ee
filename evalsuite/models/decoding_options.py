"""The decoding options that every text generator takes behind the ``?`` of its name."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evalsuite.requests import Decoding


class DecodingOptions(BaseModel):
    """As `evalsuite.requests.Decoding`; what is left out is filled from the task's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = Field(None, ge=0.0, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    top_k: int | None = Field(None, ge=0)
    min_p: float | None = Field(None, ge=0.0, lt=1.0)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] | None = None

    def chosen(self) -> dict[str, object]:
        """The decoding options that the user set."""
        values = self.model_dump(include=set(Decoding.model_fields))
        return {name: value for name, value in values.items() if value is not None}
