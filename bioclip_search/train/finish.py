"""Chooses the weights of the result: how much of the start stays in them, and the picture size they are used with.

Reference: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (WiSE-FT).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.lora import merge_adapters
from bioclip_search.train.start import Start
from bioclip_search.train.validate import Validation


@dataclass(frozen=True, eq=False)
class Choice:
    """Plain weights by name, the share of the start in them, and the picture size.

    Attributes:
        tried: Every share and size with what the validation said of it; empty where there was one alone.
    """

    weights: dict[str, torch.Tensor]
    keep_start: float
    px: int
    tried: tuple[dict[str, float], ...] = ()


def choose_weights(config: EncoderConfig, start: Start, validation: Validation) -> Choice:
    """The best of the shares and sizes that the settings allow, by the validation's metric; merges the adapters in place.

    Of equal metrics the larger share of the start wins, then the smaller picture.
    """
    merge_adapters(start.model)
    model = start.model.eval()
    tuned = {name: value.detach().clone() for name, value in model.state_dict().items()}
    choices = [(keep, px) for keep in config.tune.keep_start for px in config.schedule.eval_px]
    best, best_key, tried = choices[0], None, []
    for keep, px in choices if len(choices) > 1 else ():
        model.load_state_dict(mix(tuned, start.weights, keep))
        found = validation.watch(model, px)
        tried.append({"keep_start": keep, "px": px, **found})
        key = (found["metric"], keep, -px)
        if best_key is None or key > best_key:
            best, best_key = (keep, px), key
    keep, px = best
    return Choice(mix(tuned, start.weights, keep), keep, px, tuple(tried))


def mix(tuned: dict[str, torch.Tensor], start: dict[str, torch.Tensor], keep: float) -> dict[str, torch.Tensor]:
    """keep * start + (1 - keep) * tuned, for weights that the start has; 0 and 1 give either one exactly."""
    if keep == 0.0:
        return tuned
    return {name: _between(value, start.get(name), keep) for name, value in tuned.items()}


def _between(tuned: torch.Tensor, start: torch.Tensor | None, keep: float) -> torch.Tensor:
    return torch.lerp(tuned, start.to(tuned), keep) if start is not None and tuned.is_floating_point() else tuned
