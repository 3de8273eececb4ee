"""``embedded:tinyclip``: an open_clip model of tinyworld that also answers questions about it."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from evalsuite.models.capabilities import AnswersVisualQuestions, LoadedModel
from evalsuite.models.model_packages import INSTALL_IMAGE, require_packages
from evalsuite.models.open_clip import (
    OPEN_CLIP_CAPABILITIES,
    PACKAGES,
    OpenClipHandle,
    open_clip_handle,
)
from evalsuite.models.open_clip_folders import open_clip_folder
from evalsuite.models.safe_loading import file_sha256
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import digest

SUMMARY = "trained tiny CLIP of tinyworld; answers its questions by linear probes"
PROBES = "probes.safetensors"


TINYCLIP_CAPABILITIES: frozenset[type] = OPEN_CLIP_CAPABILITIES | {AnswersVisualQuestions}


@dataclass(frozen=True, eq=False)
class TinyClipHandle(OpenClipHandle):
    """An open_clip model with a linear probe an attribute."""

    @property
    def capabilities(self) -> frozenset[type]:
        """What an open_clip model can, and closed questions about tinyworld."""
        return TINYCLIP_CAPABILITIES

    def load(self, device: str) -> LoadedModel:
        """Load the model and its probes.

        Raises
        ------
        MissingPackage
            If torch, torchvision or open_clip is not installed.
        """
        require_packages(self.entrant.model, *PACKAGES, install=INSTALL_IMAGE)
        from evalsuite.models.loaded_open_clip import load_open_clip
        from evalsuite.models.probed_answers import ProbedAnswers

        encoder = load_open_clip(self.folder, self.options, device, name=self.entrant.model)
        return ProbedAnswers(encoder, self.folder.path / PROBES)


def open_tiny_clip(spec: ModelSpec) -> TinyClipHandle:
    """Return a handle on the suite's own CLIP.

    Raises
    ------
    UnknownName, BadInput
        If an option does not fit.
    """
    path = Path(str(files("evalsuite").joinpath("embedded", spec.name)))
    folder = open_clip_folder(path, label=spec.name, model=str(spec))
    both = {"model": folder.revision, "probes": file_sha256(path / PROBES)}
    whole = folder.model_copy(update={"revision": "sha256:" + digest(both)})
    opened = open_clip_handle(whole, spec, model=str(spec), backend="embedded")
    return TinyClipHandle(opened.entrant, opened.folder, opened.options)
