"""Measures how well an encoder names pictures that it was not taught, from the taxa's names alone.

Which pictures were kept back is decided in `pictures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bioclip_search.prompts import RANKS, describe
from bioclip_search.train.augment import normalise
from bioclip_search.train.pictures import Taxon
from bioclip_search.train.texts import Tokenizer, lineage_nodes

BATCH = 256
PRIMARY_METRIC = "top1"


@dataclass(frozen=True)
class Candidates:
    """The taxa that a picture may be called, with (c, d) float32 unit rows for their names."""

    taxa: tuple[Taxon, ...]
    vectors: torch.Tensor


def gather_candidates(model: nn.Module, tokenize: Tokenizer, *groups: Sequence[Taxon]) -> Candidates:
    """All taxa of the groups, in order; one that stands there already, by any vernacular name, is passed over."""
    by_key: dict[tuple[str, str, str | None], Taxon] = {}
    for taxon in chain.from_iterable(groups):
        by_key.setdefault(answer_key(taxon), taxon)
    taxa = tuple(by_key.values())
    return Candidates(taxa, embed_texts(model, tokenize, [describe(taxon, "taxon_com") for taxon in taxa]))


def answer_key(taxon: Taxon) -> tuple[str, str, str | None]:
    """What must agree for an answer to count: the taxon; above species also its vernacular name (snail and slug)."""
    rank, name = lineage_nodes(taxon)[-1]
    return rank, name, None if rank == "species" else taxon["common_name"]


@torch.inference_mode()
def embed_texts(model: nn.Module, tokenize: Tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """(n, d) float32, unit rows."""
    parts = [encode_tokens(model, tokenize(texts[i : i + BATCH])) for i in range(0, len(texts), BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0, 0)


@torch.inference_mode()
def embed_pictures(model: nn.Module, pixels: np.ndarray, px: int) -> torch.Tensor:
    """(n, d) float32, unit rows, of (n, s, s, 3) uint8 pictures, resized to px where s differs."""
    rows = []
    for i in range(0, len(pixels), BATCH):
        images = torch.from_numpy(pixels[i : i + BATCH]).permute(0, 3, 1, 2).float() / 255  # (b, 3, s, s)
        if images.shape[-1] != px:
            images = F.interpolate(images, size=px, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        rows.append(model.encode_image(normalise(images), normalize=True))  # (b, d)
    return torch.cat(rows)


def encode_tokens(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """(n, d) float32, unit rows, of (n, c) tokens; columns that are empty in every row are cut off to save time.

    Subtle: the text tower looks only to the left and pools at the end mark, so the cut changes nothing; but its mask
    has the full length and must be cut as well, for the time of the call.
    """
    longest = int((tokens != 0).sum(dim=1).max())
    whole = model.text.attn_mask  # (c, c)
    model.text.attn_mask = whole[:longest, :longest]
    try:
        return model.encode_text(tokens[:, :longest], normalize=True)
    finally:
        model.text.attn_mask = whole


def score_answers(truths: Sequence[Taxon], image_vectors: torch.Tensor, candidates: Candidates) -> dict[str, float]:
    """How often the best candidate is right: `top1`, `top5` at the label, `top1_RANK` over labels with that rank.

    Ties go to the candidate that stands first. A rank that no label reaches is left out.
    """
    scores = image_vectors @ candidates.vectors.T  # (n, c)
    best = torch.sort(scores, dim=1, descending=True, stable=True).indices[:, :5].tolist()
    keys = [answer_key(taxon) for taxon in candidates.taxa]
    wanted = [answer_key(taxon) for taxon in truths]
    result = {"n": float(len(truths)), "candidates": float(len(keys))}
    result["top1"] = _mean([keys[row[0]] == key for row, key in zip(best, wanted, strict=True)])
    result["top5"] = _mean([key in [keys[j] for j in row] for row, key in zip(best, wanted, strict=True)])
    for rank in RANKS:
        hits = [candidates.taxa[row[0]].get(rank) == truth[rank] for row, truth in zip(best, truths, strict=True) if truth.get(rank)]
        if hits:
            result[f"top1_{rank}"] = _mean(hits)
    return result


def mean_top1(scores: Mapping[str, Mapping[str, float]]) -> float:
    """The mean of `top1` over all parts, each counted once whatever its size."""
    return float(np.mean([part[PRIMARY_METRIC] for part in scores.values()]))


def _mean(hits: Sequence[bool]) -> float:
    return round(float(np.mean(hits)), 4)
