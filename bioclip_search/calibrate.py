"""Fits on labelled pictures what turns cosines into chances: one temperature, and the threshold for each target accuracy.

Pure numpy but for `calibrate`, which gathers what the others need; the rules of the fallback stay in `fallback`, those
of what is right in `verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np

from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import Candidates, candidates_of_index
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, Lineages, judge_answers
from bioclip_search.evaluation.zero_shot import embedded, wanted_rows
from bioclip_search.fallback import attempts
from bioclip_search.index.card import Calibration
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.searcher import BATCH_CROPS, Searcher

TARGETS = (0.8, 0.9, 0.95)

CONFIDENCE = 0.95
"""How sure it shall be that a target accuracy is reached, over the draw of the labelled pictures."""

TEMPERATURES = np.geomspace(0.2, 10, 81)
"""Temperatures tried, each 5 % above the one before: finer than a few hundred pictures can tell apart."""

THRESHOLDS = np.round(np.arange(0.995, 0.2, -0.005), 3)
"""Thresholds tried, highest first."""

MIN_ANSWERS = 30
"""Answers below which a share right says nothing yet."""

LEAST_PROBABILITY = 1e-30


@dataclass(frozen=True)
class Threshold:
    """The threshold for a target (None: none reaches it), and on how many answers, and how many right, that stands."""

    target: float
    threshold: float | None
    answers: int = 0
    right: int = 0


@dataclass(frozen=True)
class Fit:
    """What was fitted; `mean_loss` is the mean over pictures of -log P of the true taxon, summed over ranks."""

    temperature: float
    mean_loss: float
    mean_loss_at_1: float
    pictures: int
    thresholds: tuple[Threshold, ...]
    confidence: float | None

    def for_card(self, fitted_on: str) -> Calibration:
        """As a card keeps it: only the targets that are reached."""
        reached = {str(one.target): one.threshold for one in self.thresholds if one.threshold is not None}
        return Calibration(temperature=self.temperature, thresholds=reached, fitted_on=fitted_on)


def fit_temperature(blocks: Iterable[tuple[np.ndarray, np.ndarray]], logit_scale: float, temperatures: np.ndarray = TEMPERATURES) -> tuple[float, np.ndarray]:
    """The temperature with the least loss, and the mean loss at each of `temperatures`, (t,) float64.

    The loss of a picture is -log P of its true taxon, summed over the ranks that its label names and the tree has;
    pictures without such a rank do not count. Of equal losses the temperature nearest to 1 wins.

    Args:
        blocks: (b, n) cosines, -inf where a leaf is left out, and (b, ranks, 2) the leaves `[start, stop)` of the true taxon,
            0, 0 where there is none. Blocks are used once and not changed.

    Raises:
        TableError: No picture has a true taxon in the tree.
    """
    summed, pictures = np.zeros(len(temperatures)), 0
    for scores, truths in blocks:
        for row, intervals in zip(scores, truths, strict=True):
            named = intervals[intervals[:, 1] > intervals[:, 0]]
            if len(named):
                summed += [_loss(row, named, logit_scale / temperature) for temperature in temperatures]
                pictures += 1
    if not pictures:
        raise TableError("No label names a taxon of the tree, so no temperature can be fitted. Give pictures of taxa that the index holds.")
    losses = summed / pictures
    nearest_first = np.argsort(np.abs(np.log(temperatures)), kind="stable")
    return float(temperatures[nearest_first[np.argmin(losses[nearest_first])]]), losses


def fit_threshold(
    probabilities: np.ndarray, verdicts: np.ndarray, target: float, *, confidence: float | None = CONFIDENCE, thresholds: np.ndarray = THRESHOLDS
) -> Threshold:
    """The lowest threshold down to which the share of right answers reaches the target.

    1. At a threshold a picture's answer is the first of its attempts that reaches it; the undecided do not count.
    2. Thresholds are gone through from the highest. Those with fewer than `MIN_ANSWERS` answers are passed over.
    3. The way ends at the first that misses the target: one that is met by luck further down is not taken.
       (Fixed-sequence testing; Angelopoulos et al., "Learn then Test", 2021, section 4.)

    Args:
        probabilities: (n, k) of the attempts of each picture, in order; 0 where there are fewer.
        verdicts: (n, k) int8 on them.
        confidence: The target must be reached by the lower bound at this confidence; None takes the share itself.
        thresholds: Highest first.
    """
    best = Threshold(target, None)
    for threshold in thresholds:
        reaches = probabilities >= threshold  # (n, k)
        first = np.argmax(reaches, axis=1)  # (n,)
        verdict = verdicts[np.arange(len(verdicts)), first][reaches.any(axis=1)]
        answers, right = int((verdict != UNDECIDED).sum()), int((verdict == RIGHT).sum())
        if answers < MIN_ANSWERS:
            continue
        share = right / answers if confidence is None else lower_bound(right, answers, confidence)
        if share < target:
            break
        best = Threshold(target, float(threshold), answers, right)
    return best


def lower_bound(right: int, n: int, confidence: float) -> float:
    """The one-sided lower bound of a share (Clopper and Pearson 1934): the least share at which `right` or more of n is not too lucky.

    >>> round(lower_bound(30, 30, 0.95), 4), round(0.05 ** (1 / 30), 4)
    (0.905, 0.905)
    """
    if right == 0:
        return 0.0
    k = np.arange(right, n + 1)
    ways = np.array([lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) for i in k])  # log binomial coefficients
    low, high = 0.0, 1.0
    for _ in range(50):  # halving: 50 bits
        share = (low + high) / 2
        misses = (n - k) * np.log1p(-share) if share < 1 else np.where(k == n, 0.0, -np.inf)
        chance = np.exp(ways + k * np.log(share) + misses).sum()
        low, high = (share, high) if chance < 1 - confidence else (low, share)
    return low


def calibrate(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    parts: Collection[str] | None = None,
    targets: Sequence[float] = TARGETS,
    confidence: float | None = CONFIDENCE,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Fit:
    """What is fitted on the labelled pictures of the parts (by default all but what was trained on), over the whole index.

    Every picture counts alike, so what the promise holds for is this mixture of pictures.

    Args:
        progress: Called with the number of pictures embedded so far.

    Raises:
        TableError: No picture can be read, or none is labelled with a taxon of the index.
    """
    numbers: dict[str, int] = {}
    candidates = candidates_of_index(searcher, numbers)
    vectors, truths = _gather(searcher, sets, parts, numbers, workers, progress)
    scale = searcher.index.card.encoder.logit_scale

    def blocks() -> Iterator[tuple[np.ndarray, Lineages]]:
        for first in range(0, len(vectors), BATCH_CROPS):
            rows = np.arange(first, min(first + BATCH_CROPS, len(vectors)))
            yield candidates.scores(vectors[rows]), truths.take(rows)

    temperature, losses = fit_temperature(((scores, candidates.intervals(of_block)) for scores, of_block in blocks()), scale)
    tried = [_attempts_of(leaf_probabilities(scores, scale, temperature), of_block, candidates) for scores, of_block in blocks()]
    probabilities, verdicts = (np.concatenate(arrays) for arrays in zip(*tried, strict=True))
    at_1 = int(np.argmin(np.abs(np.log(TEMPERATURES))))
    return Fit(
        temperature=round(temperature, 4),
        mean_loss=float(losses.min()),
        mean_loss_at_1=float(losses[at_1]),
        pictures=len(vectors),
        thresholds=tuple(fit_threshold(probabilities, verdicts, target, confidence=confidence) for target in targets),
        confidence=confidence,
    )


def _loss(row: np.ndarray, intervals: np.ndarray, scale: float) -> float:
    """-log P of the taxa with these leaves, summed, for one row of cosines."""
    mass = np.exp((row - row.max()).astype(np.float64) * scale)  # (n,)
    whole = mass.sum()
    return -sum(np.log(max(mass[start:stop].sum() / whole, LEAST_PROBABILITY)) for start, stop in intervals)


def _gather(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    parts: Collection[str] | None,
    numbers: dict[str, int],
    workers: int | None,
    progress: Callable[[int], None] | None,
) -> tuple[np.ndarray, Lineages]:
    """The vectors of all pictures that can be read, (n, dim), and their labels."""
    vectors, codes, vernacular, done = [np.empty((0, searcher.encoder.dim), np.float32)], [], [], 0
    for labelled in sets:
        truths = Lineages.of(labelled.taxa, searcher.taxonomy.ranks, numbers)
        for batch in embedded(searcher, labelled, wanted_rows(labelled, parts), workers):
            vectors.append(batch.vectors)
            codes.append(truths.codes[batch.rows])
            vernacular.append(truths.vernacular[batch.rows])
            done += len(batch.rows) + len(batch.failures)
            if progress:
                progress(done)
    if not sum(map(len, vectors)):
        raise TableError("There is no labelled picture to calibrate with.")
    return np.concatenate(vectors), Lineages(np.concatenate(codes), np.concatenate(vernacular))


def _attempts_of(probabilities: np.ndarray, truths: Lineages, candidates: Candidates) -> tuple[np.ndarray, np.ndarray]:
    """The probability and the verdict of every attempt of b pictures: (b, 2 ranks) each, padded with 0 and undecided."""
    taxonomy = candidates.taxonomy
    width = 2 * len(taxonomy.ranks)
    chances, verdicts = np.zeros((len(probabilities), width)), np.full((len(probabilities), width), UNDECIDED)
    for i, row in enumerate(probabilities):
        steps = attempts(row, taxonomy.levels)
        leaves = np.array([taxonomy.levels[step.depth].start[step.number] for step in steps])
        depths = np.array([step.depth for step in steps])
        chances[i, : len(steps)] = [step.probability for step in steps]
        verdicts[i, : len(steps)] = judge_answers(candidates.lineages.take(leaves), depths, truths.take([i] * len(steps)))
    return chances, verdicts
