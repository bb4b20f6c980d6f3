"""Boxes that keep coming back at one place of a deployment, such as a branch, found and set aside; nothing is ever deleted.

Reads a run and writes `repeats.parquet` beside it; what becomes of boxes that were set aside is left to `standards`.
The rules are those of MegaDetector's repeat detection elimination (megadetector/postprocessing/repeat_detection_elimination/
repeat_detections_core.py, Morris, agentmorris/MegaDetector at 07897238):
    1. Only boxes of at least `min_confidence`, with an area above 0 and at most `max_area` of the picture, are looked at.
    2. Boxes are compared within one deployment (where none is known, one folder) and one category, in the order of the run.
    3. A box that overlaps with no place known so far by `min_iou` or more opens a new place; else it belongs to every place
       that it overlaps with so.
    4. The boxes of a place are set aside if they come from at least `min_pictures` pictures. Here ours differs: a video counts
       as one picture however many of its frames show the box, for an animal may well rest through a video.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search.detectors.boxes import box_iou
from bioclip_search.errors import RunError
from bioclip_search.runs.folder import Run
from bioclip_search.swapping import whole_file

REPEATS_FILE = "repeats.parquet"
COLUMNS = ("media_id", "image", "width", "height", "deployment", "crop", "category", "detector_confidence", "box_xyxy")
SCHEMA = pa.schema([("media_id", pa.string()), ("crop", pa.int32()), ("place", pa.int32()), ("pictures", pa.int32())])
"""A row a box that is set aside: the number of its place, and how many pictures show a box there."""

CHUNK_BOXES = 1 << 14
"""Boxes whose cells are worked out at once: some 2 MB."""

SLACK = 1e-9
"""Cells are this much more generous than the arithmetic asks, so that rounding loses no pair."""

LEAST_SIDE = 1e-9
"""Sides are taken for no shorter than this, as shares of the picture: far below a pixel, far above what a logarithm chokes on."""

MIXERS = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93], np.uint64)
"""Odd numbers that spread the four numbers of a cell over 64 bits; two cells that meet cost time only."""


@dataclass(frozen=True)
class RepeatRules:
    """When a box counts as a repeat; the defaults are MegaDetector's.

    Attributes:
        min_iou: Overlap, intersection over union, from which two boxes are at one place.
        min_pictures: Pictures that must show a box at a place.
        max_area: As a share of the picture; larger boxes are often animals that fill it.
        min_confidence: Of the detector; weaker boxes are left alone.
    """

    min_iou: float = 0.9
    min_pictures: int = 20
    max_area: float = 0.2
    min_confidence: float = 0.1

    def __post_init__(self) -> None:
        shares = (self.min_iou, self.max_area, self.min_confidence)
        if not all(0 <= share <= 1 for share in shares) or not 0 < self.min_iou < 1 or self.min_pictures < 2:
            raise ValueError(f"Expected an overlap between 0 and 1, shares from 0 to 1 and at least 2 pictures, got {self}.")


MEGADETECTORS = RepeatRules()


def find_repeats(run: Run, rules: RepeatRules = MEGADETECTORS, progress: Callable[[int, int], None] | None = None) -> int:
    """How many boxes of the run were set aside; they are written into its folder, in the order of the run.

    Memory grows by some 250 bytes a box, not with the pictures; a million boxes in a thousand deployments take half a minute.

    Raises:
        RunError: The run is damaged, or nothing can be written into its folder.
    """
    boxes = _gather(run, rules)
    place, pictures = mark_repeats(boxes, rules, progress)
    kept = np.flatnonzero(place >= 0)
    ids = [f"{number:016x}" for number in boxes.media[kept].tolist()]
    table = pa.table([ids, boxes.crop[kept], place[kept], pictures[kept]], SCHEMA.with_metadata({"rules": repr(asdict(rules))}))
    try:
        with whole_file(run.folder / REPEATS_FILE) as part:
            parquet.write_table(table, part)
    except OSError as error:
        raise RunError(f"{run.folder / REPEATS_FILE}: cannot be written ({error.strerror or error}). Free some space, or mend the rights.") from error
    return len(kept)


def read_repeats(folder: Path) -> frozenset[tuple[str, int]]:
    """The boxes that were set aside, as (media_id, crop); none where nobody looked for them.

    Raises:
        RunError: The file is there and damaged.
    """
    path = folder / REPEATS_FILE
    if not path.is_file():
        return frozenset()
    try:
        table = parquet.read_table(path, columns=["media_id", "crop"])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise RunError(f"{path}: is damaged ({str(error).splitlines()[0]}). Delete it and look for repeats again.") from error
    return frozenset(zip(table["media_id"].to_pylist(), table["crop"].to_pylist(), strict=True))


@dataclass(frozen=True, eq=False)
class PlacedBoxes:
    """The boxes that rule 1 lets through, n of them in the order of the run.

    Attributes:
        xyxy: (n, 4) float64, as shares of the picture.
        block: (n,) int32, equal for boxes that rule 2 compares.
        picture: (n,) int32, equal for boxes of one picture, or of one video.
        media: (n,) uint64, the media id; `crop`: (n,) int32.
    """

    xyxy: np.ndarray
    block: np.ndarray
    picture: np.ndarray
    media: np.ndarray
    crop: np.ndarray


def mark_repeats(boxes: PlacedBoxes, rules: RepeatRules, progress: Callable[[int, int], None] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """For every box the number of the place that it is a repeat of, -1 for none, and how many pictures show that place.

    Two (n,) int32. Of several places the one in most pictures is told, of equal ones the first.
    """
    place, pictures, places = np.full(len(boxes.block), -1, np.int32), np.zeros(len(boxes.block), np.int32), 0
    order = np.argsort(boxes.block, kind="stable")
    done = 0
    for rows in np.split(order, np.flatnonzero(np.diff(boxes.block[order])) + 1):
        if len(rows) >= rules.min_pictures and len(np.unique(boxes.picture[rows])) >= rules.min_pictures:
            found, counts = _repeats_of_block(boxes.xyxy[rows], boxes.picture[rows], rules)
            place[rows] = np.where(found >= 0, found + places, -1)
            pictures[rows] = counts
            places += int(found.max(initial=-1)) + 1
        done += len(rows)
        if progress:
            progress(done, len(order))
    return place, pictures


def _repeats_of_block(xyxy: np.ndarray, picture: np.ndarray, rules: RepeatRules) -> tuple[np.ndarray, np.ndarray]:
    place_of, member_of = _places(xyxy, rules.min_iou)
    shown = np.unique(np.stack([place_of, picture[member_of]]), axis=1)  # (2, pairs of place and picture)
    counts = np.bincount(shown[0])
    often = np.flatnonzero(counts >= rules.min_pictures)
    number = np.full(len(counts), -1, np.int32)
    number[often] = np.arange(len(often))
    found, pictures = np.full(len(xyxy), -1, np.int32), np.zeros(len(xyxy), np.int32)
    order = np.lexsort((-place_of, counts[place_of]))  # the fewest pictures first, so that the most overwrite them
    order = order[number[place_of[order]] >= 0]
    found[member_of[order]], pictures[member_of[order]] = number[place_of[order]], counts[place_of[order]]
    return found, pictures


def _places(xyxy: np.ndarray, min_iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Rule 3: pairs (place, box), two (m,) int64; places are counted in the order in which they are opened.

    Places lie in the cells of `_cells`, so that a box is compared with those near it only and not with all.
    """
    cells: dict[int, list[int]] = {}
    place_of, member_of, opened = array("q"), array("q"), []
    reach = (1 - min_iou) / min_iou * (1 + SLACK)  # how far a match may begin, as a share of the side; spares most of the reckoning
    for number, (box, near, own) in enumerate(_with_cells(xyxy, min_iou)):
        x, y, reach_x, reach_y = box[0], box[1], reach * (box[2] - box[0]), reach * (box[3] - box[1])
        candidates = {place for cell in near if cell in cells for place in cells[cell]}
        close = (place for place in candidates if abs(opened[place][0] - x) <= reach_x and abs(opened[place][1] - y) <= reach_y)
        matches = sorted(place for place in close if box_iou(box, opened[place]) >= min_iou)
        if not matches:
            cells.setdefault(own, []).append(len(opened))
            matches = [len(opened)]
            opened.append(box)
        place_of.extend(matches)
        member_of.extend([number] * len(matches))
    return np.frombuffer(place_of, np.int64), np.frombuffer(member_of, np.int64)


def _with_cells(xyxy: np.ndarray, min_iou: float) -> Iterator[tuple[tuple[float, ...], list[int], int]]:
    """Each box, the cells in which places near it lie, and the cell in which it lies as a place."""
    for start in range(0, len(xyxy), CHUNK_BOXES):
        part = xyxy[start : start + CHUNK_BOXES]
        near, own = _cells(part, min_iou)
        yield from zip(map(tuple, part.tolist()), near.tolist(), own.tolist(), strict=True)


def _cells(xyxy: np.ndarray, min_iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Near cells (n, 16) and own cells (n,), uint64.

    Two boxes with an overlap of t share at least t of the width of the wider one, and of the height of the higher one. So
    their widths differ by no more than the factor 1 / t, and their left edges by no more than 1 - t of the wider one. A cell
    holds the widths between two powers of 1 / t², and positions twice as wide as the edges may differ; whatever a box can
    match then lies in one of two cells along each of the four axes.
    """
    (near_x, own_x), (near_y, own_y) = (_along(xyxy[:, axis], xyxy[:, axis + 2] - xyxy[:, axis], min_iou) for axis in (0, 1))
    near = near_x[:, :, None] * MIXERS[0] ^ near_y[:, None, :] * MIXERS[1]  # (n, 4, 4)
    return near.reshape(len(xyxy), -1), own_x * MIXERS[0] ^ own_y * MIXERS[1]


def _along(start: np.ndarray, length: np.ndarray, min_iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis: the four near cells (n, 4) and the own cell (n,), uint64."""
    power = 2 * math.log(1 / min_iou)
    scale = np.log(np.maximum(length, LEAST_SIDE)) / power
    half = 0.5 * (1 + SLACK) + SLACK
    bins = np.stack([np.floor(scale - half), np.floor(scale + half)], axis=1)  # (n, 2)
    return _positions(start, bins, power, min_iou, True), _positions(start, np.floor(scale)[:, None], power, min_iou, False)[:, 0]


def _positions(start: np.ndarray, bins: np.ndarray, power: float, min_iou: float, around: bool) -> np.ndarray:
    """The cells at `start` in the bins of lengths (n, b): (n, 2b) those around it, else (n, b) its own, uint64."""
    reach = (1 - min_iou) * np.exp((bins + 1) * power) / min_iou * (1 + SLACK)  # (n, b): how far a match may begin
    steps = (-reach, reach) if around else (np.zeros_like(reach),)
    cells = [np.floor((start[:, None] + step) / (2 * reach)).astype(np.int64).astype(np.uint64) for step in steps]
    widths = bins.astype(np.int64).astype(np.uint64) * MIXERS[2]
    return np.concatenate([cell * MIXERS[3] ^ widths for cell in cells], axis=1)


# Reading the run


def _gather(run: Run, rules: RepeatRules) -> PlacedBoxes:
    """Rules 1 and 2; keeps numbers only, whatever the count of pictures."""
    blocks: dict[tuple[bool, str, str | None], int] = {}
    counter = _Counter()
    parts = [_placed(batch, rules, blocks, counter) for batch in run.batches(COLUMNS)]
    if not parts:
        return PlacedBoxes(np.zeros((0, 4)), *(np.zeros(0, kind) for kind in (np.int32, np.int32, np.uint64, np.int32)))
    return PlacedBoxes(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class _Counter:
    """Numbers the pictures of a run from 0; rows of one picture or one video follow each other."""

    def __init__(self) -> None:
        self.last, self.number = None, -1

    def numbers(self, images: np.ndarray) -> np.ndarray:
        """(n,) int32, going on where the rows before ended."""
        if not len(images):
            return np.zeros(0, np.int32)
        begins = np.concatenate([[self.number < 0 or images[0] != self.last], images[1:] != images[:-1]])
        numbers = (self.number + np.cumsum(begins)).astype(np.int32)
        self.last, self.number = images[-1], int(numbers[-1])
        return numbers


def _placed(batch: pa.RecordBatch, rules: RepeatRules, blocks: dict[Any, int], counter: _Counter) -> tuple[np.ndarray, ...]:
    """The boxes of some rows that rule 1 lets through, as the fields of `PlacedBoxes`."""
    images = batch["image"].to_numpy(zero_copy_only=False)
    pictures = counter.numbers(images)
    size_wh = np.stack([_floats(batch["width"]), _floats(batch["height"])], axis=1)  # (n, 2)
    sure = np.nan_to_num(_floats(batch["detector_confidence"]), nan=1.0) >= rules.min_confidence
    boxed = np.flatnonzero(batch["box_xyxy"].is_valid().to_numpy(zero_copy_only=False) & (size_wh > 0).all(axis=1) & sure)
    part = batch.take(pa.array(boxed))
    with np.errstate(invalid="ignore"):  # a box that is not finite is no box
        xyxy = np.asarray(part["box_xyxy"].flatten(), np.float64).reshape(-1, 4) / np.tile(size_wh[boxed], 2)
        width, height = (xyxy[:, 2:] - xyxy[:, :2]).T
        sized = (width > 0) & (height > 0) & (width * height <= rules.max_area) & np.isfinite(xyxy).all(axis=1)
    names = zip(images[boxed], part["deployment"].to_pylist(), part["category"].to_pylist(), strict=True)
    places = ((deployment is None, _folder(image) if deployment is None else deployment, category) for image, deployment, category in names)
    block = np.array([blocks.setdefault(place, len(blocks)) for place in places], np.int32)
    media = np.array([int(one, 16) for one in part["media_id"].to_pylist()], np.uint64)
    return xyxy[sized], block[sized], pictures[boxed][sized], media[sized], np.asarray(part["crop"], np.int32)[sized]


def _floats(column: pa.Array) -> np.ndarray:
    """(n,) float64, NaN for what is missing."""
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _folder(image: str | None) -> str:
    """The folder of a picture, with whichever slash its name was written."""
    return (image or "").replace("\\", "/").rpartition("/")[0]
