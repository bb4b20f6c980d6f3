"""How a picture of any shape becomes the square tensor that a vision tower eats.

Three ways, and an index keeps to the one it was made with, for they differ by cosine 0.97 to 0.99:

- `open_clip`: what the model's own configuration says, usually the short side resized and the centre cut out;
- `squash`: both sides resized to the square (pybioclip's way for BioCLIP);
- `letterbox`: the long side resized, the rest padded, so that no end of an animal is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import torch
from torchvision.transforms import functional as tv

from bioclip_search.errors import ModelError

MODES = ("open_clip", "squash", "letterbox")

MAX_ASPECT = 8
"""Sides in a higher ratio are cut to the middle first: the short side of 1×20000 px resized to 224 would take 3 GB."""


def preprocessor(mode: str, config: dict[str, Any]) -> Callable[[PIL.Image.Image], torch.Tensor]:
    """The function that prepares an upright RGB picture: → (3, size, size) float32, normalised.

    Args:
        mode: One of `MODES`.
        config: open_clip's `preprocess_cfg` of the model: size, mean, std, interpolation, resize_mode.

    Raises:
        ModelError: The mode is unknown.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2

    if mode not in MODES:
        raise ModelError(f"Unknown preprocessing {mode!r}; choose one of {', '.join(MODES)}.")
    if mode == "open_clip":
        transform = _in_one_thread(image_transform_v2(PreprocessCfg(**config), is_train=False))
        return lambda picture: transform(_not_too_long(picture))
    size = config["size"] if isinstance(config["size"], int) else config["size"][0]
    shape = _squash if mode == "squash" else _letterbox
    mean, std = list(config["mean"]), list(config["std"])
    return lambda picture: tv.normalize(shape(_not_too_long(picture), size, mean), mean, std)


def _in_one_thread(transform: Any) -> Callable[[PIL.Image.Image], torch.Tensor]:
    """The same numbers, the last two steps done by NumPy.

    Subtle: torch would take all cores for each of them, in every thread that prepares pictures, and so get in the way of
    the encoder, which has all cores at work already.
    """
    *shaping, to_tensor, normalise = transform.transforms
    if (type(to_tensor).__name__, type(normalise).__name__) != ("MaybeToTensor", "Normalize"):
        return transform
    mean, std = (np.array(values, np.float32) for values in (normalise.mean, normalise.std))

    def prepare(picture: PIL.Image.Image) -> torch.Tensor:
        for step in shaping:
            picture = step(picture)
        pixels = np.asarray(picture, np.float32) / np.float32(255)  # (size, size, 3)
        pixels -= mean
        pixels /= std
        return torch.from_numpy(pixels).permute(2, 0, 1)  # (3, size, size), colours last in memory

    return prepare


def _squash(picture: PIL.Image.Image, size: int, mean: list[float]) -> torch.Tensor:
    """Subtle: resized as floats, as pybioclip does; Pillow's rounding to bytes moves probabilities by up to 0.02."""
    return tv.resize(tv.to_tensor(picture), [size, size], antialias=True)


def _letterbox(picture: PIL.Image.Image, size: int, mean: list[float]) -> torch.Tensor:
    """Padded with the mean colour, which is zero to the network."""
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    square = PIL.Image.new("RGB", (size, size), tuple(round(255 * channel) for channel in mean))
    square.paste(picture.resize((width, height), PIL.Image.Resampling.BICUBIC), ((size - width) // 2, (size - height) // 2))
    return tv.to_tensor(square)


def _not_too_long(picture: PIL.Image.Image) -> PIL.Image.Image:
    width, height = picture.size
    longest = MAX_ASPECT * min(width, height)
    if max(width, height) <= longest:
        return picture
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return picture.crop((left, top, min(width, left + longest), min(height, top + longest)))
