"""Decides with what is known of a place and without it, and says what the place took out and what is out of its range.

Pure numpy; what is known is left to `locality`, how a decision is made to `fallback`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bioclip_search.fallback import DEFAULT_THRESHOLD, AtRank, Decision, Rules, Step, decide, decide_among
from bioclip_search.geography.locality import Locality
from bioclip_search.intervals import LeafSet, Level
from bioclip_search.posterior import leaf_probabilities

WORTH_TELLING = 0.05
"""Probability without the place from which a taxon that it shut out is told."""


@dataclass(frozen=True)
class Compared:
    """The decision at a place, and what it would be without the place.

    Attributes:
        removed: The taxon that a hard filter of the place took out, with its probability without the place: that of the
            answer there, else the most probable leaf; None where none would have had `WORTH_TELLING`.
        out_of_range: Whether the prior does not expect the answer, with or without it; None without a prior.
    """

    decision: Decision
    without: Decision
    removed: Step | None
    out_of_range: bool | None


class Comparison:
    """What is the same for all pictures of one question."""

    def __init__(self, levels: Sequence[Level], leaves_in_all: int, wider: LeafSet | None, place: Locality):
        """Takes the leaves that the other filters leave (None: all), and the place."""
        self.levels, self.prior = levels, place.prior
        self.wider = np.arange(leaves_in_all) if wider is None else wider.numbers  # (k,)
        self.is_kept = np.ones(len(self.wider), bool) if place.leaves is None else place.leaves.mask[self.wider]  # (k,)
        self.leaves_in_all = leaves_in_all

    def of(self, scores: np.ndarray, sharpness: float, *, narrowed: Rules | None = None, **ruling: Any) -> Compared:
        """The decisions for the cosines of one picture with all leaves, (n,) float32; `ruling` as `fallback.decide` takes it.

        Args:
            narrowed: The rules where the place leaves out some taxa or weighs them; by default those of the ruling.
        """
        cosines = scores[self.wider]
        (wide,) = leaf_probabilities(cosines[None].copy(), sharpness)
        without = self._decided(self.wider, wide, ruling | {"best_score": float(cosines.max(initial=-np.inf))})
        kept, cosines = self.wider[self.is_kept], cosines[self.is_kept]
        ruling = ruling | {"best_score": float(cosines.max(initial=-np.inf))} | ({"rules": narrowed} if narrowed else {})
        plain = without if self.is_kept.all() else self._decided(kept, leaf_probabilities(cosines[None].copy(), sharpness)[0], ruling)
        decision, out_of_range = plain, None
        if self.prior is not None:
            decision = self._decided(*self.probabilities(scores, sharpness), ruling)
            out_of_range = self._is_stray(decision, ruling) or self._is_stray(plain, ruling)
        return Compared(decision, without, self._removed(wide, without), out_of_range)

    def probabilities(self, scores: np.ndarray, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
        """The leaves in play, (k,) ascending, and what each has with all that is known of the place, (k,) summing to one."""
        kept = self.wider[self.is_kept]
        cosines = scores[kept].astype(np.float64)
        if self.prior is not None:
            cosines += self.prior.log_weights[kept] / sharpness
        return kept, leaf_probabilities(cosines[None], sharpness)[0]

    def best_in_play(self, scores: np.ndarray) -> float:
        """The cosine of the best match among the leaves in play."""
        return float(scores[self.wider[self.is_kept]].max(initial=-np.inf))

    def _decided(self, leaves: np.ndarray, probabilities: np.ndarray, ruling: dict[str, Any]) -> Decision:
        if len(leaves) == self.leaves_in_all:
            return decide(probabilities, self.levels, **ruling)
        return decide_among(leaves, probabilities, self.levels, **ruling)

    def _is_stray(self, decision: Decision, ruling: dict[str, Any]) -> bool:
        """Whether a sure answer is one that is not expected. Where a rank was asked for, not every guess is sure."""
        step = decision.chosen
        if step is None or (isinstance(ruling.get("rules"), AtRank) and step.probability < DEFAULT_THRESHOLD):
            return False
        level = self.levels[step.depth]
        return not self.prior.expected(int(level.start[step.number]), int(level.stop[step.number]))

    def _removed(self, wide: np.ndarray, without: Decision) -> Step | None:
        if self.is_kept.all():
            return None
        if step := without.chosen:
            level = self.levels[step.depth]
            first, last = np.searchsorted(self.wider, (level.start[step.number], level.stop[step.number]))
            if not self.is_kept[first:last].any():
                return step
        best = int(np.argmax(np.where(self.is_kept, 0, wide)))
        return self._leaf(best, float(wide[best])) if wide[best] >= WORTH_TELLING and not self.is_kept[best] else None

    def _leaf(self, place: int, probability: float) -> Step:
        """A leaf as the lowest taxon that it is."""
        leaf = int(self.wider[place])
        depth, number = next((depth, number) for depth in reversed(range(len(self.levels))) if (number := self.levels[depth].holding(leaf)) is not None)
        return Step(depth, number, probability)
