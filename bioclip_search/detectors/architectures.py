"""The networks that a detector folder may ask ultralytics for, by name, and how they are built.

Reads nothing but the descriptions that lie inside the installed package. Weights are left to `folder`.

Subtle: a description of layers is code to ultralytics (`parse_model` looks up modules by name and evaluates the activation), and it
takes a file of the current folder before its own. So a folder of ours names one of these, and nothing else reaches `parse_model`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search.detectors.yolo import import_ultralytics, threads_kept
from bioclip_search.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

_SCALED = {
    "yolo26": ("26/yolo26.yaml", "nsmlx"),
    "yolo12": ("12/yolo12.yaml", "nsmlx"),
    "yolo11": ("11/yolo11.yaml", "nsmlx"),
    "yolov8": ("v8/yolov8.yaml", "nsmlx"),
}
ARCHITECTURES: dict[str, str] = (
    {f"{family}{scale}": file for family, (file, scales) in _SCALED.items() for scale in scales}
    | {f"yolov10{scale}": f"v10/yolov10{scale}.yaml" for scale in "nsmblx"}
    | {f"yolov9{scale}": f"v9/yolov9{scale}.yaml" for scale in "tsmce"}
    | {"rtdetr-l": "rt-detr/rtdetr-l.yaml", "rtdetr-x": "rt-detr/rtdetr-x.yaml"}
)
"""Name and file below ultralytics/cfg/models; those with a scale in their name have all scales in one file."""

FP16_BYTES = 2


def is_rtdetr(architecture: str) -> bool:
    """Whether it is an RT-DETR, which ultralytics trains and runs by classes of its own."""
    return architecture.startswith("rtdetr")


def described_path(architecture: str) -> Path:
    """The file inside the installed package that describes it, with the scale in its name, as ultralytics reads it.

    Raises:
        ModelError: The name is not in `ARCHITECTURES`, or this version of ultralytics does not have it.
        MissingExtraError: ultralytics is not installed.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(f"Unknown architecture {architecture!r}. Known are: {', '.join(ARCHITECTURES)}.")
    ultralytics = import_ultralytics()
    path = Path(ultralytics.__file__).parent / "cfg" / "models" / ARCHITECTURES[architecture]
    if not path.is_file():
        raise ModelError(f"ultralytics {ultralytics.__version__} does not have {architecture}. Update it: pip install --upgrade 'bioclip-search[detect]'")
    return path.with_name(f"{architecture}.yaml")


def describe_architecture(architecture: str) -> dict[str, Any]:
    """The description of the layers, with the scale that the name asks for.

    Raises:
        ModelError: The name is not in `ARCHITECTURES`, or this version of ultralytics does not have it.
        MissingExtraError: ultralytics is not installed.
    """
    path = described_path(architecture)
    from ultralytics.nn.tasks import yaml_model_load

    return yaml_model_load(str(path))


def build_model(architecture: str, categories: Sequence[str]) -> nn.Module:
    """The network with random weights and these categories, in eval mode; draws from torch's generator.

    Raises:
        ModelError: The name is not in `ARCHITECTURES`, or this version of ultralytics does not have it.
        MissingExtraError: ultralytics is not installed.
    """
    description = describe_architecture(architecture) | {"nc": len(categories)}
    from ultralytics.nn.tasks import DetectionModel, RTDETRDetectionModel

    with threads_kept():
        kind = RTDETRDetectionModel if is_rtdetr(architecture) else DetectionModel
        model = kind(description, ch=3, nc=len(categories), verbose=False)
    model.names = dict(enumerate(categories))
    return model.eval()


def stored_bytes(model: nn.Module) -> int:
    """How many bytes the weights take on disk, as fp16, up to the header of the file.

    >>> from torch import nn
    >>> stored_bytes(nn.Linear(10, 4))  # 40 weights and 4 biases
    88
    """
    return sum(value.numel() * (FP16_BYTES if value.is_floating_point() else value.element_size()) for value in model.state_dict().values())


def match_architecture(description: dict[str, Any]) -> str | None:
    """The name of the architecture that a model of ultralytics says it was built from, None for none of ours.

    Only the layers are compared, for the number of classes and the file's name may differ.
    """
    told = str(description.get("yaml_file") or "")
    names = sorted(ARCHITECTURES, key=lambda name: not told.startswith(name))
    for name in names:
        with contextlib.suppress(ModelError):  # a version without it
            known = describe_architecture(name)
            if all(known[key] == description.get(key) for key in ("backbone", "head")) and _scale(known) == _scale(description):
                return name
    return None


def _scale(description: dict[str, Any]) -> Any:
    """What makes the layers wide and deep."""
    return (description.get("scales") or {}).get(description.get("scale"), [description.get("depth_multiple"), description.get("width_multiple")])
