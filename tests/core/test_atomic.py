import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from evalsuite.atomic import TEMPORARY, replacing, told_to_the_user, unfinished, write_text
from evalsuite.errors import BadInput, StoreError


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


def test_a_file_that_never_got_its_name_is_removed(tmp_path):
    with unfinished(tmp_path) as temporary:
        temporary.write_text("whole, but not wanted")
        assert TEMPORARY.fullmatch(temporary.name)
    assert names(tmp_path) == []


def test_a_text_that_is_no_unicode_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "text", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "text", "\ud800")
    assert (tmp_path / "text").read_text() == "old"
    assert names(tmp_path) == ["text"]


def test_the_file_is_whole_when_it_appears_and_its_name_is_flushed_after(tmp_path, monkeypatch):
    file, events = tmp_path / "text", []
    fsync = os.fsync

    def noted(descriptor):
        events.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), file.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with replacing(file) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == file.parent  # another file system could not be replaced at once
        assert temporary.name.startswith(".")
    assert events == [(False, False), (True, True)]
    assert file.read_text() == "whole"


@pytest.mark.parametrize("below", [("x",), ("deeper", "x")])
def test_a_file_where_a_folder_should_be_is_an_error_of_the_system(tmp_path, below):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError):
        write_text((tmp_path / "file").joinpath(*below), "text")


def test_a_folder_where_the_file_should_be_is_left_alone(tmp_path):
    (tmp_path / "text").mkdir()
    with pytest.raises(IsADirectoryError):
        write_text(tmp_path / "text", "text")
    assert names(tmp_path) == ["text"]


def test_the_longest_name_can_be_written_and_a_longer_one_is_an_error_of_the_system(tmp_path):
    write_text(tmp_path / ("x" * 255), "text")
    with pytest.raises(OSError, match="name too long"):
        write_text(tmp_path / ("x" * 256), "text")
    assert names(tmp_path) == ["x" * 255]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("kind", [BadInput, StoreError])
def test_a_full_disk_is_told_with_what_to_do(code, kind):
    told = told_to_the_user("write to the store at", Path("a/b"), kind=kind)
    with pytest.raises(kind) as caught, told:
        raise OSError(code, os.strerror(code))
    assert str(caught.value) == (
        "no space left to write to the store at a/b: everything finished so far is kept; free "
        "space and run the same command again"
    )
    assert type(caught.value) is kind


def test_another_error_is_told_with_its_reason_and_the_advice(tmp_path):
    (tmp_path / "text").mkdir()
    told = told_to_the_user("write", tmp_path / "text", advice="Remove the folder")
    with pytest.raises(BadInput) as caught, told:
        write_text(tmp_path / "text", "text")
    assert str(caught.value) == (
        f"cannot write {tmp_path / 'text'}: Is a directory. Remove the folder"
    )
    assert caught.value.exit_code == 2 and isinstance(caught.value.__cause__, IsADirectoryError)


def test_an_error_without_a_number_is_told_by_its_text_and_other_kinds_pass():
    with pytest.raises(BadInput) as caught, told_to_the_user("write", Path("a")):
        raise OSError("no Parquet")
    assert str(caught.value) == "cannot write a: no Parquet. Choose another place"
    with pytest.raises(ValueError, match="mine"), told_to_the_user("write", Path("a")):
        raise ValueError("mine")


def test_a_real_limit_on_file_size_is_told_as_a_full_disk(tmp_path):
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from evalsuite.atomic import told_to_the_user, write_text\n"
        "from evalsuite.errors import BadInput\n"
        f"signal.signal({int(signal.SIGXFSZ)}, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "file = Path(sys.argv[1])\n"
        "try:\n"
        "    with told_to_the_user('write', file): write_text(file, 'x' * 5000)\n"
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
    assert run.stdout.startswith(f"no space left to write {file}: "), run.stderr
    assert names(tmp_path) == []
