"""Few-shot by names, and by names and pictures together, on the very queries that SimpleShot is asked.

How far pictures are believed beside names is left to `heads`, drawing and counting to `few_shot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bioclip_search.evaluation.candidates import label_tree, leaves_of_labels
from bioclip_search.evaluation.few_shot import BLEND, ZERO_SHOT, Classes, Teller
from bioclip_search.evaluation.picture_vectors import EmbeddedSet
from bioclip_search.heads.blending import Blend
from bioclip_search.heads.fitting import fit_head, prototypes_left_out
from bioclip_search.heads.reach import Reach
from bioclip_search.heads.relatives import FEW_SHOTS, nearest_relatives, weigh_by_relatives
from bioclip_search.heads.trusting import heard, judge_names, lifts_of_names
from bioclip_search.heads.weighing import weigh_head
from bioclip_search.text_vectors import TextVectors

HIGHEST_OF_RELATIVES = "order"
"""Two taxa that share no more than a class look no more alike than any others."""


@dataclass(frozen=True, eq=False)
class Names:
    """The names of the classes of a set as an encoder reads them.

    Attributes:
        cosines: (n, c) of every picture with the text of every class.
        ranks: Those of the lineages of `classes`.
        logit_scale, temperature: The encoder's, and what the logits are divided by in the index.
        blends: Those that were found, in the order of the draws.
    """

    embedded: EmbeddedSet
    classes: Classes
    cosines: np.ndarray
    ranks: tuple[str, ...]
    logit_scale: float
    temperature: float = 1.0
    blends: list[Blend] = field(default_factory=list)

    def tellers(self) -> dict[str, Teller]:
        """What `few_shot` asks besides."""
        return {ZERO_SHOT: self.by_names, BLEND: self.by_both}

    def by_names(self, taught: np.ndarray, queries: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """The place among `classes` of the nearest name of each query, (q,)."""
        return self.cosines[np.ix_(queries, classes)].argmax(axis=1)

    def by_both(self, taught: np.ndarray, queries: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """As `by_names`, by the logits of `heads.blending`: prototypes of the pictures taught beside the names."""
        of = np.searchsorted(classes, self.classes.of[taught])
        head = fit_head("prototypes", self.embedded.vectors[taught], of, len(classes))
        if np.bincount(of).min() <= FEW_SHOTS:
            by_names = self._logits(queries, classes)
            blend = self._by_relatives(taught, classes, of, head.scores(self.embedded.vectors[taught]))
        else:
            by_names, blend = self._by_leaving_out(taught, queries, classes, of)
        self.blends.append(blend)
        return (by_names + blend.weight * head.scores(self.embedded.vectors[queries])).argmax(axis=1)

    def _logits(self, rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Of pictures with names, (b, c) float64, before any temperature."""
        return self.logit_scale * self.cosines[np.ix_(rows, classes)].astype(np.float64)

    def _by_relatives(self, taught: np.ndarray, classes: np.ndarray, of: np.ndarray, scores: np.ndarray) -> Blend:
        """How far prototypes of one or two pictures are believed, of which none can be left out, or hardly."""
        highest = self.ranks.index(HIGHEST_OF_RELATIVES) if HIGHEST_OF_RELATIVES in self.ranks else 0
        related = nearest_relatives(self.classes.lineages.take(classes).codes, highest)
        return weigh_by_relatives(self.cosines[np.ix_(taught, classes)], scores, of, related, self.logit_scale, temperature=self.temperature)

    def _by_leaving_out(self, taught: np.ndarray, queries: np.ndarray, classes: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, Blend]:
        """What the names count for the queries, each as far as it is known, and how far prototypes are believed: leaving each picture out in turn.

        That errs on the side of the names already, for every prototype is then of one picture less; so no further caution is added.
        """
        left_out = prototypes_left_out(self.embedded.vectors[taught], of, len(classes))
        shown, asked = (lifts_of_names(self._logits(rows, classes) / self.temperature) for rows in (taught, queries))
        judged = judge_names(shown, left_out, of)
        counted = (heard(shown, judged.of_pictures(of)) / self.logit_scale).astype(np.float32)  # (t, c), in the place of cosines
        leaves = np.arange(len(classes))
        reach = Reach(np.stack([leaves, leaves + 1], axis=1))
        blend = weigh_head(lambda rows: counted[rows], left_out, of, reach, self.logit_scale, keeps_temperature=False, is_cautious=False).blend
        return heard(asked, judged.known), blend


def names_of(embedded: EmbeddedSet, classes: Classes, ranks: Sequence[str], texts: TextVectors, logit_scale: float, temperature: float = 1.0) -> Names:
    """The names of the classes of a set, read by the encoder that made its vectors.

    Args:
        texts: That encoder's texts.
        temperature: What the index divides its logits by.
    """
    tree = label_tree(embedded.taxa, ranks)
    leaf = np.zeros(len(classes.names), np.int64)
    known = classes.of >= 0
    leaf[classes.of[known]] = leaves_of_labels(embedded.taxa, tree)[known]
    vectors = texts.of(tree.leaves)[:][leaf]  # (c, d)
    cosines = embedded.vectors @ vectors.T  # (n, c)
    cosines[:, ~vectors.any(axis=1)] = -np.inf
    return Names(embedded, classes, cosines, tuple(ranks), logit_scale, temperature)
