"""The unit vectors of a batch's pictures and texts, as a run learns on them: the one place where the towers are called.

What the vectors are compared with is left to `objective`.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from bioclip_search.encoder.openclip import CPU_BATCH_PICTURES

PICTURES = 256
"""Pictures that pass a tower together where nothing is learned; on a CPU far fewer."""

POOLS_AT_END_MARK = ("argmax", "eos")


def image_vectors(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(b, d) float32, unit rows, of (b, 3, px, px) pictures, or of (b, f) features that the trunk made of them."""
    if images.ndim == 2:
        return F.normalize((model.visual.head(images) if has_trunk(model) else images).float(), dim=1)
    return F.normalize(model.encode_image(images).float(), dim=1)


def trunk_features(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(b, f), what the picture tower makes of pictures below its projection; of a tower without a trunk, its vectors."""
    return model.visual.trunk(images) if has_trunk(model) else model.encode_image(images)


def pictures_at_once(model: nn.Module) -> int:
    """How many pictures pass the tower together where nothing is learned."""
    return CPU_BATCH_PICTURES if model.logit_scale.device.type == "cpu" else PICTURES


def has_trunk(model: nn.Module) -> bool:
    """Whether the picture tower is one of timm's, with a head of its own above it."""
    return hasattr(model.visual, "trunk") and hasattr(model.visual, "head")


def text_vectors(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """(t, d) float32, unit rows, of (t, c) tokens; columns that are empty in every row are cut off to save time.

    Subtle: a tower that looks only to the left and pools at the end mark is not changed by the cut; but its mask and
    its positions have the full length and must be cut as well, for the time of the call. Other towers get all columns.
    """
    device = model.logit_scale.device
    cut = _shortened(model, tokens)
    if not cut:
        return F.normalize(model.encode_text(tokens.to(device)).float(), dim=1)
    longest = next(iter(cut.values())).shape[0]
    return F.normalize(functional_call(_TextSide(model), cut, (tokens[:, :longest].to(device),), tie_weights=False).float(), dim=1)


class _TextSide(nn.Module):
    """The model as a module whose forward pass is the text tower."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.model.encode_text(tokens)


def _shortened(model: nn.Module, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """The positions and the mask cut to the longest text, by name; nothing where a cut would change the vectors."""
    prefix, tower = ("model.text.", model.text) if hasattr(model, "text") else ("model.", model)
    pool = getattr(tower, "pool_type", None) or getattr(tower, "text_pool_type", None)
    if getattr(tower, "attn_mask", None) is None or pool not in POOLS_AT_END_MARK or getattr(tower, "cls_emb", None) is not None:
        return {}
    longest = int((tokens != 0).any(dim=0).nonzero().max()) + 1
    return {prefix + "positional_embedding": tower.positional_embedding[:longest], prefix + "attn_mask": tower.attn_mask[:longest, :longest]}
