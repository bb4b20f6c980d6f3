"""Picture towers that timm does not have, under names that a model's configuration can give to open_clip.

`mobilenetv2_100_plain` is timm's MobileNetV2 with every batch norm folded into the convolution before it: the same
function, twice as fast on a CPU. `mobilenetv2_100_plain_x3` is three of them side by side, each free to know its own
kind of picture. Where their weights come from is left to training.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.models import is_model, register_model
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

BASE = "mobilenetv2_100"


def register_towers() -> None:
    """Makes the names known to timm; doing it again changes nothing."""
    for entry_point in (mobilenetv2_100_plain, mobilenetv2_100_plain_x3):
        if not is_model(entry_point.__name__):
            register_model(entry_point)


class SideBySide(nn.Module):
    """Several towers that look at the same picture; their features stand one after the other, (b, sum of widths)."""

    def __init__(self, towers: list[nn.Module]):
        super().__init__()
        self.towers = nn.ModuleList(towers)
        self.num_features = sum(tower.num_features for tower in towers)
        self.default_cfg = towers[0].default_cfg

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([tower(images) for tower in self.towers], dim=1)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """As timm's: the towers end with pooled features; a projection stands outside."""
        for tower in self.towers:
            tower.reset_classifier(0)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """As timm's: parameters at one depth of all towers are one group."""
        depth = r"^towers\.\d+\.blocks\.(\d+)" + ("" if coarse else r"\.(\d+)")
        return {"stem": r"^towers\.\d+\.conv_stem", "blocks": [(depth, None), (r"^towers\.\d+\.conv_head", (99999,))]}


def mobilenetv2_100_plain(pretrained: bool = False, **options: Any) -> nn.Module:
    """MobileNetV2 (Sandler et al., CVPR 2018) without batch norms, for weights that have them folded in."""
    tower = timm.create_model(BASE, pretrained=pretrained, **options).eval()
    fold_batch_norms(tower)
    return tower.train()


def mobilenetv2_100_plain_x3(pretrained: bool = False, **options: Any) -> nn.Module:
    """Three MobileNetV2 without batch norms, 3 × 1,280 features."""
    return SideBySide([mobilenetv2_100_plain(pretrained, **options) for _ in range(3)])


def fold_batch_norms(tower: nn.Module) -> None:
    """Puts every batch norm into the convolution registered just before it and leaves its activation in its place.

    Changes `tower` in place; in evaluation it stays the same function.
    """
    convolution = ""
    for name, child in list(tower.named_children()):
        if isinstance(child, nn.Conv2d):
            convolution = name
        elif isinstance(child, nn.BatchNorm2d) and convolution:
            setattr(tower, convolution, fuse_conv_bn_eval(getattr(tower, convolution), child))
            setattr(tower, name, getattr(child, "act", nn.Identity()))
            convolution = ""
        else:
            fold_batch_norms(child)
