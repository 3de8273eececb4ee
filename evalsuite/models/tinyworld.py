"""The models of tinyworld that come with the suite itself."""

from evalsuite.models.capabilities import (
    CAPABILITIES,
    AnswersVisualQuestions,
    GeneratesImages,
    ModelHandle,
)
from evalsuite.models.listing import ModelListing
from evalsuite.models.model_packages import INSTALL_IMAGE, absent_packages
from evalsuite.models.open_clip import PACKAGES
from evalsuite.models.procedural import open_procedural
from evalsuite.models.spec import ModelSpec
from evalsuite.models.tiny_clip import SUMMARY, TINYCLIP_CAPABILITIES, open_tiny_clip
from evalsuite.models.tinyworld_oracle import open_oracle

SAMPLER = "tinyworld"
CLIP = "tinyclip"
ORACLE = "tinyworld-oracle"
TINYWORLD = (SAMPLER, CLIP, ORACLE)
"""Names behind ``embedded:``."""


def open_tinyworld(spec: ModelSpec) -> ModelHandle:
    """Return a handle on one of them.

    Raises
    ------
    UnknownName, BadInput
        If an option does not fit.
    """
    if spec.name == SAMPLER:
        return open_procedural(spec)
    if spec.name == ORACLE:
        return open_oracle(spec)
    return open_tiny_clip(spec)


def list_tinyworld() -> list[ModelListing]:
    """What each is, and the command that supplies what computes it."""
    images = frozenset({GeneratesImages})
    return [
        _listing(SAMPLER, images, "exact sampler of tinyworld, procedural: no model", ("pillow",)),
        _listing(CLIP, TINYCLIP_CAPABILITIES, SUMMARY, PACKAGES),
        _listing(
            ORACLE,
            frozenset({AnswersVisualQuestions}),
            "reads tinyworld's drawings by their nearest template: no model",
            ("pillow",),
        ),
    ]


def _listing(
    name: str, capabilities: frozenset[type], summary: str, packages: tuple[str, ...]
) -> ModelListing:
    is_installed = not absent_packages(*packages)
    return ModelListing(
        name=f"embedded:{name}",
        capabilities=tuple(c.name for p, c in CAPABILITIES.items() if p in capabilities),
        summary=summary,
        installed=is_installed,
        install=None if is_installed else INSTALL_IMAGE,
    )
