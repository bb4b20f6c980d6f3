"""The head beside the names: what an index says of pictures by its texts alone, and by both, among all its taxa.

How far a head is believed is left to `heads.weighing`, what a promise stands on to `calibration`. Whatever is asked here about a picture
is asked of heads that were not taught it.

Cosines with all leaves are made block by block, so memory is flat in the number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bioclip_search.calibration.fitting import SEED
from bioclip_search.calibration.lesson import LEAST_PICTURES, LabelledPictures, taught_and_shown
from bioclip_search.calibration.record import CalibrationRecord, Origin
from bioclip_search.classifier.features import Features
from bioclip_search.evaluation.candidates import INDEX, Candidates
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.heads.blending import Blend, blended
from bioclip_search.heads.reach import Reach
from bioclip_search.searcher import BATCH_CROPS, Searcher
from bioclip_search.taxonomy import Taxon


@dataclass(frozen=True, eq=False)
class Answers:
    """The best leaf of each picture, (n,) int64 each: by the texts among all taxa, by the texts among those taught, and by texts and head among all."""

    by_name: np.ndarray
    by_name_taught: np.ndarray
    by_both: np.ndarray


@dataclass(frozen=True, eq=False)
class Asked:
    """Pictures that were asked about, what a head says of each that was not taught it, (n, k) float64, and the answers."""

    features: Features
    scores: np.ndarray
    answers: Answers


def reach_of(taxa: tuple[Taxon, ...]) -> Reach:
    """The leaves of each class."""
    return Reach(np.array([(taxon.start, taxon.stop) for taxon in taxa], np.int64).reshape(-1, 2))


def asked_of(searcher: Searcher, features: Features, known: np.ndarray, scores: np.ndarray, reach: Reach, blend: Blend) -> Asked:
    """Pictures with the answers about them; `known` are the scores without NaN."""
    return Asked(features, known, answers_of(searcher, features.vectors, scores, reach, blend))


def answers_of(searcher: Searcher, vectors: np.ndarray, scores: np.ndarray, reach: Reach, blend: Blend) -> Answers:
    """What is answered about pictures, (n, d), of which a head says `scores`, (n, k); of equally good leaves the first."""
    scale = searcher.index.card.encoder.logit_scale
    found: list[list[np.ndarray]] = [[], [], []]
    for first in range(0, len(vectors), BATCH_CROPS):
        cosines = searcher.catalogue.cosines(vectors[first : first + BATCH_CROPS])  # (b, leaves)
        found[0].append(cosines.argmax(axis=1))
        found[1].append(reach.leaves[cosines[:, reach.leaves].argmax(axis=1)])
        found[2].append(blended(cosines, scores[first : first + BATCH_CROPS], reach, blend, scale).argmax(axis=1))
    return Answers(*(np.concatenate(blocks) if blocks else np.empty(0, np.int64) for blocks in found))


def are_within(leaves: np.ndarray, reach: Reach, of: np.ndarray) -> np.ndarray:
    """Whether each leaf, (n,), is of the class that its picture shows, (n,) bool."""
    start, stop = reach.intervals[of].T
    return (leaves >= start) & (leaves < stop)


def cosines_of(searcher: Searcher, vectors: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """From the numbers of pictures to their cosines with all leaves, as `weigh_head` asks for them."""
    return lambda rows: searcher.catalogue.cosines(vectors[rows])


def calibrated(searcher: Searcher, features: Features, scores: np.ndarray, reach: Reach, blend: Blend, *, index: str) -> CalibrationRecord | None:
    """A calibration of texts and head together, on what heads say that were not taught the picture; None where there are too few pictures.

    One picture of every group counts, for ten of a burst tell as much as one; some teach, the others show what may be promised.

    Args:
        index: The name of the index that will carry it.
    """
    _, firsts = np.unique(features.groups, return_index=True)
    if len(firsts) < LEAST_PICTURES:
        return None
    pictures = _pictures(searcher, features, np.sort(firsts), scores, reach, blend)
    shuffled = np.random.default_rng(SEED).permutation(len(pictures))
    taught, shown = taught_and_shown(shuffled)
    temperature, judge = pictures.teach(taught)
    card = searcher.index.card
    told = (
        f"{len(pictures):,} pictures, one of every burst, by heads that were not taught them; on {len(taught):,} of them the temperature "
        f"{temperature:g} and the judge, on the other {len(shown):,} what is promised"
    )
    origin = Origin(index, card.taxonomy.content_hash, searcher.encoder.fingerprint, tuple(searcher.taxonomy.ranks), told)
    return CalibrationRecord(temperature, judge, pictures.evidence(shown, temperature).judged(judge), origin)


def _pictures(searcher: Searcher, features: Features, rows: np.ndarray, scores: np.ndarray, reach: Reach, blend: Blend) -> LabelledPictures:
    """Subtle: what stands for the vector of a picture here is its number, by which the scores kept back for it are found."""
    taxonomy, scale = searcher.taxonomy, searcher.index.card.encoder.logit_scale
    lineages = Lineages.of(taxonomy.leaves, taxonomy.ranks, {})
    depths = np.array([taxonomy.ranks.index(taxon.rank) for taxon in features.taxa])
    of = features.of[rows]
    first = lineages.take(np.array([taxon.start for taxon in features.taxa])[of])
    codes = np.where(np.arange(len(taxonomy.ranks)) <= depths[of][:, None], first.codes, -1).astype(np.int32)  # (m, ranks), down to the label

    def cosines(numbers: np.ndarray) -> np.ndarray:
        mine = numbers[:, 0].astype(np.int64)
        return blended(searcher.catalogue.cosines(features.vectors[mine]), scores[mine], reach, blend, scale)

    candidates = Candidates(INDEX, taxonomy, lineages, cosines)
    return LabelledPictures(rows[:, None], Lineages(codes, np.full(len(rows), -1, np.int32)), candidates, scale)
