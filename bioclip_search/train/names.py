"""Teaches the text tower the names that have no picture: the last part of a run, with the picture tower finished.

A run sees the names of its own pictures only, a few hundred; an index holds many thousands more, and where nobody
said that a cat is none of ten thousand birds, their small likenesses add up. Here every picture is set against names
drawn from the checklists as well. The wording is left to `prompts`, the truth of the pictures' own names to `texts`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from bioclip_search.prompts import TEXT_TYPES, describe
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.pictures import Taxon
from bioclip_search.train.texts import Tokenizer, lineage_nodes
from bioclip_search.train.zero_shot import encode_tokens

log = logging.getLogger(__name__)

USUAL_TYPE, USUAL_SHARE = "taxon_com", 0.6
"""The text type that indexes are built with, and how often it is drawn; else any of the five."""

LOG_STEPS = 20


@dataclass(frozen=True, eq=False)
class FinishedPictures:
    """The training pictures as the finished picture tower sees them: unit rows (n, d), labels (n,), draw weights (n,)."""

    vectors: torch.Tensor
    label_ids: torch.Tensor
    weights: torch.Tensor


def teach_names(
    model: nn.Module, pictures: FinishedPictures, labels: Sequence[Taxon], checklist: Sequence[Taxon], tokenize: Tokenizer, config: EncoderConfig
) -> None:
    """Trains the text tower and the logit scale of `model` in place, for `config.names_steps` steps.

    A batch's loss is -log P(own label) among the batch's labels and the names drawn, which stand for the whole
    checklist: each counts as many times as it takes to make up the number of names there are (sampled softmax,
    Bengio & Senécal 2008).
    """
    for parameter in model.visual.parameters():
        parameter.requires_grad_(False)
    taught = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(taught, lr=config.names_learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.98))
    ends = [lineage_nodes(label)[-1] for label in labels]
    nodes = [frozenset(lineage_nodes(label)) for label in labels]
    for step in range(config.names_steps):
        generator = torch.Generator().manual_seed(config.seed * 2_000_003 + step)
        picked = torch.multinomial(pictures.weights, config.batch_size, replacement=True, generator=generator)  # (b,)
        own, place = pictures.label_ids[picked].unique(return_inverse=True)  # (k,), (b,)
        drawn = torch.randint(len(checklist), (config.names_drawn,), generator=generator).tolist()
        taxa = [labels[i] for i in own.tolist()] + [checklist[i] for i in drawn]  # k + m
        texts = encode_tokens(model, tokenize(_worded(taxa, generator)))  # (k + m, d)
        logits = model.logit_scale.exp() * pictures.vectors[picked] @ texts.T  # (b, k + m)
        logits[:, len(own) :] += math.log(max(1.0, len(checklist) / config.names_drawn))
        related = torch.tensor([[_is_related(ends[i], nodes[i], taxon) for taxon in taxa] for i in own.tolist()])  # (k, k + m)
        related[torch.arange(len(own)), torch.arange(len(own))] = False
        loss = F.cross_entropy(logits.masked_fill(related[place], -1e4), place)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = config.names_learning_rate * 0.5 * (1 + math.cos(math.pi * step / config.names_steps))
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
        if step % LOG_STEPS == 0:
            log.info("names: step %d of %d  loss %.3f  scale %.1f", step, config.names_steps, loss.item(), model.logit_scale.exp().item())


def _worded(taxa: Sequence[Taxon], generator: torch.Generator) -> list[str]:
    """Each taxon in words, most often of the usual type."""
    random = torch.rand(len(taxa), 2, generator=generator).tolist()
    return [
        describe(taxon, USUAL_TYPE if usual < USUAL_SHARE else TEXT_TYPES[int(kind * len(TEXT_TYPES))])
        for taxon, (usual, kind) in zip(taxa, random, strict=True)
    ]


def _is_related(end: tuple[str, str], nodes: frozenset[tuple[str, str]], taxon: Taxon) -> bool:
    """Whether one lies within the other, so that nobody can say that the name is wrong."""
    other = lineage_nodes(taxon)
    return end in other or other[-1] in nodes
