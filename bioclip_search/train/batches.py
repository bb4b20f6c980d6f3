"""Draws the batches of a run: balanced over sets and taxa, changed at random, each picture beside a sentence.

The changes are left to `augment`, the sentences to `texts`, the learning to `encoder`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from bioclip_search.train.augment import augment_batch
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.pictures import TRAIN, LabelledPicture, decode_pictures
from bioclip_search.train.texts import TextBank, draw_sentences


class Batch(NamedTuple):
    """Images (b, 3, px, px), their labels (b,), tokens (t, c) of the different sentences drawn, and (l, t) bool twice."""

    images: torch.Tensor
    label_ids: torch.Tensor
    tokens: torch.Tensor
    is_true: torch.Tensor
    is_open: torch.Tensor


class BatchSource:
    """The training pictures in memory; batch number `step` is a function of the seed and of `step` alone."""

    def __init__(self, config: EncoderConfig, pictures: list[LabelledPicture], label_ids: torch.Tensor, bank: TextBank):
        kept = [i for i, picture in enumerate(pictures) if picture.part == TRAIN]
        taught = [pictures[i] for i in kept]
        self.config, self.bank, self.n_pictures = config, bank, len(taught)
        self.pixels = torch.from_numpy(decode_pictures(taught, config.store_px, config.threads))  # (n, s, s, 3)
        self.label_ids = label_ids[kept]  # (n,)
        self.is_studio = torch.tensor([picture.is_studio for picture in taught])
        set_weight = {entry.name: entry.weight for entry in config.sets}
        counts = torch.bincount(self.label_ids, minlength=len(bank.own))  # (l,)
        self.is_taught = counts > 0
        self.weights = torch.tensor([set_weight[picture.set_name] for picture in taught]) / counts[self.label_ids].sqrt()

    def draw(self, step: int, px: int) -> Batch:
        config = self.config
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        picked = torch.multinomial(self.weights, config.batch_size, replacement=True, generator=generator)  # (b,)
        images = augment_batch(self.pixels[picked], self.is_studio[picked], px, generator)
        labels = self.label_ids[picked]
        drawn = draw_sentences(self.bank, labels, config.coarse_share, config.template_share, generator).unique()  # (t,)
        return Batch(images, labels, self.bank.tokens[drawn], self.bank.is_true[:, drawn], self.bank.is_open[:, drawn])
