"""Runs the zero-shot measure over the parts of the sets that were kept back, while a run goes on and at its end.

The measure itself is left to `zero_shot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import nn

from bioclip_search.encoder.preprocess import preprocessor
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.pictures import TRAIN, LabelledPicture, decode_pictures, hash_fraction, open_picture
from bioclip_search.train.start import Start
from bioclip_search.train.taxa import Taxon
from bioclip_search.train.vectors import image_vectors, pictures_at_once, trunk_features
from bioclip_search.train.zero_shot import Candidates, embed_pictures, gather_candidates, mean_top1, score_answers, watched_metric

NOTE = (
    "No picture counted here was trained on; in the parts called unseen no picture of the species was. "
    "These pictures were used to watch the run and to choose among its weights and picture sizes, so the numbers are a little kind. "
    "Where names of the distractors' table were drawn in training, those of `mixed` are kinder still."
)

Scores = dict[str, dict[str, float]]


class Validation:
    """The pictures kept back, and the names they may be called by.

    A picture is asked for among all labels of its own set, taught or not; `measure` also asks among all labels of all
    sets with the distractors added. While a run goes on, at most `watch_pictures` of each part are looked at.
    """

    def __init__(self, config: EncoderConfig, pictures: Sequence[LabelledPicture], start: Start, distractors: Sequence[Taxon]):
        self.config, self.tokenize, self.distractors = config, start.tokenize, distractors
        self.preprocess = start.settings["preprocess_cfg"]
        self.pictures = [picture for picture in pictures if picture.part != TRAIN]
        self.set_taxa = {entry.name: [p.taxon for p in pictures if p.set_name == entry.name] for entry in config.sets}
        self.features: dict[int, torch.Tensor] = {}
        self.parts = self._parts()
        self.watched = np.sort(np.concatenate([rows[: config.schedule.watch_pictures] for rows in self.parts.values()] or [np.zeros(0, np.int64)]))
        watched = [self.pictures[i] for i in self.watched]
        self.pixels = decode_pictures(watched, config.schedule.store_px, config.threads, self.preprocess.get("resize_mode", "shortest"))  # (w, s, s, 3)

    def watch(self, model: nn.Module, px: int | None = None) -> dict[str, float]:
        """`metric` and the figure of each part, on the fixed sample; the metric alone, and 0, if nothing was kept back."""
        return watched_metric(self._scores(model, self._embed_watched(model, px or self.config.schedule.end_px), self.watched))

    def measure(self, model: nn.Module, px: int) -> dict[str, Any]:
        """The metrics of every part, from pictures prepared as the model folder says."""
        everything = np.arange(len(self.pictures))
        vectors = self._embed_all(model, px)  # (n, d)
        own, mixed = self._scores(model, vectors, everything), self._scores(model, vectors, everything, mixed=True)
        return {"note": NOTE, "mean_top1": round(mean_top1(own), 4), "chosen_by": watched_metric(own), "own_labels": own, "mixed": mixed}

    def _embed_watched(self, model: nn.Module, px: int) -> torch.Tensor:
        """(w, d) float32, unit rows; what a locked picture tower sees below its projection is computed once for each size."""
        scale = self.preprocess["mean"], self.preprocess["std"]
        if not self.config.tune.views:
            return embed_pictures(model, self.pixels, px, *scale)
        if px not in self.features:
            self.features[px] = embed_pictures(model, self.pixels, px, *scale, embed=trunk_features)
        with torch.inference_mode():
            return image_vectors(model, self.features[px].to(model.logit_scale.device)).cpu()

    def _parts(self) -> dict[str, np.ndarray]:
        """The rows of each part `set/part`, in the order in which they are chosen for the sample."""
        groups: dict[str, list[int]] = {}
        for i, picture in enumerate(self.pictures):
            groups.setdefault(f"{picture.set_name}/{picture.part}", []).append(i)
        by_hash = {name: sorted(rows, key=lambda i: hash_fraction(self.pictures[i].source_id)) for name, rows in groups.items()}
        return {name: np.asarray(by_hash[name], np.int64) for name in sorted(by_hash)}

    @torch.inference_mode()
    def _embed_all(self, model: nn.Module, px: int) -> torch.Tensor:
        """(n, d) float32, unit rows."""
        prepare = preprocessor("open_clip", self.preprocess | {"size": px})
        rows = []
        with ThreadPoolExecutor(self.config.threads) as pool:
            for first in range(0, len(self.pictures), size := pictures_at_once(model)):
                images = torch.stack(list(pool.map(lambda picture: prepare(open_picture(picture)), self.pictures[first : first + size])))
                rows.append(image_vectors(model, images.to(model.logit_scale.device)).cpu())  # (b, d)
        return torch.cat(rows) if rows else torch.zeros(0, 0)

    def _scores(self, model: nn.Module, vectors: torch.Tensor, chosen: np.ndarray, mixed: bool = False) -> Scores:
        """The metrics of every part of the chosen pictures, whose vectors these are, (k, d)."""
        everyone = gather_candidates(model, self.tokenize, *self.set_taxa.values(), self.distractors) if mixed else None
        row_of = {picture: row for row, picture in enumerate(chosen.tolist())}
        by_set: dict[str, Candidates] = {}
        scores = {}
        for name, members in self.parts.items():
            rows = sorted(row_of[i] for i in members.tolist() if i in row_of)
            set_name = name.split("/")[0]
            if not everyone and set_name not in by_set:
                by_set[set_name] = gather_candidates(model, self.tokenize, self.set_taxa[set_name])
            truths = [self.pictures[chosen[row]].taxon for row in rows]
            scores[name] = score_answers(truths, vectors[torch.tensor(rows)], everyone or by_set[set_name])
        return scores
