"""Draws names that have no picture, so that the pictures are set against them too.

A run sees the names of its own pictures only, a few hundred; an index holds many thousands more, and where nobody
said that a cat is none of ten thousand birds, their small likenesses add up. The wording is left to `texts`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from bioclip_search.prompts import RANKS
from bioclip_search.train.taxa import Node, Taxon, lineage_nodes
from bioclip_search.train.texts import Tokenizer, draw_wording

NOBODY = -1


class DrawnNames(NamedTuple):
    """Tokens (m, c) of the names, and (b, m) bool: one lies within the other, so that nobody can say the name is wrong."""

    tokens: torch.Tensor
    is_related: torch.Tensor


class NameBank:
    """All names of some checklists, and how they stand to the labels of the pictures."""

    def __init__(self, checklist: Sequence[Taxon], labels: Sequence[Taxon], tokenize: Tokenizer, n_drawn: int):
        number: dict[Node, int] = {}
        self.checklist, self.tokenize, self.n_drawn = checklist, tokenize, n_drawn
        self.label_lineages, self.name_lineages = (_lineages(taxa, number) for taxa in (labels, checklist))  # (l, 7), (n, 7)

    @property
    def log_weight(self) -> float:
        """What is added to each drawn name's logit, for it stands for the whole list (sampled softmax, Bengio & Senécal 2008)."""
        return math.log(max(1.0, len(self.checklist) / self.n_drawn))

    def draw(self, label_ids: torch.Tensor, generator: torch.Generator) -> DrawnNames:
        drawn = torch.randint(len(self.checklist), (self.n_drawn,), generator=generator)  # (m,)
        tokens = self.tokenize(draw_wording([self.checklist[i] for i in drawn.tolist()], generator))  # (m, c)
        return DrawnNames(tokens, _is_related(self.label_lineages[label_ids], self.name_lineages[drawn]))


def _lineages(taxa: Sequence[Taxon], number: dict[Node, int]) -> torch.Tensor:
    """(n, 7) int64: the taxa that each lies in, itself last and repeated to the end of the row; NOBODY if it has no name."""
    rows = []
    for taxon in taxa:
        row = [number.setdefault(node, len(number)) for node in lineage_nodes(taxon)] or [NOBODY]
        rows.append(row + row[-1:] * (len(RANKS) - len(row)))
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, len(RANKS))


def _is_related(labels: torch.Tensor, names: torch.Tensor) -> torch.Tensor:
    """(b, m) bool from (b, 7) and (m, 7): the last taxon of the one stands in the row of the other."""
    label_ends, name_ends = labels[:, -1], names[:, -1]
    within = (names.unsqueeze(0) == label_ends.view(-1, 1, 1)).any(dim=2)  # (b, m)
    above = (labels.unsqueeze(1) == name_ends.view(1, -1, 1)).any(dim=2)  # (b, m)
    return within | above
