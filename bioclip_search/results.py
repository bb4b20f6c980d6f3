"""What comes out: one frozen record per crop, and one per picture that could not be read.

Holds no logic of deciding (that is `fallback`) and knows no format (that is `exports`, and `render` for the eye).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: a taxon and the probability that the organism belongs to it."""

    rank: str
    taxon: str
    probability: float


@dataclass(frozen=True)
class Alternative:
    """A runner-up: another taxon of the answer's rank."""

    taxon: str
    rank: str
    probability: float
    common_name: str | None = None


@dataclass(frozen=True)
class WithoutPlace:
    """The answer as it would be if nothing were known of the place; `taxon` and `rank` are None where there would be none."""

    taxon: str | None
    rank: str | None
    probability: float
    chance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The name given to one crop, how sure it is, and why it is that one.

    `taxon` and `rank` are None when no taxon was sure enough; `probability` is then 1.0, that of "some organism
    of this index". Where the detector saw no organism at all, `probability` too is None. `chance` is how likely the name
    is right, as labelled pictures taught it, where an accuracy was promised; the probability only compares it with the
    other names of the index. `box_xyxy` is in pixels of the upright picture, None for the whole of it. `ladder` runs from
    the highest rank to the lowest: the ancestors of the answer, then its most probable descendant at each rank.
    `alternatives` are the runners-up of the answer's rank, of the lowest rank where there is no answer.
    `beyond_calibration` says, where an accuracy was promised, what of the question lies outside of what the calibration
    was fitted on; the promise does not hold there.

    Where something was said of the place: `place` is what, in words, `without_place` the answer as it would be without
    it, `removed` the taxon that a country, region or geofence took out, with the probability that it would have, and
    `out_of_range` whether the records do not expect the answer there, with or without them (None: no records given).
    """

    image: str
    box_xyxy: tuple[float, float, float, float] | None = None
    detector_confidence: float | None = None
    taxon: str | None = None
    rank: str | None = None
    common_name: str | None = None
    probability: float | None
    chance: float | None = None
    rule: str
    lineage: dict[str, str] = field(default_factory=dict)
    ladder: tuple[Rung, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    beyond_calibration: tuple[str, ...] = ()
    place: str | None = None
    out_of_range: bool | None = None
    without_place: WithoutPlace | None = None
    removed: Alternative | None = None
    index: str
    encoder: str

    def to_dict(self) -> dict:
        """The record as `identify --format jsonl` prints it; only JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Failure:
    """A picture that gave no answer, and the reason."""

    image: str
    error: str

    def to_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class LabelAnswer:
    """The user's own labels for one picture, most probable first; the probabilities sum to one."""

    image: str
    labels: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict:
        return {"image": self.image, "labels": [{"label": label, "probability": value} for label, value in self.labels]}


def remarks(answer: Answer) -> list[str]:
    """What a person should know before trusting an answer, a line each: what the place changed, and where no promise holds."""
    told, without, removed = [], answer.without_place, answer.removed
    is_changed = without is not None and (without.taxon, without.rank) != (answer.taxon, answer.rank)
    if answer.out_of_range:
        taxon = without.taxon if without is not None and without.taxon and not (removed and removed.taxon == without.taxon) else answer.taxon
        told.append(f"Out of range: {taxon} is not recorded there ({answer.place})")
    if is_changed:
        told.append(f"Without the place: {f'{without.taxon}, {without.rank}, {percent(shown_chance(without))}' if without.taxon else 'no answer'}")
    if removed is not None:
        told.append(f"Shut out there: {removed.taxon}, {percent(removed.probability)} without the place ({answer.place})")
    return told + [f"Beyond the calibration: {reason}" for reason in answer.beyond_calibration]


def shown_chance(answer: Answer | WithoutPlace) -> float | None:
    """The number that a person reads beside the name: the chance of being right where it was learned, else the probability."""
    return answer.probability if answer.chance is None else answer.chance


def percent(probability: float) -> str:
    """A probability in whole percents; never "0 %" nor "100 %", which would claim certainty; "–" for NaN.

    >>> [percent(p).replace(chr(160), " ") for p in (0.004, 0.87, 0.997)]
    ['<1 %', '87 %', '>99 %']
    """
    if math.isnan(probability):
        return "–"
    whole = "<1" if probability < 0.01 else ">99" if probability > 0.99 else f"{probability * 100:.0f}"
    return whole + "\N{NO-BREAK SPACE}%"
