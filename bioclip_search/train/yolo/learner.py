"""ultralytics' own training, made to stay offline, to keep nothing that runs code, and to tell us how it goes.

What is kept and taken up is left to `checkpoint`, the pictures to `pictures`. Its classes are ultralytics' own, so it is imported when training begins.

What is changed, and why:

1. The class names lack the word Trainer: by it ultralytics knows whom to give its integrations (Weights & Biases, Comet, ClearML, MLflow, its own
   platform; `callbacks/base.py`). No callback of anybody is run.
2. The description of the pictures is handed over, not read from data.yaml, whose `download` would be run as Python and whose names ask for a font.
3. Labels are read from their text files every time: the file that ultralytics keeps of them is a pickle.
4. Checkpoints are ours. At the end nothing is validated again: the folder that is written is measured.
5. A step is a batch (`nbs`): ultralytics would gather 64 pictures, which of few pictures leaves a step or two an epoch.
6. Where the recipe tells how far to step, the optimiser is AdamW: the one that ultralytics chooses by itself passes over that.
7. A loss that is no number ends the training, with what to do: ultralytics would go back to its own checkpoint, which is not there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bioclip_search.detectors.architectures import build_model, is_rtdetr
from bioclip_search.detectors.boxes import NMS_MAX_IOU
from bioclip_search.detectors.yolo import MAX_DETECTIONS, import_ultralytics
from bioclip_search.errors import ModelError
from bioclip_search.evaluation.detection import LEAST_CONFIDENCE
from bioclip_search.train.yolo.checkpoint import keep, keep_best, take_up
from bioclip_search.train.yolo.settings import YoloSettings

import_ultralytics()  # Subtle: before anything else of it is imported, or Pillow would open pictures by a function of its own

from ultralytics.data import YOLODataset  # noqa: E402
from ultralytics.models.rtdetr.train import RTDETRTrainer  # noqa: E402
from ultralytics.models.rtdetr.val import RTDETRDataset, RTDETRValidator  # noqa: E402
from ultralytics.models.yolo.detect import DetectionTrainer, DetectionValidator  # noqa: E402

Listener = Callable[[dict[str, Any]], None]

MOST_WORKERS = 8
"""Processes that read pictures for a GPU; on a CPU there are none, for they would take the cores that learn."""

MAP50, MAP = "metrics/mAP50(B)", "metrics/mAP50-95(B)"


class DivergedError(ModelError):
    """The loss of a training is no number any more."""


@dataclass(frozen=True, eq=False)
class Job:
    """What one training is given.

    Attributes:
        pictures: The folder in the layout of YOLO, with images/train and images/val.
        start: The network whose weights are taken over where they fit, None for random ones.
        checkpoint: The content of the checkpoint that is gone on from, None for a fresh start.
        share: The share of the pictures that is learned from, 1.0 for all; for trials.
    """

    settings: YoloSettings
    architecture: str
    categories: tuple[str, ...]
    pictures: Path
    run: Path
    device: str
    fingerprint: str
    start: nn.Module | None = None
    checkpoint: Mapping[str, Any] | None = None
    share: float = 1.0
    threads: int = field(default_factory=torch.get_num_threads)
    listen: Listener | None = None


def make_learner(job: Job) -> _YoloLearner:
    """The trainer of ultralytics for this job, whose `train` does the work.

    Raises:
        MissingExtraError: ultralytics is not installed.
    """
    return (_RtdetrLearner if is_rtdetr(job.architecture) else _YoloLearner)(job)


def overrides_of(job: Job) -> dict[str, Any]:
    """The settings of ultralytics for a job."""
    is_cuda = job.device.startswith("cuda")
    settings = job.settings
    fixed = {"task": "detect", "mode": "train", "model": f"{job.architecture}.yaml", "data": "ours", "save_dir": str(job.run / "ultralytics"), "exist_ok": True}
    quiet = {"plots": False, "verbose": False, "save_json": False, "pretrained": False, "resume": False, "cache": False, "val": True, "save": True}
    # bf16 needs no trial run, for which ultralytics would fetch a model; see `check_amp`.
    amp = "bf16" if is_cuda and torch.cuda.is_bf16_supported() and not is_rtdetr(job.architecture) else False
    own = {"epochs": settings.epochs, "imgsz": settings.image_px, "batch": settings.batch, "nbs": settings.batch, "patience": settings.patience}
    own |= {"seed": settings.seed, "deterministic": True, "device": job.device, "amp": amp}
    own |= {"workers": min(MOST_WORKERS, os.cpu_count() or 1) if is_cuda else 0}
    watching = {"conf": LEAST_CONFIDENCE, "iou": NMS_MAX_IOU, "max_det": MAX_DETECTIONS}  # as the folder is measured at the end
    # Change 6
    stepping = {"optimizer": "AdamW", "warmup_bias_lr": 0.0, **usual_steps(len(job.categories))} if set(settings.recipe) & {"lr0", "momentum"} else {}
    return fixed | quiet | own | watching | stepping | dict(settings.recipe)


def usual_steps(n_categories: int) -> dict[str, float]:
    """The learning rate and momentum that ultralytics takes by itself where few steps are to be made (`BaseTrainer.build_optimizer`).

    >>> usual_steps(1)
    {'lr0': 0.002, 'momentum': 0.9}
    """
    return {"lr0": round(0.002 * 5 / (4 + n_categories), 6), "momentum": 0.9}


class _Scanning:
    """Part of a data set: which files, and their labels (change 3)."""

    def get_img_files(self, img_path: str) -> list[str]:
        """All of the folder in order, or as many as the share asks for, spread evenly: neighbours are often alike."""
        files = super().get_img_files(img_path)
        share = self.data["share"] if self.augment else 1.0
        return [files[number] for number in np.linspace(0, len(files) - 1, max(1, round(share * len(files))), dtype=int)]

    def _load_or_scan_cache(self, cache_path: Path, cache_hash: str) -> tuple[dict[str, Any], bool]:
        return self.cache_labels(cache_path), False


class _YoloPictures(_Scanning, YOLODataset):
    """For YOLO."""


class _RtdetrPictures(_Scanning, RTDETRDataset):
    """For RT-DETR."""


class _YoloLearner(DetectionTrainer):
    """Learns by ultralytics' loop, with the changes that this file tells of."""

    dataset_kind, validator_kind = _YoloPictures, DetectionValidator

    def __init__(self, job: Job):
        self.job, self.done, self.seconds = job, {}, 0.0
        super().__init__(overrides=overrides_of(job))
        torch.set_num_threads(job.threads)  # ultralytics sets its own

    def run_callbacks(self, event: str) -> None:
        """Change 1."""

    def get_dataset(self) -> dict[str, Any]:
        """Change 2."""
        names = dict(enumerate(self.job.categories))
        folders = {part: str(self.job.pictures / "images" / part) for part in ("train", "val")}
        return {"path": str(self.job.pictures), "names": names, "nc": len(names), "channels": 3, "share": self.job.share} | folders

    def setup_model(self) -> None:
        """Subtle: the seed was set when the trainer was made, so random weights are the same in every run."""
        self.model = build_model(self.job.architecture, self.job.categories)
        if self.job.start is not None:
            self.model.load(self.job.start, verbose=False)
        self.model.train()

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> YOLODataset:
        """Change 3."""
        is_taught = mode == "train"
        told = {"img_path": img_path, "imgsz": self.args.imgsz, "batch_size": batch, "augment": is_taught, "hyp": self.args, "data": self.data}
        told |= {"rect": self._rect(is_taught), "cache": None, "task": "detect"}
        return self.dataset_kind(**told, **self._padding(is_taught))

    def _rect(self, is_taught: bool) -> bool:
        """Pictures that watch are padded to their own shape, as ultralytics has it."""
        return not is_taught

    def _padding(self, is_taught: bool) -> dict[str, Any]:
        return {"stride": self.stride, "pad": 0.0 if is_taught else 0.5}

    def get_validator(self) -> DetectionValidator:
        return self.validator_kind(self.test_loader, save_dir=self.save_dir, args=copy(self.args))

    def resume_training(self, ckpt: Any) -> None:
        """Goes on from our checkpoint (change 4)."""
        content = self.job.checkpoint
        if content is None:
            return
        self.done = dict(content["done"])
        self.start_epoch = self.done["epoch"]
        self.best_fitness, self.seconds = self.done["best_fitness"], self.done["seconds"]
        self.stopper.best_fitness, self.stopper.best_epoch = self.done["stopper"]
        if self.args.close_mosaic and self.start_epoch > self.epochs - self.args.close_mosaic:
            self._close_dataloader_mosaic()
            self.train_loader.reset()
            self.args.close_mosaic = 0  # or the loop would do it again, and draw once more
        if hasattr(self.model, "init_criterion") and getattr(self.model.model[-1], "one2one_cv2", None) is not None:
            self.model.criterion = self.model.init_criterion()
            self.model.criterion.updates = self.start_epoch - 1
            self.model.criterion.update()
        take_up(self, dict(content))

    def save_metrics(self, metrics: dict[str, Any]) -> None:
        """Tells the listener of an epoch that has ended."""
        epoch = self.epoch + 1
        took = time.time() - self.epoch_time_start
        self.seconds += took
        told = {"step": epoch, "steps": self.epochs, "seconds": round(self.seconds, 1), "left_s": round(took * (self.epochs - epoch), 1)}
        told |= {
            "images_per_s": round(len(self.train_loader.dataset) / max(took, 1e-9), 2),
            "map50": float(metrics.get(MAP50, 0)),
            "map": float(metrics.get(MAP, 0)),
        }
        told |= {name.replace("/", "_"): float(value) for name, value in metrics.items() if name.startswith(("train/", "val/", "lr/"))}
        if self.job.listen:
            self.job.listen(told)

    def save_model(self) -> bool:
        """Change 4; the best is kept before the checkpoint that tells of it.

        Subtle: every epoch begins with a new iterator over the pictures, as after a kill: an old one would first draw what is left of
        its order. Where processes read the pictures, which are slow to start and draw for themselves, the old one goes on.
        """
        if not self.train_loader.num_workers:
            self.train_loader.reset()
        if self.best_fitness == self.fitness:
            keep_best(self, self.job.run)
            self.done |= {"best_epoch": self.epoch + 1, "best_map50": float(self.metrics.get(MAP50, 0)), "best_map": float(self.metrics.get(MAP, 0))}
        self.done |= {"epoch": self.epoch + 1, "best_fitness": float(self.best_fitness), "seconds": self.seconds, "is_over": bool(self.stop)}
        self.done |= {"stopper": [float(self.stopper.best_fitness), int(self.stopper.best_epoch)], "threads": self.job.threads}
        keep(self, self.job.run, self.job.fingerprint, self.done)
        return True

    def _handle_nan_recovery(self, epoch: int) -> bool:
        """Change 7."""
        if self.loss is not None and not bool(self.loss.isfinite().all()):
            raise DivergedError(
                f"The loss of {self.job.architecture} is no number any more in epoch {epoch + 1}. Train anew (--overwrite) with a lower learning rate (--learning-rate)."
            )
        return False

    def final_eval(self) -> None:
        """Change 4."""


class _RtdetrLearner(_YoloLearner, RTDETRTrainer):
    """The same for RT-DETR, which wants all pictures of one square shape."""

    dataset_kind, validator_kind = _RtdetrPictures, RTDETRValidator

    def _rect(self, is_taught: bool) -> bool:
        return False

    def _padding(self, is_taught: bool) -> dict[str, Any]:
        return {}
