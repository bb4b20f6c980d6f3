"""Trains a small CLIP encoder from scratch on pictures and their taxa, the way BioCLIP does it.

A picture is set beside one sentence about its taxon, in one of five text types drawn at random (Stevens et al.,
CVPR 2024). Unlike there, sentences of higher taxa are drawn too, every sentence of the batch that is true of a picture
counts as right for it, and one that may be true counts neither way. As a few ten thousand pictures are too few for
that alone, both towers are also led by a classifier over all taxa (`anchors`) that is thrown away at the end.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from torch import nn

from bioclip_search.errors import ModelError, TableError
from bioclip_search.prompts import RANKS, describe
from bioclip_search.train import tokenizer
from bioclip_search.train.anchors import TaxonAnchors
from bioclip_search.train.batches import BatchSource
from bioclip_search.train.config import EncoderConfig
from bioclip_search.train.model_folder import build_model, load_model_folder, write_model_folder
from bioclip_search.train.names import FinishedPictures, teach_names
from bioclip_search.train.pictures import Taxon, read_pictures
from bioclip_search.train.texts import build_text_bank, distinct_labels
from bioclip_search.train.validate import Validation
from bioclip_search.train.zero_shot import embed_pictures, encode_tokens

log = logging.getLogger(__name__)

CHECKPOINT, LOG_FILE, METRICS_FILE = "checkpoint.pt", "train.csv", "metrics.json"
LOG_COLUMNS = ("step", "minutes", "px", "learning_rate", "loss", "images_per_s", "watched_top1")
PX_STEP = 16
MAX_LOGIT_SCALE = math.log(100)
"""The bound that CLIP sets (Radford et al. 2021, section 2.5)."""

MAX_GRADIENT_NORM = 1.0

Progress = Callable[[dict[str, float]], None]


def train_encoder(config: EncoderConfig, out: Path, *, resume: bool = False, progress: Progress | None = None) -> Path:
    """The model folder `out`, trained on the pictures of the settings and measured on those kept back.

    Beside it, `out.run` holds the checkpoint and the log of the run. Sets the number of torch threads of the process.

    Args:
        resume: Go on from the checkpoint of an earlier call with the same settings, if there is one.
        progress: Called now and then with step, share done, loss and images per second.

    Raises:
        TableError: The pictures or the checklist cannot be read.
        PictureError: A picture cannot be decoded.
        ModelError: The checkpoint belongs to other settings.
    """
    torch.set_num_threads(config.threads)
    run = out.with_name(out.name + ".run")
    run.mkdir(parents=True, exist_ok=True)
    root = Path(config.data_root)
    pictures = read_pictures(root, config.sets)
    labels, label_ids = distinct_labels([picture.taxon for picture in pictures])
    n_merges = _learn_vocabulary(config, root, labels, run / tokenizer.FILE_NAME)
    tokenize = tokenizer.load_tokenizer(run / tokenizer.FILE_NAME, config.context_length)
    batches = BatchSource(config, pictures, torch.from_numpy(label_ids), build_text_bank(labels, tokenize))
    validation = Validation(config, pictures, tokenize, read_taxa(root / config.distractors) if config.distractors else [])
    state = TrainingState(config, TaxonAnchors(labels, batches.is_taught, config.embed_dim, config.seed), n_merges, run)
    if resume:
        state.load()
    else:
        (run / LOG_FILE).unlink(missing_ok=True)
    _train(state, batches, validation, progress)
    model = state.averaged_model()
    px = validation.choose_px(model)
    if config.names_steps:
        checklist = [taxon for table in config.names for taxon in read_taxa(root / table)]
        finished = FinishedPictures(embed_pictures(model, batches.pixels.numpy(), px).clone(), batches.label_ids, batches.weights)
        teach_names(model, finished, labels, checklist, tokenize, config)
    write_model_folder(out, config, model.state_dict(), run / tokenizer.FILE_NAME, n_merges, px)
    metrics = {"settings": asdict(config), "steps": state.step, "training_minutes": round(state.minutes, 2)}
    metrics |= {"px": px, "training_pictures": batches.n_pictures} | validation.measure(load_model_folder(out), px)
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return out


class TrainingState:
    """All that a run changes: weights, their running average, the optimiser, and how far it has come."""

    def __init__(self, config: EncoderConfig, anchors: TaxonAnchors, n_merges: int, run: Path):
        self.config, self.anchors, self.run = config, anchors, run
        self.model = build_model(config, n_merges)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        learned = nn.ModuleList([self.model, self.anchors])
        self.optimiser = torch.optim.AdamW(_parameter_groups(learned, config.weight_decay), lr=0.0, betas=(0.9, 0.98))
        self.step, self.minutes = 0, 0.0
        self._new = partial(build_model, config, n_merges)

    @property
    def share_done(self) -> float:
        """From 0 to 1 and beyond: of the minutes or of the steps, whichever has come further."""
        by_steps = self.step / self.config.steps if self.config.steps else 0.0
        return max(by_steps, self.minutes / self.config.minutes)

    def averaged_model(self) -> nn.Module:
        """The model that the run would hand out now."""
        model = self._new()
        model.load_state_dict(self.average)
        return model.eval()

    def average_weights(self) -> None:
        """Moves the running average towards the weights; faster at first, or it would remember the random start."""
        keep = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - keep)
            else:
                self.average[name].copy_(value)

    def save(self) -> None:
        """Writes the checkpoint in one move: a kill at any moment leaves the old one or the new one."""
        content = {
            "model": self.model.state_dict(),
            "average": self.average,
            "anchors": self.anchors.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": {"step": self.step, "minutes": self.minutes, "settings": self.config.fingerprint},
        }
        part = self.run / (CHECKPOINT + ".part")
        torch.save(content, part)
        os.replace(part, self.run / CHECKPOINT)

    def load(self) -> None:
        """Takes up the checkpoint, if there is one.

        Raises:
            ModelError: It was made with other settings.
        """
        path = self.run / CHECKPOINT
        if not path.exists():
            return
        content = torch.load(path, weights_only=True)
        if content["progress"]["settings"] != self.config.fingerprint:
            raise ModelError(f"{path} was made with other settings; restore them, or start again without --resume.")
        self.model.load_state_dict(content["model"])
        self.anchors.load_state_dict(content["anchors"])
        self.average = content["average"]
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.minutes = content["progress"]["step"], content["progress"]["minutes"]


def contrastive_loss(logits: torch.Tensor, is_true: torch.Tensor, is_open: torch.Tensor) -> torch.Tensor:
    """The mean over both directions of the loss of every true pair against the pairs known to be false.

    For a true pair with logit s and false logits f in its row, the loss is -log(e^s / (e^s + sum e^f)); pairs that are
    open, and other true ones, are left out of the sum. With one true pair in a row this is InfoNCE.

    Args:
        logits: (b, t) float32, pictures by sentences.
        is_true: (b, t) bool, at least one in every row and column.
        is_open: (b, t) bool, holds wherever `is_true` does.
    """
    return (_row_loss(logits, is_true, is_open) + _row_loss(logits.T, is_true.T, is_open.T)) / 2


def _row_loss(logits: torch.Tensor, is_true: torch.Tensor, is_open: torch.Tensor) -> torch.Tensor:
    false = logits.masked_fill(is_open, -1e4).logsumexp(dim=1, keepdim=True)  # (b, 1)
    losses = torch.nn.functional.softplus(false - logits) * is_true  # (b, t)
    return (losses.sum(dim=1) / is_true.sum(dim=1)).mean()


def learning_rate(config: EncoderConfig, share_done: float) -> float:
    """Up in a straight line over the warm-up, then down half a cosine to nothing."""
    if share_done < config.warmup:
        return config.learning_rate * (share_done / config.warmup + 1e-3)
    rest = min(1.0, (share_done - config.warmup) / (1 - config.warmup))
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


def picture_px(config: EncoderConfig, share_done: float) -> int:
    """Small pictures first, large ones later: many steps while the shapes are coarse, detail at the end."""
    rungs = (config.end_px - config.start_px) // PX_STEP
    return config.start_px + PX_STEP * min(rungs, int(share_done * (rungs + 1)))


def read_taxa(path: Path) -> list[Taxon]:
    """The taxa of a table with one column per rank and `common_name`.

    Raises:
        TableError: The table is missing or lacks a column.
    """
    try:
        return pq.read_table(path, columns=[*RANKS, "common_name"]).to_pylist()
    except (OSError, ValueError) as error:
        raise TableError(f"Cannot read the checklist {path}: {error}") from error


def _train(state: TrainingState, batches: BatchSource, validation: Validation, progress: Progress | None) -> None:
    config = state.config
    began = time.monotonic() - state.minutes * 60
    saved = watched = logged = state.minutes
    losses: list[float] = []
    while state.share_done < 1:
        px, rate = picture_px(config, state.share_done), learning_rate(config, state.share_done)
        losses.append(_step(state, batches, px, rate))
        state.minutes = (time.monotonic() - began) / 60
        if state.step % config.log_steps == 0 or state.share_done >= 1:
            speed = len(losses) * config.batch_size / max(60 * (state.minutes - logged), 1e-9)
            row = {"step": state.step, "minutes": round(state.minutes, 3), "px": px, "learning_rate": rate, "loss": sum(losses) / len(losses)}
            row |= {"images_per_s": round(speed, 1)}
            if state.minutes - watched >= config.watch_minutes:
                watched, row["watched_top1"] = state.minutes, validation.watch(state.averaged_model())
            _log(state.run / LOG_FILE, row)
            if progress:
                progress(row | {"share_done": state.share_done})
            losses, logged = [], (time.monotonic() - began) / 60
        if state.minutes - saved >= config.save_minutes:
            saved = state.minutes
            state.save()
    state.save()


def _step(state: TrainingState, batches: BatchSource, px: int, rate: float) -> float:
    """One update of the weights; returns the loss before it."""
    batch = batches.draw(state.step, px)
    model = state.model.train()
    image_vectors = model.encode_image(batch.images, normalize=True)  # (b, d)
    loss = state.anchors.picture_loss(image_vectors, batch.label_ids)
    if state.step % state.config.text_every == 0:
        text_vectors = encode_tokens(model, batch.tokens)  # (t, d)
        logits = model.logit_scale.exp() * image_vectors @ text_vectors.T  # (b, t)
        loss = loss + contrastive_loss(logits, batch.is_true[batch.label_ids], batch.is_open[batch.label_ids])
        loss = loss + state.anchors.sentence_loss(text_vectors, batch.is_true.T, batch.is_open.T)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.step()
    with torch.no_grad():
        model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
    state.step += 1
    state.average_weights()
    return loss.item()


def _parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; gains, biases and the logit scale do not."""
    parameters = list(model.parameters())
    return [
        {"params": [entry for entry in parameters if entry.ndim >= 2], "weight_decay": weight_decay},
        {"params": [entry for entry in parameters if entry.ndim < 2], "weight_decay": 0.0},
    ]


def _learn_vocabulary(config: EncoderConfig, root: Path, labels: list[Taxon], path: Path) -> int:
    """Writes the merges learned from the checklist and the labels; returns how many there are."""
    taxa = (read_taxa(root / config.checklist) if config.checklist else []) + labels
    words = tokenizer.count_words(describe(taxon, "taxon_com") for taxon in taxa)
    merges = tokenizer.learn_merges(words, config.n_merges)
    tokenizer.write_merges(merges, path)
    return len(merges)


def _log(path: Path, row: dict[str, float]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LOG_COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(row)
    log.info("step %(step)d  %(minutes).1f min  %(px)d px  loss %(loss).3f  %(images_per_s).0f images/s", row)
