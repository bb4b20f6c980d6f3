"""Changes a batch of pictures at random: cut, mirror, tilt, light, colour, sharpness, background, holes.

Works on whole batches of uint8 tensors with one generator, so that a step can be drawn again exactly.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Channel mean and deviation of ImageNet, the customary values; written into the model folder's preprocessing."""

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


def augment_batch(pixels: torch.Tensor, is_studio: torch.Tensor, px: int, generator: torch.Generator) -> torch.Tensor:
    """Changed and normalised pictures.

    Args:
        pixels: (b, s, s, 3) uint8.
        is_studio: (b,) bool, pictures on a black table.
        px: Side of the result.

    Returns:
        (b, 3, px, px) float32, channels-last in memory.
    """
    images = pixels.permute(0, 3, 1, 2).float() / 255  # (b, 3, s, s), channels-last
    images = replace_background(images, is_studio, generator)
    images = cut_and_tilt(images, px, generator)  # (b, 3, px, px)
    images = blur(images, generator)
    images = shift_colours(images, generator)
    return punch_holes(normalise(images), generator).contiguous(memory_format=torch.channels_last)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """(b, 3, h, w) float32 in [0, 1] to the scale that the vision tower is fed with."""
    return (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def replace_background(images: torch.Tensor, is_studio: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Most studio pictures with a plain colour, or another picture of the batch, in place of their black."""
    chance, kind = torch.rand(2, len(images), generator=generator)
    colours = torch.rand(len(images), 3, 1, 1, generator=generator)
    partner = torch.randperm(len(images), generator=generator)
    chosen = (is_studio & (chance < BACKGROUND_SHARE)).nonzero().flatten()  # (k,)
    if not len(chosen):
        return images
    picture = images[chosen]  # (k, 3, s, s)
    plain = (kind[chosen] < 0.5).view(-1, 1, 1, 1)
    background = torch.where(plain, colours[chosen], images[partner[chosen]])  # (k, 3, s, s)
    is_black = picture.amax(dim=1, keepdim=True) < BLACK / 255  # (k, 1, s, s)
    return images.index_copy(0, chosen, torch.where(is_black, background, picture))


def cut_and_tilt(images: torch.Tensor, px: int, generator: torch.Generator) -> torch.Tensor:
    """A random part of each picture, mirrored half of the time and tilted a little, scaled to (b, 3, px, px)."""
    n = len(images)
    u = torch.rand(5, n, generator=generator)
    area = AREA_RANGE[0] + u[0] * (AREA_RANGE[1] - AREA_RANGE[0])
    low, high = (torch.tensor(value).log() for value in ASPECT_RANGE)
    ratio = torch.exp(low + u[1] * (high - low))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)  # (b,), parts of the side
    tilt = (u[2] * 2 - 1) * MAX_TILT_RAD * (torch.rand(n, generator=generator) < 0.5)
    mirror = (torch.rand(n, generator=generator) < 0.5).float() * -2 + 1
    x, y = (u[3] * 2 - 1) * (1 - width), (u[4] * 2 - 1) * (1 - height)
    rows = torch.stack([width * tilt.cos() * mirror, -height * tilt.sin(), x, width * tilt.sin() * mirror, height * tilt.cos(), y], dim=1)  # (b, 6)
    grid = F.affine_grid(rows.view(n, 2, 3), [n, 3, px, px], align_corners=False)  # (b, px, px, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def blur(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A few of the pictures made smaller and larger again, as a distant animal is."""
    chosen = (torch.rand(len(images), generator=generator) < BLUR_SHARE).nonzero().flatten()
    factor = BLUR_FACTORS[int(torch.randint(len(BLUR_FACTORS), (1,), generator=generator))]
    if not len(chosen):
        return images
    side = images.shape[-1]
    small = F.interpolate(images[chosen], size=round(side / factor), mode="area")
    return images.index_copy(0, chosen, F.interpolate(small, size=side, mode="bilinear", align_corners=False))


def shift_colours(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Other brightness, contrast, tint and saturation; a few pictures lose their colour."""
    n = len(images)
    light, contrast, saturation = 1 + (torch.rand(3, n, 1, 1, 1, generator=generator) * 2 - 1) * LIGHT_RANGE
    tint = 1 + (torch.rand(n, 3, 1, 1, generator=generator) * 2 - 1) * LIGHT_RANGE / 3
    saturation = saturation * (torch.rand(n, 1, 1, 1, generator=generator) >= GREY_SHARE)
    grey = images.mean(dim=1, keepdim=True)  # (b, 1, h, w)
    level = grey.mean(dim=(2, 3), keepdim=True)  # (b, 1, 1, 1)
    images = (grey + (images - grey) * saturation) * (contrast * light * tint) + level * (1 - contrast) * light
    return images.clamp(0, 1)


def punch_holes(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Some normalised pictures with one rectangle set to the mean colour (Zhong et al., AAAI 2020)."""
    n, side = len(images), images.shape[-1]
    chance, cx, cy, w, h = torch.rand(5, n, 1, 1, 1, generator=generator)
    steps = torch.arange(side) / side
    across = (steps.view(1, 1, 1, -1) - cx).abs() < 0.08 + 0.14 * w  # (b, 1, 1, side)
    down = (steps.view(1, 1, -1, 1) - cy).abs() < 0.08 + 0.14 * h  # (b, 1, side, 1)
    return images.masked_fill(across & down & (chance < HOLE_SHARE), 0.0)
