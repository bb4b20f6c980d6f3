"""Changes a batch of pictures at random: cut, mirror, tilt, light, colour, sharpness, background, holes.

What is to happen is drawn first, for all pictures of a step from one generator; what is drawn can then be done to any
part of them, on any device, and a step can be drawn again exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional as F

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Channel mean and deviation of ImageNet, the customary values for a model from scratch."""

AREA_RANGE = (0.45, 1.0)
ASPECT_RANGE = (3 / 4, 4 / 3)
"""Random cuts after Szegedy et al. 2015 as torchvision's RandomResizedCrop has them, from a larger least area."""

MAX_TILT_RAD = 0.26
LIGHT_RANGE = 0.25
GREY_SHARE = 0.08
BLUR_SHARE = 0.15
BLUR_FACTORS = (1.5, 2.0, 3.0)
HOLE_SHARE = 0.15
BACKGROUND_SHARE = 0.7
BLACK = 28
"""Brightest channel value, of 255, of a pixel that counts as black table in a studio picture."""


class Changes(NamedTuple):
    """What happens to each of b pictures: numbers in [0, 1), and as `partner` another picture of the step."""

    cut: torch.Tensor  # (b, 7)
    colour: torch.Tensor  # (b, 7)
    blur: torch.Tensor  # (b, 2)
    hole: torch.Tensor  # (b, 5)
    background: torch.Tensor  # (b, 5)
    partner: torch.Tensor  # (b,) int64

    def rows(self, chosen: slice, device: torch.device | str = "cpu") -> Changes:
        """The part for these pictures, on that device."""
        return Changes(*(entry[chosen].to(device) for entry in self))


def draw_changes(n: int, generator: torch.Generator) -> Changes:
    """The changes of a step of n pictures."""
    random = (torch.rand(n, width, generator=generator) for width in (7, 7, 2, 5, 5))
    return Changes(*random, torch.randperm(n, generator=generator))


def augment_batch(pixels: torch.Tensor, changes: Changes, px: int, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> torch.Tensor:
    """Changed and normalised pictures.

    Args:
        pixels: (b, s, s, 3) uint8, studio pictures with their new background already.
        px: Side of the result.

    Returns:
        (b, 3, px, px) float32, channels-last in memory.
    """
    images = pixels.permute(0, 3, 1, 2).float() / 255  # (b, 3, s, s), channels-last
    images = cut_and_tilt(images, px, changes.cut)  # (b, 3, px, px)
    images = blur(images, changes.blur)
    images = shift_colours(images, changes.colour)
    return punch_holes(normalise(images, mean, std), changes.hole).contiguous(memory_format=torch.channels_last)


def normalise(images: torch.Tensor, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> torch.Tensor:
    """(b, 3, h, w) float32 in [0, 1] to the scale that the vision tower is fed with."""
    return (images - images.new_tensor(mean).view(1, 3, 1, 1)) / images.new_tensor(std).view(1, 3, 1, 1)


def replace_background(pixels: torch.Tensor, others: torch.Tensor, random: torch.Tensor) -> torch.Tensor:
    """Most of these studio pictures with a plain colour, or another picture, in place of their black.

    Args:
        pixels: (k, s, s, 3) uint8.
        others: (k, s, s, 3) uint8, what may come to stand behind each.
        random: (k, 5), `Changes.background`.
    """
    chance, kind, colours = random[:, 0], random[:, 1], random[:, 2:]
    plain = (colours * 255).to(torch.uint8).view(-1, 1, 1, 3)  # (k, 1, 1, 3)
    background = torch.where(kind.view(-1, 1, 1, 1) < 0.5, plain, others)  # (k, s, s, 3)
    is_black = (pixels.amax(dim=3, keepdim=True) < BLACK) & (chance < BACKGROUND_SHARE).view(-1, 1, 1, 1)  # (k, s, s, 1)
    return torch.where(is_black, background, pixels)


def cut_and_tilt(images: torch.Tensor, px: int, random: torch.Tensor) -> torch.Tensor:
    """A random part of each picture, mirrored half of the time and tilted a little, scaled to (b, 3, px, px)."""
    n, u = len(images), random.T  # (7, b)
    area = AREA_RANGE[0] + u[0] * (AREA_RANGE[1] - AREA_RANGE[0])
    low, high = (images.new_tensor(value).log() for value in ASPECT_RANGE)
    ratio = torch.exp(low + u[1] * (high - low))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)  # (b,), parts of the side
    tilt = (u[2] * 2 - 1) * MAX_TILT_RAD * (u[5] < 0.5)
    mirror = (u[6] < 0.5).float() * -2 + 1
    x, y = (u[3] * 2 - 1) * (1 - width), (u[4] * 2 - 1) * (1 - height)
    rows = torch.stack([width * tilt.cos() * mirror, -height * tilt.sin(), x, width * tilt.sin() * mirror, height * tilt.cos(), y], dim=1)  # (b, 6)
    grid = F.affine_grid(rows.view(n, 2, 3), [n, 3, px, px], align_corners=False)  # (b, px, px, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def blur(images: torch.Tensor, random: torch.Tensor) -> torch.Tensor:
    """A few of the pictures made smaller and larger again, as a distant animal is."""
    chance, kind, side = random[:, 0], (random[:, 1] * len(BLUR_FACTORS)).long(), images.shape[-1]
    for i, factor in enumerate(BLUR_FACTORS):
        chosen = ((chance < BLUR_SHARE) & (kind == i)).nonzero().flatten()
        if len(chosen):
            small = F.interpolate(images[chosen], size=round(side / factor), mode="area")
            images = images.index_copy(0, chosen, F.interpolate(small, size=side, mode="bilinear", align_corners=False))
    return images


def shift_colours(images: torch.Tensor, random: torch.Tensor) -> torch.Tensor:
    """Other brightness, contrast, tint and saturation; a few pictures lose their colour."""
    u = random.view(len(images), 7, 1, 1, 1)
    light, contrast, saturation = (1 + (u[:, i] * 2 - 1) * LIGHT_RANGE for i in range(3))  # (b, 1, 1, 1) each
    tint = 1 + (u[:, 3:6, 0] * 2 - 1) * LIGHT_RANGE / 3  # (b, 3, 1, 1)
    saturation = saturation * (u[:, 6] >= GREY_SHARE)
    grey = images.mean(dim=1, keepdim=True)  # (b, 1, h, w)
    level = grey.mean(dim=(2, 3), keepdim=True)  # (b, 1, 1, 1)
    images = (grey + (images - grey) * saturation) * (contrast * light * tint) + level * (1 - contrast) * light
    return images.clamp(0, 1)


def punch_holes(images: torch.Tensor, random: torch.Tensor) -> torch.Tensor:
    """Some normalised pictures with one rectangle set to the mean colour (Zhong et al., AAAI 2020)."""
    chance, cx, cy, w, h = random.view(-1, 5, 1, 1, 1).unbind(dim=1)  # (b, 1, 1, 1) each
    steps = torch.arange(images.shape[-1], device=images.device) / images.shape[-1]
    across = (steps.view(1, 1, 1, -1) - cx).abs() < 0.08 + 0.14 * w  # (b, 1, 1, side)
    down = (steps.view(1, 1, -1, 1) - cy).abs() < 0.08 + 0.14 * h  # (b, 1, side, 1)
    return images.masked_fill(across & down & (chance < HOLE_SHARE), 0.0)
