"""Calibrates an index on labelled pictures: embeds them, fits the temperature, and gathers the evidence for what may be promised.

Composes the other rooms; what the pictures are called is left to `evaluation.labelled`, what is right to `evaluation.verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from bioclip_search.calibration.evidence import evidence_of, join_evidence
from bioclip_search.calibration.record import CalibrationRecord, Origin
from bioclip_search.calibration.temperature import TEMPERATURES, fit_temperature
from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import candidates_of_index
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.picture_vectors import embedded
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.evaluation.zero_shot import wanted_rows
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.searcher import BATCH_CROPS, Searcher

SHARE_FOR_TEMPERATURE = 0.25
MOST_FOR_TEMPERATURE = 500
"""The temperature is fitted on this share of the pictures, at most so many, and the promise rests on the others: it is exact only for numbers that were chosen without them."""

SEED = 20


def calibrate(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    parts: Collection[str] | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> CalibrationRecord:
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
    card = searcher.index.card
    shuffled = np.random.default_rng(SEED).permutation(len(vectors))
    taken = min(int(np.ceil(SHARE_FOR_TEMPERATURE * len(vectors))), MOST_FOR_TEMPERATURE)

    def blocks(rows: np.ndarray) -> Iterator[tuple[np.ndarray, Lineages]]:
        for first in range(0, len(rows), BATCH_CROPS):
            block = rows[first : first + BATCH_CROPS]
            yield candidates.scores(vectors[block]), truths.take(block)

    scale = card.encoder.logit_scale
    temperature, losses = fit_temperature(((scores, candidates.intervals(of_block)) for scores, of_block in blocks(shuffled[:taken])), scale)
    temperature = round(temperature, 4)
    rest = np.sort(shuffled[taken:]) if len(vectors) > taken else shuffled
    evidence = [
        evidence_of(leaf_probabilities(scores, scale, temperature), best, of_block, candidates.taxonomy, candidates.lineages)
        for scores, of_block in blocks(rest)
        for best in [scores.max(axis=1)]
    ]
    at_1 = losses[int(np.argmin(np.abs(np.log(TEMPERATURES))))]
    origin = Origin(
        index=card.name,
        taxonomy=card.taxonomy.content_hash,
        encoder=searcher.encoder.fingerprint,
        ranks=tuple(searcher.taxonomy.ranks),
        fitted_on=(
            f"{len(vectors):,} pictures of {', '.join(one.name for one in sets)}; temperature {temperature:g} on {taken:,} of them "
            f"(mean -log P of the true taxon, summed over ranks, {losses.min():.2f}; {at_1:.2f} at 1), the promise on the other {len(rest):,}"
        ),
    )
    return CalibrationRecord(temperature, join_evidence(evidence), origin)


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
        for batch in embedded(searcher.encoder, labelled, wanted_rows(labelled, parts), workers):
            vectors.append(batch.vectors)
            codes.append(truths.codes[batch.rows])
            vernacular.append(truths.vernacular[batch.rows])
            done += len(batch.rows) + len(batch.failures)
            if progress:
                progress(done)
    if not sum(map(len, vectors)):
        raise TableError("There is no labelled picture to calibrate with.")
    return np.concatenate(vectors), Lineages(np.concatenate(codes), np.concatenate(vernacular))
