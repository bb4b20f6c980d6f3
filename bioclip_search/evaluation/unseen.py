"""What an index says of species that it does not hold: some are taken out of it, and pictures of them are shown.

Composes other rooms: the rules come from `fallback`, what is fitted from `calibration`, what is right from `verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioclip_search.calibration.lesson import LabelledPictures, gather, taught_and_shown
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.resample import share, with_intervals
from bioclip_search.evaluation.rules_tried import AS_IT_IS, RULES, Lesson, seen_at
from bioclip_search.evaluation.verdicts import RIGHT, WRONG
from bioclip_search.searcher import Searcher

SHARE_TAKEN_OUT = 0.2
DRAWS = 5
SEED = 20

KNOWN, STRANGERS = "calibrated on known species", "calibrated with strangers among them"


@dataclass(frozen=True)
class Unseen:
    """How one way to answer fared on pictures of species that were taken out, over all draws.

    Attributes:
        metrics: n; the shares of pictures `answered_species` (always wrong, and overconfident), `right_RANK`, `right_genus_or_family`,
            `right` at any rank, `wrong` at any, `silent`; `accuracy` of the answers; each with its interval.
    """

    rule: str
    metrics: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return {"set": self.rule, **self.metrics}


def measure_unseen(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    target: float,
    parts: Sequence[str] | None = None,
    share_taken_out: float = SHARE_TAKEN_OUT,
    draws: int = DRAWS,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Unseen]:
    """As `unseen_among`, for the labelled pictures of some sets over all taxa of an index."""
    return unseen_among(gather(searcher, sets, parts=parts, workers=workers, progress=progress), target, share_taken_out, draws)


def unseen_among(pictures: LabelledPictures, target: float, share_taken_out: float = SHARE_TAKEN_OUT, draws: int = DRAWS) -> list[Unseen]:
    """Rules as they are, and ours before and after it is calibrated in two ways, on species that the index does not hold.

    1. A share of the species that pictures are labelled with can be no answer; their pictures are the questions.
    2. The index is calibrated on the pictures of the other species: all of them known to it, or with as large a share of
       them taken out as well, so that it learns what a stranger looks like.

    Raises:
        TableError: Too few species have pictures.
        NotCalibratedError: The target cannot be promised on the pictures of the other species.
    """
    species, held = pictures.species, pictures.species_held
    count = round(share_taken_out * len(held))
    if not 0 < count < len(held) / 2:
        raise TableError(f"Pictures are labelled with {len(held)} species of the index; too few to take {share_taken_out:.0%} out and calibrate on others.")
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for draw in range(draws):
        shuffled = np.random.default_rng(SEED + draw).permutation(held)
        asked, strangers = shuffled[:count], shuffled[count : 2 * count]
        rows = np.flatnonzero(np.isin(species, asked))
        others = np.random.default_rng(SEED + draw).permutation(np.flatnonzero(~np.isin(species, asked)))
        without = pictures.without(asked)
        plain = seen_at(without, rows, 1.0)
        for rule in AS_IT_IS:
            answers = RULES[rule](plain, Lesson(target, None))
            found.setdefault(rule, []).append(_became(answers.depths[0], answers.verdicts[0]))
        for name, world in ((KNOWN, without), (STRANGERS, pictures.without(np.concatenate([asked, strangers])))):
            depths, verdicts = _calibrated(world, without, others, rows, target)
            found.setdefault(f"weighing, {name}", []).append(_became(depths, verdicts))
    ranks = pictures.candidates.taxonomy.ranks
    return [Unseen(rule, _figures({name: np.concatenate([one[name] for one in several]) for name in several[0]}, ranks)) for rule, several in found.items()]


def _calibrated(world: LabelledPictures, without: LabelledPictures, others: np.ndarray, rows: np.ndarray, target: float) -> tuple[np.ndarray, np.ndarray]:
    """The answers, (m,) depths and verdicts, for the pictures in `rows`, by what the `others` taught and showed in a world."""
    taught, shown = taught_and_shown(others, world.groups)
    temperature, judge = world.teach(taught)
    caution = world.evidence(shown, temperature).judged(judge).setting(target).caution
    evidence = without.evidence(rows, temperature).judged(judge)
    depths = evidence.chosen(caution, target)
    return depths, np.where(depths >= 0, evidence.verdicts[np.arange(len(rows)), depths], WRONG)


def _became(depths: np.ndarray, verdicts: np.ndarray) -> dict[str, np.ndarray]:
    return {"depths": depths, "right": (verdicts == RIGHT) & (depths >= 0), "wrong": (verdicts == WRONG) & (depths >= 0)}


def _figures(became: dict[str, np.ndarray], ranks: Sequence[str]) -> dict[str, float]:
    depths, right, wrong = became["depths"], became["right"], became["wrong"]
    species, genus, family = (ranks.index(rank) if rank in ranks else -2 for rank in ("species", "genus", "family"))
    figures = {
        "answered_species": share(depths == species),
        **{f"right_{rank}": share(right & (depths == depth)) for depth, rank in enumerate(ranks) if rank != "species"},
        "right_genus_or_family": share(right & np.isin(depths, [genus, family])),
        "right": share(right),
        "wrong": share(wrong),
        "silent": share(depths < 0),
        "accuracy": share(right, right | wrong),
    }
    return {"n": len(depths), **with_intervals(figures, len(depths))}
