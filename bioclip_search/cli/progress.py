"""A progress bar with rate and time left, on a terminal only; rich is imported only if there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Gives a function that passes an iterable on and counts it on the bar.

    The bar shows only if stderr is a terminal and stdout is not, for on one terminal the results show progress.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield iter
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total, rate="")

        def count(items: Iterable[T]) -> Iterator[T]:
            for item in items:
                yield item
                speed = progress.tasks[task].speed
                progress.update(task, advance=1, rate=f"{speed:.1f}/s" if speed else "")

        yield count


@contextmanager
def progress_steps(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Gives a callback (done, in all) that moves a bar, None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
