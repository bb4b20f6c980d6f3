"""Lets a small difference of low rank learn in place of each large matrix, and makes one plain matrix of both at the end.

Reference: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
"""

from __future__ import annotations

import re

import torch
from torch import nn
from torch.nn.utils import parametrize

BLOCK = re.compile(r"(?:resblocks|layers?|blocks|stages)\.?(\d+)")
"""How the numbered blocks of transformers and convnets are called in open_clip, timm and transformers."""

MATRICES = ((nn.Linear, "weight"), (nn.MultiheadAttention, "in_proj_weight"))


class LowRank(nn.Module):
    """W becomes W + (alpha / rank) B A; B begins at zero, so that nothing has changed yet."""

    def __init__(self, weight: torch.Tensor, rank: int, alpha: float, generator: torch.Generator):
        super().__init__()
        rows, columns = weight.shape
        self.scale = alpha / rank
        self.a = nn.Parameter((torch.randn(rank, columns, generator=generator) * columns**-0.5).to(weight))
        self.b = nn.Parameter(torch.zeros(rows, rank).to(weight))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.scale * self.b @ self.a


def add_adapters(tower: nn.Module, rank: int, alpha: float, generator: torch.Generator) -> int:
    """Gives every matrix of attention and perceptron in the tower's blocks its adapter; returns how many there are."""
    chosen = [
        (module, name)
        for path, module in tower.named_modules()
        for kind, name in MATRICES
        if BLOCK.search(path) and isinstance(module, kind) and getattr(module, name, None) is not None
    ]
    for module, name in chosen:
        parametrize.register_parametrization(module, name, LowRank(getattr(module, name), rank, alpha, generator))
    return len(chosen)


def merge_adapters(model: nn.Module) -> None:
    """Makes plain matrices of all adapted ones, in place."""
    for module in list(model.modules()):
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
