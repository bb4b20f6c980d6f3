"""One answer of several crops that show, as far as is known, one organism; and how far the crops' own answers agree.

Pure methods over vectors, cosines and answers; which crops belong together is left to `sequences`, reading them to `fusing`.

The methods:

- `probabilities`: the weighted mean of the crops' leaf probabilities, decided upon once. Crops that see two species give a mean
  with two peaks, whose answer is a taxon above both.
- `embeddings`: the weighted mean of the crops' unit embeddings, brought back to length one, decided upon once.
- `average`: the same with equal weights, the step that the snow leopard study took before it named a burst.
- `vote`: the lowest taxon that more than half of the crops' own answers lie in, each crop with one voice.

Weights are confidence × min(1, side / input), with the detector's confidence (1 without a detector), the side of a square of the box's
area and that of the encoder's input, both in pixels: a larger crop is scaled down before it is looked at and tells no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from bioclip_search.question import Asked, Question
from bioclip_search.results import Answer, Rung

PROBABILITIES, EMBEDDINGS, AVERAGE, VOTE = METHODS = ("probabilities", "embeddings", "average", "vote")

Burst = tuple[np.ndarray, np.ndarray]
"""The vectors of its crops, (n, dim), nearly unit rows, and their weights, (n,)."""

BATCH_CROPS = 32
"""Crops whose cosines with all leaves are held at once, 4 bytes each."""

LEAST_WEIGHT = 1e-3
"""So that crops of no confidence, all of them, still have a mean."""


def weights_of(confidences: Sequence[float | None], areas_px: Sequence[float | None], input_px: int) -> np.ndarray:
    """How much each crop counts, (n,) float64, above 0 and at most 1; what is not known counts as the best.

    A box of 56 × 56 pixels before an encoder that looks at 224 × 224 is a quarter as wide:

    >>> weights_of([0.8, 0.8, None], [224.0**2, 56.0**2, None], 224).round(2).tolist()
    [0.8, 0.2, 1.0]
    """
    confidence = np.array([1.0 if value is None else value for value in confidences])
    side = np.sqrt([np.inf if value is None else max(value, 0.0) for value in areas_px])
    return np.maximum(confidence * np.minimum(1.0, side / input_px), LEAST_WEIGHT)


def fuse_vectors(vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean of unit rows, (n, dim), as a unit row, (dim,) float32; where they cancel out, the row of most weight."""
    mean = weights @ vectors.astype(np.float64)
    length = np.linalg.norm(mean)
    if length <= 1e-6 * weights.sum():
        return vectors[int(np.argmax(weights))].astype(np.float32)
    return (mean / length).astype(np.float32)


class ScoreFusion:
    """The cosines that have the weighted mean of some rows' probabilities, taken up row by row so that one row is held.

    They are log(mean) / sharpness, moved so that the best is the weighted mean of the rows' best cosines.
    """

    def __init__(self, sharpness: float):
        self._sharpness, self._logs, self._best, self._weight = sharpness, None, 0.0, 0.0

    def add(self, scores: np.ndarray, weight: float) -> None:
        """Takes up one row, (leaves,), -inf for a leaf that can be no answer."""
        logits = scores.astype(np.float64) * self._sharpness
        best = float(logits.max())
        logits -= best + np.log(np.exp(logits - best).sum()) - np.log(weight)
        self._logs = logits if self._logs is None else np.logaddexp(self._logs, logits)
        self._best += weight * best
        self._weight += weight

    def scores(self) -> np.ndarray:
        """(leaves,) float32."""
        typical = self._best / self._weight
        return ((self._logs - self._logs.max() + typical) / self._sharpness).astype(np.float32)


def fused_answers(question: Question, method: str, bursts: Sequence[Burst], subjects: Sequence[Asked]) -> list[Answer]:
    """One answer for each burst by any method but `vote`; a burst of one crop is answered as that crop would be.

    All are asked at once, so give no more than a batch of them.
    """
    if not bursts:
        return []
    if method == PROBABILITIES:
        answers = question.answers_of_scores(np.stack(list(_fused_scores(question, bursts))), subjects)
    else:
        rows = [fuse_vectors(vectors, np.ones(len(vectors)) if method == AVERAGE else weights) for vectors, weights in bursts]
        answers = question.answers(np.stack(rows), subjects)
    return [_told(answer, method, len(vectors)) for answer, (vectors, _) in zip(answers, bursts, strict=True)]


def _fused_scores(question: Question, bursts: Sequence[Burst]) -> Iterator[np.ndarray]:
    """The fused row of each burst. Cosines are computed for many crops at once: reading a large index is what takes long."""
    vectors, weights = (np.concatenate(parts) for parts in zip(*bursts, strict=True))
    ends = set(np.cumsum([len(part) for part, _ in bursts]).tolist())
    fusion = ScoreFusion(question.sharpness)
    for start in range(0, len(vectors), BATCH_CROPS):
        for row, scores in enumerate(question.catalogue.scores(vectors[start : start + BATCH_CROPS].astype(np.float32)), start):
            fusion.add(scores, float(weights[row]))
            if row + 1 in ends:
                yield fusion.scores()
                fusion = ScoreFusion(question.sharpness)


def vote(answers: Sequence[Answer], subject: Asked) -> Answer | None:
    """The lowest taxon that more than half of the answers lie in, beside those that name none; None where there is no answer at all.

    Its probability is the mean of those that the answers of this taxon, and below it, give to it.

    A lion, a lion, a snow leopard and a fox: no species has more than half, but the genus Panthera has three of four.
    """
    if not answers:
        return None
    voices = Counter(path[: depth + 1] for path in map(path_of, answers) for depth in range(len(path)))
    agreed = max((path for path, count in voices.items() if 2 * count > len(answers)), key=len, default=())
    for_it = [answer for answer in answers if path_of(answer)[: len(agreed)] == agreed] if agreed else []
    template = max(for_it or answers, key=lambda answer: (answer.taxon is not None, answer.probability or 0.0))
    told = {"image": subject.image, "box_xyxy": subject.box_xyxy, "detector_confidence": subject.confidence, "chance": None, "beyond_calibration": ()}
    if not agreed:
        none = {"taxon": None, "rank": None, "common_name": None, "probability": 1.0, "lineage": {}, "ladder": (), "alternatives": ()}
        return _told(replace(template, **told, **none, rule=f"no answer, for no taxon has more than half of {len(answers)} voices"), VOTE, len(answers))
    rank, taxon = agreed[-1]
    probability = float(np.mean([_probability_of(answer, rank, taxon) for answer in for_it]))
    named = {
        "taxon": taxon,
        "rank": rank,
        "common_name": template.common_name if template.taxon == taxon else None,
        "probability": probability,
        "lineage": dict(agreed),
        "ladder": tuple(replace(rung, probability=probability) if (rung.rank, rung.taxon) == (rank, taxon) else rung for rung in template.ladder),
        "alternatives": template.alternatives if template.rank == rank else (),
    }
    return _told(replace(template, **told, **named, rule=f"{rank}, for {len(for_it)} of {len(answers)} voices are for it"), VOTE, len(answers))


def agreement_of(fused: Answer | None, answers: Sequence[Answer]) -> float | None:
    """The share of the crops' own answers that lie on one line with the burst's and with one another: ancestors and descendants.

    The longest such line counts; crops without an answer do not. None where no crop has one.

    A burst named Panthera, of a lion, a snow leopard and a Panthera: the line of Panthera and lion holds 2 of 3.
    """
    paths = [path_of(answer) for answer in answers if answer.taxon]
    if not paths:
        return None
    line = path_of(fused) if fused is not None else ()
    fitting = [path for path in paths if are_on_one_line(path, line)]
    longest = max((sum(end[: len(path)] == path for path in fitting) for end in set(fitting)), default=0)
    return longest / len(paths)


def are_on_one_line(one: tuple, other: tuple) -> bool:
    """Whether of two lineages one is the beginning of the other."""
    shared = min(len(one), len(other))
    return one[:shared] == other[:shared]


def path_of(answer: Answer) -> tuple[tuple[str, str], ...]:
    """The ranks and taxa from the highest to the answer's own; () without an answer."""
    return tuple(answer.lineage.items()) if answer.taxon else ()


def _probability_of(answer: Answer, rank: str, taxon: str) -> float:
    found: Rung | None = next((rung for rung in answer.ladder if (rung.rank, rung.taxon) == (rank, taxon)), None)
    return found.probability if found else answer.probability or 0.0


def _told(answer: Answer, method: str, crops: int) -> Answer:
    words = "1 crop alone" if crops == 1 else f"fused over {crops} crops by {method}"
    return replace(answer, rule=f"{answer.rule}; {words}")
