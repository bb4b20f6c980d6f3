"""What was asked of an index, once, and the answer for each vector that comes after.

Filters are resolved by `catalogue`, rules by `ruling`, the rank is chosen by `fallback`; this puts them together and gives the
decision its names. Pictures are left to `searcher`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bioclip_search.calibration.record import CalibrationRecord
from bioclip_search.catalogue import Catalogue, Restriction
from bioclip_search.fallback import Decision, Step, Weighing, decide, decide_among
from bioclip_search.geography.comparing import Comparison
from bioclip_search.intervals import LeafSet
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.results import Alternative, Answer, Rung, WithoutPlace
from bioclip_search.ruling import beyond_calibration, unjudged
from bioclip_search.stream import work_ahead
from bioclip_search.taxonomy import Taxon

Decided = tuple[Decision, float, dict[str, Any]]
"""A decision, the cosine of the best match in play, and what the answer tells of the place."""


class Subject(Protocol):
    """What an answer is about; `crops.Crop` is one."""

    image: str
    box_xyxy: tuple[float, float, float, float] | None
    confidence: float | None


@dataclass(frozen=True)
class Asked:
    """The subject of an answer, where there is no crop at hand."""

    image: str
    box_xyxy: tuple[float, float, float, float] | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Question:
    """Filters, rules and a language, ready to answer any number of vectors; `Searcher.question` makes it.

    Attributes:
        ruling: As `fallback.decide` takes it.
        sharpness: What a cosine is multiplied by before the softmax: the encoder's scale over the temperature.
        encoder: The fingerprint of the encoder that makes the vectors.
    """

    catalogue: Catalogue
    restriction: Restriction
    ruling: dict[str, Any]
    sharpness: float
    speed: str
    language: str | None
    calibration: CalibrationRecord | None
    encoder: str

    def answers(self, vectors: np.ndarray, subjects: Sequence[Subject]) -> list[Answer]:
        """One answer for each unit row, (b, dim), in their order."""
        if not len(subjects):
            return []
        if self.restriction.place is not None:
            return self.answers_of_scores(self.catalogue.scores(vectors), subjects)
        found = decisions(self.catalogue, vectors, self.restriction.leaves, self.ruling, self.sharpness, self.speed)
        return [self._answer(subject, decision, best, {}) for subject, (decision, best) in zip(subjects, found, strict=True)]

    def answers_of_scores(self, scores: np.ndarray, subjects: Sequence[Subject]) -> list[Answer]:
        """One answer for each row of cosines with all leaves, (b, n), -inf where there can be none.

        Probabilities p are asked by log(p) / sharpness, moved so that the best of them is the cosine that a judge shall see.
        """
        decide_one = self._decided if self.restriction.place is None else self._decided_at_place
        found = work_ahead(decide_one, scores)
        return [self._answer(subject, *decided) for subject, decided in zip(subjects, found, strict=True)]

    def probabilities(self, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the answer for a unit row, (dim,), is chosen by: the leaves in play, (k,) ascending, and the probability of each, (k,).

        Leaves too unlike the row to matter are left out where no place is known, as they are for the answer.
        """
        if self.restriction.place is not None:
            return self._comparison.probabilities(self.catalogue.scores(vector[None])[0], self.sharpness)
        ((leaves, scores),) = self.catalogue.near(vector[None], self.sharpness, self.restriction.leaves, self.speed)
        return leaves, leaf_probabilities(np.array(scores[None]), self.sharpness)[0]

    @cached_property
    def _comparison(self) -> Comparison:
        """Meets the question with and without the place."""
        taxonomy = self.catalogue.taxonomy
        return Comparison(taxonomy.levels, len(taxonomy), self.restriction.wider, self.restriction.place)

    def _decided(self, row: np.ndarray) -> Decided:
        levels, kept = self.catalogue.taxonomy.levels, self.restriction.leaves
        row = row if kept is None else row[kept.numbers]
        best = float(row.max(initial=-np.inf))
        (probabilities,) = leaf_probabilities(np.array(row[None]), self.sharpness)
        if kept is None:
            return decide(probabilities, levels, best_score=best, **self.ruling), best, {}
        return decide_among(kept.numbers, probabilities, levels, best_score=best, **self.ruling), best, {}

    def _decided_at_place(self, row: np.ndarray) -> Decided:
        """As without a place, all leaves scored, and what the place changed."""
        found = self._comparison.of(row, self.sharpness, narrowed=unjudged(self.ruling["rules"]), **self.ruling)
        more = {
            "place": self.restriction.place.words,
            "out_of_range": found.out_of_range,
            "without_place": self._without_place(found.without),
            "removed": self._alternative(found.removed) if found.removed else None,
        }
        return found.decision, self._comparison.best_in_play(row), more

    def _without_place(self, decision: Decision) -> WithoutPlace:
        if decision.chosen is None:
            return WithoutPlace(None, None, 1.0)
        taxon = self._taxon(decision.chosen)
        return WithoutPlace(taxon.name, taxon.rank, decision.chosen.probability, decision.chance)

    def _answer(self, subject: Subject, decision: Decision, best: float, more: dict[str, Any]) -> Answer:
        taxonomy, is_promised = self.catalogue.taxonomy, isinstance(self.ruling["rules"], Weighing)
        chosen = self._taxon(decision.chosen) if decision.chosen else None
        return Answer(
            image=subject.image,
            box_xyxy=subject.box_xyxy,
            detector_confidence=subject.confidence,
            taxon=chosen.name if chosen else None,
            rank=chosen.rank if chosen else None,
            common_name=self._common_name(chosen) if chosen else None,
            probability=decision.chosen.probability if decision.chosen else 1.0,
            chance=decision.chance,
            rule=decision.why,
            lineage=taxonomy.lineage(chosen.start, down_to=chosen.rank) if chosen else {},
            ladder=tuple(Rung(taxon.rank, taxon.name, step.probability) for step in decision.ladder for taxon in [self._taxon(step)]),
            alternatives=tuple(map(self._alternative, decision.rivals)),
            beyond_calibration=beyond_calibration(self.calibration, taxonomy, self.restriction, best) if is_promised else (),
            index=self.catalogue.index.card.name,
            encoder=self.encoder,
            **more,
        )

    def _alternative(self, step: Step) -> Alternative:
        taxon = self._taxon(step)
        return Alternative(taxon.name, taxon.rank, step.probability, self._common_name(taxon))

    def _common_name(self, taxon: Taxon) -> str | None:
        (spoken,) = self.catalogue.names.vernacular([taxon], self.language) if self.language else (None,)
        return spoken or self.catalogue.taxonomy.common_name(taxon)

    def _taxon(self, step: Step) -> Taxon:
        taxonomy = self.catalogue.taxonomy
        return taxonomy.taxon(taxonomy.ranks[step.depth], step.number)


def decisions(
    catalogue: Catalogue, vectors: np.ndarray, leaves: LeafSet | None, ruling: dict[str, Any], sharpness: float, speed: str
) -> Iterator[tuple[Decision, float]]:
    """The decision for each unit row, (b, dim), and its score with the best match; leaves too unlike to matter are passed over."""

    def decided(near: tuple[np.ndarray, np.ndarray]) -> tuple[Decision, float]:
        leaves, scores = near
        best = float(scores.max(initial=-np.inf))
        (probabilities,) = leaf_probabilities(scores[None], sharpness)
        if len(leaves) == len(catalogue.taxonomy):
            return decide(probabilities, catalogue.taxonomy.levels, best_score=best, **ruling), best
        return decide_among(leaves, probabilities, catalogue.taxonomy.levels, best_score=best, **ruling), best

    return work_ahead(decided, catalogue.near(vectors, sharpness, leaves, speed))  # numpy lets go of Python's lock
