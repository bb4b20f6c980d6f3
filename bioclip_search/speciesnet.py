"""Gives what SpeciesNet's ensemble would answer for one crop: its fixed rules, as a rule set beside our own.

Pure: labels, numbers and rules in, an outcome out. Where a taxon is fenced is left to `geography.geofence`; the rules
that we answer by are in `fallback`.

After speciesnet 5.0.6, `ensemble_prediction_combiner.combine_predictions` and `geofence_utils` (google/cameratrapai,
Apache-2.0). First match wins; "the box" is the most confident detection, and without any an animal's of confidence 0:

1. A person's box: human if it is above 0.7 (1a), or above 0.2 while human or vehicle is the top class above 0.5 (1b).
2. A vehicle's box: human if it is above 0.2 and human is the top class above 0.5 (2a); vehicle if it is above 0.7 (2b), or
   above 0.2 while vehicle is the top class above 0.4 (2c).
3. Blank is the top class: above 0.5 while the box is below 0.2 (3a), or above 0.99 (3b).
4. Any other top class but human and vehicle: accepted above 0.8 (4a), or above 0.65 with an animal's box above 0.2 (4b).
   Where it is fenced: the first of family, order, class, kingdom at which the best unfenced taxon's sum reaches the
   score of the top class.
5. The first of genus, family, order, class, kingdom at which the best unfenced taxon's sum over the top classes is above 0.65.
6. An animal's box above 0.5: animal.
7. Unknown.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.geography.geofence import Geofence
from bioclip_search.geography.place import ANYWHERE, Place
from bioclip_search.intervals import Level

# Labels are keys as in a geofence, "class;order;family;genus;epithet" in small letters, or one of these:
BLANK, VEHICLE, UNKNOWN = "blank", "vehicle", "unknown"
ANIMAL, HUMAN = ";;;;", "mammalia;primates;hominidae;homo;sapiens"

TOP_CLASSES = 5
"""Classes that SpeciesNet's ensemble is given (constants.NUM_CLASSIFICATIONS_FOR_ENSEMBLE)."""

ROLL_UP_RANKS = ("genus", "family", "order", "class", "kingdom")
FENCED_RANKS = ROLL_UP_RANKS[1:]

PARTS = {"class": 1, "order": 2, "family": 3, "genus": 4, "species": 5}
"""How many parts of a key tell a taxon of the rank."""

# Thresholds, all of `combine_predictions`; a confidence or score must be above them.
SURE_BOX, LIKELY_BOX, ANIMAL_BOX = 0.7, 0.2, 0.5
SURE_PERSON, SURE_VEHICLE = 0.5, 0.4
LIKELY_BLANK, SURE_BLANK = 0.5, 0.99
SURE_CLASS, LIKELY_CLASS, ROLLED_UP = 0.8, 0.65, 0.65

ROUNDING = 1e-10
"""What the sum of a fenced class may fall short of the class itself."""


@dataclass(frozen=True)
class Detection:
    """A box that a detector found: animal, person or vehicle, and how confident it was."""

    category: str
    confidence: float


@dataclass(frozen=True)
class Outcome:
    """A label, its score, the source as SpeciesNet words it, and the rule that gave it."""

    label: str
    score: float
    source: str
    rule: str


@dataclass(frozen=True)
class Fence:
    """A geofence at a place, and the labels that a taxonomy has (None: all)."""

    geofence: Geofence | None = None
    place: Place = ANYWHERE
    known: Container[str] | None = None

    def shuts_out(self, label: str) -> bool:
        return self.geofence is not None and self.geofence.fences(label, self.place)

    def has(self, label: str) -> bool:
        return self.known is None or label in self.known


OPEN = Fence()
"""No geofence, and every taxon known."""


def answer(detections: Sequence[Detection], labels: Sequence[str], scores: Sequence[float], fence: Fence = OPEN) -> Outcome:
    """Applies the rules to one crop, or to one picture with all its boxes.

    Of equally confident boxes and equal sums the first wins.

    Args:
        labels: The top classes, best first; none where nothing was classified.
        scores: Their scores, 0 to 1.

    Raises:
        ValueError: A number is NaN, or there are not as many scores as labels.
    """
    if len(labels) != len(scores) or np.isnan([*scores, *(box.confidence for box in detections)]).any():
        raise ValueError(f"Expected one score for each of {len(labels)} labels, none of them NaN; got {list(scores)[:TOP_CLASSES]} and {detections!r}.")
    box = max(detections, key=lambda found: found.confidence, default=Detection("animal", 0.0))
    labels, scores = (list(labels), [float(score) for score in scores]) if labels else ([UNKNOWN], [0.0])
    tried = (_person(box, labels[0], scores[0]), _vehicle(box, labels[0], scores[0]), _blank(box, labels[0], scores[0]), _accepted(box, labels, scores, fence))
    return next((found for found in tried if found), None) or _rest(box, labels, scores, fence)


def label_of(lineage: Mapping[str, str]) -> str:
    """The label of a taxon of ours.

    >>> label_of({"kingdom": "Animalia", "class": "Mammalia", "order": "Carnivora", "family": "Felidae"})
    'mammalia;carnivora;felidae;;'
    """
    genus = lineage.get("genus", "")
    epithet = lineage.get("species", "").removeprefix(genus).strip()
    return ";".join(part.lower() for part in (*(lineage.get(rank, "") for rank in ("class", "order", "family")), genus, epithet))


def rank_of(label: str) -> str | None:
    """The rank of a label; None where it names no taxon.

    >>> rank_of("mammalia;carnivora;felidae;;"), rank_of(ANIMAL), rank_of(BLANK)
    ('family', 'kingdom', None)
    """
    if label.count(";") != 4:
        return None
    return next((rank for rank in reversed(PARTS) if label.split(";")[PARTS[rank] - 1]), "kingdom")


def ancestor(label: str, rank: str) -> str | None:
    """The label of the taxon of a rank above or at a label; None where it tells none.

    >>> ancestor("mammalia;carnivora;felidae;panthera;leo", "genus"), ancestor(BLANK, "kingdom")
    ('mammalia;carnivora;felidae;panthera;', None)
    """
    parts = label.split(";")
    if rank == "kingdom":
        return ANIMAL if (parts[0] and len(parts) == 5) or label == ANIMAL else None
    kept = PARTS[rank]
    return ";".join([*parts[:kept], *[""] * (5 - kept)]) if len(parts) == 5 and parts[kept - 1] else None


def answer_rows(
    leaves: np.ndarray, scores: np.ndarray, levels: Sequence[Level], *, accept: float = SURE_CLASS, rolled_up: float = ROLLED_UP
) -> tuple[np.ndarray, np.ndarray]:
    """Rules 4, 5 and 7 for many crops at once, without boxes and geofence: the depth of each answer, -1 for none, and a leaf of its taxon.

    Args:
        leaves: (n, k) int64, the top leaves of each crop, best first.
        scores: (n, k) their probabilities.
        accept: What the best leaf must be above to be accepted: `LIKELY_CLASS` where an animal's box was found (4b).
        rolled_up: What the sum of a taxon must be above.

    Returns:
        (n,) int64 numbers of ranks among the levels, and (n,) int64 leaves.
    """
    depths, chosen = np.full(len(leaves), -1), leaves[:, 0].copy()  # (n,)
    numbers = {level.rank: level.numbers(leaves.ravel()).reshape(leaves.shape) for level in levels}  # (n, k)
    ranks = [level.rank for level in levels]
    for rank in (rank for rank in ROLL_UP_RANKS if rank in numbers):
        sums = _sums(numbers[rank], scores)  # (n, k)
        best = np.argmax(sums, axis=1)  # the first of equal ones
        is_new = (depths < 0) & (sums[np.arange(len(sums)), best] > rolled_up)
        depths[is_new], chosen[is_new] = ranks.index(rank), leaves[is_new, best[is_new]]
    is_sure = scores[:, 0] > accept
    own = np.max([np.where(numbers[rank][:, 0] >= 0, depth, -1) for depth, rank in enumerate(ranks)], axis=0)  # (n,)
    return np.where(is_sure, own, depths), np.where(is_sure, leaves[:, 0], chosen)


def _person(box: Detection, top: str, score: float) -> Outcome | None:
    """Rule 1."""
    if box.category != "person":
        return None
    if box.confidence > SURE_BOX:
        return Outcome(HUMAN, box.confidence, "detector", "1a")
    return Outcome(HUMAN, score, "classifier", "1b") if box.confidence > LIKELY_BOX and top in (HUMAN, VEHICLE) and score > SURE_PERSON else None


def _vehicle(box: Detection, top: str, score: float) -> Outcome | None:
    """Rule 2."""
    if box.category != "vehicle":
        return None
    if box.confidence > LIKELY_BOX and top == HUMAN and score > SURE_PERSON:
        return Outcome(HUMAN, score, "classifier", "2a")
    if box.confidence > SURE_BOX:
        return Outcome(VEHICLE, box.confidence, "detector", "2b")
    return Outcome(VEHICLE, score, "classifier", "2c") if box.confidence > LIKELY_BOX and top == VEHICLE and score > SURE_VEHICLE else None


def _blank(box: Detection, top: str, score: float) -> Outcome | None:
    """Rule 3."""
    if top != BLANK:
        return None
    if box.confidence < LIKELY_BOX and score > LIKELY_BLANK:
        return Outcome(BLANK, score, "classifier", "3a")
    return Outcome(BLANK, score, "classifier", "3b") if score > SURE_BLANK else None


def _accepted(box: Detection, labels: Sequence[str], scores: Sequence[float], fence: Fence) -> Outcome | None:
    """Rule 4."""
    if labels[0] in (BLANK, HUMAN, VEHICLE):
        return None
    is_likely = scores[0] > LIKELY_CLASS and box.category == "animal" and box.confidence > LIKELY_BOX
    rule = "4a" if scores[0] > SURE_CLASS else "4b" if is_likely else None
    if rule is None:
        return None
    if not fence.shuts_out(labels[0]):
        return Outcome(labels[0], scores[0], "classifier", rule)
    found = _rolled_up(labels, scores, fence, FENCED_RANKS, scores[0] - ROUNDING)
    if found is None:
        return Outcome(UNKNOWN, scores[0], "classifier+geofence+rollup_failed", rule)
    label, score, rank = found
    return Outcome(label, score, f"classifier+geofence+rollup_to_{rank}", rule)


def _rest(box: Detection, labels: Sequence[str], scores: Sequence[float], fence: Fence) -> Outcome:
    """Rules 5 to 7."""
    if found := _rolled_up(labels, scores, fence, ROLL_UP_RANKS, ROLLED_UP):
        label, score, rank = found
        return Outcome(label, score, f"classifier+rollup_to_{rank}", "5")
    if box.category == "animal" and box.confidence > ANIMAL_BOX:
        return Outcome(ANIMAL, box.confidence, "detector", "6")
    return Outcome(UNKNOWN, scores[0], "classifier", "7")


def _rolled_up(labels: Sequence[str], scores: Sequence[float], fence: Fence, ranks: Sequence[str], threshold: float) -> tuple[str, float, str] | None:
    """The first rank at which the best unfenced taxon's sum is above the threshold."""
    for rank in ranks:
        sums: dict[str, float] = {}
        for label, score in _ancestors(labels, scores, rank):
            if fence.has(label):
                sums[label] = sums.get(label, 0.0) + score
        best = max((label for label in sums if sums[label] > 0 and not fence.shuts_out(label)), key=sums.__getitem__, default=None)
        if best is not None and sums[best] > threshold:
            return best, sums[best], rank
    return None


def _ancestors(labels: Sequence[str], scores: Sequence[float], rank: str) -> Iterator[tuple[str, float]]:
    for label, score in zip(labels, scores, strict=True):
        if found := ancestor(label, rank):
            yield found, score


def _sums(numbers: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """For each of the top leaves the sum over those of its taxon, added in their order; 0 where it has none: (n, k)."""
    sums = np.zeros(numbers.shape)
    for place in range(numbers.shape[1]):
        sums += np.where(numbers == numbers[:, place : place + 1], scores[:, place : place + 1], 0.0)
    return np.where(numbers >= 0, sums, 0.0)
