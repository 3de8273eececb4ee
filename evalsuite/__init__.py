"""Measures how diverse and how fair generative models are.

>>> import evalsuite
>>> sorted(evalsuite.__all__)[:6]
['build_leaderboard', 'build_set', 'compare', 'contact_sheet', 'gate', 'homogeneity']
>>> sorted(evalsuite.__all__)[6:]
['judge_agreement', 'list_tasks', 'load_record', 'plan', 'remedy', 'run', 'stages', 'verify']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalsuite.api import list_tasks, run
    from evalsuite.building import build_set
    from evalsuite.comparing.comparison import compare
    from evalsuite.comparing.homogeneity import homogeneity
    from evalsuite.comparing.judge_agreement import judge_agreement
    from evalsuite.comparing.planning import plan
    from evalsuite.comparing.release_gate import gate
    from evalsuite.comparing.stages import stages
    from evalsuite.contact_sheets import contact_sheet
    from evalsuite.leaderboard import build_leaderboard
    from evalsuite.record import load_record
    from evalsuite.remedies import remedy
    from evalsuite.verification import verify

_HOMES = {
    "build_leaderboard": "evalsuite.leaderboard",
    "build_set": "evalsuite.building",
    "compare": "evalsuite.comparing.comparison",
    "contact_sheet": "evalsuite.contact_sheets",
    "gate": "evalsuite.comparing.release_gate",
    "homogeneity": "evalsuite.comparing.homogeneity",
    "judge_agreement": "evalsuite.comparing.judge_agreement",
    "list_tasks": "evalsuite.api",
    "load_record": "evalsuite.record",
    "plan": "evalsuite.comparing.planning",
    "remedy": "evalsuite.remedies",
    "run": "evalsuite.api",
    "stages": "evalsuite.comparing.stages",
    "verify": "evalsuite.verification",
}
__all__ = [
    "build_leaderboard",
    "build_set",
    "compare",
    "contact_sheet",
    "gate",
    "homogeneity",
    "judge_agreement",
    "list_tasks",
    "load_record",
    "plan",
    "remedy",
    "run",
    "stages",
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
