"""open_clip models in memory; imported when one is loaded, because torch is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import open_clip
import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer

from evalsuite.errors import BadInput
from evalsuite.models.device import choose_device, memory_watched
from evalsuite.models.dual_encoder import DualEncoder, TextRow
from evalsuite.models.image_options import PIXELS, DualEncoderOptions
from evalsuite.models.image_preparation import Prepare, pixels_seen
from evalsuite.models.loaded_weights import check_vocabulary, first_line
from evalsuite.models.safe_loading import ModelFolder

if TYPE_CHECKING:
    from PIL.Image import Image

_PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
# What a library raises on a configuration that nobody checked is up to its authors.
_ODD_FILES = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ImportError,
    RuntimeError,
    ArithmeticError,
    SafetensorError,
)

Lengths = Callable[[Sequence[str]], list[int]]
Ids = Callable[[Sequence[str]], list[list[int]]]


class OpenClipTowers:
    """The two towers of an open_clip model; each text is padded to the model's full length.

    Parameters
    ----------
    model : open_clip model, in evaluation mode
    ids, lengths : callables
        From texts to their tokens, cut and padded, and to their numbers of tokens before that.
    precision : str
        As open_clip calls it.
    """

    def __init__(self, model: Any, ids: Ids, lengths: Lengths, precision: str) -> None:
        self._model = model
        self._ids = ids
        self._lengths = lengths
        self._device = next(model.parameters()).device
        self._dtype = open_clip.get_input_dtype(precision) or torch.float32

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied by before a softmax."""
        return float(self._model.logit_scale.detach().double().exp())

    def rows(self, texts: Sequence[str]) -> list[TextRow]:
        """Token ids of texts, cut to the model's length."""
        return [
            TextRow(ids, n_tokens, n_tokens > len(ids))
            for ids, n_tokens in zip(self._ids(texts), self._lengths(texts), strict=True)
        ]

    def text_features(self, rows: Sequence[list[int]]) -> Any:
        """Vectors of texts."""
        return self._model.encode_text(torch.tensor(rows).to(self._device))

    def image_features(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Vectors of images of one shape."""
        return self._model.encode_image(torch.stack(list(tensors)).to(self._device, self._dtype))


def load_open_clip(
    folder: ModelFolder, options: DualEncoderOptions, device: str, *, name: str
) -> DualEncoder:
    """Load a model from its checked folder.

    Parameters
    ----------
    folder : ModelFolder
        From `evalsuite.models.open_clip_folders`: what its configuration may ask for is checked
        there.
    options : DualEncoderOptions
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    name : str
        The model's name, for messages.

    Raises
    ------
    BadInput
        If the weights do not fit the architecture, or the folder's settings make no sense.
    """
    target = choose_device(device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    precision = _PRECISIONS[options.dtype]
    try:
        with memory_watched():
            model = open_clip.create_model(
                f"local-dir:{folder.path}", precision=precision, device=target
            ).eval()
        ids, lengths = _tokenizer(folder, name)
        prepare = _preparation(model)
    except _ODD_FILES as error:
        raise BadInput(f"model {name}: cannot be loaded: {first_line(error)}") from error
    return DualEncoder(
        OpenClipTowers(model, ids, lengths, precision),
        prepare,
        options,
        image_pixels=pixels_seen(prepare, name=name),
        batch_pixels=options.batch_pixels or PIXELS[torch.device(target).type],
    )


def _preparation(model: Any) -> Prepare:
    settings = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
    transform = open_clip.transform.image_transform_v2(settings, is_train=False)

    def prepare(image: "Image") -> torch.Tensor:
        tensor: torch.Tensor = transform(image)
        return tensor

    return prepare


def _tokenizer(folder: ModelFolder, name: str) -> tuple[Ids, Lengths]:
    """The tokenizer that the configuration names, or the one for the size of its vocabulary."""
    settings = open_clip.CLIPTextCfg(**folder.config["model_cfg"]["text_cfg"])
    if settings.hf_tokenizer_name:
        return _library_tokenizer(folder.path, settings.vocab_size, name)
    own = open_clip.get_tokenizer(f"local-dir:{folder.path}")
    if own.vocab_size == settings.vocab_size:
        return (
            lambda texts: own(list(texts)).tolist(),
            lambda texts: [len(own.encode(text)) + 2 for text in texts],
        )
    if not (folder.path / "tokenizer.json").is_file():
        raise BadInput(
            f"model {name}: its vocabulary has {settings.vocab_size} tokens and open_clip's own "
            f"has {own.vocab_size}; put its tokenizer.json into the folder"
        )
    return _plain_tokenizer(folder.path / "tokenizer.json", settings, name)


def _library_tokenizer(path: Path, vocab_size: int, name: str) -> tuple[Ids, Lengths]:
    """A tokenizer of transformers that lies in the folder, as open_clip uses it."""
    own = open_clip.get_tokenizer(f"local-dir:{path}")
    check_vocabulary(len(own.tokenizer), vocab_size, name)

    def lengths(texts: Sequence[str]) -> list[int]:
        cleaned = [own.clean_fn(text) for text in texts]
        return [len(ids) for ids in own.tokenizer(cleaned, truncation=False)["input_ids"]]

    return lambda texts: own(list(texts)).tolist(), lengths


def _plain_tokenizer(file: Path, settings: Any, name: str) -> tuple[Ids, Lengths]:
    """A tokenizer.json, padded to the model's length."""
    whole, cut = (Tokenizer.from_str(file.read_text(encoding="utf-8")) for _ in range(2))
    check_vocabulary(whole.get_vocab_size(), settings.vocab_size, name)
    whole.no_truncation()
    whole.no_padding()
    cut.enable_truncation(settings.context_length)
    cut.enable_padding(length=settings.context_length, pad_id=settings.pad_id)
    return (
        lambda texts: [encoding.ids for encoding in cut.encode_batch(list(texts))],
        lambda texts: [len(encoding.ids) for encoding in whole.encode_batch(list(texts))],
    )
