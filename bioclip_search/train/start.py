"""Opens what a run starts from: a model with its tokenizer and all that its result will need beside the weights.

Building one from scratch is left to `scratch`, writing the result to `model_folder`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bioclip_search.encoder.loading import CONFIG_FILE, FOLDER, HUB, LoadedModel, load_model
from bioclip_search.errors import ModelError
from bioclip_search.train.config import ScheduleConfig
from bioclip_search.train.texts import Tokenizer


@dataclass(frozen=True, eq=False)
class Start:
    """A model in fp32 on the CPU, ready to learn.

    Attributes:
        settings: What stands in the model's open_clip_config.json: `model_cfg` and `preprocess_cfg`.
        tokenizer_files: To be copied beside the weights.
        fresh: Names of the weights that begin at random; these always learn.
        weights: The start's weights, by name, of a model that had been trained.
    """

    model: nn.Module
    tokenize: Tokenizer
    settings: dict[str, Any]
    tokenizer_files: tuple[Path, ...]
    dim: int
    fresh: frozenset[str] = frozenset()
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def px(self) -> int:
        size = self.settings["preprocess_cfg"]["size"]
        return size if isinstance(size, int) else size[0]


def open_start(name: str) -> Start:
    """The trained model of this name, as `load_model` finds it.

    Raises:
        ModelError: There is no such model.
    """
    loaded = load_model(name)
    settings = {"model_cfg": _model_config(loaded), "preprocess_cfg": loaded.preprocess_config}
    weights = {key: value.clone() for key, value in loaded.model.state_dict().items()}
    return Start(loaded.model, loaded.tokenizer, settings, loaded.tokenizer_files, loaded.dim, weights=weights)


def check_sizes(model: nn.Module, schedule: ScheduleConfig) -> None:
    """Nothing, if the picture tower can read every size of the schedule.

    Raises:
        ModelError: It cannot.
    """
    own_px = _fixed_px(model.visual)
    if own_px and {schedule.start_px, schedule.end_px, *schedule.eval_px} != {own_px}:
        raise ModelError(f"This picture tower reads {own_px} px only; leave start_px, end_px and eval_px out, or set them to {own_px}.")


def _fixed_px(visual: nn.Module) -> int | None:
    """The size that the tower's positions are made for; None if it reads any."""
    patches = getattr(getattr(visual, "trunk", None), "patch_embed", None)
    if getattr(patches, "strict_img_size", False):
        return patches.img_size[0]
    size = getattr(visual, "image_size", None) if hasattr(visual, "positional_embedding") else None
    return size[0] if isinstance(size, (tuple, list)) else size


def _model_config(loaded: LoadedModel) -> dict[str, Any]:
    """The architecture in open_clip's words, wherever the model came from."""
    import open_clip
    from open_clip.factory import _get_hf_config

    if loaded.name.startswith(FOLDER):
        return json.loads((Path(loaded.name.removeprefix(FOLDER)) / CONFIG_FILE).read_text(encoding="utf-8"))["model_cfg"]
    if loaded.name.startswith(HUB):
        return _get_hf_config(loaded.name.removeprefix(HUB))["model_cfg"]
    return open_clip.get_model_config(loaded.name.partition(":")[0])
