"""Runs a model over batches as large as the memory allows, and over smaller ones when it turns out not to.

Knows no model and no picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bioclip_search.errors import ModelError

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger(__name__)


class Batches(Generic[T, R]):
    """Applies `work`, which takes a sequence and gives one result an item, at most `limit` items at a time.

    Where memory runs out the limit is halved, for good: what did not fit once will not fit again.
    """

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]], limit: int):
        self._work, self.limit = work, limit

    def __call__(self, items: Sequence[T]) -> list[R]:
        """The results in the order of the items.

        Raises:
            ModelError: The memory is not enough for a single item.
        """
        results: list[R] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.limit]
            try:
                results += self._work(batch)
            except (MemoryError, RuntimeError, ModelError) as error:
                self._shrink(error, len(batch))
        return results

    def _shrink(self, error: Exception, tried: int) -> None:
        """Halves the limit if the error tells of memory; any other is raised on."""
        if not is_out_of_memory(error):
            raise error
        if tried == 1:
            raise ModelError(f"The memory is not enough for a single picture ({error}). Use a smaller model, --precision int8, or --device cpu.") from error
        self.limit = max(1, tried // 2)
        log.warning("Memory ran out with batches of %d; going on with %d.", tried, self.limit)
        _let_go()


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of torch, onnxruntime or Python says that memory ran out.

    Subtle: torch has a type of its own for graphics cards only, on the CPU it is a RuntimeError as any other; a detector wraps both.
    """
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "can't allocate memory" in words or "failed to allocate memory" in words


def _let_go() -> None:
    """Gives the card's memory back that torch keeps for later."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
