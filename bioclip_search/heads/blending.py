"""What a head counts beside the text: its scores are added to the logits of the taxa that it was taught.

Pure numpy; how much it shall count is found by `weighing`, the leaves of a class by `reach`.

1. A leaf has the logit s · cosine, with s the encoder's scale; one that the head was taught has w · h + b more, where h is the
   logarithm of the probability that the head gives to its class, over that of guessing among its k classes: log(k p). So a head that knows
   nothing of a picture changes nothing; where its gate lets a picture through with the probability g only, p holds it, and all its classes
   are less likely by log g. All leaves, taught or not, share one softmax, at one temperature.
2. So the text and the head are two witnesses that know different things, and their product is the answer (Hinton, "Training products of
   experts by minimizing contrastive divergence", Neural Computation 2002); w says how far the second is to be believed, b how much likelier a
   taxon is for having been taught. Where w and b are nought nothing is changed at all.
3. Taxa that were not taught keep their order and their odds among each other.
4. A filter takes leaves out and changes no logit, so the answer within a clade is that without it, given that it lies in the clade.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioclip_search.heads.reach import Reach


@dataclass(frozen=True)
class Blend:
    """How far a head is believed, in logits at temperature 1, and what the logits were divided by where that was found.

    Attributes:
        weight: w, at least 0; `bias` b.
        temperature: Of all leaves together; the index keeps it until it is calibrated.
        fitted_on: In words.
    """

    weight: float
    bias: float
    temperature: float = 1.0
    fitted_on: str = ""

    @property
    def is_silent(self) -> bool:
        """Whether the head changes nothing."""
        return self.weight == 0 and self.bias == 0


def blended(cosines: np.ndarray, scores: np.ndarray, reach: Reach, blend: Blend, logit_scale: float) -> np.ndarray:
    """The cosines with all leaves, (b, n) float32, overwritten with what stands in their place: the logits of rule 1 over s.

    Args:
        scores: (b, k) what the head says of its classes (`Head.scores`); NaN for a class that it was not taught.
        logit_scale: s.
    """
    if not blend.is_silent:
        cosines[:, reach.leaves] += added(reach.of(lifts(scores)), blend, logit_scale)
    return cosines


def lifts(scores: np.ndarray) -> np.ndarray:
    """The h of rule 1, (b, k): how much likelier than by guessing among the classes that were taught (not NaN).

    >>> np.exp(lifts(np.log([[0.8, 0.1, 0.1]]))).round(1).tolist()
    [[2.4, 0.3, 0.3]]
    """
    return scores + np.log(np.maximum((~np.isnan(scores)).sum(axis=1, keepdims=True), 1))


def added(of_leaves: np.ndarray, blend: Blend, logit_scale: float) -> np.ndarray:
    """What is added to the cosines of taught leaves, float32 of the same shape; nought where a leaf was not taught (NaN)."""
    return np.nan_to_num((blend.weight * of_leaves + blend.bias) / logit_scale, nan=0.0).astype(np.float32)
