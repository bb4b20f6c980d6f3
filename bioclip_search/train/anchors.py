"""Learns one vector for every taxon straight from the pictures, so that the picture tower learns fast from the start.

They serve the training alone: what the finished encoder compares pictures with are the sentences of `texts`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from bioclip_search.prompts import RANKS
from bioclip_search.train.losses import OUT
from bioclip_search.train.taxa import Taxon, lineage_nodes

SCALE = 16.0
"""What a cosine is multiplied with at the start; the vectors have no fixed length and learn their own."""


class TaxonAnchors(nn.Module):
    """A classifier over all labels whose class vectors are the sums of the vectors of the taxa they lie in.

    Species of one genus so begin with what the genus has learned. Pictures are asked for the right taxon at every
    rank, its probability being the sum over the labels within it, as the roll-up of an answer has it; sentences are
    asked for the labels that they are true of.

    Args:
        is_taught: (l,) bool; the other labels have no pictures and stand in no sum.
    """

    def __init__(self, labels: Sequence[Taxon], is_taught: torch.Tensor, dim: int, seed: int):
        super().__init__()
        nodes: dict[tuple[str, str], int] = {}
        lineages = [[nodes.setdefault(node, len(nodes)) for node in lineage_nodes(label)] for label in labels]
        n, padding = len(labels), len(nodes) + len(labels)
        members = torch.full((n, len(RANKS) + 1), padding)  # (l, 8)
        levels = torch.full((len(RANKS) + 1, n), -1)  # (8, l)
        for i, lineage in enumerate(lineages):
            members[i, : len(lineage)] = torch.tensor(lineage)
            for (rank, _), node in zip(lineage_nodes(labels[i]), lineage, strict=True):
                levels[RANKS.index(rank), i] = node
        members[:, -1] = len(nodes) + torch.arange(n)
        levels[-1] = torch.arange(n)
        self.vectors = nn.Parameter(torch.randn(padding + 1, dim, generator=torch.Generator().manual_seed(seed)) * 0.02)
        self.register_buffer("members", members, persistent=False)
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("is_related", _related(labels, members), persistent=False)
        self.register_buffer("is_taught", is_taught, persistent=False)

    def picture_loss(self, image_vectors: torch.Tensor, label_ids: torch.Tensor) -> torch.Tensor:
        """The mean over pictures of the mean over their label's ranks of -log P(taxon at that rank).

        Labels above or below a picture's own are left out of its sums: nobody knows whether they are wrong.

        Args:
            image_vectors: (b, d) float32, unit rows.
            label_ids: (b,) int64.
        """
        logits = SCALE * image_vectors @ self.class_vectors().T  # (b, l)
        log_p = F.log_softmax(logits.masked_fill(self.is_related[label_ids] | ~self.is_taught, OUT), dim=1)  # (b, l)
        losses, counts = log_p.new_zeros(2, len(label_ids))  # (b,) each
        for level in self.levels:
            own = level[label_ids]  # (b,)
            inside = level == own.unsqueeze(1)  # (b, l)
            losses = losses - log_p.masked_fill(~inside, OUT).logsumexp(dim=1) * (own >= 0)
            counts = counts + (own >= 0)
        return (losses / counts).mean()

    def sentence_loss(self, text_vectors: torch.Tensor, is_true: torch.Tensor, is_open: torch.Tensor) -> torch.Tensor:
        """The mean over sentences of -log of the probability of all labels that they are true of.

        The class vectors learn nothing from it: the pictures alone say where a taxon lies.

        Args:
            text_vectors: (t, d) float32, unit rows.
            is_true: (t, l) bool, at least one taught label in every row.
            is_open: (t, l) bool; labels that are open without being true are left out.
        """
        logits = SCALE * text_vectors @ F.normalize(self.class_vectors().detach(), dim=1).T  # (t, l)
        log_p = F.log_softmax(logits.masked_fill((is_open & ~is_true) | ~self.is_taught, OUT), dim=1)  # (t, l)
        return -log_p.masked_fill(~is_true, OUT).logsumexp(dim=1).mean()

    def class_vectors(self) -> torch.Tensor:
        """(l, d) float32: for each label the sum over its lineage and itself."""
        is_member = (self.members < len(self.vectors) - 1).unsqueeze(-1)  # (l, 8, 1)
        return (self.vectors[self.members] * is_member).sum(dim=1)  # (l, d)


def _related(labels: Sequence[Taxon], members: torch.Tensor) -> torch.Tensor:
    """(l, l) bool: one lies within the other, or both name one species; slug and snail, both Gastropoda, do not count."""
    ends = torch.tensor([int(row[len(lineage_nodes(label)) - 1]) for row, label in zip(members, labels, strict=True)])
    within = torch.stack([(members == end).any(dim=1) for end in ends])  # (l, l)
    is_species = torch.tensor([bool(label["species"]) for label in labels])
    is_rival = (ends.unsqueeze(1) == ends) & ~is_species
    return (within | within.T) & ~is_rival & ~torch.eye(len(labels), dtype=torch.bool)
