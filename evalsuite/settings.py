"""The only place where environment variables are read."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the environment says.

    Parameters
    ----------
    home : Path
        Folder of the response store and of converted models.
    offline : bool
        Whether model hubs must not be asked.
    """

    home: Path
    offline: bool


def settings() -> Settings:
    """Read ``EVALSUITE_HOME`` (default: the user's cache folder) and ``EVALSUITE_OFFLINE``."""
    named = os.environ.get("EVALSUITE_HOME")
    flags = ("EVALSUITE_OFFLINE", "HF_HUB_OFFLINE")
    return Settings(
        home=Path(named).expanduser() if named else _cache() / "evalsuite",
        offline=any(os.environ.get(flag, "").lower() in {"1", "true", "yes"} for flag in flags),
    )


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
