"""A run as labelled pictures: the crops that people decided about, or those whose pictures a table of truths knows, with the run's vectors.

What was decided is left to `review.labels`, which truth belongs to which picture to `truth`. No crop is looked at again where the run
keeps its embedding and the encoder is the one that made it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import NO_SPLIT, KnownVectors, LabelledSet
from bioclip_search.evaluation.truth import NO_ROW, Truth, crops_at, read_truth
from bioclip_search.prompts import RANKS
from bioclip_search.review.labels import labelled_crops, labels_of_run, vectors_of_run
from bioclip_search.runs.folder import NOTE_FILE, Run

if TYPE_CHECKING:
    from bioclip_search.results import Answer

REVIEWED = "{name}: {count:,} crops that people decided about; as a rule those are the doubtful ones, so what is found holds for them and not for the whole run"


def is_run(place: str | Path) -> bool:
    """Whether a place is the folder of a run."""
    return (Path(place) / NOTE_FILE).is_file()


def reviewed(folder: str | Path, ranks: Sequence[str] = RANKS) -> tuple[list[Answer], Truth]:
    """The machine's answers of the crops that people named, in order, and what they were named; of several of a picture each is told by its number.

    Raises:
        RunError: It is no run, or nobody decided on a taxon.
    """
    from dataclasses import replace

    run = Run.open(folder)
    labels = labels_of_run(run, tuple(ranks))
    crops = list(labelled_crops(run))
    often = Counter(label.picture.media_id for label in crops)
    names = [label.picture.image if often[label.picture.media_id] == 1 else f"{label.picture.image}, crop {label.decision.crop}" for label in crops]
    place = labels.column_names.index("image")
    truth = Truth(
        labels.set_column(place, "image", pa.array(names, pa.string())), run.root or run.folder, (REVIEWED.format(name=run.folder.name, count=len(crops)),)
    )
    answers = [replace(label.crop.answer, image=name) for label, name in zip(crops, names, strict=True) if label.crop and label.crop.answer]
    return answers, truth


def set_of_review(folder: str | Path, ranks: Sequence[str] = RANKS) -> LabelledSet:
    """The crops that people named, ready to teach, or to be measured.

    Raises:
        RunError: As `reviewed`.
    """
    run = Run.open(folder)
    labels = labels_of_run(run, tuple(ranks))
    note = REVIEWED.format(name=run.folder.name, count=len(labels))
    return _set(run, labels, [run.find(image) or Path(image) for image in labels["image"].to_pylist()], vectors_of_run(run), (note,))


def set_of_answered(folder: str | Path, truth: str | Path, ranks: Sequence[str] = RANKS) -> LabelledSet:
    """The crops that a run answered about, with the labels that a table has for their pictures.

    Raises:
        RunError: It is no run.
        TableError: The truth cannot be read, or has no picture in common with the run.
    """
    run, known = Run.open(folder), read_truth(truth, ranks)
    images, boxes, vectors = [], [], []
    for picture in run.pictures(embeddings=True):
        for crop in picture.crops:
            if crop.answer is not None:
                images.append(picture.image)
                boxes.append(crop.box_xyxy)
                vectors.append(crop.embedding)
    rows = known.rows_of(images)
    kept = np.flatnonzero(rows != NO_ROW)
    if not len(kept):
        raise TableError(f"{folder} and {truth} have no picture in common: {images[0] if images else 'none'} and {known.images[0]}, for example.")
    labels = known.labels.take(pa.array(rows[kept]))
    labels = labels.set_column(labels.column_names.index("box_xyxy"), "box_xyxy", pa.array([boxes[row] for row in kept.tolist()], pa.list_(pa.float64())))
    found = (
        None if run.dim is None or any(vectors[row] is None for row in kept.tolist()) else np.stack([vectors[row] for row in kept.tolist()]).astype(np.float32)
    )
    if found is not None:
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    return _set(run, labels, [run.find(images[row]) or Path(images[row]) for row in kept.tolist()], found, known.notes)


def _set(run: Run, labels: pa.Table, places: Sequence[Path], vectors: np.ndarray | None, notes: tuple[str, ...]) -> LabelledSet:
    name, images = run.folder.name, labels["image"].to_pylist()
    numbers: dict[str, int] = {}
    return LabelledSet(
        name=name,
        taxa=labels.select([column for column in labels.column_names if column not in ("written", "authorship", "split", "name", "image", "box_xyxy")]),
        parts=np.array([split or NO_SPLIT for split in labels["split"].to_pylist()], object),
        names=tuple(f"{name}/{image}" for image in images),
        pictures=partial(crops_at, tuple(zip(places, labels["box_xyxy"].to_pylist(), strict=True))),
        written=labels["written"],
        authorship=labels["authorship"],
        notes=notes,
        picture_of_row=np.array([numbers.setdefault(image, len(numbers)) for image in images], np.int64),
        known=None if vectors is None else KnownVectors(str(run.note["settings"]["encoder"].get("fingerprint")), vectors),
    )
