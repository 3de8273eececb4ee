"""How a backend presents its models to people."""

from pydantic import BaseModel, ConfigDict


class ModelListing(BaseModel):
    """One line of ``evalsuite models``.

    Parameters
    ----------
    name : str
        As it is written behind ``--model``.
    capabilities : tuple of str
        Names of what it can be asked to do.
    summary : str
        One line.
    installed : bool
        Whether the packages that it needs are there.
    install : str or None
        The command that supplies them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    capabilities: tuple[str, ...]
    summary: str
    installed: bool
    install: str | None = None
