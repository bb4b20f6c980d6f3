"""What people decided as labels: a table that `evaluate` and `calibrate` read, and the same beside the run's own vectors.

How a label is looked up in an index is left to `evaluation.labels`, pictures to learn from to `training`. The crops that were decided are those
that people chose to look at, most often the doubtful ones: what is measured on them holds for them, and not for the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.errors import RunError
from bioclip_search.prompts import RANKS
from bioclip_search.review.decisions import ACCEPTED, CORRECTED, WHOLE, ReviewDecision, standing_decisions
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import TaggedCrop, TaggedPicture
from bioclip_search.runs.table import EMBEDDING, schema, to_pictures
from bioclip_search.standards.csv_table import open_to_write, safe, table_writer
from bioclip_search.swapping import whole_file

COLUMNS = ("image", "box_xyxy", *RANKS, "taxon", "taxon_rank", "verdict", "who", "when", "media_id", "crop")


@dataclass(frozen=True, eq=False)
class LabelledCrop:
    """A crop and what a person says it is; crop None where the decision is on the whole picture and it has not just one."""

    picture: TaggedPicture
    crop: TaggedCrop | None
    decision: ReviewDecision

    @property
    def box_xyxy(self) -> tuple[float, float, float, float] | None:
        return self.crop.box_xyxy if self.crop else None


@dataclass(frozen=True)
class LabelReport:
    """How many rows were written, and how many decisions gave none: they name no taxon, are on a frame of a video, or the picture is gone."""

    rows: int
    without_taxon: int
    of_videos: int
    unread: int = 0


def labelled_crops(run: Run, *, embeddings: bool = False) -> Iterator[LabelledCrop]:
    """The crops whose standing decision names a taxon, in the order of the run.

    Raises:
        RunError: The run or its decisions cannot be read.
    """
    standing = {key: decision for key, decision in standing_decisions(run.folder).items() if decision.verdict in (ACCEPTED, CORRECTED)}
    wanted = pa.array(sorted({name for name, _ in standing}), pa.string())
    columns = [*schema(None).names, *([EMBEDDING] if embeddings and run.dim else [])]
    batches = (batch.filter(pc.is_in(batch.column("media_id"), wanted)) for batch in run.batches(columns)) if standing else ()
    for picture in to_pictures(batch for batch in batches if len(batch)):
        for crop in picture.crops:
            if decision := standing.get((picture.media_id, crop.number)):
                yield LabelledCrop(picture, crop, decision)
        on_all = standing.get((picture.media_id, WHOLE))
        if on_all and not any((picture.media_id, crop.number) in standing for crop in picture.crops):
            yield LabelledCrop(picture, picture.crops[0] if len(picture.crops) == 1 else None, on_all)


def write_labels(run: Run, out: Path) -> LabelReport:
    """Writes the labels as a CSV file; paths are told from where it lies.

    Raises:
        RunError: The run cannot be read, or the file not be written.
    """
    rows = of_videos = 0
    try:
        with whole_file(out) as part, open_to_write(part) as file:
            writer = table_writer(file, COLUMNS)
            for label in labelled_crops(run):
                if label.picture.frame_number is not None:
                    of_videos += 1
                    continue
                writer.writerow(safe(_row(run, label, out.absolute().parent)))
                rows += 1
    except OSError as error:
        raise RunError(f"{out}: the labels cannot be written ({error.strerror or error}).") from error
    return LabelReport(rows, without_taxon(run), of_videos)


def without_taxon(run: Run) -> int:
    """How many standing decisions name no taxon."""
    return sum(decision.verdict not in (ACCEPTED, CORRECTED) for decision in standing_decisions(run.folder).values())


def labels_of_run(run: Run, ranks: tuple[str, ...] = RANKS) -> pa.Table:
    """The labels as `evaluation.label_tables.read_labels` gives those of a table, `image` as the run has it.

    Raises:
        RunError: Nothing with a taxon was decided, or the run cannot be read.
    """
    rows = [_label(label, ranks) for label in labelled_crops(run)]
    if not rows:
        raise RunError(f"{run.folder}: nobody decided on a taxon yet, so it holds no labels. Decide first: bioclip-search review {run.folder} --help")
    texts = [*ranks, "common_name", "written", "authorship", "split", "name", "image"]
    return pa.table(
        {name: pa.array([row.get(name) for row in rows], pa.string()) for name in texts}
        | {"box_xyxy": pa.array([row["box_xyxy"] for row in rows], pa.list_(pa.float64()))}
    )


def vectors_of_run(run: Run) -> np.ndarray:
    """The vectors of the labelled crops in the order of `labels_of_run`, (n, dim) float32, unit rows; zeros where none was kept."""
    rows = np.zeros((sum(1 for _ in labelled_crops(run)), run.dim or 0), np.float32)
    for row, label in zip(rows, labelled_crops(run, embeddings=True), strict=True):
        if label.crop is not None and label.crop.embedding is not None:
            row[:] = label.crop.embedding
            row /= max(float(np.linalg.norm(row)), 1e-9)
    return rows


def _label(label: LabelledCrop, ranks: tuple[str, ...]) -> dict[str, Any]:
    lineage = label.decision.lineage
    return {rank: lineage.get(rank) for rank in ranks} | {"image": label.picture.image, "name": label.picture.image, "box_xyxy": label.box_xyxy}


def _row(run: Run, label: LabelledCrop, home: Path) -> dict[str, Any]:
    decision = label.decision
    return {
        **{rank: decision.lineage.get(rank, "") for rank in RANKS},
        "image": _told_from(run, label.picture.image, home),
        "box_xyxy": " ".join(f"{side:g}" for side in label.box_xyxy or ()),
        "taxon": decision.taxon,
        "taxon_rank": decision.rank,
        "verdict": decision.verdict,
        "who": decision.who,
        "when": decision.when.isoformat(timespec="seconds"),
        "media_id": decision.media_id,
        "crop": decision.crop,
    }


def _told_from(run: Run, image: str, home: Path) -> str:
    """Where the picture is, told from a folder; in full where no way leads there, as written where it is not known."""
    if run.root is None:
        return image
    path = (run.root / image).absolute()
    try:
        return Path(os.path.relpath(path, home)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()
