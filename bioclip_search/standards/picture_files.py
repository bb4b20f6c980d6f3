"""Pictures of a run opened once more, and written anew with their people blurred where that is wanted.

Which pictures, under which names and with what drawn in, is left to `annotated` and `species_folders`; the blurring to `blur`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from bioclip_search.blur import blur_people, knows_people
from bioclip_search.decoding import Decoders, FrameChoice, frames
from bioclip_search.errors import ExportError, PictureError
from bioclip_search.media import Media, Video
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import PERSON
from bioclip_search.standards.collection import Collection, SeenPicture
from bioclip_search.standards.report import Tally

if TYPE_CHECKING:
    from PIL import Image

    from bioclip_search.detectors.boxes import Box

JPEG_QUALITY = 92
"""Of pictures written anew: above what cameras use, so that little is lost once more."""

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe"})

GONE = "pictures that are not where they were, or lie in an archive"
CHANGED = "pictures that have changed since they were tagged"
FAILED = "pictures that could not be read when they were tagged"
UNREADABLE = "pictures that cannot be read any more"


def pictures_by_file(pictures: Iterable[SeenPicture]) -> Iterator[list[SeenPicture]]:
    """The pictures in their order, those of one video together."""
    for _, group in groupby(pictures, key=lambda seen: (seen.picture.image, seen.picture.frame_number is None)):
        yield list(group)


def opened(of_one: list[SeenPicture], run: Run, decoders: Decoders, tally: Tally, *, blurred: bool) -> Iterator[tuple[SeenPicture, Image.Image]]:
    """Each picture of one file, upright and in RGB; those that cannot be had are counted in the tally and passed over."""
    there = [seen for seen in of_one if seen.picture.error is None]
    if len(there) < len(of_one):
        tally.leave_out(FAILED, len(of_one) - len(there))
    path = run.find(there[0].picture.image) if there else None
    if path is None:
        if there:
            tally.leave_out(GONE, len(there))
        return
    is_film = there[0].picture.frame_number is not None
    for seen, picture in _frames(there, path, decoders, tally) if is_film else _still(there, path, decoders, tally):
        yield seen, blur_people(picture, people_in(seen)) if blurred else picture


def _still(there: list[SeenPicture], path: Path, decoders: Decoders, tally: Tally) -> Iterator[tuple[SeenPicture, Image.Image]]:
    for seen in there:
        try:
            got = decoders.open(Media(seen.picture.image, path))
        except PictureError:
            tally.leave_out(UNREADABLE)
            continue
        if not _is_same(seen, got.content_hash, got.size_wh):
            tally.leave_out(CHANGED)
            continue
        yield seen, got.picture


def _frames(there: list[SeenPicture], path: Path, decoders: Decoders, tally: Tally) -> Iterator[tuple[SeenPicture, Image.Image]]:
    wanted = {seen.picture.frame_number: seen for seen in there}
    video = Video(there[0].picture.image, path, boxes=dict.fromkeys(wanted, ()))
    with closing(frames(video, FrameChoice(every=max(wanted) + 1), decoders)) as media:
        for one in media:
            seen = wanted.pop(one.frame.number, None) if one.frame else None
            if seen is None:
                continue
            if _is_same(seen, getattr(one.frame, "content_hash", None), one.frame.pixels.size):
                yield seen, one.frame.pixels
            else:
                tally.leave_out(CHANGED)
            if not wanted:
                return
    tally.leave_out(UNREADABLE, len(wanted))


def _is_same(seen: SeenPicture, content_hash: str | None, size_wh: tuple[int, int]) -> bool:
    """Whether the boxes still fit: the bytes are those that were tagged, or, where that is not known, the size is."""
    before = seen.picture.content_hash
    return content_hash == before if before and content_hash else size_wh == (seen.picture.size_wh or size_wh)


def people_in(seen: SeenPicture) -> list[Box]:
    """The boxes of all people, also of those that are left out as repeats; all of the picture where somebody saw people in it, but no box."""
    shown = {crop.crop.number for crop in seen.crops}
    found = [crop.crop for crop in seen.crops if crop.stands.status == PERSON]
    found += [crop for crop in seen.picture.crops if crop.number not in shown and crop.status == PERSON]
    everything = (0.0, 0.0, *map(float, seen.picture.size_wh or (0, 0)))
    boxes = [crop.box_xyxy or everything for crop in found]
    return boxes or ([everything] if seen.status == PERSON else [])


def refuse_blind(collection: Collection, tally: Tally) -> None:
    """Raises: ExportError: people are to be blurred, but nobody looked for any, neither the detector nor a person."""
    told = collection.run.note["settings"].get("detector")
    told = told if isinstance(told, dict) else {"name": told}
    sees = knows_people(told.get("categories"))
    seen = _categories(collection.run)
    if sees is None and told.get("name") in (None, "none"):
        sees = None if seen else False  # boxes without a detector were given by somebody, who may have looked for people
    marked = PERSON in seen or any(decision.verdict == PERSON for decision in collection.decisions.values())
    if sees is False and not marked:
        raise ExportError(
            f"People cannot be blurred, for the detector of this run ({told.get('name') or 'none'}) does not tell people from animals. "
            "Tag anew with one that does, such as MDV6-yolov9-c (see `models list`), or mark people by `review`."
        )
    if sees is False:
        tally.note("people were blurred only where somebody else saw them, for the detector does not see any")
    elif sees is None:
        tally.note('people were blurred where a box is called "person"; whether the boxes tell of all people, this run does not say')


def _categories(run: Run) -> set[str]:
    """Of all boxes of a run."""
    found: set[str] = set()
    for batch in run.batches(["category"]):
        found.update(category for category in batch.column(0).unique().to_pylist() if category is not None)
    return found


def jpeg_name(name: str) -> str:
    """The name of a picture that is written anew: its own, with the ending of a JPEG."""
    return name if Path(name).suffix.lower() in JPEG_SUFFIXES else f"{name}.jpg"


def frame_name(name: str, frame_number: int | None) -> str:
    """The name of one picture of a video, which sorts by time; a still picture keeps its own.

    >>> frame_name("film.mp4", 12)
    'film.mp4-frame000012'
    """
    return name if frame_number is None else f"{name}-frame{frame_number:06}"


def save_jpeg(picture: Image.Image, path: Path) -> None:
    """Without EXIF, whose thumbnail would show what the picture no longer does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=JPEG_QUALITY, exif=b"")
