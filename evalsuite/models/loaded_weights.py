"""Weights and tokenizer of a checked folder, through transformers; it imports torch."""

from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from evalsuite.errors import BadInput
from evalsuite.models.device import choose_device, memory_watched
from evalsuite.models.loading_options import LoadingOptions
from evalsuite.models.safe_loading import ModelFolder


def load_weights(
    kind: Any,
    folder: ModelFolder,
    options: LoadingOptions,
    device: str,
    *,
    name: str,
    unused: tuple[str, ...] = (),
) -> Any:
    """Load a model in evaluation mode; weights whose names hold one of ``unused`` may be absent.

    Parameters
    ----------
    kind : class of transformers with ``from_pretrained``
    folder : ModelFolder
    options : LoadingOptions
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    name : str
        The model's name, for messages.

    Raises
    ------
    BadInput
        If the weights do not fit the architecture, or cannot be read.
    """
    target = choose_device(device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    transformers.utils.logging.disable_progress_bar()  # the suite shows its own
    try:
        with memory_watched():
            model, report = kind.from_pretrained(
                str(folder.path),
                dtype=getattr(torch, options.dtype),
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=folder.remote_code,
                output_loading_info=True,
            )
            model = model.to(target)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise BadInput(f"model {name}: cannot be loaded: {first_line(error)}") from error
    # transformers fills absent weights with random numbers.
    absent = sorted(
        key for key in report["missing_keys"] if not any(part in key for part in unused)
    )
    if absent or report["mismatched_keys"]:
        what = absent or sorted(str(key) for key in report["mismatched_keys"])
        raise BadInput(
            f"model {name}: its weights do not fit its architecture: {len(what)} tensors are "
            f"absent or of another shape, {what[0]} first"
        )
    return model.eval()


def load_tokenizer(folder: ModelFolder, *, name: str) -> Any:
    """Load a folder's fast tokenizer.

    Raises
    ------
    BadInput
        If there is none, or it cannot be read.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder.path),
            local_files_only=True,
            trust_remote_code=folder.remote_code,
        )
    except (OSError, ValueError, ImportError) as error:
        raise BadInput(f"model {name}: its tokenizer cannot be loaded: {first_line(error)}") from (
            error
        )
    if not tokenizer.is_fast:
        raise BadInput(
            f"model {name}: has no tokenizer.json, and slow tokenizers are not supported"
        )
    return tokenizer


def check_vocabulary(n_tokens: int, n_known: int, name: str) -> None:
    """Check that a model knows all tokens of its tokenizer.

    Raises
    ------
    BadInput
        If a text could have a token that it does not.
    """
    if n_tokens > n_known:
        raise BadInput(
            f"model {name}: its tokenizer has {n_tokens} tokens, but the model knows {n_known}; "
            "the two do not belong together"
        )


def first_line(error: Exception) -> str:
    """First line of what an error says, or its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
