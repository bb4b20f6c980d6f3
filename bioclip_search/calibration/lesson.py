"""Labelled pictures beside the taxa that they may be called, and what they teach.

Composes other rooms: probabilities come from `posterior`, the temperature from `temperature`, the judge from `judge`; what is
promised with them is left to `evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bioclip_search.calibration.evidence import SHARE_FOR_TEACHING, Evidence, evidence_of, join_evidence
from bioclip_search.calibration.judge import Judge, teach_judge
from bioclip_search.calibration.temperature import fit_temperature
from bioclip_search.errors import TableError
from bioclip_search.evaluation.burst_names import groups_in, with_bursts
from bioclip_search.evaluation.candidates import Candidates, candidates_of_index
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.picture_vectors import EmbeddedSet, vectors_of
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.evaluation.zero_shot import wanted_rows
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.searcher import BATCH_CROPS, Searcher
from bioclip_search.splits.cutting import cut_in_two
from bioclip_search.splits.together import as_one, groups_of

MOST_FOR_TEMPERATURE = 500
"""Pictures after which the temperature does not change any more."""

LEAST_PICTURES = 10

LEAST_STATIONS, MOST_OF_A_STATION = 10, 0.2
"""Stations of cameras are kept whole where there are so many and none has a larger share of the pictures; else one of them would decide
what is taught and what is shown."""


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """n pictures: their vectors, (n, dim) unit rows, their labels, and the taxa that they are compared with."""

    vectors: np.ndarray
    truths: Lineages
    candidates: Candidates
    logit_scale: float
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def species(self) -> np.ndarray:
        """The number of the species that each picture is labelled with, (n,); -1 where the label stops above or the taxa lack it.

        In a tree without species that of the lowest rank.
        """
        starts, stops = self.candidates.intervals(self.truths)[:, self._species_depth].T  # (n,) each
        return np.where(stops > starts, self.candidates.taxonomy.levels[self._species_depth].numbers(starts), -1)

    @property
    def _species_depth(self) -> int:
        ranks = self.candidates.taxonomy.ranks
        return ranks.index("species") if "species" in ranks else len(ranks) - 1

    @property
    def species_held(self) -> np.ndarray:
        """The species that the pictures are labelled with, each once, ascending."""
        return np.unique(self.species[self.species >= 0])

    def without(self, species: np.ndarray) -> LabelledPictures:
        """The same pictures where some species can be no answer, nor any leaf below them."""
        scores, level = self.candidates.scores, self.candidates.taxonomy.levels[self._species_depth]
        leaves = np.flatnonzero(np.isin(level.numbers(np.arange(len(self.candidates.taxonomy))), species))

        def masked(vectors: np.ndarray) -> np.ndarray:
            found = scores(vectors)
            found[:, leaves] = -np.inf
            return found

        return replace(self, candidates=replace(self.candidates, scores=masked))

    def blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Lineages]]:
        """The cosines with all taxa, which may be overwritten, and the labels, block by block."""
        for first in range(0, len(rows), BATCH_CROPS):
            block = rows[first : first + BATCH_CROPS]
            yield self.candidates.scores(self.vectors[block]), self.truths.take(block)

    def evidence(self, rows: np.ndarray, temperature: float) -> Evidence:
        """What becomes of these pictures at a temperature."""
        parts = []
        for scores, truths in self.blocks(rows):
            best = scores.max(axis=1)
            probabilities = leaf_probabilities(scores, self.logit_scale, temperature)
            parts.append(evidence_of(probabilities, best, truths, self.candidates.taxonomy, self.candidates.lineages))
        return join_evidence(parts)

    def teach(self, rows: np.ndarray) -> tuple[float, Judge]:
        """The temperature and the judge that these pictures, in any but their own order, teach.

        Raises:
            TableError: None of them is labelled with one of the taxa.
        """
        few = self.blocks(rows[:MOST_FOR_TEMPERATURE])
        temperature, _ = fit_temperature(((scores, self.candidates.intervals(truths)) for scores, truths in few), self.logit_scale)
        temperature = round(temperature, 4)
        return temperature, judge_taught_by(self.evidence(rows, temperature))


def taught_and_shown(rows: np.ndarray, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first of the rows, which teach, and the others, which show what may be promised; no group in both.

    Raises:
        TableError: All rows are of one group, which cannot do both.
    """
    taught, shown = cut_in_two(rows, SHARE_FOR_TEACHING, groups)
    if groups is not None and not len(shown):
        raise TableError(
            f"All {len(rows):,} labelled pictures belong to one burst by what their table tells of sequence, event, station and time, so none is left to show what "
            "may be promised of the others. Give pictures of more bursts, or rename the column if it means something else, such as a survey."
        )
    return taught, shown


def judge_taught_by(lesson: Evidence) -> Judge:
    """The judge that this evidence teaches."""
    return teach_judge(lesson.probability, lesson.information, lesson.best_score, lesson.verdicts)


def gather(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    parts: Collection[str] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> LabelledPictures:
    """All pictures of the parts (by default all but what was trained on) that can be read, beside all taxa of the index.

    Of copies of a picture, of its crops that bear one label, and of the pictures of a burst that do, the first counts.

    Args:
        progress: Called with the pictures embedded and the pictures in all.

    Raises:
        TableError: There are fewer than `LEAST_PICTURES`.
    """
    numbers: dict[str, int] = {}
    vectors, codes, vernacular, groups, bursts, before, repeats = [np.empty((0, searcher.encoder.dim), np.float32)], [], [], [], [], 0, 0
    wanted = [wanted_rows(labelled, parts) for labelled in sets]
    in_all = sum(int(rows.sum()) for rows in wanted)
    for known, rows in zip(with_bursts(sets), wanted, strict=True):
        tick = None if progress is None else lambda done, _, before=before: progress(before + done, in_all)
        found = vectors_of(searcher.encoder, known, rows, workers=workers, progress=tick)
        kept = found.without_repeats(of_bursts=True)  # or what teaches would show as well
        groups.append(_not_to_be_parted(kept) + sum(map(len, groups)))
        bursts.append(kept.bursts)
        truths = Lineages.of(kept.taxa, searcher.taxonomy.ranks, numbers)
        vectors, codes, vernacular = [*vectors, kept.vectors], [*codes, truths.codes], [*vernacular, truths.vernacular]
        before, repeats = before + len(found) + len(found.failures), repeats + len(found) - len(kept)
    _stop_if_few(sum(map(len, vectors)), in_all, sum(map(len, sets)), repeats)
    truths = Lineages(np.concatenate(codes), np.concatenate(vernacular))
    together = groups_of(len(truths), bursts=as_one(bursts, list(map(len, groups))), contents=np.concatenate(groups))
    scale = searcher.index.card.encoder.logit_scale
    return LabelledPictures(np.concatenate(vectors), truths, candidates_of_index(searcher, numbers), scale, together)


def _not_to_be_parted(kept: EmbeddedSet) -> np.ndarray:
    """The group of each picture, (n,) int64 below n: its burst, and its station where there are enough of them to be split."""
    bursts = groups_in(kept, copies=False)
    if kept.stations is None:
        return bursts
    stations = groups_of(len(kept), bursts=kept.stations, contents=bursts)
    sizes = np.bincount(stations)
    return stations if len(sizes) >= LEAST_STATIONS and sizes.max() <= MOST_OF_A_STATION * len(kept) else bursts


def _stop_if_few(usable: int, wanted: int, in_all: int, repeats: int) -> None:
    """Says why pictures are too few to learn from.

    Raises:
        TableError: There are fewer than `LEAST_PICTURES`.
    """
    if usable < LEAST_PICTURES:
        raise TableError(
            f"There are {usable} labelled pictures to learn from: of {in_all:,}, {in_all - wanted:,} belong to another part or bear no name that was found, "
            f"{repeats:,} repeat another or its burst, and {wanted - usable - repeats:,} cannot be read. {LEAST_PICTURES} are the least, and some hundreds are wanted to promise anything."
        )
