"""The decoding options that every text generator takes behind the ``?`` of its name."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evalsuite.requests import Decoding


class DecodingOptions(BaseModel):
    """As `evalsuite.requests.Decoding`; what is left out is filled from the task's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = Field(None, ge=0.0, allow_inf_nan=False)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    top_k: int | None = Field(None, ge=0)
    min_p: float | None = Field(None, ge=0.0, lt=1.0)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    beams: int | None = Field(None, ge=0, le=1024)
    beam_groups: int | None = Field(None, ge=1, le=1024)
    diversity_strength: float | None = Field(None, ge=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        try:
            Decoding.model_validate(self.chosen())
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return self

    def chosen(self) -> dict[str, object]:
        """The decoding options that the user set."""
        values = self.model_dump(include=set(Decoding.model_fields))
        return {name: value for name, value in values.items() if value is not None}
