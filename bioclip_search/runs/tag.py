"""`bs.tag`: from what a user types to a run, over pictures or over what an earlier run kept.

Opens the collection; index and detector are opened by `equipping`, the work is `tagging`'s and `retagging`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bioclip_search.errors import RunError
from bioclip_search.runs.closing import closing_for
from bioclip_search.runs.equipping import frame_choice, open_deciding, open_equipment
from bioclip_search.runs.folder import NOTE_FILE, Run
from bioclip_search.runs.tagging import Progress, tag_source


def tag(
    source: str | Path | None = None,
    out: str | Path = "run",
    *,
    from_run: str | Path | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    index: str | Path = "starter",
    detector: str = "starter",
    min_confidence: float | None = None,
    tile_px: int | None = None,
    every: int | None = None,
    per_s: float | None = None,
    deployments: str | Path | None = None,
    columns: dict[str, str] | None = None,
    root: str | Path | None = None,
    place_of_pictures: bool = False,
    fusion: str | None = None,
    gap_s: float | None = None,
    repeats: bool = True,
    workers: int | None = None,
    timeout_s: float | None = None,
    memory_mb: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    speed: str = "auto",
    calibration: str | Path | None = None,
    trust_pickle: bool = False,
    progress: Progress | None = None,
    **asked: Any,
) -> Run:
    """Tags every box of every picture of a collection, into a folder that can be gone on with after any stop.

    Args:
        source: A folder, a glob, a table of files, an archive, a video, a data set, MegaDetector's JSON, a Camtrap DP or COCO package.
        out: The folder of the run; see `runs.folder` for what is in it.
        from_run: Instead of a source, a run whose vectors are asked anew, or an export that is taken in as it is.
        resume: Go on with the run in `out`: what is done is not done again, what is new in the collection is added.
        retry_failed: As `resume`, and pictures that failed before are looked at once more.
        detector: "none" takes each picture whole; boxes that the source brings go before any detector.
        min_confidence: Boxes below are not looked at; None for what the detector's card asks for, else `crops.DETECTOR_CONFIDENCE`.
        tile_px: Look at larger pictures in tiles of this side, too.
        every, per_s: Of videos every n-th frame, or n frames a second.
        deployments: What tells the cameras' stays: "folder", "folder:2", "none", a table, a Camtrap DP package.
        columns: Of a table, which column is what: {"image": "Photo"}; `root`: the folder that its paths start from.
        place_of_pictures: Weigh the `occurrences` at each picture's own place and month, from its EXIF or deployment.
        fusion: How the pictures of a burst come to one answer, by the names of `bursts`, or "none"; `gap_s`: longest pause in a burst.
        repeats: Set aside boxes that stay in one place through a deployment.
        workers: Processes that decode; `timeout_s` and `memory_mb`: what one picture may take.
        progress: Called with the pictures gone through, and how many there are once that is known.
        asked: Filters and rules of `Searcher.identify_stream`.

    Raises:
        SourceError: The collection cannot be listed.
        RunError: The folder cannot be written, holds something else, or a run that was made otherwise.
        IndexFolderError, ModelError, TableError, NotCalibratedError: As `Searcher.open` and `Searcher.identify_stream`.
    """
    if (source is None) == (from_run is None):
        raise RunError("Give either a collection of pictures or, by --from, an earlier run.")
    frame_choice(every, per_s)  # what is wrong with it is told before models are loaded
    out, closing = Path(out), closing_for(fusion, gap_s, repeats)
    if from_run is not None and not (Path(from_run) / NOTE_FILE).is_file():
        from bioclip_search.standards.taking_in import take_in_export

        return take_in_export(Path(from_run), out)
    models: dict[str, Any] = {"index": index, "precision": precision, "speed": speed, "calibration": calibration}
    deciding = open_deciding(place_of_pictures=place_of_pictures, device=device, **models, **asked)
    if from_run is not None:
        from bioclip_search.runs.retagging import retag

        return retag(Run.open(from_run), out, deciding, is_resumed=resume, closing_with=closing, progress=progress)
    from bioclip_search.sources import open_source

    opened = open_source(source, deployments=deployments, columns=columns, root=root)
    looking = {"min_confidence": min_confidence, "tile_px": tile_px, "every": every, "per_s": per_s, "workers": workers}
    limits = {"timeout_s": timeout_s, "memory_mb": memory_mb}
    equipment = open_equipment(deciding, detector=detector, device=device, trust_pickle=trust_pickle, **looking, **limits)
    how = {"is_resumed": resume or retry_failed, "retries_failed": retry_failed, "closing_with": closing, "progress": progress}
    return tag_source(opened, out, equipment, place=str(source), **how)
