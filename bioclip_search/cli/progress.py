"""A progress bar with rate and time left, on a terminal only; rich is imported only if there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[Iterable[T]], Iterator[T]]]:
    """Gives a function that passes an iterable on and counts it on the bar.

    The bar shows only if stderr is a terminal and stdout is not, for on one terminal the results show progress.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield iter
        return
    with _bars() as progress:
        task = progress.add_task(what, total=total, rate="")

        def count(items: Iterable[T]) -> Iterator[T]:
            for item in items:
                yield item
                progress.update(task, advance=1, rate=_rate(progress, task))

        yield count


@contextmanager
def progress_steps(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Gives a callback (done, in all) that moves a bar, None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with _bars() as progress:
        task = progress.add_task(what, total=None, rate="")
        yield lambda done, total: progress.update(task, completed=done, total=total, rate=_rate(progress, task))


@contextmanager
def progress_parts() -> Iterator[Callable[[str, int, int], None] | None]:
    """Gives a callback (what, done, in all) that moves a bar for each thing that is told, None where there is no terminal; 0 in all: nobody knows."""
    if not sys.stderr.isatty():
        yield None
        return
    with _bars() as progress:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=None, rate="")
            task = tasks[what]
            progress.update(task, completed=done, total=total or None, rate=_rate(progress, task))

        yield tell


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _rate(progress: Progress, task: TaskID) -> str:
    speed = progress.tasks[task].speed
    return f"{speed:,.1f}/s" if speed else ""
