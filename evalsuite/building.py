"""Building a prompt set of a task with a text model: the model is asked, and the set written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalsuite import atomic
from evalsuite.asking import Asker, Room, Run
from evalsuite.built_sets import BuiltSet
from evalsuite.engine.local import LocalEngine
from evalsuite.errors import BadInput
from evalsuite.models.backends import open_model
from evalsuite.models.capabilities import CAPABILITIES, GeneratesText, ModelHandle, NeedsUnits
from evalsuite.progress import Silent
from evalsuite.requests import Decoding
from evalsuite.settings import Settings, settings
from evalsuite.store import Store
from evalsuite.tasks import TASKS, Task

COLDEST = Decoding(temperature=0.0)
"""Unless the model's name says otherwise, the likeliest answer is taken."""

ROLE = "builder"


@dataclass(frozen=True)
class SavedSet:
    """A set that was built, and where it is.

    Parameters
    ----------
    built : BuiltSet
    file : Path or None
        None where nothing was built: no file is written then, and one that was there stays.
    n_requests, n_cached : int
        Answers that were needed, and those of them that the store had.
    """

    built: BuiltSet
    file: Path | None
    n_requests: int
    n_cached: int


def build_set(
    task: str,
    model: str,
    *,
    items: Sequence[str],
    out: str | Path,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    trusted: Sequence[str] = (),
    progress: Silent | None = None,
) -> SavedSet:
    """Have a text model write a prompt set for a task, such as new concepts for ``grade``.

    Every answer goes through the store: the same call goes on where it was interrupted, and asks
    nothing twice.

    Parameters
    ----------
    task : str
        One that can build sets.
    model : str
        ``backend:name[@revision][?option=value]``; asked at temperature 0 unless it says otherwise.
    items : sequence of str
        What the set is about: for ``grade`` concepts as prompts name them, ``a cookie``.
    out : path
        File that gets what was built; replaced if it is there.
    trusted : sequence of str
        ``org/repo@<40 hex>`` of hub models whose own code may run.

    Returns
    -------
    SavedSet
        With what could not be built, by name and stage; that is no error here.

    Raises
    ------
    EvalsuiteError
        If the task builds no sets, the model writes no text, an item is not fit, or the file cannot
        be written; what was answered until then is kept.
    """
    own = settings()
    builder = _builder(TASKS[task])
    handle = _open_writer(model, own, tuple(trusted))
    target = Path(out)
    if target.is_dir():
        raise BadInput(f"{target}: is a folder; name a file, such as {target / 'concepts.jsonl'}")
    reporting = progress or Silent()
    run = _run(handle, LocalEngine(device), own, reporting)
    with reporting:
        built = builder(run, tuple(items))
    if built.lines:
        with atomic.told_to_the_user("write", target):
            atomic.write_text(target, built.text)
    return SavedSet(
        built=built,
        file=target if built.lines else None,
        n_requests=sum(call.n_requests for call in run.calls),
        n_cached=sum(call.n_cached for call in run.calls),
    )


def _builder(task: Task) -> Callable[[Run, Sequence[str]], BuiltSet]:
    if task.build is None:
        able = [own.name for own in TASKS.listing() if own.value and own.value.build]
        raise BadInput(
            f"task {task.card.name} builds no sets; those that do: {', '.join(able) or 'none'}"
        )
    return task.build


def _run(handle: ModelHandle, engine: LocalEngine, settings: Settings, progress: Silent) -> Run:
    """What a task asks through, without a prompt set, judges or a record."""
    room = Room(Store(settings.home), engine, progress, seed=0, replicates=1, dry_run=False)
    asker = Asker(ROLE, handle, GeneratesText, COLDEST, room)
    return Run(units=(), model=asker, judges={}, data={}, calls=room.calls)


def _open_writer(model: str, settings: Settings, trusted: tuple[str, ...]) -> ModelHandle:
    """Open a model that can be asked whatever comes up."""
    handle = open_model(model, settings, trusted)
    if GeneratesText not in handle.capabilities:
        has = ", ".join(sorted(CAPABILITIES[c].name for c in handle.capabilities)) or "nothing"
        raise BadInput(f"building a set needs a model that generates_text; {model}: {has}")
    if isinstance(handle, NeedsUnits):
        raise BadInput(
            f"model {model}: its answers stand in a file, and what is asked while a set is built "
            "follows from earlier answers; take a model that can be asked"
        )
    return handle


def read_items(file: Path) -> tuple[str, ...]:
    """Read what to build from a text file, one item a line; blank lines are skipped.

    Raises
    ------
    BadInput
        If it cannot be read, is not UTF-8 or holds nothing.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror})") from None
    items = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not items:
        raise BadInput(f"{file}: names nothing to build; write one item a line")
    return items
