"""The contrastive loss, with every sentence that is true of a picture counting as right for it.

What else a run may be led by is left to `anchors` and `distil`, the sum of all to `objective`.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

OUT = -1e4
"""The logit of what stands in no sum: far below all others, yet finite, so that no gradient is undefined."""


def contrastive_loss(logits: torch.Tensor, is_true: torch.Tensor, is_open: torch.Tensor, other_logits: torch.Tensor | None = None) -> torch.Tensor:
    """The mean over both directions of the loss of every true pair against the pairs known to be false.

    For a true pair with logit s and false logits f in its row, the loss is -log(e^s / (e^s + sum e^f)); pairs that are
    open, and other true ones, are left out of the sum. With one true pair in a row this is InfoNCE.

    Args:
        logits: (b, t) float32, pictures by sentences.
        is_true: (b, t) bool, at least one in every row and column.
        is_open: (b, t) bool, holds wherever `is_true` does.
        other_logits: (b, m) float32 of further false names, which are right for no picture and so no direction of their own.
    """
    return (_row_loss(logits, is_true, is_open, other_logits) + _row_loss(logits.T, is_true.T, is_open.T, None)) / 2


def _row_loss(logits: torch.Tensor, is_true: torch.Tensor, is_open: torch.Tensor, other_logits: torch.Tensor | None) -> torch.Tensor:
    false = logits.masked_fill(is_open, OUT)  # (b, t)
    if other_logits is not None:
        false = torch.cat([false, other_logits], dim=1)  # (b, t + m)
    losses = F.softplus(false.logsumexp(dim=1, keepdim=True) - logits) * is_true  # (b, t)
    return (losses.sum(dim=1) / is_true.sum(dim=1)).mean()
