"""Times several ways of doing one thing in turns, and prints tables."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psutil


def seconds(work: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(ways: dict[str, Callable[[], Any]], rounds: int, *, warm_up: bool = True) -> dict[str, np.ndarray]:
    """The seconds of every way in every round, (rounds,) each.

    Every round runs all ways one after the other, and every second round backwards, so that a slow minute of the
    machine falls on all of them. To warm up, a first round goes uncounted.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + warm_up):
        for name in list(ways)[:: -1 if turn % 2 else 1]:
            taken[name].append(seconds(ways[name]))
    return {name: np.array(spent[warm_up:]) for name, spent in taken.items()}


def counting_cpu(work: Callable[[], Any], spent: list[float]) -> Callable[[], None]:
    """The same work, which also notes its seconds of CPU: they tell more than the clock where others use the machine."""

    def counted() -> None:
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)

    return counted


def ratio(baseline: np.ndarray, ours: np.ndarray) -> float:
    """How many times faster ours is: the median over rounds of the ratio within a round."""
    return float(np.median(baseline / ours))


def memory_mb() -> dict[str, float]:
    """Resident memory of this process, and the part of it that is its own (not file pages that others may share)."""
    info = psutil.Process().memory_full_info()
    return {"rss_mb": info.rss / 1e6, "own_mb": info.uss / 1e6}


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(str(row[column])) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}")
    for row in (head, ["-" * width for width in widths], *rows):
        cells = [str(row[0]).ljust(widths[0]), *(str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells).rstrip(), flush=True)
