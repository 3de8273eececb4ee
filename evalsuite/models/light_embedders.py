"""Embedded models that need no torch: known by name, checked and loaded when they are used."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from evalsuite.errors import MissingPackage
from evalsuite.models.capabilities import LoadedModel
from evalsuite.models.embedded_models import EmbeddedModel
from evalsuite.models.spec import ModelSpec
from evalsuite.requests import Entrant

MAX_TOKENS = 512
"""Positions of ``embedded:bge-small``."""


class LightOptions(BaseModel):
    """Options of an embedder that is computed without torch, always on the CPU.

    Parameters
    ----------
    threads : int
        CPU threads, which do not change an answer beyond rounding. One, unless more are asked for:
        the runtimes do not heed ``OMP_NUM_THREADS`` and would take every core.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int = Field(1, ge=1)


class OnnxOptions(LightOptions):
    """Options of an ONNX model.

    Parameters
    ----------
    max_length : int
        Window in tokens, special ones included; a longer text is cut.
    """

    max_length: int = Field(MAX_TOKENS, ge=4, le=MAX_TOKENS)


@dataclass(frozen=True, eq=False)
class LightHandle:
    """An embedder whose package is there; its files are checked when it is loaded."""

    entrant: Entrant
    source: EmbeddedModel
    options: LightOptions

    @property
    def capabilities(self) -> frozenset[type]:
        """What it can be asked to do."""
        return self.source.capabilities

    @property
    def chosen_decoding(self) -> dict[str, object]:
        """Nothing: it does not write."""
        return {}

    def load(self, device: str) -> LoadedModel:
        """Check the pinned files and load onto the CPU, whatever the device.

        Raises
        ------
        MissingPackage
            If what computes it is not installed.
        Refused
            If a file is not the one that was pinned.
        """
        name = self.entrant.model
        if absent := self.source.absent():
            raise MissingPackage(
                f"model {name}: needs {', '.join(absent)}: {self.source.install_needs}"
            )
        weights = self.source.check(name) / self.source.weights
        if isinstance(self.options, OnnxOptions):
            from evalsuite.models.onnx_embedding import OnnxEmbedder

            return OnnxEmbedder(
                weights,
                max_length=self.options.max_length,
                threads=self.options.threads,
            )
        from evalsuite.models.universal_sentence_encoder import UniversalSentenceEncoder

        return UniversalSentenceEncoder(weights.parent, threads=self.options.threads)


def open_light(source: EmbeddedModel, spec: ModelSpec) -> LightHandle:
    """Return a handle on an embedded model that needs no torch.

    Raises
    ------
    UnknownName, BadInput
        If an option does not fit.
    """
    is_onnx = source.runtime == "onnx"
    options = spec.read_options(OnnxOptions if is_onnx else LightOptions)
    entrant = Entrant(
        model=str(spec),
        backend="embedded",
        revision=source.revision,
        dtype="int8" if is_onnx else "float32",
        settings=(("max_length", options.max_length),) if isinstance(options, OnnxOptions) else (),
    )
    return LightHandle(entrant, source, options)
