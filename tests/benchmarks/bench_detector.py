"""What a silver set is worth: a detector trained on a part of the boxes, alone and with the pictures whose boxes were hidden from it.

    python -m tests.benchmarks detector

The classical test of semi-supervised detection (Sohn et al., STAC, 2020): of the pictures of raccoons and kangaroos some keep their boxes (gold),
those of all others are hidden. A teacher learns from gold; where it is sure it draws boxes (silver); two students with the same start, seed and
number of steps learn from gold and from gold with silver. Both are measured on the pictures kept back, with the interval of their
difference over the pictures. From "starter" the test is too easy, for the starter was taught those pictures with their boxes: it shows what going on
is worth. From "mobilenet" only the backbone was taught before, on ImageNet; "yolo11n" starts from random weights.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bioclip_search.index.replacing import ABANDONED_S
from tests.benchmarks.measure import print_table
from tests.conftest import SHARED

if TYPE_CHECKING:
    from bioclip_search.boxed.boxed_set import BoxedSet
    from bioclip_search.detect import Detector

SETS = ("raccoon", "kangaroo")
BACKBONE = "models/mobilenet_v2_1.0_224_quant.tflite"
SOME = 20
"""Hidden pictures of each set by which the teacher's usual confidence is told."""

SCRATCH = "bioclip-silver-"
EXIT_TERMINATED = 143
"""What a shell says of a program that SIGTERM ended."""

FIGURES = {"mAP50": "map50", "mAP75": "map75", "mAP": "map"}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks detector")
    parser.add_argument("--start", choices=("starter", "mobilenet", "yolo11n"), default="mobilenet")
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--share", type=float, default=0.25, help="of the pictures that keep their boxes")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--px", type=int, default=192)
    parser.add_argument("--min-confidence", type=float, help="of a sure find; by default that which half of the hidden pictures have")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the detectors and the silver set")
    options = parser.parse_args(arguments)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        _run(options.keep, options)
        return
    _clear_abandoned()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))  # so that `timeout` leaves no folder behind
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as folder:
        _run(Path(folder), options)


def _clear_abandoned() -> None:
    """Removes the folders of measurements that were killed, which nobody else would."""
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        if time.time() - folder.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)


def _run(home: Path, options: argparse.Namespace) -> None:
    from bioclip_search.detect import load_detector
    from bioclip_search.evaluation.box_gain import gain_figures, gain_in_words
    from bioclip_search.sweep.halves import look_at

    gold, hidden, val = _parts(options)
    without = _trained(home / "without", gold, options)
    silver, told = _silver(home, without, hidden, options)
    with_silver = _trained(home / "with", [*gold, *silver], options)
    before, after = (look_at(load_detector(str(folder), device="cpu"), tuple(val)) for folder in (without, with_silver))
    figures = gain_figures(before, after)
    rows = [(name, *(gain_in_words(figures, key, part) for part in ("before", "after", "gain"))) for name, key in FIGURES.items()]
    n_gold = sum(map(len, gold))
    title = f"{n_gold} gold pictures, {told}; from {options.start}, {options.steps} steps of {options.batch} at {options.px} px; {figures['pictures']} pictures kept back"
    print_table(title, ("", "gold alone", "with silver", "gain"), rows)


def _parts(options: argparse.Namespace) -> tuple[list[BoxedSet], list[BoxedSet], list[BoxedSet]]:
    """Gold, those whose boxes are hidden, and those kept back."""
    from bioclip_search.boxed.boxed_set import kept
    from bioclip_search.boxed.sets import find_boxed_sets

    train, val = ([find_boxed_sets([options.data / "boxes" / f"{name}-{part}.parquet"])[0] for name in SETS] for part in ("train", "val"))
    random = np.random.default_rng(options.seed)
    masks = [random.permutation(len(one)) < options.share * len(one) for one in train]
    return [kept(one, mask) for one, mask in zip(train, masks, strict=True)], [kept(one, ~mask) for one, mask in zip(train, masks, strict=True)], val


def _trained(out: Path, sets: list[BoxedSet], options: argparse.Namespace) -> Path:
    """A detector of so many steps, whatever the number of pictures."""
    if (out / "detector.json").exists():
        return out
    pictures = sum(map(len, sets))
    epochs = max(1, round(options.steps * options.batch / pictures))
    if options.start == "yolo11n":
        from bioclip_search.train.yolo.settings import YoloSettings
        from bioclip_search.train.yolo.train import train_yolo

        settings = YoloSettings("yolo11n", "one", epochs, options.px, options.batch, options.seed, "cpu", patience=epochs)
        taught, watching = _watched(sets)
        return train_yolo(settings, taught, out, watching=watching, tell=lambda line: None)
    from bioclip_search.detect import find_detector_folder
    from bioclip_search.train.detector import train_detector
    from bioclip_search.train.detector_config import BoxSetConfig, DetectorConfig
    from bioclip_search.train.detector_data import BoxedPicture

    rows = [
        BoxedPicture(picture, tuple(box.box_xyxy for box in boxes), one.name, name, True)
        for one in sets
        for picture, boxes, name in zip(one.pictures(np.ones(len(one), bool)), one.boxes, one.names, strict=True)
    ]
    start = str(find_detector_folder("starter")) if options.start == "starter" else str(options.data / BACKBONE)
    rate = 3e-4 if options.start == "starter" else 1e-3
    config = DetectorConfig(
        boxes=tuple(BoxSetConfig(one.name, "", weight=float(len(one)), scenery=True) for one in sets),
        start=start,
        seed=options.seed,
        bf16=False,
        train_px=options.px,
        px=options.px,
        steps=options.steps,
        batch_size=options.batch,
        learning_rate=rate,
        backbone_rate=0.3,
        warmup_steps=options.steps // 10,
        ema_decay=0.98,
        save_steps=options.steps,
        log_steps=max(1, options.steps // 5),
    )
    return train_detector(config, out, progress=lambda line: print(line, file=sys.stderr, flush=True), pictures=rows)


def _watched(sets: list[BoxedSet]) -> tuple[list[BoxedSet], list[BoxedSet]]:
    """Every fifth gold picture watches the training, with silver and without, for nothing may be chosen on those kept back."""
    from bioclip_search.boxed.boxed_set import kept

    gold, others = sets[: len(SETS)], sets[len(SETS) :]
    masks = [np.arange(len(one)) % 5 == 0 for one in gold]
    taught = [kept(one, ~mask) for one, mask in zip(gold, masks, strict=True)]
    return [*taught, *others], [kept(one, mask) for one, mask in zip(gold, masks, strict=True)]


def _silver(home: Path, teacher: Path, hidden: list[BoxedSet], options: argparse.Namespace) -> tuple[list[BoxedSet], str]:
    """The pictures in which the teacher is sure, with its boxes, and how right these are."""
    from bioclip_search.boxed.sets import find_boxed_sets
    from bioclip_search.detect import load_detector
    from bioclip_search.detectors.boxes import box_iou
    from bioclip_search.silver.judging import SilverRule
    from bioclip_search.silver.writing import Looks, hashes_of, write_silver

    out, places, true = home / "silver.parquet", [], {}
    for one in hidden:
        data = list(one.pictures(np.ones(len(one), bool)))
        true |= dict(zip(hashes_of(data), one.boxes, strict=True))
        places.append(str(_written(home / one.name, data)))
    if not out.exists():
        detector = load_detector(str(teacher), device="cpu")
        sure = options.min_confidence or _usual_confidence(detector, hidden)
        write_silver(places, out, Looks(detector, rule=SilverRule(sure)))
    (silver,) = find_boxed_sets([out])
    of = [true[content] for content in hashes_of(silver.pictures(np.ones(len(silver), bool)))]
    right = [any(box_iou(box.box_xyxy, other.box_xyxy) >= 0.5 for other in others) for boxes, others in zip(silver.boxes, of, strict=True) for box in boxes]
    return [silver], f"{len(silver)} silver ones of {sum(map(len, hidden))} ({sum(right)} of {len(right)} boxes right)"


def _usual_confidence(detector: Detector, hidden: list[BoxedSet]) -> float:
    """The confidence that the surest find of half of the pictures has, over some of them: one taught by few pictures is never as sure as another."""
    from bioclip_search.images import open_picture

    some = [picture for one in hidden for picture in one.pictures(np.arange(len(one)) < SOME)]
    surest = [max((one.confidence for one in detector.detect([open_picture(picture)], 0.01)[0]), default=0.0) for picture in some]
    return max(float(np.median(surest)), 0.02)


def _written(folder: Path, pictures: list[bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(pictures):
        (folder / f"{number:04d}.jpg").write_bytes(data)
    return folder


if __name__ == "__main__":
    main(sys.argv[1:])
