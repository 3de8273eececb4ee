"""Writing a file whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from evalsuite.errors import BadInput

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it is synced and takes its place.

    Raises
    ------
    BadInput
        If the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        # Where the folder itself is at fault, that error goes on, and not the one of tidying up.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def cannot_write(path: Path, error: OSError) -> BadInput:
    """Say why a file could not be written and what to do."""
    if error.errno in _FULL:
        return BadInput(
            f"no space left for {path.name}: everything finished so far is kept; free space and "
            "run the same command again"
        )
    return BadInput(f"{path} cannot be written ({error.strerror}); choose another place")
