"""The figures of one part of one set of pictures, and how they are written: flat, and long.

What the figures mean is left to `measures`; printing and drawing to the command and to `report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bioclip_search.evaluation.curves import curve_record
from bioclip_search.evaluation.measures import Marks
from bioclip_search.evaluation.reliability import reliability
from bioclip_search.evaluation.sisters import mixed_up_pairs
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED

LONG_COLUMNS = ("set", "part", "labels", "metric", "value", "low", "high")
"""The columns of `evaluate --format csv`."""

LOW, HIGH = "_low", "_high"
SEEN, UNSEEN = "seen", "unseen"
"""The halves of a part, by whether the label is of a list of taxa."""


@dataclass(frozen=True)
class Score:
    """The figures of one part of one set, with one list of labels; `measures.summarise` says what they are.

    `marks` are what the figures were made of, `pictures` how each of its rows is spoken of, and `rows` which rows of the set
    they are. A half is told beside the part that it belongs to. `picture_of_row` is the picture that each row is cut out of;
    None: each is another.
    """

    set_name: str
    part: str
    labels: str
    metrics: dict[str, float]
    marks: Marks | None = field(default=None, compare=False, repr=False)
    pictures: tuple[str, ...] = field(default=(), compare=False, repr=False)
    rows: np.ndarray | None = field(default=None, compare=False, repr=False)
    is_half: bool = False
    picture_of_row: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def title(self) -> str:
        return " · ".join(word for word in (self.set_name, self.part, self.labels) if word)

    def to_dict(self) -> dict[str, Any]:
        """The record flat, as `evaluate --format jsonl` prints it."""
        return {"set": self.set_name, "part": self.part, "labels": self.labels, **self.metrics}

    def long_rows(self) -> Iterator[dict[str, Any]]:
        """One row a figure, with the columns `LONG_COLUMNS`; counts have no interval."""
        for metric, value in figures_of(self.metrics).items():
            interval = {"low": self.metrics.get(metric + LOW), "high": self.metrics.get(metric + HIGH)}
            yield {"set": self.set_name, "part": self.part, "labels": self.labels, "metric": metric, "value": value, **interval}


def figures_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """The figures without the ends of their intervals."""
    return {name: value for name, value in metrics.items() if not (name.endswith((LOW, HIGH)) and name.rsplit("_", 1)[0] in metrics)}


def details_of(scores: Sequence[Score], ranks: Sequence[str], names: Mapping[int, str]) -> dict[str, Any]:
    """What does not go into single figures, under the title of each score: sister taxa `mixed_up`, the points of the `curves`,
    and the bins of the reliability diagrams, of the `answers` and of the most probable taxon of each rank."""
    marked = [(score.title, score.marks, score.metrics) for score in scores if score.marks is not None and len(score.marks)]
    return {
        "mixed_up": {title: [pair.to_dict() for pair in mixed_up_pairs(marks.calls, ranks, names)] for title, marks, _ in marked},
        "curves": {title: curve_record(marks.attempts) for title, marks, metrics in marked if "haurc" in metrics},
        "reliability": {title: _diagrams(marks, metrics, ranks) for title, marks, metrics in marked},
    }


def _diagrams(marks: Marks, metrics: Mapping[str, float], ranks: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """The bins that hold a picture, as lists: how many pictures, the mean stated chance, the share right; of ranks that have a figure."""
    asked = {"answers": (marks.probability, np.where(marks.depth >= 0, marks.answer, UNDECIDED))}
    asked |= {rank: (marks.chances[:, depth], marks.calls.verdicts[:, depth]) for depth, rank in enumerate(ranks) if f"ece_{rank}" in metrics}
    diagrams = {}
    for name, (chances, verdicts) in asked.items():
        decided = verdicts != UNDECIDED
        if decided.any():
            found = reliability(chances[decided], verdicts[decided] == RIGHT)
            filled = found.pictures > 0
            columns = {"pictures": found.pictures, "stated": found.stated.round(4), "right": found.right.round(4)}
            diagrams[name] = {column: values[filled].tolist() for column, values in columns.items()}
    return diagrams


def flat_metrics(scores: Iterable[Score]) -> dict[str, float]:
    """Every figure under "set/part/labels/name"."""
    return {f"{score.set_name}/{score.part}/{score.labels}/{name}": value for score in scores for name, value in score.metrics.items()}


@dataclass(frozen=True, eq=False)
class Group:
    """The pictures of one part, or of the half of it that was seen or not: `members` (n,) bool."""

    name: str
    members: np.ndarray
    is_half: bool


def grouped(parts: np.ndarray, is_seen: np.ndarray | None = None) -> list[Group]:
    """Each part, by name, and where it is known each half of it; none is empty."""
    groups = []
    for part in sorted(set(parts)):
        groups.append(Group(part, parts == part, False))
        if is_seen is not None:
            groups += [Group(f"{part} {half}", (parts == part) & (is_seen == wanted), True) for half, wanted in ((SEEN, True), (UNSEEN, False))]
    return [group for group in groups if group.members.any()]
