"""Writing a file whole or not at all, and telling users why one could not be written."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evalsuite.errors import BadInput, EvalsuiteError

TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")
"""What the names of unfinished files look like."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success it is flushed to disk and takes its place.

    The folder is made if it is absent.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; ``path`` is as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(path.parent) as temporary:
        yield temporary
        flush(temporary)
        publish(temporary, path)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all; errors as of `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all; errors as of `replacing`."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """Give a path for a file whose name is not known yet; what is left there is removed."""
    path = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        yield path
    finally:
        # Where the folder itself is at fault, that error goes on, and not the one of tidying up.
        with suppress(OSError):
            path.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Give a flushed file of the same folder its name, for good."""
    temporary.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Flush a file, or a folder's list of names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def told_to_the_user(
    doing: str,
    path: Path,
    *,
    kind: type[EvalsuiteError] = BadInput,
    advice: str = "Choose another place",
) -> Iterator[None]:
    """Turn an error of the operating system into one of one line.

    Parameters
    ----------
    doing : str
        What stands between "cannot" and the path.
    path : Path
    kind : type of EvalsuiteError
    advice : str
        What to do, other than to free space where there is none left.

    Raises
    ------
    EvalsuiteError
        Of the given kind, in place of an OSError.

    Examples
    --------
    >>> with told_to_the_user("write", Path("a/b")):
    ...     raise PermissionError(errno.EACCES, "Permission denied")
    Traceback (most recent call last):
    ...
    evalsuite.errors.BadInput: cannot write a/b: Permission denied. Choose another place
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise kind(
                f"no space left to {doing} {path}: everything finished so far is kept; free space "
                "and run the same command again"
            ) from error
        raise kind(f"cannot {doing} {path}: {error.strerror or error}. {advice}") from error
