"""Decides which weights learn, and how fast each of them.

The adapters of low rank are left to `lora`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import nn

from bioclip_search.errors import ModelError
from bioclip_search.train.config import FULL, LAST_BLOCKS, LOCKED, LORA, TuneConfig
from bioclip_search.train.lora import BLOCK, add_adapters
from bioclip_search.train.start import Start

HEAD = ("proj", "ln_post", "ln_final", "text_projection", "norm", "fc_norm", "head", "attnpool", "attn_pool", "pooler", "final_conv")
"""What stands above the last block, by the first part of its name."""


def choose_learners(start: Start, config: TuneConfig, seed: int) -> None:
    """Marks the weights of the start's model that learn, in place; in mode lora adds the adapters.

    1. What began at random always learns.
    2. full: everything. locked: the text tower. last-blocks: of both towers the last n blocks and what stands above.
       lora: the adapters alone.
    3. Without `text` nothing of the text tower does.

    Raises:
        ModelError: The towers have no blocks that could be told apart, or nothing would learn.
    """
    model = start.model
    towers = split_towers(model)
    for tower, parameters in towers.items():
        depth = depths(model, tower) if config.mode == LAST_BLOCKS else {}
        limit = max(depth.values(), default=0) - config.last_blocks
        for name, parameter in parameters.items():
            by_mode = config.mode == FULL or (config.mode == LOCKED and tower != "visual") or (config.mode == LAST_BLOCKS and depth.get(name, limit) >= limit)
            parameter.requires_grad_(name in start.fresh or (by_mode and (config.text or tower != "text")))
    if config.mode == LORA:
        generator = torch.Generator().manual_seed(seed)
        chosen = [model.visual, *([_text_tower(model)] if config.text else [])]
        if not all(add_adapters(tower, config.lora_rank, config.lora_alpha, generator) for tower in chosen):
            raise ModelError("A tower of this model has no matrices that LoRA could adapt; use mode full or last-blocks.")
        for name, parameter in model.named_parameters():
            if name.endswith((".0.a", ".0.b")):
                parameter.requires_grad_()
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ModelError("Nothing would learn: the picture tower is locked and text = false.")


def train_mode(model: nn.Module) -> None:
    """Training mode, but for modules of which nothing learns: their batch norms and dropouts stay as in use."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(entry.requires_grad for entry in parameters):
            module.eval()


def parameter_groups(model: nn.Module, objective: nn.Module, config: TuneConfig, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for the optimiser: matrices and kernels decay, gains, biases and the logit scale do not.

    Each has a `scale` of the learning rate: `layer_decay` once for every block between it and the top of its tower.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for tower, parameters in split_towers(model).items():
        depth = depths(model, tower) if config.layer_decay != 1.0 else {}
        top = max(depth.values(), default=0)
        for name, parameter in parameters.items():
            if parameter.requires_grad:
                key = (config.layer_decay ** (top - depth.get(name, top)), weight_decay if parameter.ndim >= 2 else 0.0)
                groups[key].append(parameter)
    for parameter in objective.parameters():
        groups[1.0, weight_decay if parameter.ndim >= 2 else 0.0].append(parameter)
    return [{"params": entries, "scale": scale, "weight_decay": decay} for (scale, decay), entries in groups.items()]


def split_towers(model: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """The parameters by name, as `visual`, `text` and `shared` (the logit scale and its bias)."""
    towers: dict[str, dict[str, nn.Parameter]] = {"visual": {}, "text": {}, "shared": {}}
    for name, parameter in model.named_parameters():
        first = name.partition(".")[0]
        towers["visual" if first == "visual" else "shared" if first in ("logit_scale", "logit_bias") else "text"][name] = parameter
    return towers


def depths(model: nn.Module, tower: str) -> dict[str, int]:
    """For each parameter of the tower: 0 below the blocks, then the number of its block, above them one more."""
    names = list(split_towers(model)[tower])
    is_timm = tower == "visual" and hasattr(model.visual, "trunk")
    numbers = _timm_blocks(model.visual) if is_timm else {name: int(match[1]) + 1 for name in names if (match := BLOCK.search(name))}
    top = max(numbers.values(), default=0)
    above = top if any(_is_head(name) for name in names if numbers.get(name) == top) else top + 1
    return {name: numbers.get(name, above if _is_head(name) else 0) for name in names}


def _is_head(name: str) -> bool:
    return any(part in HEAD for part in name.split(".")[:3])


def _timm_blocks(visual: nn.Module) -> dict[str, int]:
    """timm's own grouping of the trunk, stem first, head last."""
    from timm.models import group_parameters

    groups = group_parameters(visual.trunk, visual.trunk.group_matcher(coarse=False), reverse=True)
    return {f"visual.trunk.{name}": number for name, number in groups.items()}


def _text_tower(model: nn.Module) -> nn.Module:
    return model.text if hasattr(model, "text") else model.transformer
