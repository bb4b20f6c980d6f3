"""Goes on with a detector of the small kind from its own folder, the starter's among them, on sets of boxes.

The training is that of `detector`, by the settings of the starter's; dealing pictures out is left to `yolo.pictures`, measuring to `yolo.measure`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet
from bioclip_search.boxed.writing_yolo import TRAIN, VAL, picture_files
from bioclip_search.detectors.organism import load_organism_detector, read_note
from bioclip_search.train.detector import METRICS_FILE, train_detector
from bioclip_search.train.detector_config import BoxSetConfig, DetectorConfig
from bioclip_search.train.detector_data import BoxedPicture
from bioclip_search.train.run_folder import begin, named, stop_if_begun
from bioclip_search.train.yolo.measure import measure
from bioclip_search.train.yolo.pictures import LaidOut, lay_out, written

log = logging.getLogger(__name__)

LEARNING_RATE = 3e-4
"""A third of that of the starter's training: the head is there already, and is not to forget what it knows of other organisms."""

STRIDE = 32


@dataclass(frozen=True)
class GoingOn:
    """How a small detector goes on; `image_px` None keeps the size that its folder tells of."""

    start: Path
    epochs: int = 100
    batch: int = 16
    image_px: int | None = None
    seed: int = 0
    threads: int = 1


def go_on(
    settings: GoingOn,
    sets: Sequence[BoxedSet],
    out: Path,
    *,
    watching: Sequence[BoxedSet] = (),
    resume: bool = False,
    overwrite: bool = False,
    mend: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Path:
    """The detector folder `out`, of the small kind, trained on the sets from the weights of another.

    All boxes are of organisms: this kind knows no categories. Beside it, `out.run` holds the pictures (as links where they lie on the same
    disk), from which they are read one by one, the checkpoint and the log.

    Args:
        watching, resume, overwrite, mend: As for `yolo.train.train_yolo`.

    Raises:
        RunError: There is a checkpoint, and it was said neither to go on from it nor to begin anew.
        TableError: The pictures cannot be used.
        ModelError: The start cannot be read, or the checkpoint belongs to other settings or pictures.
    """
    tell, out = tell or log.info, named(out)
    stop_if_begun(out, resume=resume, overwrite=overwrite)
    laid = lay_out(sets, watching, categories="one", seed=settings.seed, mend=mend)
    for note in laid.notes:
        tell(note)
    place = written(laid, begin(out, resume=resume, overwrite=overwrite), "one")
    pictures = _pictures(laid, place)
    config = _config(settings, laid, sum(one.taught for one in pictures))
    tell(f"Goes on from the detector in {settings.start}: {config.steps:,} steps of {config.batch_size} pictures, at {config.train_px} px.")
    tell(f"The pictures are read from {place}, where they stand as links or copies; the folder can go when the training is done.")
    folder = train_detector(config, out, resume=resume, overwrite=overwrite, progress=tell, pictures=pictures)
    figures = measure(load_organism_detector(folder, device="cpu"), laid.measuring, by_category=False)
    path = folder / METRICS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"measured": figures}, indent=2) + "\n", encoding="utf-8")
    for name, one in figures.items():
        tell(
            f"{name}: mAP50 {one.get('map50', 0):.3f}, mAP75 {one.get('map75', 0):.3f}, mAP {one.get('map', 0):.3f} on {one['pictures']:.0f} pictures with {one['boxes']:.0f} boxes"
        )
    return folder


def _config(settings: GoingOn, laid: LaidOut, n_taught: int) -> DetectorConfig:
    """The settings of the small kind's training; the hash of the pictures stands in the note, so that a checkpoint of others is refused."""
    note, _ = read_note(settings.start)
    steps = max(1, round(settings.epochs * n_taught / settings.batch))
    px = settings.image_px or note.px
    names = dict.fromkeys(boxed.name for boxed in laid.of(TRAIN))
    return DetectorConfig(
        boxes=tuple(BoxSetConfig(name, "", weight=float(sum(len(boxed) for boxed in laid.of(TRAIN) if boxed.name == name)), scenery=True) for name in names),
        start=str(settings.start.resolve()),
        name=note.name,
        note=f"Went on from the detector {note.name} ({note.training}) on {n_taught} pictures ({laid.fingerprint[:16]}).",
        licences=note.licences,
        seed=settings.seed,
        threads=settings.threads,
        bf16=False,
        backbone=note.architecture.backbone,
        channels=note.architecture.channels,
        head_convs=note.architecture.head_convs,
        train_px=max(64, px // STRIDE * STRIDE),
        px=px,
        steps=steps,
        batch_size=settings.batch,
        learning_rate=LEARNING_RATE,
        warmup_steps=min(50, max(1, steps // 10)),
        save_steps=max(1, min(50, steps // 4)),
        log_steps=max(1, min(20, steps // 10)),
    )


def _pictures(laid: LaidOut, folder: Path) -> list[BoxedPicture]:
    """All pictures with boxes, as their files in the folder; the test is never among them, and what watches is never taught."""
    files = picture_files(folder, len(laid.sets))
    found = []
    for part in (TRAIN, VAL):
        for place, boxed in enumerate(laid.sets):
            for row in np.flatnonzero(boxed.parts == part).tolist():
                if boxes := tuple(box.box_xyxy for box in boxed.boxes[row] if not box.is_crowd):
                    found.append(BoxedPicture(files[place, row], boxes, boxed.name, boxed.names[row], part == TRAIN))
    return found
