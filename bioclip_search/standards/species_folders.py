"""The pictures of a run sorted into folders by what they show, as links, as copies, or as the crops alone.

Opening pictures is left to `picture_files`, safe names to `file_names`.

    OUT/
      Animalia/Chordata/Mammalia/Carnivora/Felidae/Panthera/Panthera uncia/site-IMG_0001.JPG …
      Animalia/…/Felidae/site-IMG_0002.JPG   a cat, of which no more was sure
      blank/, person/, vehicle/, unsure/
      species-folders.csv                    which file shows which picture, and as what
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search.decoding import Decoders
from bioclip_search.detectors.boxes import crop_box
from bioclip_search.errors import ExportError
from bioclip_search.runs.record import IDENTIFIED, PERSON
from bioclip_search.standards.csv_table import open_to_write, safe, table_writer
from bioclip_search.standards.file_names import free_path, safe_name, safe_parts
from bioclip_search.standards.options import COPY, FLAT, SYMLINK
from bioclip_search.standards.output import fresh_folder
from bioclip_search.standards.picture_files import FAILED, GONE, UNREADABLE, frame_name, jpeg_name, opened, people_in, pictures_by_file, refuse_blind, save_jpeg
from bioclip_search.standards.report import ExportReport, Tally

if TYPE_CHECKING:
    from bioclip_search.standards.collection import Collection, SeenCrop, SeenPicture, Standing
    from bioclip_search.standards.options import ExportOptions

LIST_FILE = "species-folders.csv"
COLUMNS = ("file", "image", "frame_number", "crop", "taxon", "rank", "probability", "decided_by")

UNSURE = "unsure"
"""The folder of organisms that nobody was sure enough to name."""

UNBLURRED = "videos with people, which cannot be blurred"


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes the folders; a picture of two species stands in both, a video once in the folder of each of its species.

    Raises:
        ExportError: There is something at `out`, it cannot be written, links cannot be made there, or people are to be
            blurred and nobody knows where they are.
    """
    tally = Tally()
    if options.blur_people:
        refuse_blind(collection, tally)
    with (
        fresh_folder(out, LIST_FILE, options) as folder,
        open_to_write(folder / LIST_FILE) as file,
        Decoders() as decoders,
    ):
        table = table_writer(file, COLUMNS)
        sorter = _crops if options.crops else _files
        for of_one in pictures_by_file(collection.pictures(options, tally)):
            for path, seen, crop, stands in sorter(of_one, collection, folder, options, decoders, tally):
                table.writerow(safe({"file": path.relative_to(folder).as_posix(), **_row(seen, crop, stands)}))
                tally.observations += 1
    return tally.report("species-folders", out)


def _row(seen: SeenPicture, crop: SeenCrop | None, stands: Standing) -> dict[str, Any]:
    return {
        "image": seen.picture.image,
        "frame_number": seen.picture.frame_number,
        "crop": None if crop is None else crop.crop.number,
        "taxon": stands.taxon,
        "rank": stands.rank,
        "probability": stands.probability,
        "decided_by": stands.who,
    }


def folder_of(stands: Standing, layout: str) -> list[str]:
    """The parts of the folder for what is held to be there: the lineage down to the rank that was sure, or the taxon alone."""
    if stands.status != IDENTIFIED:
        return [stands.status]
    if stands.taxon is None:
        return [UNSURE]
    if layout == FLAT or not stands.lineage:
        return [safe_name(stands.taxon)]
    parts = [safe_name(taxon) for taxon in stands.lineage.values()]
    return parts if stands.taxon in stands.lineage.values() else [*parts, safe_name(stands.taxon)]


Sorted = tuple[Path, "SeenPicture", "SeenCrop | None", "Standing"]


def _files(of_one: list[SeenPicture], collection: Collection, folder: Path, options: ExportOptions, decoders: Decoders, tally: Tally) -> Iterator[Sorted]:
    """The picture, or the video, in the folder of each thing that is seen in it."""
    there = [seen for seen in of_one if seen.picture.error is None]
    if len(there) < len(of_one):
        tally.leave_out(FAILED, len(of_one) - len(there))
    if not there:
        return
    is_blurred = options.blur_people and any(people_in(seen) for seen in there)
    if options.blur_people and not is_blurred and there[0].picture.frame_number is not None:
        tally.note("videos are handed on whole where none of the frames that were looked at shows people; the others may")
    put = _blurred(there, collection, decoders, tally) if is_blurred else _as_is(there, collection, options.how, tally)
    if put is None:
        return
    name = "-".join(safe_parts(there[0].picture.image))
    done: set[tuple[str, ...]] = set()
    for seen, (crop, stands) in ((one, what) for one in there for what in one.observed):
        place = tuple(folder_of(stands, options.layout))
        if place not in done:
            done.add(place)
            path = free_path(folder.joinpath(*place, safe_name(jpeg_name(name) if is_blurred else name)), seen.picture.media_id)
            path.parent.mkdir(parents=True, exist_ok=True)
            put(path)
            yield path, seen, crop, stands
    tally.pictures += len(there)


def _as_is(there: list[SeenPicture], collection: Collection, how: str, tally: Tally) -> Callable[[Path], None] | None:
    """What puts the file itself in a place; None where it is gone."""
    source = collection.run.find(there[0].picture.image)
    if source is None:
        tally.leave_out(GONE, len(there))
        return None
    if not os.access(source, os.R_OK):
        tally.leave_out(UNREADABLE, len(there))
        return None
    return partial(_put, source, how)


def _blurred(there: list[SeenPicture], collection: Collection, decoders: Decoders, tally: Tally) -> Callable[[Path], None] | None:
    """What puts a copy without recognisable people in a place; None where there can be none."""
    if there[0].picture.frame_number is not None:
        tally.leave_out(UNBLURRED, len(there))
        return None
    pictures = [picture for _, picture in opened(there, collection.run, decoders, tally, blurred=True)]
    if not pictures:
        return None
    tally.note("pictures with people are copies, blurred and without EXIF, whatever the others are")
    return partial(save_jpeg, pictures[0])


def _crops(of_one: list[SeenPicture], collection: Collection, folder: Path, options: ExportOptions, decoders: Decoders, tally: Tally) -> Iterator[Sorted]:
    """What stands in each box, with the margin that the encoder saw too; the whole picture where there is no box."""
    for seen, picture in opened(of_one, collection.run, decoders, tally, blurred=options.blur_people):
        name = "-".join(safe_parts(seen.picture.image))
        for crop, stands in seen.observed:
            if crop is None and stands.status not in (IDENTIFIED, PERSON):
                continue
            box = crop.crop.box_xyxy if crop else None
            stem = Path(name).stem if seen.picture.frame_number is None else frame_name(name, seen.picture.frame_number)
            stem += "" if crop is None else f"-{crop.crop.number}"
            path = free_path(folder.joinpath(*folder_of(stands, options.layout), safe_name(f"{stem}.jpg")), seen.picture.media_id)
            save_jpeg(picture.crop(crop_box(box, picture.size)) if box else picture, path)
            yield path, seen, crop, stands
        tally.pictures += 1


def _put(source: Path, how: str, path: Path) -> None:
    """Raises: ExportError: the system makes no such links there. OSError: the copy fails."""
    if how == COPY:
        shutil.copy2(source, path)
        return
    try:
        if how == SYMLINK:
            path.symlink_to(source.resolve())
        else:
            os.link(source, path)
    except OSError as error:
        raise ExportError(
            f"{path.name}: no {how} can be made here ({error.strerror or error}). Hard links need one disk for both, symbolic links a right "
            "that Windows gives in developer mode only; leave the option out to write copies."
        ) from error
