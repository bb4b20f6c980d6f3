"""Leads the student by finished classifiers: towards their features, and their class probabilities through the names.

What a teacher knows of the training pictures is found out beforehand; here it is only drawn and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bioclip_search.train.taxa import Taxon
from bioclip_search.train.texts import Tokenizer, draw_wording

TOO_LITTLE = 1e-3
"""The mean probability, over a batch, of all classes with a name, below which a teacher has nothing to say on it."""


@dataclass(frozen=True, eq=False)
class TeacherKnowledge:
    """What one teacher says of every training picture, in the order of the pictures.

    Attributes:
        features: (n, f) float16, or None.
        probabilities: (n, c) float16, or None.
        taxa: The taxon of each class, None for a class that is no taxon (background, chair); () without probabilities.
        feature_weight, class_weight: How much each of the two counts.
    """

    name: str
    features: np.ndarray | None
    probabilities: np.ndarray | None
    taxa: tuple[Taxon | None, ...] = ()
    feature_weight: float = 1.0
    class_weight: float = 1.0


class Lesson(NamedTuple):
    """A teacher's part in a step: features (b, f), probabilities (b, k) of the k classes whose tokens (k, c) these are."""

    features: torch.Tensor
    probabilities: torch.Tensor
    tokens: torch.Tensor


class LessonBook:
    """Draws lessons; the names of a class are worded at random like other names without pictures."""

    def __init__(self, knowledge: TeacherKnowledge, tokenize: Tokenizer, classes_drawn: int):
        self.tokenize, self.classes_drawn = tokenize, classes_drawn
        named = [i for i, taxon in enumerate(knowledge.taxa) if taxon]
        self.taxa = [knowledge.taxa[i] for i in named]
        self.features = torch.from_numpy(knowledge.features) if knowledge.features is not None and knowledge.feature_weight else None
        self.probabilities = torch.from_numpy(np.ascontiguousarray(knowledge.probabilities[:, named])) if named and knowledge.class_weight else None

    def draw(self, picked: torch.Tensor, has_texts: bool, generator: torch.Generator) -> Lesson:
        """The lesson on these pictures (b,): of the classes those that the teacher thinks of most."""
        features = self.features[picked].float() if self.features is not None else torch.zeros(len(picked), 0)  # (b, f)
        if self.probabilities is None or not has_texts:
            return Lesson(features, torch.zeros(len(picked), 0), torch.zeros(0, 0, dtype=torch.int64))
        probabilities = self.probabilities[picked].float()  # (b, c)
        order = probabilities.sum(dim=0).argsort(descending=True, stable=True)[: self.classes_drawn].sort().values  # (k,)
        return Lesson(features, probabilities[:, order], self.tokenize(draw_wording([self.taxa[i] for i in order.tolist()], generator)))


class FeatureMap(nn.Module):
    """A straight-line map from the student's vectors to a teacher's features; thrown away at the end."""

    def __init__(self, dim: int, n_features: int, seed: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_features, dim, generator=torch.Generator().manual_seed(seed)) * dim**-0.5)
        self.bias = nn.Parameter(torch.zeros(n_features))

    def forward(self, image_vectors: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """The mean of 1 - cosine between the mapped vectors (b, d) and the features (b, f)."""
        return 1 - F.cosine_similarity(F.linear(image_vectors, self.weight, self.bias), features, dim=1).mean()


def feature_maps(knowledge: Sequence[TeacherKnowledge], dim: int, seed: int) -> nn.ModuleList:
    """One map per teacher, an empty module where its features are not asked for."""
    return nn.ModuleList(
        FeatureMap(dim, entry.features.shape[1], seed + i) if entry.features is not None and entry.feature_weight else nn.Identity()
        for i, entry in enumerate(knowledge)
    )


def class_loss(logits: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """The cross entropy between the teacher's probabilities and the student's softmax, both (b, k) over the same names.

    What the teacher gives to classes that are no taxon, or were not drawn, is left out: a picture counts by the rest,
    so one of which the teacher knows nothing counts little.
    """
    weight = probabilities.sum().clamp(min=TOO_LITTLE * len(probabilities))
    return -(probabilities * F.log_softmax(logits, dim=1)).sum() / weight
