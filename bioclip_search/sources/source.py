"""A collection of pictures that can be gone through again and again, and the tally of what was passed over on the way.

How one comes about is left to `opening`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bioclip_search.media import Deployment, Facts, Media, Video
from bioclip_search.sources.paths import tellable


class Tally:
    """Counts what is passed over or not understood, by what it is, each with its first example."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, tuple[int, str]] = {}

    def add(self, what: str, example: str = "", times: int = 1) -> None:
        with self._lock:
            count, first = self._told.get(what, (0, example))
            self._told[what] = (count + times, tellable(first))

    def counts(self) -> dict[str, tuple[int, str]]:
        """How often each was met, and its first example; another tally takes it by `add`."""
        with self._lock:
            return dict(self._told)

    def notes(self) -> tuple[str, ...]:
        """One sentence for each kind, in the order in which they were met first."""
        with self._lock:
            return tuple(f"{what}: {count:,}{f', the first {first}' if first else ''}" for what, (count, first) in self._told.items())


Stream = Callable[[Tally], Iterator[Media | Video]]
Placing = Callable[[str, Facts, Tally, bool], Facts]
"""Takes a picture's name, what is known of it, the tally, and whether its EXIF is among that; gives what is known once its deployment is."""


def _as_told(_image: str, facts: Facts, _tally: Tally, _is_late: bool) -> Facts:
    return facts


@dataclass(eq=False)
class Source:
    """A collection; get it with `open_source`.

    Attributes:
        kind: What it is kept in: "folder", "glob", "list", "archive", "megadetector", "coco", "camtrap-dp", "data set", "picture", "video".
        root: The folder that `Media.image` is told from; None where the pictures lie in no folder.
        deployments: What the collection, or a table beside it, tells of its cameras' stays.
        told: What was noticed when it was opened.
        counting: A cheaper way to `count` than to go through the stream.
    """

    kind: str
    root: Path | None
    stream: Stream
    told: tuple[str, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    placing: Placing = _as_told
    counting: Callable[[], int] | None = None
    _tally: Tally = field(default_factory=Tally, init=False, repr=False)

    def media(self) -> Iterator[Media | Video]:
        """A fresh stream of the pictures and videos, in the same order each time; memory is flat in their number."""
        self._tally = tally = Tally()
        for one in self.stream(tally):
            facts = self.placing(one.image, one.facts, tally, False)
            yield one if facts is one.facts else replace(one, facts=facts)

    def count(self) -> int:
        """The number that `media` gives, a video as one, without opening any picture; what a JSON tells twice counts twice."""
        if self.counting is not None:
            return self.counting()
        return sum(1 for _ in self.stream(Tally()))

    def facts_of(self, image: str, facts: Facts) -> Facts:
        """What is known of a picture once its own EXIF is among the facts: a time decides between two stays of one camera."""
        return self.placing(image, facts, self._tally, True)

    @property
    def tally(self) -> Tally:
        """Of the latest pass of `media`."""
        return self._tally

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should be told of; what was passed over is complete after a pass of `media`."""
        return (*self.told, *self._tally.notes())
