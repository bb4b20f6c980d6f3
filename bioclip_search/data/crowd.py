"""Fetches many small files at once, a bounded number ahead; one that is not there is told, and the rest goes on.

How one file is fetched is left to `bioclip_search.pulling`, which files these are to `camera_traps`.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bioclip_search.errors import FetchError, NotThereError
from bioclip_search.pulling import FIRST_WAIT_S, pull

AT_ONCE = 8
"""Files fetched at one time: small pictures wait for the server far longer than they travel, and public servers bear as many."""

AHEAD = 4
"""Files that may wait for each that is fetched."""

MAX_PICTURE_BYTES = 1 << 28
"""A picture of a camera trap has a hundredth of this (256 MiB)."""

PAGE_BEGINS, LOOKED_AT_BYTES = (b"<", b"{"), 64
"""How HTML, XML and JSON begin, and no picture; looked for in the first bytes, behind spaces and a byte order mark (EF BB BF)."""

FAILED_IN_A_ROW = 16
"""So many files in a row that cannot be reached mean that the server or the network is down; those that are not there do not count."""


@dataclass(frozen=True)
class Wanted:
    """A file at a web address, and where it is to be."""

    address: str
    path: Path


@dataclass(frozen=True)
class Got:
    """What became of a wanted file; `error` is empty where it is here."""

    wanted: Wanted
    was_here: bool
    error: str = ""


def fetch_all(wanted: Iterable[Wanted], at_once: int = AT_ONCE, first_wait_s: float = FIRST_WAIT_S) -> Iterator[Got]:
    """What became of each file, in the order in which they were wanted.

    Raises:
        FetchError: Nothing may be fetched, or one file after the other cannot be reached.
    """
    failed = 0
    with ThreadPoolExecutor(at_once) as pool:
        waiting: deque[Future[tuple[Got, FetchError | None]]] = deque()
        try:
            for one in wanted:
                waiting.append(pool.submit(_fetch, one, first_wait_s))
                if len(waiting) < AHEAD * at_once:
                    continue
                got, error = waiting.popleft().result()
                failed = _count_failed(failed, error)
                yield got
            while waiting:
                got, error = waiting.popleft().result()
                failed = _count_failed(failed, error)
                yield got
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _fetch(wanted: Wanted, first_wait_s: float) -> tuple[Got, FetchError | None]:
    if wanted.path.is_file():
        return Got(wanted, True), None
    try:
        pull(wanted.address, wanted.path, most_bytes=MAX_PICTURE_BYTES, keeps_sha256=False, first_wait_s=first_wait_s)
        _refuse_no_picture(wanted.path)
    except FetchError as error:
        return Got(wanted, False, str(error)), error
    return Got(wanted, False), None


def _refuse_no_picture(path: Path) -> None:
    """Takes away what would else be taken for a picture for ever.

    Raises:
        NotThereError: It is empty.
        FetchError: It is a page, such as networks with a login send in the place of anything.
    """
    with path.open("rb") as file:
        beginning = file.read(LOOKED_AT_BYTES)
    if not beginning:
        path.unlink()
        raise NotThereError(f"{path.name}: the server has an empty file in its place.")
    if beginning.removeprefix(codecs.BOM_UTF8).lstrip().startswith(PAGE_BEGINS):
        path.unlink()
        raise FetchError(f"{path.name}: what came is a page, and no picture. Does the network want a login, or has the set moved?")


def _count_failed(failed: int, error: FetchError | None) -> int:
    failed = failed + 1 if error is not None and not isinstance(error, NotThereError) else 0
    if failed >= FAILED_IN_A_ROW and error is not None:
        raise FetchError(f"{failed} files in a row cannot be fetched, so no more are tried. What is here stays. The last one: {error}") from error
    return failed
