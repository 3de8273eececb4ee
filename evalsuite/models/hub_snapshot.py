"""The files of a hub model in the local cache, fetched first if need be, at one commit."""

import re
from collections.abc import Iterable
from pathlib import Path

from evalsuite.errors import BadInput, MissingPackage
from evalsuite.models.spec import ModelSpec

_COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(path: Path, spec: ModelSpec) -> str:
    """Return the commit that a snapshot's folder is named by.

    Raises
    ------
    BadInput
        If it is not named by one.
    """
    if not _COMMIT.fullmatch(path.name):
        raise BadInput(f"model {spec}: the hub cache names no commit for it ({path.name!r})")
    return path.name


def snapshot(
    spec: ModelSpec,
    revision: str | None,
    patterns: Iterable[str],
    *,
    offline: bool,
    install: str,
) -> Path:
    """Fetch the files of a hub model that match, and return their folder in the cache.

    Raises
    ------
    BadInput
        If there is no such model or revision, or it cannot be reached.
    MissingPackage
        If huggingface_hub is not installed; ``install`` is the command that supplies it.
    """
    try:
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise MissingPackage(f"model {spec}: needs huggingface_hub: {install}") from None
    offline = offline or constants.HF_HUB_OFFLINE
    try:
        return Path(
            snapshot_download(
                spec.name,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=offline,
            )
        )
    except LocalEntryNotFoundError:
        why = "and this run is offline" if offline else "and the hub cannot be reached"
        raise BadInput(
            f"model {spec}: not in the hub cache, {why}. Fetch it once with network access: "
            f"hf download {spec.name}{f' --revision {revision}' if revision else ''}; a local "
            "folder is written ./name"
        ) from None
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no status")
        raise BadInput(
            f"model {spec}: the hub answered {status} ({type(error).__name__}). Check the name and "
            "revision; for a gated model accept its terms and log in with `hf auth login`"
        ) from None
