"""Runs the zero-shot measure over the parts of the sets that were kept back, while a run goes on and at its end.

The measure itself is left to `zero_shot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.pictures import TRAIN, LabelledPicture, Taxon, decode_pictures, hash_fraction
from bioclip_search.train.texts import Tokenizer
from bioclip_search.train.zero_shot import embed_pictures, gather_candidates, mean_top1, score_answers

NOTE = (
    "No picture counted here was trained on; in the parts called unseen no picture of the species was. "
    "These pictures were used to watch the run and to choose the picture size, so the numbers are a little kind. "
    "Where the last part of the run drew names from the distractors' table, those of `mixed` are kinder still."
)


class Validation:
    """The pictures kept back, decoded once, and the names they may be called by.

    A picture is asked for among all labels of its own set, taught or not; `measure` also asks among all labels of all
    sets with the distractors added.
    """

    def __init__(self, config: EncoderConfig, pictures: Sequence[LabelledPicture], tokenize: Tokenizer, distractors: Sequence[Taxon]):
        self.config, self.tokenize, self.distractors = config, tokenize, distractors
        self.pictures = [picture for picture in pictures if picture.part != TRAIN]
        self.set_taxa = {entry.name: [p.taxon for p in pictures if p.set_name == entry.name] for entry in config.sets}
        self.pixels = decode_pictures(self.pictures, config.store_px, config.threads)  # (n, s, s, 3)
        order = np.argsort([hash_fraction(picture.source_id) for picture in self.pictures], kind="stable")
        self.watched = np.sort(order[: config.watch_pictures])

    def watch(self, model: nn.Module) -> float:
        """The mean top-1 over the parts of a fixed sample, for the log."""
        return round(mean_top1(self._scores(model, self.pixels, self.config.end_px, self.watched)), 4)

    def choose_px(self, model: nn.Module) -> int:
        """The picture size with the best mean top-1; the smaller of two that are equal."""
        everything = np.arange(len(self.pictures))
        by_px = {px: mean_top1(self._scores(model, self.pixels, px, everything)) for px in sorted(self.config.eval_px)}
        return max(by_px, key=lambda px: by_px[px])

    def measure(self, model: nn.Module, px: int) -> dict[str, Any]:
        """The metrics of every part, from pictures decoded straight to the size that the model folder names."""
        pixels = decode_pictures(self.pictures, px, self.config.threads)
        everything = np.arange(len(self.pictures))
        own = self._scores(model, pixels, px, everything)
        mixed = self._scores(model, pixels, px, everything, mixed=True)
        return {"note": NOTE, "mean_top1": round(mean_top1(own), 4), "own_labels": own, "mixed": mixed}

    def _scores(self, model: nn.Module, pixels: np.ndarray, px: int, chosen: np.ndarray, mixed: bool = False) -> dict[str, dict[str, float]]:
        vectors = embed_pictures(model, pixels[chosen], px)  # (k, d)
        groups: dict[str, list[int]] = {}
        for row, i in enumerate(chosen.tolist()):
            groups.setdefault(f"{self.pictures[i].set_name}/{self.pictures[i].part}", []).append(row)
        everyone = gather_candidates(model, self.tokenize, *self.set_taxa.values(), self.distractors) if mixed else None
        scores = {}
        for name in sorted(groups):
            candidates = everyone or gather_candidates(model, self.tokenize, self.set_taxa[name.split("/")[0]])
            truths = [self.pictures[chosen[row]].taxon for row in groups[name]]
            scores[name] = score_answers(truths, vectors[torch.tensor(groups[name])], candidates)
        return scores
