"""Measures how diverse and how fair generative models are.

>>> import evalsuite
>>> sorted(evalsuite.__all__)
['build_leaderboard', 'compare', 'gate', 'list_tasks', 'load_record', 'plan', 'run', 'verify']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.api import list_tasks, run
    from evalsuite.comparing.comparison import compare
    from evalsuite.comparing.planning import plan
    from evalsuite.comparing.release_gate import gate
    from evalsuite.leaderboard import build_leaderboard
    from evalsuite.record import load_record
    from evalsuite.verification import verify

_HOMES = {
    "build_leaderboard": "evalsuite.leaderboard",
    "compare": "evalsuite.comparing.comparison",
    "gate": "evalsuite.comparing.release_gate",
    "list_tasks": "evalsuite.api",
    "load_record": "evalsuite.record",
    "plan": "evalsuite.comparing.planning",
    "run": "evalsuite.api",
    "verify": "evalsuite.verification",
}
__all__ = [
    "build_leaderboard",
    "compare",
    "gate",
    "list_tasks",
    "load_record",
    "plan",
    "run",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import evalsuite` itself does nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'evalsuite' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    # Kept here, so that the function and not the module of that name is found from now on.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
