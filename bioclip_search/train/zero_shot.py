"""Measures how well an encoder names pictures that it was not taught, from the taxa's names alone.

Which pictures were kept back is decided in `pictures`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bioclip_search.prompts import RANKS, describe
from bioclip_search.train.augment import MEAN, STD, normalise
from bioclip_search.train.taxa import Taxon, lineage_nodes
from bioclip_search.train.texts import Tokenizer
from bioclip_search.train.vectors import image_vectors, pictures_at_once, text_vectors

BATCH = 256
PRIMARY_METRIC = "top1"
Embed = Callable[[nn.Module, torch.Tensor], torch.Tensor]

UNSEEN_METRICS = ("top1_genus", "top1_family", "top1_order", "top1_class")


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
    """(n, d) float32 on the CPU, unit rows."""
    parts = [text_vectors(model, tokenize(texts[i : i + BATCH])).cpu() for i in range(0, len(texts), BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0, 0)


@torch.inference_mode()
def embed_pictures(
    model: nn.Module, pixels: np.ndarray, px: int, mean: Sequence[float] = MEAN, std: Sequence[float] = STD, embed: Embed = image_vectors
) -> torch.Tensor:
    """What `embed` makes, on the CPU, of (n, s, s, 3) uint8 pictures, resized to px where s differs; by default (n, d) unit rows."""
    rows = []
    for i in range(0, len(pixels), size := pictures_at_once(model)):
        images = torch.from_numpy(pixels[i : i + size]).to(model.logit_scale.device).permute(0, 3, 1, 2).float() / 255  # (b, 3, s, s)
        if images.shape[-1] != px:
            images = F.interpolate(images, size=px, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        rows.append(embed(model, normalise(images, mean, std)).cpu())  # (b, d)
    return torch.cat(rows) if rows else torch.zeros(0, 0)


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


def watched_metric(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """For each part the figure that the checkpoint is chosen by, and as `metric` their mean.

    Where the taxa were taught that is top-1 at the label's rank; in parts called unseen, the mean of top-1 at genus,
    family, order and class, for there the species is rarely right and the others are what a fallback stands on.
    """
    found = {}
    for name, part in scores.items():
        at_ranks = [part[key] for key in UNSEEN_METRICS if key in part]
        found[name] = round(float(np.mean(at_ranks)), 4) if name.endswith("/unseen") and at_ranks else part[PRIMARY_METRIC]
    return {"metric": round(float(np.mean(list(found.values()))), 4) if found else 0.0} | found


def mean_top1(scores: Mapping[str, Mapping[str, float]]) -> float:
    """The mean of `top1` over all parts, each counted once whatever its size; 0 if there are none."""
    return float(np.mean([part[PRIMARY_METRIC] for part in scores.values()] or [0.0]))


def _mean(hits: Sequence[bool]) -> float:
    return round(float(np.mean(hits)), 4)
