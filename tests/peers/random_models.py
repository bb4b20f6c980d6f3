"""Writes open_clip models of random weights in the layout of the Hugging Face hub, whose answers are not flat.

A CLIP of fresh random weights gives nearly the same vector for every picture, and any two programs would agree on
it. Here the mean vector is taken away by the bias of each tower's last norm, so that vectors point all ways.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import PIL.ImageFilter
import torch
from safetensors.torch import save_file

TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 128, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
"""4 million weights, most of them the vocabulary's."""

LOGIT_SCALE = 60.0
"""Peaked as a trained CLIP (100) is, for cosines of random vectors in few dimensions."""

PATCH_GAIN = 4.0
"""How much louder the patches speak than at initialisation, against the position and class embeddings."""

_WORDS = ("red fox", "oak", "a photo of Turdus merula", "Animalia Chordata Aves", "moss on stone", "the sea", "a bad photo of an owl", "Quercus robur leaf")


def write_model_folder(path: Path, config: dict[str, Any] | str = TINY, *, seed: int = 0) -> Path:
    """The folder, filled with a model of this configuration (or open_clip architecture) from this seed."""
    config = open_clip.get_model_config(config) if isinstance(config, str) else config
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.CLIP(**config).eval()
    with torch.inference_mode():
        _spread(model, config)
    path.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, path / "open_clip_model.safetensors")
    preprocess = {
        "mean": open_clip.OPENAI_DATASET_MEAN,
        "std": open_clip.OPENAI_DATASET_STD,
        "size": config["vision_cfg"]["image_size"],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    (path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    return path


def synthetic_picture(seed: int, size_wh: tuple[int, int] = (320, 240)) -> PIL.Image.Image:
    """Blurred coloured noise at two grains: smooth as a photograph is, and each seed another one."""
    noise = np.random.default_rng(seed)
    coarse, fine = (noise.integers(0, 256, (side, side, 3), np.uint8) for side in (5, 24))
    layers = [PIL.Image.fromarray(grain).resize(size_wh, PIL.Image.Resampling.BICUBIC) for grain in (coarse, fine)]
    return PIL.Image.blend(*layers, 0.35)


def _spread(model: torch.nn.Module, config: dict[str, Any]) -> None:
    """Makes the answers differ: loud patches, means of both towers taken away, a trained model's logit scale."""
    model.visual.conv1.weight.mul_(PATCH_GAIN)
    size = config["vision_cfg"]["image_size"]
    pixels = np.stack([np.asarray(synthetic_picture(seed, (size, size)), np.float32) for seed in range(8)])  # (8, size, size, 3)
    pictures = torch.from_numpy(pixels / 127.5 - 1).permute(0, 3, 1, 2)
    tokens = open_clip.SimpleTokenizer(context_length=config["text_cfg"]["context_length"])(list(_WORDS))
    for norm, encode, batch in ((model.visual.ln_post, model.encode_image, pictures), (model.ln_final, model.encode_text, tokens)):
        norm.bias.sub_(_mean_input(norm, encode, batch))
    model.logit_scale.fill_(float(np.log(LOGIT_SCALE)))


def _mean_input(norm: torch.nn.Module, encode: Any, batch: torch.Tensor) -> torch.Tensor:
    """The mean of what leaves the norm for a batch, over the positions that are pooled."""
    seen = []
    hook = norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    encode(batch)
    hook.remove()
    output = seen[0]
    if output.ndim == 3 and encode.__name__ == "encode_text":
        output = output[torch.arange(len(batch)), batch.argmax(dim=-1)]  # (b, width) at the end-of-text token
    elif output.ndim == 3:
        output = output[:, 0]  # (b, width) at the class token
    return output.mean(dim=0)
