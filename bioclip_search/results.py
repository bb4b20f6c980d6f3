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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The name given to one crop, how sure it is, and why it is that one.

    `taxon` and `rank` are None when no taxon was sure enough; `probability` is then 1.0, that of "some organism
    of this index". Where the detector saw no organism at all, `probability` too is None. `box_xyxy` is in pixels of
    the upright picture, None for the whole of it. `ladder` runs from the highest rank to the lowest: the ancestors of
    the answer, then its most probable descendant at each rank. `alternatives` are the runners-up of the answer's
    rank, of the lowest rank where there is no answer. `beyond_calibration` says, where an accuracy was promised, what of
    the question lies outside of what the calibration was fitted on; the promise does not hold there.
    """

    image: str
    box_xyxy: tuple[float, float, float, float] | None = None
    detector_confidence: float | None = None
    taxon: str | None = None
    rank: str | None = None
    common_name: str | None = None
    probability: float | None
    rule: str
    lineage: dict[str, str] = field(default_factory=dict)
    ladder: tuple[Rung, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    beyond_calibration: tuple[str, ...] = ()
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


def percent(probability: float) -> str:
    """A probability in whole percents; never "0 %" nor "100 %", which would claim certainty; "–" for NaN.

    >>> [percent(p).replace(chr(160), " ") for p in (0.004, 0.87, 0.997)]
    ['<1 %', '87 %', '>99 %']
    """
    if math.isnan(probability):
        return "–"
    whole = "<1" if probability < 0.01 else ">99" if probability > 0.99 else f"{probability * 100:.0f}"
    return whole + "\N{NO-BREAK SPACE}%"
