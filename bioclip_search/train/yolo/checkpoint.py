"""Keeps all that a training changes, so that one that was killed goes on as if it had not been; without pickle.

ultralytics keeps whole Python objects, which run code when they are loaded. Here stand tensors and plain values only, and torch reads
them with `weights_only`. When to keep and when to take up is left to `learner`.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from bioclip_search.errors import ModelError
from bioclip_search.swapping import whole_file
from bioclip_search.train.run_folder import CHECKPOINT

BEST = "best.safetensors"


def keep(learner: Any, run: Path, fingerprint: str, done: dict[str, Any]) -> None:
    """Writes the checkpoint of the epoch that has just ended, in one move: a kill at any moment leaves the old one or the new one.

    Args:
        learner: A trainer of ultralytics, as `learner` makes them.
        done: What the learner tells of itself: plain values.
    """
    loader = learner.train_loader
    content = {
        "fingerprint": fingerprint,
        "done": done,
        "model": learner.model.state_dict(),
        "average": learner.ema.ema.state_dict(),
        "updates": learner.ema.updates,
        "optimiser": learner.optimizer.state_dict(),
        "scaler": learner.scaler.state_dict(),
        "random": _random_states(),
        "loader": loader.generator.get_state(),
        "held": list(loader.dataset.buffer),
    }
    with whole_file(run / CHECKPOINT) as part:
        torch.save(content, part)


def read_checkpoint(run: Path, fingerprint: str) -> dict[str, Any] | None:
    """The content of the checkpoint, None if there is none.

    Raises:
        ModelError: It belongs to other settings or pictures, or cannot be read.
    """
    path = run / CHECKPOINT
    if not path.exists():
        return None
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        told = content["fingerprint"]
    except Exception as error:  # torch and zipfile fail with a dozen types
        raise ModelError(f"{path} cannot be read ({type(error).__name__}). Begin anew with --overwrite.") from error
    if told != fingerprint:
        raise ModelError(f"{path} was made with other settings or pictures; restore them, or begin anew with --overwrite.")
    return content


def take_up(learner: Any, content: dict[str, Any]) -> None:
    """Puts everything back as it was when the checkpoint was kept; the learner must have made its loaders and its optimiser.

    Subtle: the pictures that mosaics draw from are read again, in their order; the generators come last, since all else may draw.
    """
    learner.model.load_state_dict(content["model"])
    learner.ema.ema.load_state_dict(content["average"])
    learner.ema.updates = content["updates"]
    learner.optimizer.load_state_dict(content["optimiser"])
    learner.scaler.load_state_dict(content["scaler"])
    loader = learner.train_loader
    for number in content["held"]:
        loader.dataset.load_image(number)
    loader.generator.set_state(content["loader"])
    _restore_random_states(content["random"])


def keep_best(learner: Any, run: Path) -> None:
    """Writes the averaged weights, in one move."""
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in learner.ema.ema.state_dict().items()}
    with whole_file(run / BEST) as part:
        save_file(weights, part)


def read_best(run: Path) -> dict[str, torch.Tensor]:
    """The best averaged weights of the run.

    Raises:
        ModelError: There are none, or they cannot be read.
    """
    try:
        return load_file(run / BEST)
    except Exception as error:  # safetensors fails with its own type
        raise ModelError(f"{run / BEST} cannot be read ({error}). Begin anew with --overwrite.") from error


def _random_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()
    version, drawn, gauss = random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "torch": torch.get_rng_state(),
        "cuda": cuda,
        "numpy": [str(name), torch.from_numpy(keys.astype(np.int64)), *(value.item() if hasattr(value, "item") else value for value in rest)],
        "python": [version, list(drawn), gauss],
    }


def _restore_random_states(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, drawn, gauss = states["python"]
    random.setstate((version, tuple(drawn), gauss))
