"""What an installation has and lacks."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout

from pydantic import BaseModel, ConfigDict

from evalsuite.errors import EvalsuiteError
from evalsuite.models.backends import BACKENDS, Backend
from evalsuite.models.listing import ModelListing
from evalsuite.provenance import needs
from evalsuite.redaction import redact
from evalsuite.registry import in_one_line
from evalsuite.settings import settings
from evalsuite.tasks import TASKS

MIN_FREE_BYTES = 2_000_000_000


class Finding(BaseModel):
    """One thing that was looked at.

    Parameters
    ----------
    needed : bool
        Whether nothing runs without it.
    advice : str or None
        What to do where it is not ok.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    found: str
    ok: bool
    needed: bool
    advice: str | None = None


def examine() -> list[Finding]:
    """Look at packages and their floors, embedded models, plug-ins, store, disk and device."""
    return [*_packages(), *_models(), *_tasks(), *_store(), _device()]


def _packages() -> Iterator[Finding]:
    yield Finding(what="python", found=platform.python_version(), ok=True, needed=True)
    for need in needs():
        extra = f"[{need.extra}]" if need.extra else ""
        found = need.found or "not installed"
        yield Finding(
            what=need.package,
            found=found if need.ok else f"{found} (needs {need.wanted})",
            ok=need.ok,
            # What is optional may be absent, but not there and too old: those floors are for
            # safety. What only the suite's own tests use stops nobody.
            needed=need.extra is None or (need.found is not None and need.extra != "test"),
            advice=None if need.ok else f"pip install 'evalsuite{extra}'",
        )


def models_of(backend: Backend) -> tuple[list[ModelListing], str | None]:
    """The models that a backend describes, and in one line why it could not.

    A plug-in may fail in any way while it is asked, or return anything.
    """
    try:
        # What a plug-in prints must not get between the lines of --json.
        with redirect_stdout(sys.stderr):
            found = list(backend.describe())
    except (Exception, SystemExit) as error:
        return [], f"describe() failed: {in_one_line(error)}"
    if not all(isinstance(model, ModelListing) for model in found):
        return [], "describe() gave something that is no ModelListing"
    return found, None


def _models() -> Iterator[Finding]:
    for listed in BACKENDS.listing():
        models, problem = models_of(listed.value) if listed.value else ([], listed.problem)
        if problem:
            yield Finding(
                what=f"backend {listed.name}",
                found=problem,
                ok=False,
                needed=False,
                advice="uninstall or repair that package",
            )
        for model in models:
            if model.name.startswith("embedded:"):
                yield Finding(
                    what=model.name,
                    found="installed" if model.installed else "not installed",
                    ok=model.installed,
                    needed=False,
                    advice=None if model.installed else model.install,
                )


def _tasks() -> Iterator[Finding]:
    for listed in TASKS.listing():
        yield Finding(
            what=f"task {listed.name}",
            found=listed.problem or f"version {listed.value and listed.value.card.version}",
            ok=listed.value is not None,
            needed=False,
            advice=None if listed.value else "uninstall or repair that package",
        )


def _store() -> Iterator[Finding]:
    from evalsuite.store import Store

    home = settings().home
    try:
        Store(home)
    except EvalsuiteError as error:
        yield Finding(what="store", found=redact(str(error)), ok=False, needed=True)
        return
    size = sum(file.stat().st_size for file in (home / "store").rglob("*.parquet"))
    yield Finding(
        what="store", found=f"{redact(str(home))}, {size / 1e6:.1f} MB", ok=True, needed=True
    )
    damaged = sum(1 for _ in (home / "store").rglob("*.corrupt"))
    yield Finding(
        what="damaged shards set aside",
        found=f"{damaged}",
        ok=not damaged,
        needed=False,
        advice="their answers are generated again when asked for; delete *.corrupt files at will"
        if damaged
        else None,
    )
    free = shutil.disk_usage(home).free
    yield Finding(
        what="free space",
        found=f"{free / 1e9:.1f} GB",
        ok=free > MIN_FREE_BYTES,
        needed=False,
        advice=None if free > MIN_FREE_BYTES else "free space, or set EVALSUITE_HOME elsewhere",
    )


def _device() -> Finding:
    try:
        import torch
    except ImportError:
        found = "torch is not installed: only fake models can run"
        return Finding(
            what="device", found=found, ok=False, needed=False,
            advice="pip install 'evalsuite[text]'",
        )  # fmt: skip
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    cores = os.cpu_count() or 1
    found = ", ".join(gpus) or f"cpu, {cores} cores, {torch.get_num_threads()} torch threads"
    return Finding(what="device", found=found, ok=True, needed=False)
