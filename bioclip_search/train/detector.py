"""Trains a small class-agnostic detector of organisms and measures it on pictures that it never learned from.

The network is `detectors.network`, what it looks at `detector_scenes`, the measures `box_metrics`.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.models.detection.fcos import FCOS
from torchvision.models.detection.image_list import ImageList

from bioclip_search.detectors.network import build_network
from bioclip_search.detectors.organism import DetectorNote, OrganismDetector, load_organism_detector, write_detector
from bioclip_search.errors import ModelError, TableError
from bioclip_search.train.box_metrics import average_precision_score, recall_score
from bioclip_search.train.detector_config import DetectorConfig
from bioclip_search.train.detector_data import BoxedPicture, lesson_of, read_boxed, read_silver
from bioclip_search.train.detector_scenes import SceneSource
from bioclip_search.train.run_folder import CHECKPOINT, begin, clear, named

log = logging.getLogger(__name__)

LOG_FILE, METRICS_FILE = "train.csv", "metrics.json"
LOG_COLUMNS = ("step", "minutes", "learning_rate", "loss", "classification", "bbox_regression", "bbox_ctrness", "images_per_s")

MAX_GRADIENT_NORM = 5.0
LEAST_CONFIDENCE = 0.01
"""Boxes below this are not counted for the average precision."""

ASKED_CONFIDENCE = 0.2
"""The confidence at which recall and boxes per picture are told; that of `crops.DETECTOR_CONFIDENCE`."""

Progress = Callable[[str], None]


def train_detector(
    config: DetectorConfig,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    pictures: Sequence[BoxedPicture] | None = None,
) -> Path:
    """The detector folder `out`, trained on the pictures of the settings and measured on those kept back.

    Beside it, `out.run` holds the checkpoint, the log and the teacher's boxes. Sets the number of torch threads.

    Args:
        resume: Go on from the checkpoint of an earlier call with the same settings, if there is one.
        overwrite: Begin anew where there is one.
        progress: Called now and then with a line to show.
        pictures: With boxes, in place of those that the settings name.

    Raises:
        RunError: There is a checkpoint, and it was said neither to go on from it nor to begin anew.
        TableError: The pictures cannot be read, or none is left to learn from.
        ModelError: The start or the teacher cannot be read, or the checkpoint belongs to other settings or pictures.
    """
    tell = progress or log.info
    torch.set_num_threads(config.threads)
    out = named(out)
    run = begin(out, resume=resume, overwrite=overwrite)
    gold = list(pictures) if pictures is not None else read_boxed(Path(config.data_root), config.boxes)
    silver = read_silver(config, run, lambda done, of: tell(f"teacher: {done} of {of} pictures"))
    scenes = SceneSource(config, [*gold, *silver])
    if not scenes.pictures:
        raise TableError("No picture with a box is left to learn from; check the sets of the settings and their `split`.")
    state = TrainingState(config, run, lesson_of([*gold, *silver]))
    if overwrite:
        clear(run)
    if resume:
        state.load()
    _keep_rows(run / LOG_FILE, state.step)
    _train(state, scenes, tell)
    write_detector(out, _note(config), state.average.module.state_dict())
    metrics = {"settings": asdict(config), "steps": state.step, "training_minutes": round(state.minutes, 2), "pictures": _counts([*gold, *silver])}
    metrics |= {"weights_bytes": sum(file.stat().st_size for file in out.glob("*.safetensors"))}
    metrics["measured"] = measure(load_organism_detector(out, device="cpu"), gold)
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return out


class TrainingState:
    """All that a run changes: weights, their running average, the optimiser, and how far it has come.

    `lesson` tells by which pictures, as `detector_data.lesson_of` does.
    """

    def __init__(self, config: DetectorConfig, run: Path, lesson: str):
        self.config, self.run = config, run
        self.fingerprint = f"{config.fingerprint} {lesson}"
        torch.manual_seed(config.seed)  # the network's first weights; nothing else draws from torch
        self.network = build_network(config.architecture)
        if config.start:
            _start_from(self.network, Path(config.data_root) / config.start)
        _freeze(self.network, config.frozen_blocks)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema_decay))
        self.optimiser = torch.optim.AdamW(_parameter_groups(self.network, config), lr=0.0)
        self.step, self.minutes = 0, 0.0

    def save(self) -> None:
        """Writes the checkpoint in one move: a kill at any moment leaves the old one or the new one."""
        content = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimiser")}
        content["progress"] = {"step": self.step, "minutes": self.minutes, "fingerprint": self.fingerprint}
        part = self.run / (CHECKPOINT + ".part")
        torch.save(content, part)
        os.replace(part, self.run / CHECKPOINT)

    def load(self) -> None:
        """Takes up the checkpoint, if there is one.

        Raises:
            ModelError: It was made with other settings or pictures, or cannot be read.
        """
        path = self.run / CHECKPOINT
        if not path.exists():
            return
        try:
            content = torch.load(path, weights_only=True)
            told = content["progress"]["fingerprint"]
        except Exception as error:  # torch and zipfile fail with a dozen types
            raise ModelError(f"{path} cannot be read ({type(error).__name__}). Begin anew with --overwrite.") from error
        if told != self.fingerprint:
            raise ModelError(f"{path} was made with other settings or pictures; restore them, or begin anew with --overwrite.")
        for name in ("network", "average", "optimiser"):
            getattr(self, name).load_state_dict(content[name])
        self.step, self.minutes = content["progress"]["step"], content["progress"]["minutes"]


def learning_rate(config: DetectorConfig, step: int) -> float:
    """Up in a straight line over the warm-up, then down half a cosine to nothing."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    rest = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, rest)))


def losses_of(network: FCOS, images: torch.Tensor, boxes: Sequence[torch.Tensor], bf16: bool) -> dict[str, torch.Tensor]:
    """The three losses of FCOS for pictures (b, 3, h, w) in [0, 1]; with `bf16`, all but the losses is computed in it."""
    normalised, _ = network.transform(list(images))
    pixels = normalised.tensors.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        levels = list(network.backbone(pixels).values())
        answers = network.head(levels)
    anchors = network.anchor_generator(ImageList(pixels, normalised.image_sizes), levels)
    cells = [level.shape[2] * level.shape[3] for level in levels]
    targets = [{"boxes": several, "labels": torch.zeros(len(several), dtype=torch.int64)} for several in boxes]
    return network.compute_loss(targets, {name: value.float() for name, value in answers.items()}, anchors, cells)


def measure(detector: OrganismDetector, pictures: Sequence[BoxedPicture]) -> dict[str, dict[str, float]]:
    """For each set the average precision, and recall and boxes per picture as asked, on the pictures kept back."""
    results = {}
    for name in dict.fromkeys(picture.set_name for picture in pictures if not picture.taught):
        kept = [picture for picture in pictures if picture.set_name == name and not picture.taught]
        found = [detector.detect([picture.open()], LEAST_CONFIDENCE)[0] for picture in kept]
        true = [picture.boxes_xyxy for picture in kept]
        asked = [[one for one in several if one.confidence >= ASKED_CONFIDENCE] for several in found]
        results[name] = {"pictures": len(kept), "boxes": sum(map(len, true))}
        results[name] |= {f"map{round(100 * iou)}": round(average_precision_score(found, true, iou), 4) for iou in (0.5, 0.75)}
        results[name] |= {f"recall50_at_{ASKED_CONFIDENCE}": round(recall_score(asked, true, 0.5), 4)}
        results[name] |= {f"boxes_per_picture_at_{ASKED_CONFIDENCE}": round(sum(map(len, asked)) / len(kept), 3)}
    return results


def _train(state: TrainingState, scenes: SceneSource, tell: Progress) -> None:
    config = state.config
    began = time.monotonic() - state.minutes * 60
    logged, rows = state.minutes, []
    while state.step < config.steps:
        rows.append(_step(state, scenes))
        state.minutes = (time.monotonic() - began) / 60
        if state.step % config.log_steps == 0 or state.step == config.steps:
            means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
            speed = len(rows) * config.batch_size / max(60 * (state.minutes - logged), 1e-9)
            left = (config.steps - state.step) * config.batch_size / max(speed, 1e-9) / 60
            _log(state.run / LOG_FILE, {"step": state.step, "minutes": round(state.minutes, 3)} | means | {"images_per_s": round(speed, 1)})
            tell(f"step {state.step:>6} of {config.steps}  loss {means['loss']:.3f}  {speed:.1f} images/s  {state.minutes:.1f} min, {left:.0f} left")
            logged, rows = state.minutes, []
        if state.step % config.save_steps == 0 or state.step == config.steps:
            state.save()


def _step(state: TrainingState, scenes: SceneSource) -> dict[str, float]:
    """One update of the weights; returns the losses before it."""
    rate = learning_rate(state.config, state.step)
    images, boxes = scenes.batch(state.step)
    losses = losses_of(state.network.train(), images, boxes, state.config.bf16)
    loss = sum(losses.values())
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    learned = [parameter for parameter in state.network.parameters() if parameter.requires_grad]
    nn.utils.clip_grad_norm_(learned, MAX_GRADIENT_NORM)
    for group in state.optimiser.param_groups:
        group["lr"] = rate * group["factor"]
    state.optimiser.step()
    state.average.update_parameters(state.network)
    state.step += 1
    return {"learning_rate": rate, "loss": loss.item()} | {name: value.item() for name, value in losses.items()}


def _note(config: DetectorConfig) -> DetectorNote:
    return DetectorNote(config.name, config.architecture, config.px, training=config.note, licences=config.licences)


def _start_from(network: FCOS, path: Path) -> None:
    """Gives the network the weights of a detector folder of the same shape, or its backbone those of a TFLite MobileNetV2, as far as a pyramid uses them."""
    if path.is_dir():
        network.load_state_dict(load_organism_detector(path, device="cpu").network.state_dict())
        return
    from bioclip_search.train.teachers import mobilenet_weights

    weights = mobilenet_weights(path)
    body = network.backbone.body
    body.load_state_dict({name: weights[name] for name in body.state_dict()})


def _freeze(network: FCOS, n_blocks: int) -> None:
    """Keeps the stem and the first blocks of the backbone as they are: edges look alike everywhere, and it saves half the time."""
    body = network.backbone.body
    for part in [body.conv_stem, *body.blocks[:n_blocks]] if n_blocks else []:
        part.requires_grad_(False)


def _parameter_groups(network: FCOS, config: DetectorConfig) -> list[dict]:
    """Matrices and kernels decay, gains and biases do not; the backbone learns slower than what is new."""
    groups = []
    for prefix, factor in (("backbone.body.", config.backbone_rate), ("", 1.0)):
        named = [(n, p) for n, p in network.named_parameters() if p.requires_grad and n.startswith("backbone.body.") == bool(prefix)]
        groups.append({"params": [p for _, p in named if p.ndim >= 2], "weight_decay": config.weight_decay, "factor": factor})
        groups.append({"params": [p for _, p in named if p.ndim < 2], "weight_decay": 0.0, "factor": factor})
    return [group for group in groups if group["params"]]


def _counts(pictures: Sequence[BoxedPicture]) -> dict[str, dict[str, int]]:
    names = dict.fromkeys(picture.set_name for picture in pictures)
    return {
        name: {key: sum(p.set_name == name and p.taught == taught for p in pictures) for key, taught in (("taught", True), ("kept_back", False))}
        for name in names
    }


def _keep_rows(path: Path, step: int) -> None:
    """Drops from the log what came after this step: the run goes over it again."""
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
    path.unlink()
    for row in rows:
        _log(path, row)


def _log(path: Path, row: dict) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LOG_COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
