"""Many visitors at once, each with a species of its own, and what they were told: whether any answer was another's.

The visitors are those of `visitors`; each gives its species' picture again and again, every time in another size, so that
nothing can be answered from memory, and moves the slider in between.
"""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.browser.visitors import Shown, Visitor
from tests.browser.world import common_name, picture_of, species

UPLOADER, SLIDER = "Pictures", "Probability from"
THRESHOLDS = (0.5, 0.65, 0.8)


@dataclass(frozen=True)
class Crowd:
    """What came of it.

    Attributes:
        picture_waits_s, slider_waits_s: From sending to the whole page, per answer.
        wrong: What was told instead of the visitor's own species, or beside it.
        memory_mb: Resident memory of the server, from when all visitors had their first answer, about twice a second.
    """

    picture_waits_s: list[float]
    slider_waits_s: list[float]
    wrong: list[str]
    memory_mb: list[float]

    def told(self) -> str:
        """One line for the eye."""
        pictures, sliders = sorted(self.picture_waits_s), sorted(self.slider_waits_s)
        return (
            f"{len(pictures)} pictures and {len(sliders)} moves of the slider answered, {len(self.wrong)} wrong; "
            f"a picture {_middle(pictures):.2f} s (95 %: {_most(pictures):.2f} s), a move {_middle(sliders):.2f} s (95 %: {_most(sliders):.2f} s); "
            f"memory {self.memory_mb[0]:.0f} MB with all there, {max(self.memory_mb):.0f} MB at most, {self.memory_mb[-1]:.0f} MB at the end"
        )


def crowd(url: str, pid: int, *, visitors: int = 20, seconds: float = 60) -> Crowd:
    """Sends the visitors and waits until the last has gone.

    Raises:
        Exception: A visitor was sent away, or waited in vain.
    """
    found = Crowd([], [], [], [])
    all_there, over = threading.Barrier(visitors + 1), threading.Event()
    with ThreadPoolExecutor(visitors) as pool:
        going = [pool.submit(_stay, url, taxon, all_there, seconds, found) for taxon in species()[:visitors]]
        watch = threading.Thread(target=_watch, args=(pid, all_there, over, found.memory_mb))
        watch.start()
        try:
            for one in going:
                one.result()
        finally:
            over.set()
            watch.join()
    return found


def _stay(url: str, taxon: str, all_there: threading.Barrier, seconds: float, found: Crowd) -> None:
    try:
        with Visitor(url) as visitor:
            _check(visitor.give(UPLOADER, "first.png", picture_of(taxon)), taxon, found)
            all_there.wait()
            deadline = time.monotonic() + seconds
            for turn in itertools.count(1):
                if time.monotonic() > deadline:
                    return
                began = time.monotonic()
                shown = visitor.give(UPLOADER, f"{turn}.png", picture_of(taxon, (320 + 4 * turn, 240 + 3 * turn)))
                found.picture_waits_s.append(time.monotonic() - began)
                _check(shown, taxon, found)
                began = time.monotonic()
                shown = visitor.move(SLIDER, THRESHOLDS[turn % len(THRESHOLDS)])
                found.slider_waits_s.append(time.monotonic() - began)
                _check(shown, taxon, found)
    except BaseException:
        all_there.abort()
        raise


def _check(shown: Shown, taxon: str, found: Crowd) -> None:
    """Notes every headline that is not the visitor's own species, and every error."""
    expected = common_name(taxon).casefold()
    names = {common_name(one).casefold() for one in species()}
    headlines = [heading.replace("\\", "") for heading in shown.headings if heading.replace("\\", "").casefold() in names]
    if [one.casefold() for one in headlines] != [expected] or shown.errors:
        found.wrong.append(f"{taxon}: {headlines} {shown.errors}")


def _watch(pid: int, all_there: threading.Barrier, over: threading.Event, memory_mb: list[float]) -> None:
    import psutil

    server = max((psutil.Process(pid), *psutil.Process(pid).children(recursive=True)), key=lambda one: one.memory_info().rss)
    try:
        all_there.wait()
    except threading.BrokenBarrierError:
        return
    while True:
        memory_mb.append(server.memory_info().rss / 1e6)
        if over.wait(0.5):
            return


def _middle(values: list[float]) -> float:
    return values[len(values) // 2]


def _most(values: list[float]) -> float:
    return values[int(len(values) * 0.95)]
