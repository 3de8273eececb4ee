import errno
import os
import signal
import subprocess
import sys

import pytest

from evalsuite.atomic import cannot_write, replacing, write_text
from evalsuite.errors import BadInput


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "home")


def test_a_text_is_written_as_it_is_and_its_folder_is_made(tmp_path):
    file = tmp_path / "a" / "b" / "text"
    write_text(file, "ä\r\n\u2028\n")
    assert file.read_bytes() == "ä\r\n\u2028\n".encode()
    assert names(file.parent) == ["text"]


def test_an_existing_file_is_replaced_and_never_half_written(tmp_path):
    file = tmp_path / "text"
    write_text(file, "old")
    with pytest.raises(RuntimeError, match="stop"), replacing(file) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("stop")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["text"]
    write_text(file, "new")
    assert file.read_text() == "new"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_leaves_nothing_behind(tmp_path, stop):
    with pytest.raises(stop), replacing(tmp_path / "text") as temporary:
        temporary.write_text("half")
        raise stop
    assert names(tmp_path) == []


def test_a_text_that_is_no_unicode_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "text", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "text", "\ud800")
    assert (tmp_path / "text").read_text() == "old"
    assert names(tmp_path) == ["text"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_what_to_do(tmp_path, code):
    full = pytest.raises(BadInput, match=r"no space left for text: .* free space")
    with full, replacing(tmp_path / "text") as temporary:
        temporary.write_text("half")
        raise OSError(code, os.strerror(code))
    assert names(tmp_path) == []


def test_a_real_limit_on_file_size_is_told_as_a_full_disk(tmp_path):
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from evalsuite.atomic import write_text; from evalsuite.errors import BadInput\n"
        f"signal.signal({int(signal.SIGXFSZ)}, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except BadInput as error: print(error)\n"
    )
    file = tmp_path / "text"
    run = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout.startswith("no space left for text"), run.stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize("below", [("x",), ("deeper", "x")])
def test_a_file_where_a_folder_should_be_is_bad_input(tmp_path, below):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        write_text((tmp_path / "file").joinpath(*below), "text")


def test_a_folder_where_the_file_should_be_is_bad_input(tmp_path):
    (tmp_path / "text").mkdir()
    with pytest.raises(BadInput, match=r"cannot be written \(Is a directory\)"):
        write_text(tmp_path / "text", "text")
    assert names(tmp_path) == ["text"]


def test_a_name_that_is_too_long_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="name too long"):
        write_text(tmp_path / ("x" * 255), "text")


def test_the_file_is_whole_at_the_moment_it_appears(tmp_path, monkeypatch):
    file, events = tmp_path / "text", []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append(file.exists()), fsync(fd)))
    with replacing(file) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == file.parent  # another file system could not be replaced at once
        assert temporary.name.startswith(".")
    assert events == [False]
    assert file.read_text() == "whole"


def test_an_error_keeps_its_reason(tmp_path):
    error = cannot_write(tmp_path / "x", PermissionError(errno.EACCES, "Permission denied"))
    assert "Permission denied" in str(error)
    assert error.exit_code == 2
