"""Trains a detector by ultralytics from sets of boxes, and writes it as a folder without pickle that says how good it is.

Which pictures are for what is left to `pictures`, the learning to `learner`, the recipe to `evolve`, the budgets to `budget`.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bioclip_search.boxed.boxed_set import BoxedSet
from bioclip_search.boxed.report import said
from bioclip_search.detectors.architectures import build_model
from bioclip_search.detectors.card import CARD_FILE, DetectorCard, read_card, write_card
from bioclip_search.detectors.folder import WEIGHTS_FILE, load_folder, write_folder
from bioclip_search.detectors.yolo import import_ultralytics, threads_kept
from bioclip_search.errors import BioclipSearchError, ModelError
from bioclip_search.train.journal import Journal
from bioclip_search.train.run_folder import CHECKPOINT, begin, clear, named, stop_if_begun
from bioclip_search.train.yolo.budget import check_size, check_speed, frames_per_second
from bioclip_search.train.yolo.evolve import JOURNAL, evolve
from bioclip_search.train.yolo.measure import measure
from bioclip_search.train.yolo.pictures import LaidOut, lay_out, written
from bioclip_search.train.yolo.settings import YoloSettings
from bioclip_search.train.yolo.start import Start, find_start

log = logging.getLogger(__name__)

LICENCE = "Network and training: ultralytics, AGPL-3.0 or its enterprise licence (https://ultralytics.com/license); this holds for the weights as well."

TRIES = "tries"
"""The folder of the trainings that an evolution tries."""

KEPT = (CHECKPOINT, JOURNAL, TRIES)

Tell = Callable[[str], None]
Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Evolution:
    """How the recipe is searched before the training.

    Attributes:
        tries: How many trainings, 0 for none.
        subset: Share of the pictures that each learns from.
        epochs: Of each try.
    """

    tries: int = 0
    subset: float = 1.0
    epochs: int = 10


def train_yolo(
    settings: YoloSettings,
    sets: Sequence[BoxedSet],
    out: Path,
    *,
    watching: Sequence[BoxedSet] = (),
    evolution: Evolution = Evolution(),
    resume: bool = False,
    overwrite: bool = False,
    mend: bool = False,
    trust_pickle: bool = False,
    tell: Tell | None = None,
    listen: Listener | None = None,
) -> Path:
    """The detector folder `out`, trained on the sets and measured on pictures kept back.

    Beside it, `out.run` holds the pictures as they are shown, the checkpoint and the log.

    Subtle: ultralytics draws from the common generators of Python and numpy. If another thread of the process draws from them meanwhile,
    as a web socket does for its pings, the same settings do not give the same weights twice.

    Args:
        watching: Sets by whose pictures the training is watched, and the best epoch chosen.
        resume: Go on from the checkpoint of an earlier call with the same settings and pictures, if there is one.
        overwrite: Begin anew where there is one.
        mend: Give a burst that the split parts to one of its parts, where it would be refused.
        tell: Called with a line to show.
        listen: Called with a row of figures after every epoch.

    Raises:
        RunError: There is a checkpoint, and it was said neither to go on from it nor to begin anew.
        TableError: The pictures cannot be used.
        ModelError: The start cannot be used, a budget is exceeded, the checkpoint belongs to other settings, or the training fails.
        MissingExtraError: ultralytics is not installed.
    """
    tell = tell or log.info
    import_ultralytics()
    out = named(out)
    _check_out(out)
    stop_if_begun(out, resume=resume, overwrite=overwrite, kept=KEPT)
    start = find_start(settings.start, trust_pickle=trust_pickle)
    tell(start.words)
    laid = lay_out(sets, watching, categories=settings.categories, seed=settings.seed, mend=mend)
    for note in laid.notes:
        tell(note)
    device = _device(settings.device)
    check_size(start.architecture, laid.categories, settings.max_mb)
    _check_untrained_speed(settings, start, laid, device)
    run = begin(out, resume=resume, overwrite=overwrite, kept=KEPT)
    if overwrite:
        clear(run, KEPT)
    pictures = written(laid, run, settings.categories)
    work = _Work(start, laid, pictures, device, tell, listen)
    settings = _evolved(settings, evolution, work, run, resume)
    done = learn(settings, work, run, resume=resume)
    return _finish(settings, evolution, work, run, out, done)


@dataclass(frozen=True, eq=False)
class _Work:
    """What all trainings of one call share."""

    start: Start
    laid: LaidOut
    pictures: Path
    device: str
    tell: Tell
    listen: Listener | None


def learn(settings: YoloSettings, work: _Work, run: Path, *, resume: bool, share: float = 1.0) -> dict[str, Any]:
    """What the training tells of itself at its end; the best weights then stand in the run.

    Raises:
        ModelError: The checkpoint belongs to other settings, or the training fails.
    """
    import torch

    from bioclip_search.train.yolo.checkpoint import BEST, read_checkpoint
    from bioclip_search.train.yolo.learner import Job, make_learner

    run.mkdir(parents=True, exist_ok=True)
    fingerprint = settings.fingerprint(f"{work.laid.fingerprint} {share}")
    content = read_checkpoint(run, fingerprint) if resume else None
    if content is None:
        for name in (CHECKPOINT, BEST):
            (run / name).unlink(missing_ok=True)
    elif content["done"]["is_over"]:
        return content["done"]
    else:
        work.tell(f"Goes on after epoch {content['done']['epoch']} of {settings.epochs}.")
        before, now = content["done"]["threads"], torch.get_num_threads()
        if work.device == "cpu" and before != now:
            work.tell(f"Begun with {said(before, 'thread')}, gone on with {now}: the last digits of the weights differ from those of an unbroken run.")
    journal = Journal(run, content["done"]["epoch"] if content else 0, work.listen)
    told = {"start": work.start.network, "checkpoint": content, "share": share, "listen": lambda row: journal.log(*_parted(row))}
    job = Job(settings, work.start.architecture, work.laid.categories, work.pictures, run, work.device, fingerprint, **told)
    try:
        with threads_kept(), contextlib.redirect_stdout(sys.stderr):
            learner = make_learner(job)
            learner.train()
    except BioclipSearchError:
        raise
    except Exception as error:  # ultralytics and torch fail with their own types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"The training of {work.start.architecture} failed: {reason}. Try a smaller --batch or --image-px, or another --device.") from error
    finally:
        journal.close()
    return learner.done


def _parted(row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is written down, and what only the listener hears."""
    outlook = {name: row.pop(name) for name in ("left_s", "steps")}
    return row, outlook


def _check_untrained_speed(settings: YoloSettings, start: Start, laid: LaidOut, device: str) -> None:
    if settings.min_speed is None:
        return
    with TemporaryDirectory() as folder:
        model = build_model(start.architecture, laid.categories)
        write_folder(Path(folder), DetectorCard("untrained", start.architecture, laid.categories, settings.image_px), model.state_dict())
        speed = frames_per_second(load_folder(Path(folder), device))
    check_speed(speed, settings.min_speed, start.architecture, settings.image_px, device)


def _evolved(settings: YoloSettings, evolution: Evolution, work: _Work, run: Path, resume: bool) -> YoloSettings:
    """The settings with the best recipe of the evolution, or as they are where none is asked for."""
    if not evolution.tries:
        return settings
    from ultralytics.utils import DEFAULT_CFG_DICT

    from bioclip_search.train.yolo.learner import DivergedError, usual_steps

    tried = replace(settings, epochs=evolution.epochs)
    key = tried.fingerprint(f"{work.laid.fingerprint} {evolution.subset}")

    def attempt(number: int, recipe: dict[str, float]) -> float:
        folder = run / TRIES / f"{number:03d}"
        try:
            done = learn(replace(tried, recipe={**settings.recipe, **_typed(recipe)}), work, folder, resume=resume, share=evolution.subset)
        except DivergedError as error:  # a recipe that cannot be learned by is the worst, and no reason to try no others
            work.tell(f"try {number}: {error}")
            done = {"best_fitness": 0.0}
        shutil.rmtree(folder, ignore_errors=True)
        return done["best_fitness"]

    usual = DEFAULT_CFG_DICT | usual_steps(len(work.laid.categories)) | dict(settings.recipe)
    best = evolve(evolution.tries, usual, run, settings.seed, key, attempt, work.tell)
    return replace(settings, recipe={**settings.recipe, **_typed(best)})


def _typed(recipe: dict[str, float]) -> dict[str, float]:
    """Whole numbers where ultralytics takes no others."""
    return {name: int(value) if name == "close_mosaic" else value for name, value in recipe.items()}


def _finish(settings: YoloSettings, evolution: Evolution, work: _Work, run: Path, out: Path, done: dict[str, Any]) -> Path:
    """Writes the folder, measures it, and completes its card."""
    from bioclip_search.train.yolo.checkpoint import read_best

    architecture, laid = work.start.architecture, work.laid
    recipe = asdict(settings) | {"recipe": dict(settings.recipe), "best_epoch": done["best_epoch"], "seconds": round(done["seconds"], 1)}
    recipe |= {"evolution": asdict(evolution)} if evolution.tries else {}
    told = {"training": work.start.words, "licences": LICENCE, "data": laid.counts(), "recipe": recipe}
    write_folder(out, DetectorCard(out.name, architecture, laid.categories, settings.image_px, **told), read_best(run))
    card, weights_hash = read_card(out)
    detector = load_folder(out, work.device)
    figures = measure(detector, laid.measuring, by_category=settings.categories == "own")
    speed = frames_per_second(detector)
    size_mb = (out / WEIGHTS_FILE).stat().st_size / 1e6
    metrics = {"measured": figures, "weights_mb": round(size_mb, 2), "frames_per_s": round(speed, 1), "device": work.device}
    write_card(out, replace(card, metrics=metrics), weights_hash)
    for name, one in figures.items():
        work.tell(
            f"{name}: mAP50 {one.get('map50', 0):.3f}, mAP75 {one.get('map75', 0):.3f}, mAP {one.get('map', 0):.3f} on {one['pictures']:.0f} pictures with {one['boxes']:.0f} boxes"
        )
    work.tell(f"{size_mb:.1f} MB, {speed:.1f} pictures a second on {work.device} (one by one, at {settings.image_px} px).")
    if settings.min_speed is not None and speed < settings.min_speed:
        work.tell(f"This is below the {settings.min_speed:g} asked for: the machine was busier than before the training, or boxes are many. Measure again.")
    return out


def _check_out(out: Path) -> None:
    if out.exists() and not (out / CARD_FILE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ModelError(f"{out} is there and holds no detector. Choose another --out, or empty it.")


def _device(device: str) -> str:
    """The device by ultralytics' names.

    Raises:
        ModelError: It is not there.
    """
    import torch

    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "cpu"  # ultralytics trains YOLO on mps, but not the same twice
    try:
        torch.zeros(1, device=torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"The device {device!r} is not there: {str(error).splitlines()[0]}") from error
    return device
