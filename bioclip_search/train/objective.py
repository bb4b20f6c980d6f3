"""Adds up what a run is led by: the contrast with the texts, the anchors, the teachers.

The terms themselves are left to `losses`, `anchors` and `distil`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from bioclip_search.train.anchors import TaxonAnchors
from bioclip_search.train.batches import Batch
from bioclip_search.train.config import LossConfig
from bioclip_search.train.distil import FeatureMap, TeacherKnowledge, class_loss, feature_maps
from bioclip_search.train.losses import OUT, contrastive_loss
from bioclip_search.train.taxa import Taxon

TERMS = ("contrastive", "anchors", "teacher_features", "teacher_classes")


class Objective(nn.Module):
    """The terms with the weights that they learn; nothing of it is left in the result.

    Args:
        names_log_weight: See `NameBank.log_weight`.
    """

    def __init__(
        self,
        config: LossConfig,
        labels: Sequence[Taxon],
        is_taught: torch.Tensor,
        knowledge: Sequence[TeacherKnowledge],
        dim: int,
        seed: int,
        names_log_weight: float = 0.0,
    ):
        super().__init__()
        self.config, self.names_log_weight = config, names_log_weight
        self.feature_weights = [entry.feature_weight for entry in knowledge]
        self.class_weights = [entry.class_weight for entry in knowledge]
        self.anchors = TaxonAnchors(labels, is_taught, dim, seed) if config.anchors else None
        self.maps = feature_maps(knowledge if config.teacher_features else (), dim, seed)

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the terms that the settings and the teachers at hand give rise to."""
        has_maps = any(isinstance(entry, FeatureMap) for entry in self.maps)
        has_classes = self.config.teacher_classes and any(self.class_weights)
        found = (bool(self.config.contrastive), self.anchors is not None, has_maps, bool(has_classes))
        return tuple(name for name, is_there in zip(TERMS, found, strict=True) if is_there)

    def forward(self, images: torch.Tensor, texts: torch.Tensor, batch: Batch, scale: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each term, already weighted, by its name.

        Args:
            images: (b, d) float32, unit rows.
            texts: (t, d) float32, unit rows, in the order of `batch.tokens`.
            batch: On the same device but for images and tokens.
            scale: What a cosine is multiplied with.
        """
        terms = {}
        s, m = batch.is_true.shape[1], batch.is_related.shape[1]
        logits = scale * images @ texts.T  # (b, t)
        if self.anchors is not None:
            terms["anchors"] = self.config.anchors * self._anchor_loss(images, texts[:s], batch)
        if s and self.config.contrastive:
            names = (logits[:, s : s + m] + self.names_log_weight).masked_fill(batch.is_related, OUT) if m else None  # (b, m)
            loss = contrastive_loss(logits[:, :s], batch.is_true[batch.label_ids], batch.is_open[batch.label_ids], names)
            terms["contrastive"] = self.config.contrastive * loss
        return terms | self._teacher_losses(images, logits[:, s + m :], batch)

    def _anchor_loss(self, images: torch.Tensor, sentences: torch.Tensor, batch: Batch) -> torch.Tensor:
        loss = self.anchors.picture_loss(images, batch.label_ids)
        return loss + self.anchors.sentence_loss(sentences, batch.is_true.T, batch.is_open.T) if len(sentences) else loss

    def _teacher_losses(self, images: torch.Tensor, class_logits: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        features, classes = [], []
        for i, lesson in enumerate(batch.lessons):
            if lesson.features.shape[1] and self.config.teacher_features:
                features.append(self.feature_weights[i] * self.maps[i](images, lesson.features))
            k = lesson.probabilities.shape[1]
            if k and self.config.teacher_classes:
                classes.append(self.class_weights[i] * class_loss(class_logits[:, :k], lesson.probabilities))
            class_logits = class_logits[:, k:]
        found = {"teacher_features": (self.config.teacher_features, features), "teacher_classes": (self.config.teacher_classes, classes)}
        return {name: weight * torch.stack(losses).sum() for name, (weight, losses) in found.items() if losses}
