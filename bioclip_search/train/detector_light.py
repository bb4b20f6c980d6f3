"""Changes light and colour of a scene at random, up to the grey flash pictures of a camera trap at night.

Moves nothing, so boxes stay; what stands in the scene is `detector_scenes`.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

GREY_SHARE = 0.25
FLASH_SHARE = 0.4
"""Of the grey scenes, those lit like a flash at night: bright in the middle, dark around."""

GAMMA_RANGE = (0.6, 1.8)
CONTRAST_RANGE = (0.6, 1.3)
BRIGHTNESS_RANGE = (0.6, 1.3)
TINT = 0.12
BLUR_SHARE = 0.2
BLUR_RANGE = (1.3, 3.0)
NOISE_SHARE = 0.3
NOISE_MAX = 14.0
"""Largest standard deviation of the noise, of 255."""


def change_light(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The scene (h, w, 3) uint8 in another light."""
    if rng.random() < BLUR_SHARE:
        pixels = _blurred(pixels, float(np.exp(rng.uniform(*np.log(BLUR_RANGE)))))
    is_grey = rng.random() < GREY_SHARE
    gamma, contrast, brightness = (np.exp(rng.uniform(*np.log(limits))) for limits in (GAMMA_RANGE, CONTRAST_RANGE, BRIGHTNESS_RANGE))
    curve = (np.arange(256, dtype=np.float32) / 255) ** gamma * brightness  # (256,)
    curve = (curve - 0.5 * brightness) * contrast + 0.5 * brightness
    gains = np.ones(3) if is_grey else 1 + rng.uniform(-TINT, TINT, size=3)
    if is_grey:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    changed = np.stack([(255 * gain * curve)[pixels[..., c]] for c, gain in enumerate(gains)], axis=2).astype(np.float32)  # (h, w, 3)
    if is_grey and rng.random() < FLASH_SHARE:
        changed *= _flash(pixels.shape[:2], rng)
    if rng.random() < NOISE_SHARE:
        noise = rng.standard_normal((*pixels.shape[:2], 1 if is_grey else 3), dtype=np.float32)
        changed += noise * rng.uniform(2, NOISE_MAX)
    return np.clip(changed, 0, 255).astype(np.uint8)


def _blurred(pixels: np.ndarray, factor: float) -> np.ndarray:
    image = Image.fromarray(pixels)
    small = max(1, round(image.width / factor)), max(1, round(image.height / factor))
    return np.asarray(image.resize(small, Image.Resampling.BOX).resize(image.size, Image.Resampling.BICUBIC))


def _flash(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A light that falls off from a point near the middle: (h, w, 1) float32."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    away = (x - rng.uniform(-0.4, 0.4)) ** 2 + (y - rng.uniform(-0.4, 0.4)) ** 2
    return (1.3 * np.exp(-away * rng.uniform(0.3, 1.5)))[..., None].astype(np.float32)
