"""All that a run changes: weights, their running average, the optimiser, the best so far, and how far it has come.

One step of learning is left to `step`, the order of events to `encoder`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bioclip_search.errors import ModelError
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.objective import Objective
from bioclip_search.train.run_folder import CHECKPOINT
from bioclip_search.train.schedule import learning_rate
from bioclip_search.train.tuning import parameter_groups

BEST = "best.safetensors"
BETAS, EPSILON = (0.9, 0.98), 1e-6
"""AdamW's, as CLIP and OpenCLIP have them for transformers: a gradient that is all rounding moves nothing."""

MAX_LOGIT_SCALE = math.log(100)
"""The bound that CLIP sets (Radford et al. 2021, section 2.5)."""

MAX_GRADIENT_NORM = 1.0
WORST = -1.0
"""Below every metric; what counts for one that is no number."""


@dataclass
class Progress:
    """How far a run has come: steps done, the best look at the validation, and the losses since the last line of the log."""

    step: int = 0
    best_metric: float = WORST
    best_step: int = 0
    looks_since_best: int = 0
    loss_sums: dict[str, float] = field(default_factory=dict)
    n_losses: int = 0
    is_over: bool = False

    def add_losses(self, terms: dict[str, float]) -> None:
        for name, loss in (terms | {"loss": sum(terms.values())}).items():
            self.loss_sums[name] = self.loss_sums.get(name, 0.0) + loss
        self.n_losses += 1

    def take_losses(self, names: Sequence[str]) -> dict[str, float]:
        """The mean of the loss and of each term since the last call; a step without a term counts as 0."""
        means = {name: round(self.loss_sums.get(name, 0.0) / max(1, self.n_losses), 6) for name in ("loss", *names)}
        self.loss_sums, self.n_losses = {}, 0
        return means


class TrainingState:
    """The weights that learn and everything that is kept to go on learning; `lesson` tells by which pictures, as `pictures.lesson_of` does."""

    def __init__(self, config: EncoderConfig, model: nn.Module, objective: Objective, run: Path, lesson: str):
        self.config, self.model, self.objective, self.run = config, model, objective, run
        self.fingerprint = f"{config.fingerprint} {lesson}"
        self.progress = Progress()
        self.optimiser = torch.optim.AdamW(parameter_groups(model, objective, config.tune, config.schedule.weight_decay), lr=0.0, betas=BETAS, eps=EPSILON)
        fixed = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        self.changing = {name: value.detach() for name, value in model.state_dict(keep_vars=True).items() if name not in fixed}
        self.average = {name: value.clone() for name, value in self.changing.items()}

    @property
    def learners(self) -> list[nn.Parameter]:
        return [entry for module in (self.model, self.objective) for entry in module.parameters() if entry.requires_grad]

    @property
    def is_done(self) -> bool:
        """Whether no step is left, or none would help."""
        return self.progress.is_over or self.progress.step >= self.config.schedule.steps

    def update(self) -> None:
        """Moves the weights along their gradients, and the running average after them."""
        rate = learning_rate(self.config.schedule, self.progress.step)
        nn.utils.clip_grad_norm_([entry for entry in self.model.parameters() if entry.grad is not None], MAX_GRADIENT_NORM)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        self.progress.step += 1
        self._move_average()

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The model with the averaged weights, in use; afterwards it has its own again."""
        own = {name: value.clone() for name, value in self.changing.items()}
        _copy(self.average, self.changing)
        self.model.eval()
        try:
            yield self.model
        finally:
            _copy(own, self.changing)

    def note(self, metric: float) -> None:
        """Takes in a look at the validation: keeps the averaged weights if they are the best, ends the run if its patience is."""
        progress, patience = self.progress, self.config.schedule.patience
        metric = WORST if math.isnan(metric) else metric
        if not progress.best_step or metric > progress.best_metric:
            progress.best_metric, progress.best_step, progress.looks_since_best = metric, progress.step, 0
            _replace(self.run / BEST, lambda part: save_file({name: value.cpu().contiguous() for name, value in self.average.items()}, part))
        else:
            progress.looks_since_best += 1
        progress.is_over = bool(patience) and progress.looks_since_best >= patience

    def take_best(self) -> None:
        """Gives the model the best averaged weights of the run."""
        _copy(load_file(self.run / BEST), self.changing)
        self.model.eval()

    def save(self) -> None:
        """Writes the checkpoint in one move: a kill at any moment leaves the old one or the new one."""
        content = {
            "model": self.changing,
            "average": self.average,
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "fingerprint": self.fingerprint,
        }
        _replace(self.run / CHECKPOINT, lambda part: torch.save(content, part))

    def load(self) -> bool:
        """Takes up the checkpoint; False if there is none.

        Raises:
            ModelError: It was made with other settings or pictures, or cannot be read.
        """
        path = self.run / CHECKPOINT
        if not path.exists():
            return False
        try:
            content: dict[str, Any] = torch.load(path, weights_only=True, map_location=self.model.logit_scale.device)
            told = content["fingerprint"]
        except Exception as error:  # torch and zipfile fail with a dozen types
            raise ModelError(f"{path} cannot be read ({type(error).__name__}). Begin anew with --overwrite.") from error
        if told != self.fingerprint:
            raise ModelError(f"{path} was made with other settings or pictures; restore them, or begin anew with --overwrite.")
        _copy(content["model"], self.changing)
        _copy(content["average"], self.average)
        self.objective.load_state_dict(content["objective"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.progress = Progress(**content["progress"])
        return True

    def _move_average(self) -> None:
        """Towards the weights; faster at first, or it would remember the start."""
        keep = min(self.config.schedule.ema_decay, (1 + self.progress.step) / (10 + self.progress.step))
        real = [name for name, value in self.changing.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[name] for name in real], [self.changing[name] for name in real], 1 - keep)
        _copy({name: value for name, value in self.changing.items() if not value.is_floating_point()}, self.average)


def _copy(source: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> None:
    for name, value in source.items():
        target[name].copy_(value)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)
