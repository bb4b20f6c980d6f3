"""Writes a trained model as a folder that open_clip loads by itself, whatever it had started from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from open_clip import create_model
from safetensors.torch import save_file
from torch import nn

from bioclip_search.encoder.loading import CONFIG_FILE
from bioclip_search.errors import ModelError
from bioclip_search.train.start import Start

WEIGHTS_FILE = "open_clip_model.safetensors"


def write_model_folder(out: Path, start: Start, weights: Mapping[str, torch.Tensor], px: int, *, saved: str = "fp16") -> Path:
    """The folder with configuration, weights and tokenizer; files already there are replaced.

    Args:
        px: The picture size that the model is to be used with.
        saved: fp16 or fp32.

    Raises:
        ModelError: A weight is not finite in that precision: the training has failed.
    """
    kept = {name: _as_saved(value, saved) for name, value in weights.items()}
    if broken := [name for name, value in kept.items() if not value.isfinite().all()]:
        raise ModelError(f"The trained weights {', '.join(broken)} are not finite; train again with a lower learning_rate.")
    out.mkdir(parents=True, exist_ok=True)
    (out / CONFIG_FILE).write_text(json.dumps(_settings(start, px), indent=2) + "\n", encoding="utf-8")
    save_file(kept, out / WEIGHTS_FILE)
    (out / WEIGHTS_FILE).chmod(0o644)  # safetensors lets only the owner read it
    for file in start.tokenizer_files:
        if file.resolve() != (out / file.name).resolve():
            shutil.copyfile(file, out / file.name)
    if not start.tokenizer_files and hasattr(start.tokenize, "save_pretrained"):
        start.tokenize.save_pretrained(str(out))
    return out


def load_model_folder(folder: Path) -> nn.Module:
    """The model as anyone would load it, its 16-bit weights included."""
    return create_model(f"local-dir:{folder}").eval()


def _as_saved(value: torch.Tensor, saved: str) -> torch.Tensor:
    value = value.detach().cpu().contiguous().clone()
    return value.half() if saved == "fp16" and value.is_floating_point() else value


def _settings(start: Start, px: int) -> dict[str, Any]:
    """The start's own settings, with the picture size where that has changed."""
    if px == start.px:
        return start.settings
    model, preprocess = start.settings["model_cfg"], start.settings["preprocess_cfg"]
    return {"model_cfg": model | {"vision_cfg": model["vision_cfg"] | {"image_size": px}}, "preprocess_cfg": preprocess | {"size": [px, px]}}
