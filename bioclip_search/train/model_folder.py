"""Builds the small CLIP model and writes it as a folder that open_clip loads by itself.

Training it is left to `encoder`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from open_clip import CustomTextCLIP, create_model
from safetensors.torch import save_file
from torch import nn

from bioclip_search.errors import ModelError
from bioclip_search.train import tokenizer
from bioclip_search.train.augment import MEAN, STD
from bioclip_search.train.config import EncoderConfig

CONFIG_FILE, WEIGHTS_FILE = "open_clip_config.json", "open_clip_model.safetensors"


def model_config(config: EncoderConfig, n_merges: int, px: int) -> dict[str, Any]:
    """The description of both towers in open_clip's words."""
    return {
        "embed_dim": config.embed_dim,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": config.vision,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "",
            "image_size": px,
        },
        "text_cfg": {
            "context_length": config.context_length,
            "vocab_size": tokenizer.vocabulary_size(n_merges),
            "tokenizer_kwargs": {"bpe_path": tokenizer.FILE_NAME},
            "width": config.text_width,
            "heads": config.text_heads,
            "layers": config.text_layers,
        },
    }


def build_model(config: EncoderConfig, n_merges: int) -> CustomTextCLIP:
    """An untrained model; the seed of the settings decides its weights."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        towers = model_config(config, n_merges, config.end_px)
        model = CustomTextCLIP(towers["embed_dim"], towers["vision_cfg"], towers["text_cfg"])
    return model.to(memory_format=torch.channels_last)


def write_model_folder(out: Path, config: EncoderConfig, weights: Mapping[str, torch.Tensor], merges_file: Path, n_merges: int, px: int) -> Path:
    """The folder with configuration, weights as 16-bit floats and vocabulary; files already there are replaced.

    Raises:
        ModelError: A weight is not finite as a 16-bit float: the training has failed.
    """
    halves = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    if broken := [name for name, value in halves.items() if not value.isfinite().all()]:
        raise ModelError(f"The trained weights {', '.join(broken)} are not finite; train again with a lower learning_rate.")
    out.mkdir(parents=True, exist_ok=True)
    preprocess = {"size": [px, px], "mode": "RGB", "mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}
    settings = {"model_cfg": model_config(config, n_merges, px), "preprocess_cfg": preprocess}
    (out / CONFIG_FILE).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    save_file({name: value.contiguous() for name, value in halves.items()}, out / WEIGHTS_FILE)
    (out / WEIGHTS_FILE).chmod(0o644)  # safetensors lets only the owner read it
    if merges_file.resolve() != (out / tokenizer.FILE_NAME).resolve():
        shutil.copyfile(merges_file, out / tokenizer.FILE_NAME)
    return out


def load_model_folder(folder: Path) -> nn.Module:
    """The model as anyone would load it, its 16-bit weights included."""
    return create_model(f"local-dir:{folder}").eval()
