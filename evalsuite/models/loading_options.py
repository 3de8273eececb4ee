"""The options that every model of the transformers library takes behind the ``?`` of its name."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LoadingOptions(BaseModel):
    """How a model is loaded and run, and what it stands for.

    Parameters
    ----------
    dtype : float32, bfloat16 or float16
    batch_tokens, threads : int
        Tokens of one pack, and CPU threads; they do not change an answer beyond rounding.
    post_training_of : str or None
        The base model that this one was trained from, as it stands in the leaderboard.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    batch_tokens: int | None = Field(None, ge=1)
    threads: int | None = Field(None, ge=1)
    post_training_of: str | None = None
