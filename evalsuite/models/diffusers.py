"""Models of the diffusers library: any pipeline from texts to images."""

from dataclasses import dataclass, field
from pathlib import Path

from evalsuite.errors import BadInput
from evalsuite.models.capabilities import CAPABILITIES, GeneratesImages, LoadedModel
from evalsuite.models.listing import ModelListing
from evalsuite.models.model_packages import INSTALL_IMAGE, absent_packages, require_packages
from evalsuite.models.pipeline_folders import PipelineFolder, check_pipeline, resolve_pipeline
from evalsuite.models.pipeline_options import PipelineOptions, complete_options, entrant_settings
from evalsuite.models.pipeline_signature import read_signature
from evalsuite.models.safe_loading import closed_folder
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Entrant

PACKAGES = ("torch", "transformers", "diffusers", "pillow")


@dataclass(frozen=True, eq=False)
class DiffusersHandle:
    """A checked pipeline folder that can be loaded."""

    entrant: Entrant
    folder: PipelineFolder
    options: PipelineOptions
    capabilities: frozenset[type] = frozenset({GeneratesImages})
    chosen_decoding: dict[str, object] = field(default_factory=dict)

    def load(self, device: str) -> LoadedModel:
        """Load onto ``auto``, ``cpu`` or ``cuda``.

        Raises
        ------
        MissingPackage, Refused
            If torch, transformers or diffusers is not installed, or too old to be safe.
        BadInput
            If the weights do not fit their classes, an option does not fit the pipeline, or the
            device is not there.
        """
        require_packages(self.entrant.model, *PACKAGES, install=INSTALL_IMAGE)
        from evalsuite.models.pipeline_loading import load_pipeline

        return load_pipeline(self, device)


def open_pipeline_folder(
    spec: ModelSpec,
    path: Path,
    *,
    model: str,
    backend: str = "diffusers",
) -> DiffusersHandle:
    """Return a handle on a pipeline in a folder of this machine, whatever its name is.

    For pipelines that other backends carry; `DiffusersBackend` opens folders that users name.

    Parameters
    ----------
    spec : ModelSpec
        The options are read from it.
    path : Path
        The pipeline's folder.
    model, backend : str
        Names for the entrant. The revision is the sha256 of the folder's files.

    Raises
    ------
    BadInput, Refused, MissingPackage
        As `evalsuite.models.pipeline_folders.check_pipeline`, and if an option does not fit.
    """
    real = closed_folder(path, model=str(spec), holds="model_index.json")
    folder = check_pipeline(real, str(spec), label=path.name)
    return _handle(folder, spec, model=model, backend=backend)


def _handle(
    folder: PipelineFolder, spec: ModelSpec, *, model: str, backend: str
) -> DiffusersHandle:
    signature = read_signature(folder.kind, model)
    options = complete_options(spec.read_options(PipelineOptions), signature, model)
    if options.scheduler is not None and folder.component("scheduler") is None:
        raise BadInput(f"model {model}: has no one scheduler that ?scheduler could replace")
    entrant = Entrant(
        model=model,
        backend=backend,
        revision=folder.revision,
        dtype=options.dtype,
        settings=entrant_settings(options, folder),
        post_training_of=options.post_training_of,
    )
    return DiffusersHandle(entrant=entrant, folder=folder, options=options)


class DiffusersBackend:
    """``diffusers:./folder`` and ``diffusers:org/name[@commit]``."""

    def open(
        self,
        spec: ModelSpec,
        *,
        offline: bool,
        home: Path,
        trusted: frozenset[str] = frozenset(),
    ) -> DiffusersHandle:
        """Check a pipeline folder, fetching it first if it is on the hub.

        Code that a pipeline brings is never run, whatever is ``trusted``.

        Raises
        ------
        BadInput, Refused, MissingPackage
            As `evalsuite.models.pipeline_folders.resolve_pipeline`, and if an option does not fit.
        """
        folder = resolve_pipeline(spec, offline=offline)
        return _handle(folder, spec, model=f"{spec.backend}:{folder.label}", backend="diffusers")

    def describe(self) -> list[ModelListing]:
        """Say how such models are named."""
        is_installed = not absent_packages(*PACKAGES)
        return [
            ModelListing(
                name="diffusers:./folder or diffusers:org/name@commit",
                capabilities=(CAPABILITIES[GeneratesImages].name,),
                summary="any text-to-image pipeline of diffusers with safetensors weights",
                installed=is_installed,
                install=None if is_installed else INSTALL_IMAGE,
            )
        ]


backend = DiffusersBackend()
