"""A contact sheet: many pictures side by side, each with true boxes and finds drawn and a line or two that says what it is.

Draws and nothing else; which pictures, in which order, is left to whoever has something to show. Pillow alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from PIL import Image, ImageDraw

from bioclip_search.detectors.boxes import Box
from bioclip_search.fonts import Typeface, fit

TILE_PX = 264
"""The square that holds one picture."""

COLUMNS, MOST_TILES = 5, 40
"""Tiles in a row, and on one sheet: 5 × 8, which a screen shows at once."""

GAP_PX, MARGIN_PX, LINE_PX = 14, 24, 3
GROUND, MAT, INK, SOFT_INK, SEAM = "#EFF1EE", "#DFE3DE", "#18211D", "#5C6862", "#18211D"
TRUE_COLOUR, FIND_COLOUR = "#009E73", "#D55E00"
"""Okabe and Ito's green and vermilion (2008), which all eyes tell apart."""

DASH_PX = 7

SURROUNDINGS = 4.0
"""How much of the picture is shown around what is meant, in times the longer side of its boxes: a small animal would be lost in the whole picture."""

TITLE, CAPTION, SMALL = Typeface("SemiBold", 22), Typeface("SemiBold", 13), Typeface("Regular", 13)


@dataclass(frozen=True)
class Mark:
    """A box to be drawn, in pixels of the picture; dashed where it is not what the tile is about."""

    box_xyxy: Box
    colour: str
    is_dashed: bool = False


@dataclass(frozen=True)
class Tile:
    """One picture, what is drawn into it, and two lines below it. The picture is shown around `about`, if any, else whole."""

    picture: Image.Image
    marks: Sequence[Mark]
    caption: str
    small: str = ""
    about: Sequence[Box] = ()


def contact_sheet(title: str, legend: Sequence[tuple[str, str]], tiles: Iterable[Tile], columns: int = COLUMNS) -> Image.Image:
    """The sheet, RGB, the tiles from left to right and top to bottom; at most `MOST_TILES` of them.

    Args:
        legend: What each colour means: (colour, words).
        tiles: Each is drawn before the next is asked for, so that but one picture need be in memory.
    """
    drawn = [_tile(tile) for tile in islice(tiles, MOST_TILES)]
    columns = max(1, min(columns, len(drawn)))
    width = max(2 * MARGIN_PX + columns * (TILE_PX + GAP_PX) - GAP_PX, 2 * MARGIN_PX + math.ceil(max(TITLE.length(title), _legend_width(legend))))
    top = MARGIN_PX + TITLE.line_px + SMALL.line_px + GAP_PX
    height_of_tile = TILE_PX + 2 * SMALL.line_px + GAP_PX
    sheet = Image.new("RGB", (width, top + math.ceil(len(drawn) / columns) * height_of_tile + MARGIN_PX - GAP_PX), GROUND)
    TITLE.draw(sheet, (MARGIN_PX, MARGIN_PX + TITLE.size_px), fit(title, TITLE, width - 2 * MARGIN_PX), INK)
    _draw_legend(sheet, legend, MARGIN_PX + TITLE.line_px + SMALL.size_px)
    for number, tile in enumerate(drawn):
        sheet.paste(tile, (MARGIN_PX + number % columns * (TILE_PX + GAP_PX), top + number // columns * height_of_tile))
    return sheet


def _tile(tile: Tile) -> Image.Image:
    """The picture on its mat with the two lines below it."""
    drawn = Image.new("RGB", (TILE_PX, TILE_PX + 2 * SMALL.line_px), GROUND)
    drawn.paste(MAT, (0, 0, TILE_PX, TILE_PX))
    window = _window(tile.picture.size, tile.about)
    scale = TILE_PX / max(window[2] - window[0], window[3] - window[1])
    size_wh = tuple(max(1, round(scale * side)) for side in (window[2] - window[0], window[3] - window[1]))
    photo = tile.picture.convert("RGB").resize(size_wh, Image.Resampling.LANCZOS, box=window)
    for mark in tile.marks:
        _draw_mark(photo, mark, [scale * (edge - window[n % 2]) for n, edge in enumerate(mark.box_xyxy)])
    drawn.paste(photo, ((TILE_PX - size_wh[0]) // 2, (TILE_PX - size_wh[1]) // 2))
    CAPTION.draw(drawn, (0, TILE_PX + CAPTION.size_px + 3), fit(tile.caption, CAPTION, TILE_PX), INK)
    SMALL.draw(drawn, (0, TILE_PX + SMALL.line_px + SMALL.size_px + 2), fit(tile.small, SMALL, TILE_PX), SOFT_INK)
    return drawn


def _window(size_wh: tuple[int, int], about: Sequence[Box]) -> tuple[float, float, float, float]:
    """The part of the picture that is shown: `SURROUNDINGS` times what it is about, as near to its middle as the picture allows.

    >>> _window((1000, 800), [(900, 300, 950, 350)])  # 4 × 50 px, moved left by 25 for lack of picture
    (800.0, 225.0, 1000.0, 425.0)
    """
    if not about:
        return (0.0, 0.0, float(size_wh[0]), float(size_wh[1]))
    edges = [pick(box[n] for box in about) for n, pick in enumerate((min, min, max, max))]
    side = SURROUNDINGS * max(edges[2] - edges[0], edges[3] - edges[1], 1)
    spans = []
    for axis, length in enumerate(size_wh):
        shown = min(side, float(length))
        start = min(max((edges[axis] + edges[axis + 2] - shown) / 2, 0.0), length - shown)
        spans.append((start, start + shown))
    return (spans[0][0], spans[1][0], spans[0][1], spans[1][1])


def _draw_mark(photo: Image.Image, mark: Mark, box: Sequence[float]) -> None:
    """The box with a dark seam, for bright grounds; what lies beside the photo is drawn at its edge."""
    limits = [side - 1 for side in photo.size] * 2
    left, top, right, bottom = (min(max(round(edge), 0), limit) for edge, limit in zip(box, limits, strict=True))
    draw = ImageDraw.Draw(photo)
    if not mark.is_dashed:
        draw.rectangle((left, top, right, bottom), outline=SEAM, width=LINE_PX + 2)
        draw.rectangle((left, top, right, bottom), outline=mark.colour, width=LINE_PX)
        return
    for colour, width in (("#FFFFFF", 3), (mark.colour, 2)):  # on a pale line, for dark grounds
        step = DASH_PX if colour == "#FFFFFF" else 2 * DASH_PX
        for start in range(left, right, step):
            for y in (top, bottom):
                draw.line((start, y, min(start + DASH_PX, right), y), fill=colour, width=width)
        for start in range(top, bottom, step):
            for x in (left, right):
                draw.line((x, start, x, min(start + DASH_PX, bottom)), fill=colour, width=width)


def _draw_legend(sheet: Image.Image, legend: Sequence[tuple[str, str]], y: int) -> None:
    x = MARGIN_PX
    for colour, words in legend:
        ImageDraw.Draw(sheet).rectangle((x, y - 10, x + 14, y), fill=colour, outline=SEAM)
        SMALL.draw(sheet, (x + 20, y), words, SOFT_INK)
        x += 20 + math.ceil(SMALL.length(words)) + 22


def _legend_width(legend: Sequence[tuple[str, str]]) -> float:
    return sum(42 + SMALL.length(words) for _, words in legend)
