"""A pinned GGUF file, unpacked once into a folder of float32 safetensors.

The folder is written under another name and then renamed, so that it is whole or absent, and two
processes may convert at once: the second keeps what the first made. A manifest with the sha256 of
each file is checked whenever the folder is used; what does not fit it is made anew.
"""

import errno
import io
import json
import logging
import os
import shutil
import tempfile
import time
from contextlib import redirect_stderr
from importlib.metadata import version
from pathlib import Path

from evalsuite.atomic import told_to_the_user
from evalsuite.models.safe_loading import file_sha256
from evalsuite.requests import canonical_json

log = logging.getLogger("evalsuite.models")
_MANIFEST = "manifest.json"
_STALE_S = 3600.0


def dense_folder(gguf: Path, sha256: str, *, name: str, home: Path) -> Path:
    """Return the folder of the unpacked model, made first if it is not there or is damaged.

    Parameters
    ----------
    gguf : Path
        A file whose sha256 was checked; only pinned files may come here.
    sha256 : str
        Its sha256.
    name : str
        First part of the folder's name.
    home : Path
        ``$EVALSUITE_HOME``; the folder is ``models/<name>-<sha256, 12 digits>`` in it.
    """
    target = home / "models" / f"{name}-{sha256[:12]}"
    if target.is_dir():
        if is_whole(target, sha256):
            return target
        log.warning("the converted model %s is damaged and is converted anew", target.name)
    else:
        log.info("converting %s once; this takes about half a minute", name)
    with told_to_the_user("unpack a model into", target, advice="Set EVALSUITE_HOME elsewhere"):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            made = work / "made"
            # The conversion draws bars of its own, which no setting turns off.
            with redirect_stderr(io.StringIO()):
                _convert(gguf, made)
            _write_manifest(made, sha256)
            _move_into_place(made, target, work / "old", sha256)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target


def _remove_stale(target: Path) -> None:
    """Remove what a killed conversion left behind."""
    for work in target.parent.glob(f".{target.name}-*"):
        if work.stat().st_mtime < time.time() - _STALE_S:
            shutil.rmtree(work, ignore_errors=True)


def is_whole(folder: Path, source_sha256: str) -> bool:
    """Whether a folder holds exactly what its manifest says, made from that source."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, str] = manifest["files"]
        if manifest["source_sha256"] != source_sha256 or "model.safetensors" not in files:
            return False
        present = {file.name for file in folder.iterdir()} - {_MANIFEST}
        return present == set(files) and all(
            file_sha256(folder / file) == digest for file, digest in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # the suite shows its own
    tokenizer = AutoTokenizer.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, local_files_only=True, trust_remote_code=False
    )
    # Without dequantize the weights stay packed and are unpacked at every forward pass.
    model = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent),
        gguf_file=gguf.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
        local_files_only=True,
        trust_remote_code=False,
    )
    try:
        model.save_pretrained(folder)
    except SafetensorError as error:  # how safetensors says that the disk is full
        raise OSError(errno.ENOSPC, str(error)) from error
    tokenizer.save_pretrained(folder)


def _write_manifest(folder: Path, source_sha256: str) -> None:
    manifest = {
        "source_sha256": source_sha256,
        "made_with": {name: version(name) for name in ("gguf", "torch", "transformers")},
        "files": {file.name: file_sha256(file) for file in folder.iterdir()},
    }
    for file in folder.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())
    (folder / _MANIFEST).write_text(canonical_json(manifest) + "\n", encoding="utf-8")


def _move_into_place(made: Path, target: Path, aside: Path, source_sha256: str) -> None:
    """Rename the new folder to its place, unless another process was there first."""
    try:
        made.replace(target)
    except OSError:
        # A folder that is not empty cannot be replaced.
        if is_whole(target, source_sha256):
            return
        target.replace(aside)
        _move_into_place(made, target, aside.with_name(aside.name + "-again"), source_sha256)
