"""Builds a small CLIP model that knows nothing yet, with a vocabulary learned from the names it will read.

Opening a model that has been trained is left to `start`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from open_clip import CustomTextCLIP

from bioclip_search.encoder.towers import register_towers
from bioclip_search.errors import ModelError
from bioclip_search.prompts import describe
from bioclip_search.train import tokenizer
from bioclip_search.train.augment import MEAN, STD
from bioclip_search.train.config import EncoderConfig, ModelConfig
from bioclip_search.train.start import Start
from bioclip_search.train.taxa import Taxon, read_taxa
from bioclip_search.train.teachers import mobilenet_weights


def start_from_scratch(config: EncoderConfig, labels: Sequence[Taxon], run: Path, *, is_writer: bool = True) -> Start:
    """An untrained model; the seed of the settings decides its weights.

    Writes the vocabulary into the folder of the run, if this process is the one to do so.

    Raises:
        TableError: A table of the vocabulary cannot be read.
    """
    merges = learn_vocabulary(config, labels)
    path = run / tokenizer.FILE_NAME
    if is_writer:
        tokenizer.write_merges(merges, path)
    model = build_model(config.model, config.seed, len(merges))
    preprocess = {"size": [config.model.image_px] * 2, "mode": "RGB", "mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}
    settings = {"model_cfg": model_config(config.model, len(merges)), "preprocess_cfg": preprocess}
    words = tokenizer.tokenizer_of(merges, config.model.context_length)
    borrowed = borrow_weights(model, [Path(config.data_root) / file for file in config.model.vision_weights])
    return Start(model, words, settings, (path,), config.model.embed_dim, frozenset(model.state_dict()) - borrowed)


def model_config(config: ModelConfig, n_merges: int) -> dict[str, Any]:
    """The description of both towers in open_clip's words."""
    return {
        "embed_dim": config.embed_dim,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": config.vision,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": config.projection,
            "timm_proj_bias": bool(config.projection),
            "image_size": config.image_px,
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


def build_model(config: ModelConfig, seed: int, n_merges: int) -> CustomTextCLIP:
    """The network with random weights; leaves torch's global seed alone."""
    register_towers()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        towers = model_config(config, n_merges)
        model = CustomTextCLIP(towers["embed_dim"], towers["vision_cfg"], towers["text_cfg"])
    return model.to(memory_format=torch.channels_last)


def borrow_weights(model: CustomTextCLIP, files: Sequence[Path]) -> set[str]:
    """Puts the weights of published classifiers into the picture tower, one file into each of its parts; returns their names.

    Raises:
        ModelError: There are more files than parts, or fewer, or a file holds another network.
    """
    if not files:
        return set()
    trunk = model.visual.trunk
    parts = list(getattr(trunk, "towers", [trunk]))
    if len(files) != len(parts):
        raise ModelError(f"The picture tower has {len(parts)} part(s), vision_weights names {len(files)} file(s); expected one each.")
    for part, file in zip(parts, files, strict=True):
        weights = mobilenet_weights(file)
        if part.state_dict().keys() != weights.keys():
            raise ModelError(f"{file}: is a MobileNetV2, which this picture tower is not; use vision = mobilenetv2_100_plain or mobilenetv2_100_plain_x3.")
        part.load_state_dict(weights)
    return {name for name in model.state_dict() if name.startswith("visual.trunk.")}


def learn_vocabulary(config: EncoderConfig, labels: Sequence[Taxon]) -> list[tokenizer.Pair]:
    """The merges learned from the vocabulary's tables and the labels."""
    root = Path(config.data_root)
    taxa = [taxon for table in config.model.vocabulary for taxon in read_taxa(root / table)]
    words = tokenizer.count_words(describe(taxon, "taxon_com") for taxon in [*taxa, *labels])
    return tokenizer.learn_merges(words, config.model.n_merges)
