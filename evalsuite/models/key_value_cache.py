"""The attention cache of a batch whose rows fork, end and leave. Model internals stay theirs."""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from evalsuite.errors import BadInput


def new_cache(config: Any) -> Any:
    """Return an empty cache for a model.

    Raises
    ------
    BadInput
        If the model keeps something else than keys and values (a recurrent state), whose padding
        and forking are not the same for every model.
    """
    cache = DynamicCache(config=config)
    if any(not isinstance(layer, DynamicLayer) for layer in cache.layers):
        raise BadInput(
            f"models of type {config.model_type!r} keep a recurrent state; only attention caches "
            "can be sampled from. Choose a model of another architecture."
        )
    return cache


def select(cache: Any, index: torch.Tensor) -> None:
    """Keep the rows of an index, in its order; an index that stands twice forks its row."""
    cache.batch_select_indices(index)


def trim_left(cache: Any, n: int) -> bool:
    """Forget the first ``n`` positions, which must be padding in every row.

    Returns
    -------
    False, with nothing done, if a layer counts its positions otherwise (sliding windows).
    """
    if any(type(layer) is not DynamicLayer for layer in cache.layers):
        return False
    for layer in cache.layers:
        layer.keys = layer.keys[:, :, n:]
        layer.values = layer.values[:, :, n:]
    return True
