"""What an installation has and lacks."""

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from pydantic import BaseModel, ConfigDict

from evalsuite.errors import EvalsuiteError
from evalsuite.models.backends import BACKENDS
from evalsuite.redaction import redact
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
    from packaging.requirements import Requirement

    yield Finding(what="python", found=platform.python_version(), ok=True, needed=True)
    seen = set()
    for line in requires("evalsuite") or []:
        requirement = Requirement(line)
        if requirement.name in seen or requirement.name == "evalsuite":
            continue
        seen.add(requirement.name)
        needed = requirement.marker is None
        extra = "" if needed else f"[{_extra(requirement)}]"
        advice = f"pip install 'evalsuite{extra}'"
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = "not installed"
            ok = False
        else:
            ok = requirement.specifier.contains(found, prereleases=True)
        floor = f" (needs {requirement.specifier})"
        yield Finding(
            what=requirement.name,
            found=found if ok else found + floor,
            ok=ok,
            needed=needed,
            advice=None if ok else advice,
        )


def _extra(requirement: object) -> str:
    marker = str(getattr(requirement, "marker", ""))
    return marker.rpartition("extra == ")[2].strip("\"' ") or "all"


def _models() -> Iterator[Finding]:
    for listed in BACKENDS.listing():
        if listed.value is None:
            found = listed.problem or "cannot be loaded"
            yield Finding(what=f"backend {listed.name}", found=found, ok=False, needed=False)
            continue
        for model in listed.value.describe():
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
