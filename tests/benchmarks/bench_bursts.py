"""How right one answer for a burst is, by every method of fusion, beside the surest frame and every frame by itself.

    python -m tests.benchmarks bursts --of-a-set 120

Bursts are made of photographs with known names (`burst_scenes`), found by the starter's detector and answered by the starter. Intervals
are 95 %, drawn over bursts; the difference to the surest frame is drawn on the same bursts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.measure import print_table

WAYS = ("every frame", "surest crop", "vote", "average", "embeddings", "probabilities", "probabilities, equal weights")
FIGURES = ("species right", "answered", "right of answered", "information")
TARGET = 0.9


@dataclass(frozen=True, eq=False)
class Seen:
    """One burst as the detector and the encoder saw it; `labels` has two where two animals are in it."""

    labels: tuple[dict[str, str], ...]
    vectors: np.ndarray
    weights: np.ndarray


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks bursts")
    parser.add_argument("--of-a-set", type=int, default=120)
    parser.add_argument("--index", default="starter")
    parser.add_argument("--detector", default="starter")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    from bioclip_search import Searcher
    from tests.benchmarks.burst_scenes import burst, photographs

    searcher = Searcher.open(options.index, detector=options.detector, device="cpu")
    random = np.random.default_rng(options.seed)
    shown = [(photograph.label, burst(photograph.picture, random)) for photograph in photographs(options.of_a_set, options.seed)]
    seen = [_seen(searcher, (label,), frames) for label, frames in shown]
    mixed = [_seen(searcher, (one, other), [*first[:2], *second[:2]]) for (one, first), (other, second) in _pairs(shown, random)]
    _compare(searcher, [burst for burst in seen if len(burst.vectors)], options)
    _compare_mixed(searcher, [burst for burst in mixed if len(burst.vectors)])


def _pairs(shown: Sequence[Any], random: np.random.Generator) -> list[tuple[Any, Any]]:
    """Two different animals of one class each, such as one camera may meet at once."""
    order = [shown[row] for row in random.permutation(len(shown))]
    pairs = zip(order[::2], order[1::2], strict=False)
    return [(one, other) for one, other in pairs if one[0].get("species") and other[0].get("species") and one[0]["species"] != other[0]["species"]]


def _seen(searcher: Any, labels: tuple[dict[str, str], ...], frames: Sequence[Any]) -> Seen:
    """Every box that the detector finds; where it finds none, the whole frame without any confidence."""
    from bioclip_search.bursts.fusion import weights_of
    from bioclip_search.crops import DETECTOR_CONFIDENCE, Crop, cut_crops

    prepared, confidences, areas = [], [], []
    for frame, cut in zip(frames, cut_crops(frames, searcher.encoder, searcher.detector), strict=True):
        crops = [one for one in cut if isinstance(one, Crop)]
        for one in crops:
            left, top, right, bottom = one.box_xyxy
            prepared.append(one.prepared)
            confidences.append(one.confidence)
            areas.append((right - left) * (bottom - top))
        if not crops:
            prepared.append(searcher.encoder.prepare(frame))
            confidences.append(DETECTOR_CONFIDENCE / 2)
            areas.append(None)
    return Seen(labels, searcher.encoder.encode_prepared(prepared), weights_of(confidences, areas, searcher.encoder.input_px))


def _compare(searcher: Any, bursts: Sequence[Seen], options: argparse.Namespace) -> None:
    """Every way and figure, with intervals."""
    by_species, by_target = searcher.question(rank="species"), searcher.question(target_accuracy=TARGET)
    marks = {way: _marks(searcher, _answers(by_species, way, bursts), _answers(by_target, way, bursts), bursts) for way in WAYS}
    draws = np.random.default_rng(1).integers(0, len(bursts), (1000, len(bursts)))
    rows = []
    for way in WAYS:
        cells = [_interval(lambda rows, name=name, way=way: _figure(name, marks[way], rows), len(bursts), draws) for name in FIGURES]
        gain = _interval(
            lambda rows, way=way: _figure("information", marks[way], rows) - _figure("information", marks["surest crop"], rows), len(bursts), draws
        )
        rows.append((way, *cells, gain))
    title = f"{len(bursts)} bursts, {sum(len(one.vectors) for one in bursts) / len(bursts):.1f} crops each, index {options.index}, target {TARGET:g}"
    print_table(title, ("", *FIGURES, "information gained"), rows)


def _compare_mixed(searcher: Any, bursts: Sequence[Seen]) -> None:
    """Bursts of two species: whether what is said of the burst holds for one of them, and for both."""
    from bioclip_search.bursts.fusion import agreement_of

    question, rows = searcher.question(target_accuracy=TARGET), []
    own = [question.answers(one.vectors, _subjects(len(one.vectors))) for one in bursts]
    for way in WAYS[2:]:
        answers = _answers(question, way, bursts)
        verdicts = [[_is_right(answer, label) for label in one.labels] for (answer,), one in zip(answers, bursts, strict=True) if answer.taxon]
        some, both = np.mean([any(pair) for pair in verdicts]), np.mean([all(pair) for pair in verdicts])
        agreement = [agreement_of(answer, crops) for (answer,), crops in zip(answers, own, strict=True)]
        torn = np.mean([value < 1 for value in agreement if value is not None])
        rows.append((way, f"{len(verdicts) / len(bursts):.3f}", f"{some:.3f}", f"{both:.3f}", f"{torn:.3f}"))
    print_table(f"{len(bursts)} bursts of two species", ("", "answered", "true of one", "true of both", "crops disagree"), rows)


def _answers(question: Any, way: str, bursts: Sequence[Seen]) -> list[list[Any]]:
    """The answers of each burst: one, or one a crop."""
    from bioclip_search.bursts.fusion import BATCH_CROPS, PROBABILITIES, fused_answers, vote
    from bioclip_search.question import Asked

    if way in ("every frame", "vote"):
        found = [question.answers(one.vectors, _subjects(len(one.vectors))) for one in bursts]
        return found if way == "every frame" else [[vote(answers, Asked(""))] for answers in found]
    if way == "surest crop":
        best = np.stack([one.vectors[int(np.argmax(one.weights))] for one in bursts])
        return [[answer] for answer in question.answers(best, _subjects(len(best)))]
    is_equal = way.endswith("equal weights")
    parts = [(one.vectors, np.ones(len(one.weights)) if is_equal else one.weights) for one in bursts]
    method = PROBABILITIES if is_equal else way
    starts = range(0, len(parts), BATCH_CROPS)
    return [
        [answer]
        for start in starts
        for answer in fused_answers(question, method, parts[start : start + BATCH_CROPS], _subjects(len(parts[start : start + BATCH_CROPS])))
    ]


def _subjects(count: int) -> list[Any]:
    from bioclip_search.question import Asked

    return [Asked("")] * count


def _marks(searcher: Any, species: list[list[Any]], by_target: list[list[Any]], bursts: Sequence[Seen]) -> np.ndarray:
    """Of each burst the means over its answers: named in species, its species right, answered, right, and what the right ones tell: (n, 5)."""
    tells, rows = _telling(searcher), []
    for one, named, judged in zip(bursts, species, by_target, strict=True):
        (label,) = one.labels
        has_species = "species" in label
        hits = np.mean([answer.taxon == label.get("species") for answer in named]) if has_species else 0.0
        right = [bool(answer.taxon) and _is_right(answer, label) for answer in judged]
        told = [tells(answer) if is_right else 0.0 for answer, is_right in zip(judged, right, strict=True)]
        rows.append((has_species, hits, np.mean([answer.taxon is not None for answer in judged]), np.mean(right), np.mean(told)))
    return np.array(rows, float)


def _figure(name: str, marks: np.ndarray, rows: np.ndarray) -> float:
    named, hits, answered, right, told = marks[rows].sum(axis=0)
    return {"species right": hits / named, "answered": answered / len(rows), "right of answered": right / max(answered, 1e-9), "information": told / len(rows)}[
        name
    ]


def _interval(figure: Callable[[np.ndarray], float], count: int, draws: np.ndarray) -> str:
    low, high = np.quantile([figure(rows) for rows in draws], (0.025, 0.975))
    return f"{figure(np.arange(count)):.3f} ({low:.3f} to {high:.3f})"


def _is_right(answer: Any, label: dict[str, str]) -> bool:
    """Whether the taxon is the label's at its rank, or lies within the label's lowest where that is above."""
    lowest = list(label)[-1]
    return label[answer.rank] == answer.taxon if answer.rank in label else answer.lineage.get(lowest) == label[lowest]


def _telling(searcher: Any) -> Callable[[Any], float]:
    from functools import cache

    from bioclip_search.fallback import information

    taxonomy = searcher.taxonomy

    @cache
    def of(rank: str, name: str) -> float:
        taxon = next(taxon for taxon in searcher.names.find(name) if taxon.rank == rank)
        return float(information(taxon.stop - taxon.start, len(taxonomy)))

    return lambda answer: of(answer.rank, answer.taxon)
