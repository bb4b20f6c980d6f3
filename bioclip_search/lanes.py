"""Gives several pictures a core each, where a network gains more by that than by all cores for one picture.

What is done in a lane is left to `runs.looking`, `runs.deciding`, `crops` and `encoder`; order and bound are `stream`'s.

Small networks are many short operations. Shared among cores, each waits for the slowest, and two models that both take all cores
wait for each other: a second core then made `tag` only 1.16 times as fast (`python -m tests.benchmarks tag`). torch lets go of Python's
lock while it computes, so lanes are threads, and all of them share one copy of the weights. And where each lane has one core, a picture's
numbers are the same to the last bit however many lanes there are; torch adds up in another order where several cores share a sum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from bioclip_search.stream import work_ahead

T = TypeVar("T")
R = TypeVar("R")

MOST_LANES = 8
"""Each lane holds pictures in full size, and they share Python's lock; cores beyond so many share the operations of the lanes."""

AHEAD_PER_LANE = 2
"""One at work and one that waits, so that a lane goes on while its result is being fetched."""

_settling = threading.Lock()


def lanes_of(model: Any) -> int:
    """How many threads ask a model at once: one for each core that torch may take here, at most `MOST_LANES`.

    One where the model does not say that several may (`in_lanes`): because it runs on a card, takes turns, or spreads over the cores by itself.
    """
    if not getattr(model, "in_lanes", False):
        return 1
    import torch

    # Subtle: only OpenMP keeps the number of threads for each thread that calls; torch's own pool has one for the process.
    return min(MOST_LANES, torch.get_num_threads()) if torch.backends.openmp.is_available() else 1


def work_in_lanes(work: Callable[[T], R], items: Iterable[T], lanes: int) -> Iterator[R]:
    """`work` of every item, in the order of the items, by so many threads, among which the cores of the caller are divided.

    With one lane it is done where it is asked for, on all cores. The items are asked for by the thread that asks for the results.
    """
    if lanes == 1:
        yield from map(work, items)
        return
    import torch

    cores = max(1, torch.get_num_threads() // lanes)
    yield from work_ahead(work, items, lanes, AHEAD_PER_LANE, begin=lambda: keep_to(cores))


def keep_to(cores: int) -> None:
    """From now on this thread computes on so many cores; others do as they did.

    Subtle: torch holds the number for the thread that sets it and, as what threads to come begin with, for the process. So a thread that
    ends at once reads that beforehand and another sets it again; and each thread asks once before it sets, or it would begin with it, too.
    """
    import torch

    with _settling:
        usual = _elsewhere(torch.get_num_threads)
        torch.get_num_threads()
        torch.set_num_threads(cores)
        _elsewhere(lambda: torch.set_num_threads(usual))


def _elsewhere(work: Callable[[], R]) -> R:
    told: list[R] = []
    thread = threading.Thread(target=lambda: told.append(work()), name="cores")
    thread.start()
    thread.join()
    return told[0]
