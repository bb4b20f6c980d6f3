"""The pictures of a run with their boxes and names drawn in, in the folders they came from.

Opening them is left to `picture_files`; letters are `fonts`', colours `render`'s, which draws the one answer with all its reasons.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from bioclip_search.decoding import Decoders
from bioclip_search.fonts import Typeface, fit, is_drawable, tidy
from bioclip_search.render import BOX_COLOURS, GROUND, INK, ITALIC_RANKS, SOFT_INK
from bioclip_search.results import percent, shown_chance
from bioclip_search.runs.record import BLANK, IDENTIFIED
from bioclip_search.standards.csv_table import open_to_write, safe, table_writer
from bioclip_search.standards.file_names import free_path, safe_parts
from bioclip_search.standards.output import fresh_folder
from bioclip_search.standards.picture_files import frame_name, jpeg_name, opened, pictures_by_file, refuse_blind, save_jpeg
from bioclip_search.standards.report import ExportReport, Tally

if TYPE_CHECKING:
    from bioclip_search.standards.collection import Collection, SeenCrop, SeenPicture, Standing
    from bioclip_search.standards.options import ExportOptions

LIST_FILE = "annotated.csv"
COLUMNS = ("file", "image", "frame_number", "boxes")
"""Tells which file shows which picture."""

TEXT_SHARE, TEXT_RANGE_PX = 1 / 50, (13, 72)
"""Height of the letters, as a share of the picture's longer side, and its bounds: readable where the picture fills a screen."""

LINE_SHARE, LINE_MIN_PX = 1 / 500, 2
"""Width of a box's line, in the same way."""

UNNAMED, REPEAT = "not sure enough to name", "nothing moves here"


def write(collection: Collection, out: Path, options: ExportOptions) -> ExportReport:
    """Writes a JPEG for each picture that can be had, and the list of them.

    Raises:
        ExportError: There is something at `out`, it cannot be written, or people are to be blurred and nobody knows where they are.
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
        for of_one in pictures_by_file(collection.pictures(options, tally)):
            for seen, picture in opened(of_one, collection.run, decoders, tally, blurred=options.blur_people):
                path = _target(folder, seen)
                save_jpeg(draw_seen(picture, seen), path)
                boxes = sum(crop.stands.status != BLANK for crop in seen.crops)
                row = (path.relative_to(folder).as_posix(), seen.picture.image, seen.picture.frame_number, boxes)
                table.writerow(safe(dict(zip(COLUMNS, row, strict=True))))
                tally.pictures += 1
                tally.observations += boxes
    return tally.report("annotated", out)


def _target(folder: Path, seen: SeenPicture) -> Path:
    *above, name = safe_parts(seen.picture.image)
    return free_path(folder.joinpath(*above, jpeg_name(frame_name(name, seen.picture.frame_number))), seen.picture.media_id)


def draw_seen(picture: Image.Image, seen: SeenPicture) -> Image.Image:
    """A copy of the upright picture with what stands for each of its crops; the most confident lies on top."""
    sheet = picture.convert("RGB").copy()
    shown = [crop for crop in seen.crops if crop.stands.status != BLANK]
    colours = [GROUND if crop.is_repeat else BOX_COLOURS[number % len(BOX_COLOURS)] for number, crop in enumerate(shown)]
    for crop, colour in reversed(list(zip(shown, colours, strict=True))):
        if crop.crop.box_xyxy is not None:
            _draw_box(sheet, crop.crop.box_xyxy, colour)
    taken: list[tuple[int, int, int, int]] = []
    for crop, colour in zip(shown, colours, strict=True):
        _draw_label(sheet, crop, colour, taken)
    return sheet


def name_of(stands: Standing) -> tuple[str, str]:
    """What is written of a crop, and the cut of the letters: italic for names of genera and below."""
    if stands.status != IDENTIFIED:
        return stands.status, "SemiBold"
    if stands.taxon is None:
        return UNNAMED, "Regular"
    common = tidy(stands.common_name or "")
    if common and is_drawable(common):
        return common[:1].upper() + common[1:], "SemiBold"
    return tidy(stands.taxon), "Italic" if stands.rank in ITALIC_RANKS else "SemiBold"


def _text_of(crop: SeenCrop) -> tuple[str, str]:
    """A name that a person gave stands alone; the machine's has its probability beside it."""
    if crop.is_repeat:
        return REPEAT, "Regular"
    name, cut = name_of(crop.stands)
    if crop.stands.is_decided or crop.stands.taxon is None or crop.crop.answer is None:
        return name, cut
    chance = shown_chance(crop.crop.answer)
    return (name if chance is None else f"{name} · {percent(chance)}"), cut


def _draw_box(sheet: Image.Image, box: tuple[float, float, float, float], colour: str) -> None:
    width = max(LINE_MIN_PX, round(max(sheet.size) * LINE_SHARE))
    left, top = (min(max(round(edge), 0), side - 1) for edge, side in zip(box[:2], sheet.size, strict=True))
    right, bottom = (max(min(round(edge), side) - 1, least) for edge, side, least in zip(box[2:], sheet.size, (left, top), strict=True))
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, right, bottom), outline=INK, width=width + max(1, width // 2))  # a dark seam, for bright grounds
    draw.rectangle((left, top, right, bottom), outline=colour, width=width)


def _draw_label(sheet: Image.Image, crop: SeenCrop, colour: str, taken: list[tuple[int, int, int, int]]) -> None:
    """On a tag in the colour of its box; above the box where there is room, else within it or below."""
    text, cut = _text_of(crop)
    size = min(max(round(max(sheet.size) * TEXT_SHARE), TEXT_RANGE_PX[0]), TEXT_RANGE_PX[1])
    face, pad = Typeface(cut, size), max(3, size // 3)
    text = fit(text, face, max(1, sheet.width - 2 * pad))
    width, height = round(face.length(text)) + 2 * pad, face.line_px
    left, top, right, bottom = _room(sheet.size, (width, height), crop.crop.box_xyxy, taken)
    taken.append((left, top, right, bottom))
    ImageDraw.Draw(sheet).rectangle((left, top, right - 1, bottom - 1), fill=colour)
    face.draw(sheet, (left + pad, top + height / 2), text, SOFT_INK if crop.is_repeat else INK, "lm")


def _room(size_wh: tuple[int, int], tag_wh: tuple[int, int], box: tuple[float, float, float, float] | None, taken: list) -> tuple[int, int, int, int]:
    """Where the tag stands: the first of its places that lies within the picture and on no other tag, else the first."""
    left, top, _, bottom = map(round, box or (0, 0, *size_wh))
    left = max(0, min(left, size_wh[0] - tag_wh[0]))
    places = []
    for start in (top - tag_wh[1], bottom, top, bottom - tag_wh[1]) if box else ():
        if 0 <= start <= size_wh[1] - tag_wh[1]:
            places.append((left, start, left + tag_wh[0], start + tag_wh[1]))
    places += [(left, start, left + tag_wh[0], start + tag_wh[1]) for start in range(0, max(1, size_wh[1] - tag_wh[1]), tag_wh[1])]
    return next((place for place in places if not any(_meet(place, other) for other in taken)), places[0])


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
