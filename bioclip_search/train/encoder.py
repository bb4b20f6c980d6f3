"""Trains a CLIP encoder on pictures and their taxa, the way BioCLIP does it, from scratch or from any open_clip model.

A picture is set beside one sentence about its taxon, in one of five text types drawn at random (Stevens et al.,
CVPR 2024). Unlike there, sentences of higher taxa are drawn too, every sentence of the batch that is true of a picture
counts as right for it, and one that may be true counts neither way. Here stands the order of events alone: settings,
data, start, steps and looks, the choice among the weights, the result.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bioclip_search.encoder.openclip import choose_precision
from bioclip_search.errors import ModelError
from bioclip_search.train.batches import Batch, BatchSource, PictureStore, Store, batches_of, with_cut_outs
from bioclip_search.train.config import SCRATCH, EncoderConfig
from bioclip_search.train.curves import CURVES_FILE, draw_curves
from bioclip_search.train.distil import LessonBook, TeacherKnowledge
from bioclip_search.train.features import FeatureStore, fold_scale, look_once, standardise
from bioclip_search.train.finish import choose_weights
from bioclip_search.train.hearsay import hearsay_pictures, listen
from bioclip_search.train.journal import Journal, Listener
from bioclip_search.train.model_folder import load_model_folder, write_model_folder
from bioclip_search.train.names import NameBank
from bioclip_search.train.objective import Objective
from bioclip_search.train.pictures import TRAIN, LabelledPicture, lesson_of, read_pictures
from bioclip_search.train.run_folder import begin, clear, named
from bioclip_search.train.schedule import learning_rate, picture_px
from bioclip_search.train.scratch import start_from_scratch
from bioclip_search.train.squares import SquareFile, decode_into, squares_at
from bioclip_search.train.start import Start, check_sizes, open_start
from bioclip_search.train.state import TrainingState
from bioclip_search.train.step import add_gradients
from bioclip_search.train.taxa import Taxon, read_taxa
from bioclip_search.train.teachers import read_teacher
from bioclip_search.train.texts import build_text_bank, distinct_labels
from bioclip_search.train.tuning import choose_learners, train_mode
from bioclip_search.train.validate import Validation
from bioclip_search.train.world import World, join_world

METRICS_FILE = "metrics.json"


@dataclass(frozen=True, eq=False)
class Squares:
    """The pictures that are shown, and the file of their squares, which is made when the first step needs it."""

    file: SquareFile
    pictures: Sequence[LabelledPicture]


@dataclass(frozen=True, eq=False)
class Run:
    """What a run works with and does not change."""

    config: EncoderConfig
    world: World
    start: Start
    source: BatchSource
    objective: Objective
    validation: Validation | None
    folder: Path
    squares: Squares | None
    lesson: str


def train_encoder(config: EncoderConfig, out: Path, *, resume: bool = False, overwrite: bool = False, progress: Listener | None = None) -> Path:
    """The model folder `out`, trained on the pictures of the settings and measured on those kept back.

    Beside it, `out.run` holds the checkpoint and the logs of the run. Sets the number of torch threads of the process.
    Under torchrun all processes call it alike, and the first one writes.

    Args:
        resume: Go on from the checkpoint of an earlier call with the same settings, if there is one.
        overwrite: Begin anew where there is one.
        progress: Called now and then with a row: step of steps, losses, images_per_s and left_s; while pictures are decoded, decoded of n,
            the file and its bytes instead; while a locked tower looks at them, view of views and seen of n.

    Raises:
        RunError: There is a checkpoint, and it was said neither to go on from it nor to begin anew.
        TableError: The pictures or a checklist cannot be read.
        PictureError: A picture cannot be decoded.
        ModelError: The start cannot be opened or tuned so, the checkpoint belongs to other settings or pictures, or the loss is no longer a number.
    """
    torch.set_num_threads(config.threads)
    out = named(out)
    folder = begin(out, resume=resume, overwrite=overwrite)
    with join_world(config.device) as world:
        run = _prepare(config, world, folder, progress if world.is_first else None)
        state = TrainingState(run.config, run.start.model, run.objective, folder, run.lesson)
        if overwrite:
            clear(folder)
        is_resumed = resume and state.load()
        journal = Journal(folder, state.progress.step, progress) if world.is_first else None
        if not is_resumed and run.validation and config.model.start != SCRATCH:
            journal.watch({"step": 0, **run.validation.watch(state.model.eval())})
        if run.squares and not state.is_done:
            with world.first_alone():
                decode_into(run.squares.file, run.squares.pictures, config.threads, progress if world.is_first else None)
        with _own_chance(world.device):
            _train(run, state, journal)
        if journal:
            journal.close()
            _write_result(run, state, out)
            if run.squares:
                run.squares.file.remove()
    return out


@contextmanager
def _own_chance(device: torch.device) -> Iterator[None]:
    """Leaves torch's global seed as it was, and takes CUDA's convolutions that give the same result again."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
        yield


def _prepare(config: EncoderConfig, world: World, folder: Path, tell: Listener | None) -> Run:
    root = Path(config.data_root)
    pictures = read_pictures(root, config.sets)
    pictures += hearsay_pictures(config, pictures)
    labels, label_ids = distinct_labels([picture.taxon for picture in pictures])
    is_scratch = config.model.start == SCRATCH
    start = start_from_scratch(config, labels, folder, is_writer=world.is_first) if is_scratch else open_start(config.model.start)
    config = config.with_sizes(start.px)
    check_sizes(start.model, config.schedule)
    choose_learners(start, config.tune, config.seed)
    start.model.to(world.device)
    taught = [picture for picture in pictures if picture.part == TRAIN and picture.data]
    with world.first_alone():
        knowledge = read_knowledge(config, taught, folder)
        store, squares = _store(config, start, pictures, taught, folder, tell)
    source, names = _source(config, world, start, pictures, labels, torch.from_numpy(label_ids), knowledge, store)
    objective = Objective(config.loss, labels, source.is_taught, knowledge, start.dim, config.seed, names.log_weight if names else 0.0).to(world.device)
    distractors = read_taxa(root / config.distractors) if config.distractors else []
    validation = Validation(config, pictures, start, distractors) if world.is_first else None
    return Run(config, world, start, source, objective, validation, folder, squares, lesson_of(pictures))


def read_knowledge(config: EncoderConfig, taught: Sequence[LabelledPicture], folder: Path) -> list[TeacherKnowledge]:
    """What each teacher of the settings knows of the training pictures; found out once and kept in the folder."""
    return [read_teacher(config, entry, taught, folder) for entry in config.teachers if entry.features or entry.classes]


def _store(
    config: EncoderConfig, start: Start, pictures: Sequence[LabelledPicture], taught: Sequence[LabelledPicture], folder: Path, tell: Listener | None
) -> tuple[Store, Squares | None]:
    """What shows the pictures of a step: their squares, which are yet to be decoded, or what a locked tower saw of them."""
    if not config.tune.views:
        preprocess = start.settings["preprocess_cfg"]
        shown, _ = with_cut_outs(config, taught)
        squares = Squares(squares_at(folder, shown, config.schedule.store_px), shown)
        return PictureStore(config, taught, preprocess["mean"], preprocess["std"], squares.file), squares
    features = look_once(config, start, taught, folder, tell)
    standardise(start.model, features[0])
    return FeatureStore(features, listen(config, pictures, features[0])), None


def _source(
    config: EncoderConfig,
    world: World,
    start: Start,
    pictures: list[LabelledPicture],
    labels: list[Taxon],
    label_ids: torch.Tensor,
    knowledge: list[TeacherKnowledge],
    store: Store,
) -> tuple[BatchSource, NameBank | None]:
    """Where the batches come from; without worker processes the pictures are changed on the device."""
    checklist = [taxon for table in config.texts.names for taxon in read_taxa(Path(config.data_root) / table)]
    names = NameBank(checklist, labels, start.tokenize, config.texts.names_drawn) if checklist else None
    books = [LessonBook(entry, start.tokenize, config.loss.classes_drawn) for entry in knowledge]
    bank = build_text_bank(labels, start.tokenize)
    source = BatchSource(config, pictures, label_ids, bank, names, books, store=store, share=world.share)
    return source if config.workers else source.to(world.device), names


def _train(run: Run, state: TrainingState, journal: Journal | None) -> None:
    """The steps that are left, with their looks at the validation, until they are done or nothing gets better."""
    schedule, progress = run.config.schedule, state.progress
    precision = choose_precision(run.config.precision, run.world.device)
    began, drawn = time.monotonic(), 0
    left = batches_of(run.source, lambda step: picture_px(schedule, step), progress.step, schedule.steps, run.config.workers)
    for batch in left if not state.is_done else ():
        train_mode(state.model)
        _learn(run, state, batch, precision == "bf16")
        drawn += schedule.batch_size
        is_last = progress.step == schedule.steps
        if journal and (progress.step % schedule.log_steps == 0 or is_last):
            speed = drawn / (time.monotonic() - began)
            left_s = (schedule.steps - progress.step) * schedule.batch_size / speed
            journal.log(_row(run, state) | {"images_per_s": round(speed, 1)}, {"steps": schedule.steps, "left_s": round(left_s)})
            began, drawn = time.monotonic(), 0
        if progress.step % schedule.watch_steps == 0 or is_last:
            _watch(run, state, journal)
        if journal and (progress.step % schedule.save_steps == 0 or is_last or progress.is_over):
            state.save()
        if progress.is_over:
            break


def _learn(run: Run, state: TrainingState, batch: Batch, bf16: bool) -> None:
    """One step: the gradients of all processes, then the same update on each."""
    parts, world, step = run.config.schedule.accumulate, run.world, state.progress.step
    seed = ((run.config.seed * 1_000_003 + step) * world.share.size + world.share.rank) * 2 * parts
    terms = add_gradients(state.model, state.objective, batch, world, dim=run.start.dim, n_parts=parts, seed=seed, bf16=bf16)
    if not math.isfinite(sum(terms.values())):
        raise ModelError(f'The loss is no longer a number at step {step + 1}; start again with a lower learning_rate, or precision = "fp32".')
    world.sum_gradients(state.learners)
    state.progress.add_losses(terms)
    state.update()


def _watch(run: Run, state: TrainingState, journal: Journal | None) -> None:
    """Looks at the validation, on the first process; all processes learn whether the run is over."""
    if journal:
        with state.averaged() as model:
            found = run.validation.watch(model)
        journal.watch({"step": state.progress.step, **found})
        state.note(found["metric"])
    state.progress.is_over = run.world.agree(state.progress.is_over)


def _row(run: Run, state: TrainingState) -> dict[str, Any]:
    schedule, step = run.config.schedule, state.progress.step
    row = {"step": step, "px": picture_px(schedule, step - 1), "learning_rate": learning_rate(schedule, step - 1)}
    return row | state.progress.take_losses(run.objective.terms)


def _write_result(run: Run, state: TrainingState, out: Path) -> None:
    """The model folder with its metrics and curves, from the best weights of the run."""
    state.take_best()
    choice = choose_weights(run.config, run.start, run.validation)
    write_model_folder(out, run.start, fold_scale(choice.weights), choice.px, saved=run.config.model.save)
    metrics = {"settings": asdict(run.config), "steps": state.progress.step, "chosen_step": state.progress.best_step}
    metrics |= {"kept_of_start": choice.keep_start, "tried": choice.tried, "px": choice.px, "training_pictures": run.source.n_pictures}
    metrics |= run.validation.measure(load_model_folder(out).to(run.world.device), choice.px)
    (out / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    draw_curves(run.folder, out / CURVES_FILE, state.progress.best_step, run.objective.terms)
