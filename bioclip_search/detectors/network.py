"""The network of our own small detector: MobileNetV2, a feature pyramid and an FCOS head, all from timm and torchvision.

Files and pictures are left to `organism`, learning to the package `train`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FeaturePyramidNetwork

from bioclip_search.encoder.towers import mobilenetv2_100_plain

BACKBONES = {"mobilenetv2_100": mobilenetv2_100_plain}
"""The backbones that a detector folder may ask for."""

STRIDES = (8, 16, 32)
LEVELS = (2, 3, 4)
"""The stages of the backbone that end at these strides."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels: what the backbone's first weights were learned with."""

NMS_MAX_IOU = 0.6
"""Overlap above which the weaker of two boxes is dropped inside the network; the default of torchvision's FCOS."""


@dataclass(frozen=True)
class Architecture:
    """What the weights fit to; `channels` is a multiple of 32 because the head normalises in 32 groups."""

    backbone: str = "mobilenetv2_100"
    channels: int = 64
    head_convs: int = 2

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise ValueError(f"Expected a backbone of {', '.join(BACKBONES)}, got {self.backbone!r}.")
        for name, least, most, step in (("channels", 32, 256, 32), ("head_convs", 1, 4, 1)):
            value = getattr(self, name)
            if type(value) is not int or value % step or not least <= value <= most:
                raise ValueError(f"Expected {name} between {least} and {most} in steps of {step}, got {value!r}.")


class Pyramid(nn.Module):
    """Pictures (b, 3, h, w) to one map of `channels` per stride, by name."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.body = BACKBONES[architecture.backbone](features_only=True, out_indices=LEVELS)
        self.fpn = FeaturePyramidNetwork(self.body.feature_info.channels(), architecture.channels)
        self.out_channels = architecture.channels

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return self.fpn({str(stride): level for stride, level in zip(STRIDES, self.body(images), strict=True)})


class AsTheyAre(GeneralizedRCNNTransform):
    """Normalises and pads pictures but never scales them; torchvision's own `_skip_resize` holds in training only."""

    def resize(self, image: torch.Tensor, target: dict | None = None) -> tuple[torch.Tensor, dict | None]:
        return image, target


def build_network(architecture: Architecture, n_classes: int = 1) -> FCOS:
    """The network with random weights (Tian et al., FCOS, ICCV 2019); it takes pictures in [0, 1] as they are, unscaled."""
    pyramid = Pyramid(architecture)
    head = FCOSHead(architecture.channels, 1, n_classes, num_convs=architecture.head_convs)
    anchors = AnchorGenerator(tuple((stride,) for stride in STRIDES), ((1.0,),) * len(STRIDES))
    network = FCOS(pyramid, n_classes, anchor_generator=anchors, head=head, nms_thresh=NMS_MAX_IOU)
    network.transform = AsTheyAre(0, 0, list(MEAN), list(STD))
    return network.to(memory_format=torch.channels_last)
