"""Calibrates an index on labelled pictures: embeds them, fits the temperature, and gathers the evidence for what may be promised.

Composes the other rooms; what the pictures are called is left to `evaluation.labelled`, what is right to `evaluation.verdicts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from bioclip_search.calibration.evidence import Evidence, evidence_of, join_evidence
from bioclip_search.calibration.judge import teach_judge
from bioclip_search.calibration.record import CalibrationRecord, Origin
from bioclip_search.calibration.temperature import fit_temperature
from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import candidates_of_index
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.picture_vectors import vectors_of
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.evaluation.zero_shot import wanted_rows
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.searcher import BATCH_CROPS, Searcher

SHARE_FOR_TEACHING = 0.4
"""The temperature and the judge are fitted on this share of the pictures, and the promise rests on the others: it is exact only for numbers that were chosen without them."""

MOST_FOR_TEMPERATURE = 500
"""Pictures after which the temperature does not change any more."""

LEAST_PICTURES = 10
SEED = 20


def calibrate(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    parts: Collection[str] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationRecord:
    """What is fitted on the labelled pictures of the parts (by default all but what was trained on), over the whole index.

    Every picture counts alike, so what the promise holds for is this mixture of pictures.

    Args:
        progress: Called with the pictures embedded and the pictures in all.

    Raises:
        TableError: Fewer than `LEAST_PICTURES` pictures can be read, or none is labelled with a taxon of the index.
    """
    numbers: dict[str, int] = {}
    candidates = candidates_of_index(searcher, numbers)
    vectors, truths = gather(searcher, sets, numbers, parts=parts, workers=workers, progress=progress)
    card = searcher.index.card
    shuffled = np.random.default_rng(SEED).permutation(len(vectors))
    taught, shown = np.split(shuffled, [int(np.ceil(SHARE_FOR_TEACHING * len(vectors)))])

    def blocks(rows: np.ndarray) -> Iterator[tuple[np.ndarray, Lineages]]:
        for first in range(0, len(rows), BATCH_CROPS):
            block = rows[first : first + BATCH_CROPS]
            yield candidates.scores(vectors[block]), truths.take(block)

    scale = card.encoder.logit_scale
    for_temperature = ((scores, candidates.intervals(of_block)) for scores, of_block in blocks(taught[:MOST_FOR_TEMPERATURE]))
    temperature, _ = fit_temperature(for_temperature, scale)
    temperature = round(temperature, 4)

    def evidence(rows: np.ndarray) -> Evidence:
        parts = []
        for scores, of_block in blocks(rows):
            best = scores.max(axis=1)
            parts.append(evidence_of(leaf_probabilities(scores, scale, temperature), best, of_block, candidates.taxonomy, candidates.lineages))
        return join_evidence(parts)

    lesson = evidence(taught)
    judge = teach_judge(lesson.probability, lesson.information, lesson.best_score, lesson.verdicts)
    origin = Origin(
        index=card.name,
        taxonomy=card.taxonomy.content_hash,
        encoder=searcher.encoder.fingerprint,
        ranks=tuple(searcher.taxonomy.ranks),
        fitted_on=(
            f"{len(vectors):,} pictures of {', '.join(one.name for one in sets)}; on {len(taught):,} of them the temperature {temperature:g} and "
            f"the judge, on the other {len(shown):,} what is promised"
        ),
    )
    return CalibrationRecord(temperature, judge, evidence(shown).judged(judge), origin)


def gather(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    numbers: dict[str, int],
    *,
    parts: Collection[str] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, Lineages]:
    """The vectors of all pictures of the parts that can be read, (n, dim), and their labels; `numbers` is shared with those they are compared to.

    Raises:
        TableError: There are fewer than `LEAST_PICTURES`.
    """
    vectors, codes, vernacular, before = [np.empty((0, searcher.encoder.dim), np.float32)], [], [], 0
    wanted = [wanted_rows(labelled, parts) for labelled in sets]
    in_all = sum(int(rows.sum()) for rows in wanted)
    for labelled, rows in zip(sets, wanted, strict=True):
        tick = None if progress is None else lambda done, _, before=before: progress(before + done, in_all)
        found = vectors_of(searcher.encoder, labelled, rows, workers=workers, progress=tick)
        truths = Lineages.of(found.taxa, searcher.taxonomy.ranks, numbers)
        vectors, codes, vernacular = [*vectors, found.vectors], [*codes, truths.codes], [*vernacular, truths.vernacular]
        before += len(found) + len(found.failures)
    if sum(map(len, vectors)) < LEAST_PICTURES:
        raise TableError(f"There are fewer than {LEAST_PICTURES} labelled pictures that can be read; nothing can be calibrated with so few.")
    return np.concatenate(vectors), Lineages(np.concatenate(codes), np.concatenate(vernacular))
