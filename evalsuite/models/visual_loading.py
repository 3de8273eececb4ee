"""Processors of models that read images and texts together, and how much they read at once."""

from typing import Any

import transformers

from evalsuite.errors import BadInput
from evalsuite.models.loaded_weights import first_line
from evalsuite.models.loading_options import LoadingOptions
from evalsuite.models.safe_loading import ModelFolder

IMAGE_TOKENS = 256
"""What an image is taken to be worth, in tokens of text, where packs are cut."""

# On a CPU larger batches gain nothing; a GPU is only busy with many.
_BATCH_TOKENS = {"cpu": 8192, "cuda": 131072}


def batch_tokens(options: LoadingOptions, model: Any) -> int:
    """Most tokens of one forward pass: the user's choice, or what suits the model's device."""
    return options.batch_tokens or _BATCH_TOKENS[model.device.type]


def load_processor(folder: ModelFolder, *, name: str) -> Any:
    """Load a processor with a fast tokenizer.

    As everywhere in the suite, images are prepared by the library's Pillow code.

    Parameters
    ----------
    folder : ModelFolder
    name : str
        The model's name, for messages.

    Raises
    ------
    BadInput
        If it cannot be loaded, or lacks tokenizer or image processor.
    """
    where = {"local_files_only": True, "trust_remote_code": False}
    try:
        processor = transformers.AutoProcessor.from_pretrained(str(folder.path), **where)
        images = transformers.AutoImageProcessor.from_pretrained(
            str(folder.path), backend="pil", **where
        )
    # What is absent from a folder shows in many ways.
    except (OSError, ValueError, ImportError, TypeError, LookupError, AttributeError) as error:
        raise BadInput(
            f"model {name}: its processor cannot be loaded: {first_line(error)}"
        ) from error
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise BadInput(
            f"model {name}: its files name no processor of images and texts together; copy "
            "processor_config.json from where the weights come from"
        )
    if not tokenizer.is_fast:
        raise BadInput(
            f"model {name}: has no tokenizer.json, and slow tokenizers are not supported"
        )
    processor.image_processor = images
    return processor
