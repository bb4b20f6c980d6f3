"""What a locked picture tower sees of every training picture, looked at once, in several changed views, and kept on disk.

As long as the tower does not learn, a picture's features never change; learning from them needs no GPU. What learns is
the projection above them and the text tower. How pictures are changed is left to `batches` and `augment`.
"""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bioclip_search.train.augment import normalise
from bioclip_search.train.batches import PictureStore
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.hearsay import Hearsay
from bioclip_search.train.journal import Listener
from bioclip_search.train.pictures import LabelledPicture, decode_pictures, fingerprint_of
from bioclip_search.train.start import Start
from bioclip_search.train.vectors import has_trunk, pictures_at_once, trunk_features

CHUNK = 512
"""Pictures in one file: what a killed run loses at most."""

LEAST_DEVIATION = 1e-3
"""Features of less deviation are silent: dividing by it would make noise of nothing, so they become nought."""

SCALE, PROJECTION = "visual.head.scale", "visual.head.proj"


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Shows features in place of pictures, each time of a view drawn at random; behind them, pictures known by hearsay.

    Attributes:
        features: (v, n, f) float16.
    """

    features: torch.Tensor
    hearsay: tuple[Hearsay, ...] = ()

    def show(self, picked: torch.Tensor, px: int, generator: torch.Generator, rows: slice) -> torch.Tensor:
        """(b', f) float32, the features of these rows."""
        views = torch.randint(len(self.features), (len(picked),), generator=generator)
        chance = torch.rand(len(picked), generator=generator)
        n = self.features.shape[1]
        shown = self.features[views, picked.clamp(max=n - 1)].float()  # (b, f)
        first = n
        for entry in self.hearsay:
            mine = ((picked >= first) & (picked < first + len(entry))).nonzero().flatten()
            hosts = entry.hosts_of(chance[mine])
            shown[mine] = entry.transform(self.features[views[mine], entry.rows[hosts]].float(), hosts, picked[mine] - first)
            first += len(entry)
        return shown[rows]


def look_once(config: EncoderConfig, start: Start, taught: Sequence[LabelledPicture], folder: Path, tell: Listener | None = None) -> torch.Tensor:
    """(views, n, f) float16, the features of all pictures: the first view as in use, the others changed at random.

    What the folder holds already is not computed again; a chunk's file appears when it is whole.

    Args:
        tell: Called after each chunk with view and views, seen of n pictures, images_per_s and left_s.
    """
    kept = folder / f"features-{_key(config, taught)}"
    kept.mkdir(parents=True, exist_ok=True)
    views, began, n_looked = [], time.monotonic(), 0
    for view in range(config.tune.views):
        chunks = []
        for number, chunk in enumerate(_chunks(taught)):
            path = kept / f"{view:02}-{number:04}.npy"
            if not path.is_file():
                _save(path, _look(config, start, chunk, view, number))
                n_looked += len(chunk)
                if tell:
                    tell(_outlook(config.tune.views, view, number * CHUNK + len(chunk), len(taught), n_looked / (time.monotonic() - began)))
            chunks.append(np.load(path, allow_pickle=False))
        views.append(np.concatenate(chunks))  # (n, f)
    return torch.from_numpy(np.stack(views))


class Standardise(nn.Module):
    """Features with mean 0 and deviation 1, (n, f): without it a projection learns several times slower."""

    def __init__(self, features: torch.Tensor):
        super().__init__()
        deviation, mean = torch.std_mean(features.float(), dim=0)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation.masked_fill(deviation < LEAST_DEVIATION, torch.inf))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return (features - self.mean) / self.deviation


def standardise(model: nn.Module, features: torch.Tensor) -> None:
    """Puts the features (n, f) on one scale below a projection that learns; a projection that is locked is left alone."""
    projection = getattr(model.visual.head, "proj", None) if has_trunk(model) else None
    if isinstance(projection, nn.Linear) and projection.bias is not None and projection.weight.requires_grad:
        scale = Standardise(features).to(projection.weight.device)
        model.visual.head = nn.Sequential(OrderedDict(scale=scale, **dict(model.visual.head.named_children())))


def fold_scale(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights with the scale put into the projection above it: the same vectors, and what open_clip expects."""
    if SCALE + ".mean" not in weights:
        return weights
    mean, deviation = weights[SCALE + ".mean"], weights[SCALE + ".deviation"]
    kernel = weights[PROJECTION + ".weight"] / deviation  # (d, f)
    rest = {name: value for name, value in weights.items() if not name.startswith(SCALE)}
    return rest | {PROJECTION + ".weight": kernel, PROJECTION + ".bias": weights[PROJECTION + ".bias"] - kernel @ mean}


def pass_trunk(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(b, f) float16 on the CPU, of (b, 3, px, px) normalised pictures."""
    with torch.inference_mode():
        return trunk_features(model, images.contiguous(memory_format=torch.channels_last).to(model.logit_scale.device)).half().cpu()


def _look(config: EncoderConfig, start: Start, chunk: Sequence[LabelledPicture], view: int, number: int) -> np.ndarray:
    """(k, f) float16; the pictures are changed a few at a time, which on a CPU is three times as fast as all at once."""
    preprocess, px, model = start.settings["preprocess_cfg"], config.schedule.end_px, start.model.eval()
    scale, size = (preprocess["mean"], preprocess["std"]), pictures_at_once(model)
    if view == 0:
        pixels = torch.from_numpy(decode_pictures(chunk, px, config.threads, preprocess.get("resize_mode", "shortest")))
        parts = (normalise(part.permute(0, 3, 1, 2).float() / 255, *scale) for part in pixels.split(size))
    else:
        store, seed = PictureStore(config, chunk, *scale), (config.seed * 1_000 + view) * 100_000 + number
        everything = torch.arange(len(chunk))
        rows = (slice(first, first + size) for first in range(0, len(chunk), size))
        parts = (store.show(everything, px, torch.Generator().manual_seed(seed), few) for few in rows)
    return torch.cat([pass_trunk(model, part) for part in parts]).numpy()


def _outlook(views: int, view: int, seen: int, n: int, speed: float) -> dict[str, float]:
    left = (views - view) * n - seen
    return {"view": view + 1, "views": views, "seen": seen, "n": n, "images_per_s": round(speed, 1), "left_s": round(left / speed)}


def _chunks(taught: Sequence[LabelledPicture]) -> Iterator[Sequence[LabelledPicture]]:
    return (taught[first : first + CHUNK] for first in range(0, len(taught), CHUNK))


def _save(path: Path, features: np.ndarray) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, features, allow_pickle=False)
    os.replace(part, path)


def _key(config: EncoderConfig, taught: Sequence[LabelledPicture]) -> str:
    """Differs whenever the pictures, the way they are changed, or the tower that looks at them would."""
    what = [config.seed, fingerprint_of(taught), [asdict(entry) | {"weight": 0} for entry in config.sets]]
    what += [config.model.start, config.model.vision, config.model.vision_weights, config.schedule.store_px, config.schedule.end_px]
    return sha256(json.dumps(what).encode()).hexdigest()[:12]
