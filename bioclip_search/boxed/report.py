"""What was found in pictures with boxes when they were read and looked into, counted, each kind with its first examples, and told in words.

What is looked for, and what becomes of it, is left to `examining`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

EXAMPLES = 3
"""How many of a kind are named."""

CORRUPT = "cannot be read as a picture; left out"
OUTSIDE = "lies outside its picture; left out"
CLIPPED = "reaches beyond its picture; cut off at the edge"
FLAT = "has no area; left out"
DOUBLED = "stands twice in its picture; the second left out"
CROWD = "marks a crowd, in which finds do not count"
SIZE = "is told to have another size than it has; its boxes are taken as pixels of the picture as it is, upright"
TWICE = "is there before, byte for byte"
STRADDLES = "is there byte for byte in two parts, so that a model would be tested on what it learned from; split again, and it stays together"
NO_BOX = "is told of and has no box"
ONE_PICTURE = "has its boxes in one picture only, so that no split can teach and test it"

SUBJECTS = {
    CORRUPT: "picture",
    OUTSIDE: "box",
    CLIPPED: "box",
    FLAT: "box",
    DOUBLED: "box",
    CROWD: "box",
    SIZE: "picture",
    TWICE: "picture",
    STRADDLES: "picture",
    NO_BOX: "category",
    ONE_PICTURE: "category",
}
"""What each kind is said of, in the order in which the kinds are told."""

PLURALS = {"picture": "pictures", "box": "boxes", "category": "categories", "file": "files", "line": "lines", "object": "objects"}


@dataclass(frozen=True)
class Told:
    """How often something was found, and where first."""

    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoxReport:
    """What pictures with boxes are worth.

    Attributes:
        pictures: Those that are left, `background` of them without a box.
        boxes: Those that are left, of `categories` in all.
        found: By kind; a kind that was not found is missing.
    """

    pictures: int = 0
    background: int = 0
    boxes: int = 0
    categories: int = 0
    found: Mapping[str, Told] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def count(self, kind: str) -> int:
        return self.found.get(kind, Told()).count

    def lines(self) -> list[str]:
        """The report in words, one line for each thing to know, the sum first.

        >>> for line in BoxReport(9, 2, 12, 1, {CORRUPT: Told(1, ("a/b.jpg (the file is empty)",))}).lines():
        ...     print(line)
        9 pictures with 12 boxes of 1 category; 2 pictures have none
        1 picture cannot be read as a picture; left out: a/b.jpg (the file is empty)
        """
        sums = f"{said(self.pictures, 'picture')} with {said(self.boxes, 'box')} of {said(self.categories, 'category')}"
        empty = f"; {said(self.background, 'picture')} {'has' if self.background == 1 else 'have'} none" if self.background else ""
        return [sums + empty, *(self._line(kind) for kind in SUBJECTS if self.count(kind)), *self.notes]

    def _line(self, kind: str) -> str:
        told = self.found[kind]
        more = ", …" if told.count > len(told.examples) else ""
        return f"{said(told.count, SUBJECTS[kind])} {_many(kind) if told.count > 1 else kind}: {', '.join(told.examples)}{more}"


class Counting:
    """Counts kinds while pictures are gone through, and keeps the first examples of each."""

    def __init__(self) -> None:
        self._found: dict[str, Told] = {}

    def add(self, kind: str, example: str, count: int = 1) -> None:
        before = self._found.get(kind, Told())
        examples = before.examples if len(before.examples) >= EXAMPLES or not example else (*before.examples, example)
        self._found[kind] = Told(before.count + count, examples)

    def add_all(self, kind: str, examples: Iterable[str]) -> None:
        for example in examples:
            self.add(kind, example)

    def found(self) -> dict[str, Told]:
        return dict(self._found)


def said(count: int, what: str) -> str:
    """
    >>> said(1, "box"), said(2_000, "category")
    ('1 box', '2,000 categories')
    """
    return f"{count:,} {what if count == 1 else PLURALS[what]}"


_ONE_TO_MANY = {"lies ": "lie ", "reaches ": "reach ", "has ": "have ", "stands ": "stand ", "marks ": "mark ", "is ": "are ", "cannot ": "cannot "}


def _many(kind: str) -> str:
    """The words of a kind, said of several."""
    start = next(one for one in _ONE_TO_MANY if kind.startswith(one))
    words = _ONE_TO_MANY[start] + kind.removeprefix(start)
    return words.replace(" its picture", " their pictures").replace("as a picture", "as pictures").replace(" its boxes", " their boxes")
