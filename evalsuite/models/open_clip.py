"""Models of the open_clip library: images and texts in one space, and labels without training."""

from dataclasses import dataclass
from pathlib import Path

from evalsuite.models.capabilities import (
    CAPABILITIES,
    ClassifiesImages,
    EmbedsImages,
    EmbedsText,
    LoadedModel,
)
from evalsuite.models.image_options import DualEncoderOptions
from evalsuite.models.listing import ModelListing
from evalsuite.models.model_packages import INSTALL_IMAGE, absent_packages, require_packages
from evalsuite.models.open_clip_folders import resolve_open_clip
from evalsuite.models.safe_loading import ModelFolder
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Entrant

OPEN_CLIP_CAPABILITIES: frozenset[type] = frozenset({EmbedsImages, EmbedsText, ClassifiesImages})
PACKAGES = ("torch", "torchvision", "open-clip-torch", "transformers", "pillow")


@dataclass(frozen=True, eq=False)
class OpenClipHandle:
    """A checked model folder that can be loaded."""

    entrant: Entrant
    folder: ModelFolder
    options: DualEncoderOptions

    @property
    def capabilities(self) -> frozenset[type]:
        """Embeds images and texts, and labels images."""
        return OPEN_CLIP_CAPABILITIES

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """Nothing is decoded."""
        return {}

    def load(self, device: str) -> LoadedModel:
        """Load onto ``auto``, ``cpu`` or ``cuda``.

        Raises
        ------
        MissingPackage
            If torch, torchvision or open_clip is not installed.
        BadInput
            If the weights do not fit the architecture, or images or texts cannot be read as the
            folder says.
        """
        require_packages(self.entrant.model, *PACKAGES, install=INSTALL_IMAGE)
        from evalsuite.models.loaded_open_clip import load_open_clip

        return load_open_clip(self.folder, self.options, device, name=self.entrant.model)


def open_clip_handle(
    folder: ModelFolder, spec: ModelSpec, *, model: str, backend: str
) -> OpenClipHandle:
    """Return a handle on a checked folder.

    Parameters
    ----------
    folder : ModelFolder
        From `evalsuite.models.open_clip_folders`.
    spec : ModelSpec
        The options are read from it.
    model, backend : str
        Names for the entrant.

    Raises
    ------
    BadInput
        If an option does not fit.
    """
    options = spec.read_options(DualEncoderOptions)
    entrant = Entrant(
        model=model,
        backend=backend,
        revision=folder.revision,
        dtype=options.dtype,
        settings=tuple(sorted(options.settings().items())),
        post_training_of=options.post_training_of,
    )
    return OpenClipHandle(entrant, folder, options)


class OpenClipBackend:
    """``open_clip:./folder`` and ``open_clip:org/name[@commit]``."""

    def open(
        self,
        spec: ModelSpec,
        *,
        offline: bool,
        home: Path,
        trusted: frozenset[str] = frozenset(),
    ) -> OpenClipHandle:
        """Check a model folder, fetching it first if it is on the hub.

        Raises
        ------
        BadInput, Refused, MissingPackage
            As `evalsuite.models.open_clip_folders.resolve_open_clip` and `open_clip_handle`.
        """
        folder = resolve_open_clip(spec, offline=offline)
        model = f"{spec.backend}:{folder.label}"
        return open_clip_handle(folder, spec, model=model, backend="open_clip")

    def describe(self) -> list[ModelListing]:
        """Say how such models are named."""
        is_installed = not absent_packages(*PACKAGES)
        names = [c.name for kind, c in CAPABILITIES.items() if kind in OPEN_CLIP_CAPABILITIES]
        return [
            ModelListing(
                name="open_clip:./folder or open_clip:org/name@commit",
                capabilities=tuple(names),
                summary="any CLIP or SigLIP model of open_clip with safetensors weights",
                installed=is_installed,
                install=None if is_installed else INSTALL_IMAGE,
            )
        ]


backend = OpenClipBackend()
