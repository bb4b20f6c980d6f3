"""Calibrates an index on labelled pictures: a part of them teaches, the others show what may be promised.

What they teach is left to `lesson`, what is kept of it to `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from bioclip_search.calibration.lesson import LabelledPictures, gather, taught_and_shown
from bioclip_search.calibration.record import CalibrationRecord, Origin
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.searcher import Searcher

SEED = 20


def calibrate(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    parts: Collection[str] | None = None,
    strangers: float = 0.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CalibrationRecord:
    """What is fitted on the labelled pictures of the parts (by default all but what was trained on), over the whole index.

    Every picture counts alike, of a burst one, so what the promise holds for is this mixture of pictures.

    Args:
        strangers: The share of the species with pictures that can be no answer meanwhile, so that the index learns what a species looks
            like that it lacks; the promise then holds for pictures of which about so many show such a species.
        progress: Called with the pictures embedded and the pictures in all.

    Raises:
        TableError: Fewer than `LEAST_PICTURES` pictures can be read, or none is labelled with a taxon of the index.
    """
    pictures = gather(searcher, sets, parts=parts, workers=workers, progress=progress)
    if strangers:
        pictures = pictures.without(_drawn(pictures, strangers))
    shuffled = np.random.default_rng(SEED).permutation(len(pictures))
    taught, shown = taught_and_shown(shuffled, pictures.groups)
    temperature, judge = pictures.teach(taught)
    card = searcher.index.card
    origin = Origin(
        index=card.name,
        taxonomy=card.taxonomy.content_hash,
        encoder=searcher.encoder.fingerprint,
        ranks=tuple(searcher.taxonomy.ranks),
        head=card.head.mark if card.head else None,
        fitted_on=(
            f"{len(pictures):,} pictures of {', '.join(one.name for one in sets)}; on {len(taught):,} of them the temperature {temperature:g} and "
            f"the judge, on the other {len(shown):,} what is promised" + (f"; {strangers:.0%} of the species taken out meanwhile" if strangers else "")
        ),
    )
    return CalibrationRecord(temperature, judge, pictures.evidence(shown, temperature).judged(judge), origin)


def _drawn(pictures: LabelledPictures, share: float) -> np.ndarray:
    """A share of the species that pictures are labelled with, by their numbers.

    Raises:
        TableError: There are too few species for that.
    """
    held = pictures.species_held
    count = round(share * len(held))
    if not 0 < count < len(held):
        raise TableError(
            f"Pictures are labelled with {len(held)} species of the index, of which {share:.0%} cannot be taken out. Give pictures of more species."
        )
    return np.random.default_rng(SEED).permutation(held)[:count]
