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

from bioclip_search.bursts.folder import read_sequences
from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import NO_SPLIT, KnownVectors, LabelledSet
from bioclip_search.evaluation.taken import TAKEN_COLUMNS
from bioclip_search.evaluation.truth import NO_ROW, Truth, crops_at, read_truth
from bioclip_search.prompts import RANKS
from bioclip_search.review.labels import labelled_crops, labels_of_run, vectors_of_run, without_taxon
from bioclip_search.runs.folder import NOTE_FILE, Run

if TYPE_CHECKING:
    from bioclip_search.results import Answer

BESIDE_TAXA = frozenset({"written", "authorship", "split", "name", "image", "box_xyxy", *TAKEN_COLUMNS})
"""Columns of labels that do not tell the taxon."""

REVIEWED = "{name}: {count:,} crops that people decided about; as a rule those are the doubtful ones, so what is found holds for them and not for the whole run"

NAMELESS = "{name}: {count:,} more are blank, a person, a vehicle or not to be told, by what people decided; what the machine named there counts nowhere here"

WITHOUT_VECTOR = "{name}: {count:,} decided on pictures as a whole, of which the run keeps no vector, are left out"


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
    crops = list(labelled_crops(run))  # people decide about thousands, not millions
    often = Counter(label.picture.media_id for label in crops)
    names = [label.picture.image if often[label.picture.media_id] == 1 else f"{label.picture.image}, crop {label.decision.crop}" for label in crops]
    place = labels.column_names.index("image")
    truth = Truth(labels.set_column(place, "image", pa.array(names, pa.string())), run.root or run.folder, tuple(_notes(run, len(crops))))
    answers = [replace(label.crop.answer, image=name) for label, name in zip(crops, names, strict=True) if label.crop and label.crop.answer]
    return answers, truth


def set_of_review(folder: str | Path, ranks: Sequence[str] = RANKS) -> LabelledSet:
    """The crops that people named, ready to teach, or to be measured.

    Raises:
        RunError: As `reviewed`.
    """
    run = Run.open(folder)
    labels = labels_of_run(run, tuple(ranks))
    notes = _notes(run, len(labels))
    media, vectors = np.array([label.picture.media_id for label in labelled_crops(run)], object), None
    if run.dim is not None:
        vectors = vectors_of_run(run)
        kept = vectors.any(axis=1)
        labels, media, vectors = labels.filter(pa.array(kept)), media[kept], vectors[kept]
        notes += [WITHOUT_VECTOR.format(name=run.folder.name, count=int((~kept).sum()))] if not kept.all() else []
    return _set(run, labels, media.tolist(), vectors, tuple(notes))


def _notes(run: Run, count: int) -> list[str]:
    """What to know of labels that are decisions."""
    nameless = without_taxon(run)
    return [REVIEWED.format(name=run.folder.name, count=count), *([NAMELESS.format(name=run.folder.name, count=nameless)] if nameless else [])]


def set_of_answered(folder: str | Path, truth: str | Path, ranks: Sequence[str] = RANKS) -> LabelledSet:
    """The crops that a run answered about, with the labels that a table has for their pictures.

    Raises:
        RunError: It is no run.
        TableError: The truth cannot be read, or has no picture in common with the run.
    """
    run, known = Run.open(folder), read_truth(truth, ranks)
    images, media, boxes, vectors = [], [], [], []
    for picture in run.pictures(embeddings=True):
        for crop in picture.crops:
            if crop.answer is not None:
                images.append(picture.image)
                media.append(picture.media_id)
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
    labels = labels.set_column(labels.column_names.index("image"), "image", pa.array([images[row] for row in kept.tolist()], pa.string()))
    return _set(run, labels, [media[row] for row in kept.tolist()], found, known.notes)


def _set(run: Run, labels: pa.Table, media: Sequence[str], vectors: np.ndarray | None, notes: tuple[str, ...]) -> LabelledSet:
    """Subtle: the pictures of a burst count as crops of one, for ten of the same animal tell no more."""
    name, images = run.folder.name, labels["image"].to_pylist()
    places, sequences = [run.find(image) or Path(image) for image in images], read_sequences(run.folder)
    numbers: dict[str, int] = {}
    return LabelledSet(
        name=name,
        taxa=labels.select([column for column in labels.column_names if column not in BESIDE_TAXA]),
        parts=np.array([split or NO_SPLIT for split in labels["split"].to_pylist()], object),
        names=tuple(f"{name}/{image}" for image in images),
        pictures=partial(crops_at, tuple(zip(places, labels["box_xyxy"].to_pylist(), strict=True))),
        written=labels["written"],
        authorship=labels["authorship"],
        notes=notes,
        picture_of_row=np.array([numbers.setdefault(sequences.of(one) or one, len(numbers)) for one in media], np.int64),
        bursts=np.array([sequences.of(one) for one in media], object),
        known=None if vectors is None else KnownVectors(str(run.note["settings"]["encoder"].get("fingerprint")), vectors),
    )
