"""Runs slow work ahead of its consumer in threads, in order and with a bound.

Decoding and resizing let go of Python's lock, so threads keep the encoder fed without copying pictures between
processes. Knows nothing of pictures.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST_WORKERS = 8
AHEAD_PER_WORKER = 8
"""How many results may wait, per worker: enough to fill the encoder's next batch, few enough to stay small."""


def default_workers() -> int:
    """One for each core that this process may use, at most `MOST_WORKERS`."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def work_ahead(
    work: Callable[[T], R], items: Iterable[T], workers: int | None = None, ahead: int = AHEAD_PER_WORKER, *, begin: Callable[[], None] | None = None
) -> Iterator[R]:
    """`work` of every item, in the order of the items, whatever the threads do.

    At most `ahead` results a worker wait at any time, so memory stays flat however long the input is. The items are
    asked for by the thread that asks for the results, and always some before those are needed.
    An exception of `work` is raised where its result would have come. `begin` is called by each thread before its first item.
    """
    workers = workers or default_workers()
    remaining = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures", initializer=begin) as pool:
        waiting = deque(pool.submit(work, item) for item in islice(remaining, workers * ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(remaining, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()


def in_blocks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter; none for no items."""
    remaining = iter(items)
    while block := list(islice(remaining, size)):
        yield block
