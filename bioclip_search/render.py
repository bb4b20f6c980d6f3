"""The picture a biologist looks at: the photograph with its boxes and one card per answer, drawn with Pillow alone.

Decides nothing: what may be claimed is `fallback`, fitting and drawing text is `fonts`, turning upright is `images`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from bioclip_search.fonts import OVERSAMPLING, Typeface, fit, is_drawable, tidy, wrap
from bioclip_search.results import Alternative, Answer, Rung, percent, remarks, shown_chance
from bioclip_search.swapping import whole_file

# By the nomenclatural codes, names of genera and of everything below them are set in italics, higher taxa upright.
ITALIC_RANKS = frozenset(("genus", "subgenus", "section", "subsection", "species", "subspecies", "infraspecies", "variety", "subvariety", "form", "forma"))

# Text has at least 4.5:1 against its ground (WCAG 2 AA); the hues are Okabe & Ito's (2008), made for all eyes.
GROUND, CARD, MAT, HAIRLINE = "#EFF1EE", "#FFFFFF", "#DFE3DE", "#DFE3DE"
INK, SOFT_INK, CLAIM = "#18211D", "#5C6862", "#00639B"
BAR_CLAIMED, BAR_GUESSED, BAR_TRACK = "#0072B2", "#A9CCE3", "#EDF0EE"
BOX_COLOURS = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00")

# Lengths in pixels, most of them multiples of one unit.
UNIT_PX = 4
MARGIN_PX, GUTTER_PX, PADDING_PX, CORNER_PX = 6 * UNIT_PX, 5 * UNIT_PX, 7 * UNIT_PX, 3 * UNIT_PX
CARD_WIDTH_PX, CARD_ALONE_WIDTH_PX = 548, 720  # a card among others or beside the photograph; the only card below it
PHOTO_SIDE_PX = 960  # longest side of the photograph, fits 16:9 beside a usual card
PHOTO_LOW_PX, PHOTO_TALL_PX = 480, 720  # height that a wide, a tall photograph may take even where its card is lower
MAT_SIDE_PX = 240  # least side of the mat behind a tiny or thread-thin photograph
RANK_COLUMN_PX, BAR_PX, BOX_LINE_PX, BADGE_PX = 96, 6, 4, 30
HEADLINE_SIZES_PX, NAME_PX, CHANCE_PX, BODY_PX, SMALL_PX = (36, 30, 26), 24, 20, 18, 15

ENLARGEMENT_MAX = 4.0  # times; beyond it a thumbnail shows nothing but its own pixels
WIDE_ASPECT, SQUARE_ASPECT = 2.2, 1.1  # width / height above which one card, two cards stand below the photograph
RULE_LINES_MAX = 3
CARDS_MAX = 12  # answers after these keep their boxes and are counted in a note

UNSURE = "Not sure enough to name"
UNSURE_REASON = "No taxon reached the certainty asked for."
BLANK = "No organism found"
BLANK_REASON = "The detector saw nothing to name."
GUESSED = "best guesses, not claimed"


def annotate(picture: Image.Image, answers: Sequence[Answer]) -> Image.Image:
    """The photograph with its boxes and, beside or below it, one card per answer in the order given; mode RGB.

    `picture` is upright, as the boxes of the answers are. Two or more answers are numbered, on the box and on
    the card. No answers give the photograph alone.
    """
    aspect = picture.width / picture.height
    beside, columns, card_width = _arrangement(len(answers), aspect)
    numbers = [n + 1 if len(answers) > 1 else None for n in range(len(answers))]
    cards = [_card(*pair, card_width) for pair in zip(answers[:CARDS_MAX], numbers, strict=False)]
    rows = [cards[start : start + columns] for start in range(0, len(cards), columns)]
    width, height = _grid_size(rows)
    limit_wh = (PHOTO_SIDE_PX, max(height, PHOTO_TALL_PX if aspect < 1 or not rows else PHOTO_LOW_PX)) if beside else (width, PHOTO_SIDE_PX)
    photo = _photograph(picture, limit_wh)
    _draw_boxes(photo, picture.size, answers)
    mat_wh = (MAT_SIDE_PX, max(MAT_SIDE_PX, height)) if beside else (width, MAT_SIDE_PX)
    parts = [_mounted(photo, mat_wh)]
    if rows:
        parts.append(_grid(rows, parts[0].height - height if beside else 0))
    if len(answers) > CARDS_MAX:
        parts.append(_note(f"and {len(answers) - CARDS_MAX} more, boxed in the photograph"))
    return _joined(parts, beside)


def save_png(image: Image.Image, path: str | os.PathLike[str]) -> None:
    """Writes a PNG that is never seen half-written: a temporary file in the same folder, then a rename.

    Raises:
        OSError: the folder is missing or cannot be written to; nothing is left behind.
    """
    with whole_file(Path(path)) as part:
        image.save(part, format="PNG")


# The sheet: a mounted photograph and a grid of cards


def _arrangement(count: int, aspect: float) -> tuple[bool, int, int]:
    """Whether the cards stand beside the photograph (else below), in how many columns, and how wide each is."""
    if count == 0 or (count == 1 and aspect <= WIDE_ASPECT) or (count == 2 and aspect <= SQUARE_ASPECT):
        return True, 1, CARD_WIDTH_PX
    if count == 1:
        return False, 1, CARD_ALONE_WIDTH_PX
    return False, 2 if count <= 4 else 3, CARD_WIDTH_PX


def _photograph(picture: Image.Image, limit_wh: tuple[int, int]) -> Image.Image:
    """A copy in RGB, scaled to fill `limit_wh` without distortion; a side that would vanish keeps one pixel."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, MAT), picture)
    scale = min(limit_wh[0] / picture.width, limit_wh[1] / picture.height, ENLARGEMENT_MAX)
    size_wh = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGB").resize(size_wh, Image.Resampling.LANCZOS)


def _draw_boxes(photo: Image.Image, size_wh: tuple[int, int], answers: Sequence[Answer]) -> None:
    """Draws the boxes, in pixels of a picture of `size_wh`, onto its scaled copy; the first on top, badges last."""
    corners = {}
    for position, answer in reversed(list(enumerate(answers))):
        if answer.box_xyxy is None:
            continue
        x0, y0, x1, y1 = (round(edge * photo.size[n % 2] / size_wh[n % 2]) for n, edge in enumerate(answer.box_xyxy))
        x0, y0 = min(max(x0, 0), photo.width - 1), min(max(y0, 0), photo.height - 1)
        x1, y1 = max(min(x1, photo.width) - 1, x0), max(min(y1, photo.height) - 1, y0)
        draw = ImageDraw.Draw(photo)
        draw.rectangle((x0, y0, x1, y1), outline=INK, width=BOX_LINE_PX + 1)  # a dark seam, for bright grounds
        draw.rectangle((x0, y0, x1, y1), outline=_box_colour(position), width=BOX_LINE_PX)
        corners[position] = (x0, y0)
    for position, corner_xy in corners.items() if len(answers) > 1 else ():
        _draw_badge(photo, corner_xy, position + 1)


def _mounted(photo: Image.Image, least_wh: tuple[int, int]) -> Image.Image:
    """The photograph on a panel of at least that size: with round corners where it all but fills it, else on a mat."""
    size_wh = (max(photo.width, least_wh[0]), max(photo.height, least_wh[1]))
    panel = Image.new("RGB", size_wh, GROUND)
    at_xy = ((size_wh[0] - photo.width) // 2, (size_wh[1] - photo.height) // 2)
    if max(at_xy) > CORNER_PX:
        _draw_rounded(panel, (0, 0, *size_wh), CORNER_PX, MAT)
        panel.paste(photo, at_xy)
    else:
        panel.paste(photo, at_xy, _round_mask(photo.size, CORNER_PX))
    return panel


def _grid_size(rows: list[list[_Card]]) -> tuple[int, int]:
    """Width and height of the grid; nothing for no cards."""
    if not rows:
        return 0, 0
    height = sum(max(card.height for card in row) + GUTTER_PX for row in rows) - GUTTER_PX
    return len(rows[0]) * (rows[0][0].width + GUTTER_PX) - GUTTER_PX, height


def _grid(rows: list[list[_Card]], spare_px: int) -> Image.Image:
    """All cards; those of a row are equally high, the last row `spare_px` more to end with the photograph."""
    width, height = _grid_size(rows)
    grid, top = Image.new("RGB", (width, height + spare_px), GROUND), 0
    for row in rows:
        row_height = max(card.height for card in row) + (spare_px if row is rows[-1] else 0)
        for column, card in enumerate(row):
            card.paint(grid, column * (card.width + GUTTER_PX), top, row_height)
        top += row_height + GUTTER_PX
    return grid


def _note(text: str) -> Image.Image:
    face = Typeface("Regular", BODY_PX)
    note = Image.new("RGB", (math.ceil(face.length(text)) + 2, face.line_px), GROUND)
    face.draw(note, (0, face.size_px), text, SOFT_INK)
    return note


def _joined(parts: list[Image.Image], beside: bool) -> Image.Image:
    """The parts in a row or in a column, with gutters between and a margin around."""
    along, across = (0, 1) if beside else (1, 0)
    size = [0, 0]
    size[along] = sum(part.size[along] + GUTTER_PX for part in parts) - GUTTER_PX + 2 * MARGIN_PX
    size[across] = max(part.size[across] for part in parts) + 2 * MARGIN_PX
    sheet = Image.new("RGB", (size[0], size[1]), GROUND)
    at = [MARGIN_PX, MARGIN_PX]
    for part in parts:
        sheet.paste(part, (at[0], at[1]))
        at[along] += part.size[along] + GUTTER_PX
    return sheet


# One card: blocks from the top, small print on the floor


@dataclass(frozen=True)
class _Block:
    """A strip of a card: its height, and how to paint it with its top left corner at (x, y)."""

    height: int
    paint: Callable[[Image.Image, int, int], None]


@dataclass(frozen=True)
class _Card:
    width: int
    head: list[_Block]
    foot: list[_Block]

    @property
    def height(self) -> int:
        """The least height that holds all blocks."""
        return 2 * PADDING_PX + sum(block.height for block in (*self.head, *self.foot))

    def paint(self, sheet: Image.Image, left: int, top: int, height: int) -> None:
        _draw_rounded(sheet, (left, top, left + self.width, top + height), CORNER_PX, HAIRLINE)
        _draw_rounded(sheet, (left + 1, top + 1, left + self.width - 1, top + height - 1), CORNER_PX - 1, CARD)
        foot_top = top + height - PADDING_PX - sum(block.height for block in self.foot)
        for blocks, y in ((self.head, top + PADDING_PX), (self.foot, foot_top)):
            for block in blocks:
                block.paint(sheet, left + PADDING_PX, y)
                y += block.height


def _card(answer: Answer, number: int | None, width: int) -> _Card:
    inner = width - 2 * PADDING_PX
    head = [*_title(answer, number, inner), _gap(4), *_ladder(answer, inner), _gap(2)]
    return _Card(width, head, _small_print(answer, inner))


def _title(answer: Answer, number: int | None, width: int) -> list[_Block]:
    """The name as large as it fits, the scientific name if that is another, and rank and chance."""
    if answer.taxon is None or answer.rank is None:
        verdict, reason = (BLANK, BLANK_REASON) if answer.probability is None else (UNSURE, UNSURE_REASON)
        reason_block = _paragraph(reason, Typeface("Regular", BODY_PX), SOFT_INK, width)
        return [_headline(verdict, "SemiBold", number, width), reason_block]
    cut, common = _cut(answer.rank), tidy(answer.common_name or "")
    chance = f"{answer.rank} · {percent(shown_chance(answer))}"
    below = [_gap(1), _paragraph(chance, Typeface("SemiBold", CHANCE_PX), CLAIM, width)]
    if common and is_drawable(common):
        scientific = _paragraph(answer.taxon, Typeface(cut, NAME_PX), INK, width)
        return [_headline(_sentence_case(common), "SemiBold", number, width), scientific, *below]
    return [_headline(answer.taxon, "Italic" if cut == "Italic" else "SemiBold", number, width), *below]


def _headline(name: str, cut: str, number: int | None, width: int) -> _Block:
    """The name in the largest size that takes one line, else two lines of the smallest, after its badge."""
    indent = 0 if number is None else BADGE_PX + 3 * UNIT_PX
    faces = [Typeface(cut, size) for size in HEADLINE_SIZES_PX]
    face = next((face for face in faces if face.length(tidy(name)) <= width - indent), faces[-1])
    body = _paragraph(name, face, INK, width - indent, lines_max=2)

    def paint(sheet: Image.Image, x: int, y: int) -> None:
        body.paint(sheet, x + indent, y)
        if number is not None:
            _draw_badge(sheet, (x, y + (face.line_px - BADGE_PX) // 2 + 1), number)

    return _Block(body.height, paint)


def _ladder(answer: Answer, width: int) -> list[_Block]:
    """One bar per rung; a dashed line parts what is claimed from the guesses below it."""
    claimed = next((n + 1 for n, rung in enumerate(answer.ladder) if rung.rank == answer.rank), 0)
    rungs = [_rung(rung, n < claimed, n == claimed - 1, width) for n, rung in enumerate(answer.ladder)]
    return rungs if claimed == len(rungs) else [*rungs[:claimed], _dashed_line(width), *rungs[claimed:]]


def _rung(rung: Rung, claimed: bool, is_answer: bool, width: int) -> _Block:
    """Rank, taxon and percentage on one line, the bar under the taxon."""
    rank_face, name_face = Typeface("Regular", SMALL_PX), Typeface(_cut(rung.rank), BODY_PX)
    chance_face, chance = Typeface("SemiBold" if is_answer else "Regular", BODY_PX), percent(rung.probability)
    rank = fit(rung.rank, rank_face, RANK_COLUMN_PX - 2 * UNIT_PX)
    bar_width = width - RANK_COLUMN_PX
    name = fit(rung.taxon, name_face, bar_width - chance_face.length(chance) - 4 * UNIT_PX)
    share = 0.0 if math.isnan(rung.probability) else min(max(rung.probability, 0.0), 1.0)
    filled = max(BAR_PX, round(bar_width * share))  # even the least bar is a dot, not nothing
    ink = INK if claimed else SOFT_INK

    def paint(sheet: Image.Image, x: int, y: int) -> None:
        base, start = y + name_face.line_px - 2 * UNIT_PX, x + RANK_COLUMN_PX
        rank_face.draw(sheet, (x, base), rank, CLAIM if is_answer else SOFT_INK)
        name_face.draw(sheet, (start, base), name, ink)
        chance_face.draw(sheet, (start + bar_width, base), chance, CLAIM if is_answer else ink, "rs")
        top, bottom = base + 2 * UNIT_PX, base + 2 * UNIT_PX + BAR_PX
        _draw_rounded(sheet, (start, top, start + bar_width, bottom), BAR_PX // 2, BAR_TRACK)
        _draw_rounded(sheet, (start, top, start + filled, bottom), BAR_PX // 2, BAR_CLAIMED if claimed else BAR_GUESSED)

    return _Block(name_face.line_px + BAR_PX + 2 * UNIT_PX, paint)


def _dashed_line(width: int) -> _Block:
    face = Typeface("Regular", SMALL_PX)

    def paint(sheet: Image.Image, x: int, y: int) -> None:
        middle, caption_left = y + 3 * UNIT_PX, x + width - math.ceil(face.length(GUESSED))
        for dash in range(x, caption_left - 3 * UNIT_PX, 2 * UNIT_PX):
            ImageDraw.Draw(sheet).line((dash, middle, dash + UNIT_PX - 1, middle), SOFT_INK)
        face.draw(sheet, (caption_left, middle), GUESSED, SOFT_INK, "lm")

    return _Block(7 * UNIT_PX, paint)


def _small_print(answer: Answer, width: int) -> list[_Block]:
    """A hairline, what to mind, the runners-up, the rule in its words and the name of the index."""
    line = _Block(4 * UNIT_PX, lambda sheet, x, y: ImageDraw.Draw(sheet).line((x, y, x + width - 1, y), HAIRLINE))
    others = [_runners_up(answer.alternatives, width), _gap(1)] if answer.alternatives else []
    face = Typeface("Regular", SMALL_PX)
    rule = _paragraph(_sentence_case(answer.rule), face, SOFT_INK, width, RULE_LINES_MAX)
    minded = [_paragraph(remark, Typeface("SemiBold", SMALL_PX), INK, width, RULE_LINES_MAX) for remark in remarks(answer)]
    return [line, *minded, *([_gap(1)] if minded else []), *others, rule, _gap(1), _paragraph(f"Index: {answer.index}", face, SOFT_INK, width)]


def _runners_up(alternatives: Sequence[Alternative], width: int) -> _Block:
    """As many runners-up as one line holds, at least one."""
    upright = Typeface("Regular", SMALL_PX)
    pieces = [("Runners-up: ", upright, SOFT_INK)]
    room = width - upright.length(pieces[0][0])
    for position, other in enumerate(alternatives):
        lead, chance = "  ·  " if position else "", f" {percent(other.probability)}"
        face = Typeface(_cut(other.rank), SMALL_PX)
        space = room - upright.length(lead) - upright.length(chance)
        name = tidy(other.taxon) if position else fit(other.taxon, face, space)
        if face.length(name) > space:
            break
        room = space - face.length(name)
        pieces += [(lead, upright, SOFT_INK), (name, face, INK), (chance, upright, SOFT_INK)]

    def paint(sheet: Image.Image, x: float, y: int) -> None:
        for text, face, ink in pieces:
            face.draw(sheet, (x, y + SMALL_PX), text, ink)
            x += face.length(text)

    return _Block(upright.line_px, paint)


def _paragraph(text: str, face: Typeface, ink: str, width: int, lines_max: int = 1) -> _Block:
    lines = wrap(text, face, width, lines_max)

    def paint(sheet: Image.Image, x: int, y: int) -> None:
        for n, line in enumerate(lines):
            face.draw(sheet, (x, y + n * face.line_px + face.size_px), line, ink)

    return _Block(face.line_px * len(lines), paint)


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def _gap(units: int) -> _Block:
    return _Block(units * UNIT_PX, lambda sheet, x, y: None)


# Ink


def _draw_badge(sheet: Image.Image, corner_xy: tuple[int, int], number: int) -> None:
    """A tag in the colour of box `number`; it stays on the sheet."""
    face, text = Typeface("SemiBold", BODY_PX), str(number)
    width = max(BADGE_PX, math.ceil(face.length(text)) + 3 * UNIT_PX)
    left, top = max(0, min(corner_xy[0], sheet.width - width)), max(0, min(corner_xy[1], sheet.height - BADGE_PX))
    _draw_rounded(sheet, (left, top, left + width, top + BADGE_PX), UNIT_PX, _box_colour(number - 1))
    face.draw(sheet, (left + width / 2, top + BADGE_PX / 2), text, INK, "mm")


def _draw_rounded(sheet: Image.Image, xyxy: tuple[int, int, int, int], radius: int, colour: str) -> None:
    sheet.paste(colour, xyxy[:2], _round_mask((xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]), radius))


def _round_mask(size_wh: tuple[int, int], radius: int) -> Image.Image:
    """A filled rectangle, no side shorter than two radii, whose corners are the smooth quarters of a disc."""
    mask, disc = Image.new("L", size_wh, 255), Image.new("L", (2 * radius * OVERSAMPLING,) * 2)
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), 255)
    disc = disc.reduce(OVERSAMPLING)
    for x, left in ((0, 0), (radius, size_wh[0] - radius)):
        for y, top in ((0, 0), (radius, size_wh[1] - radius)):
            mask.paste(disc.crop((x, y, x + radius, y + radius)), (left, top))
    return mask


def _box_colour(position: int) -> str:
    return BOX_COLOURS[position % len(BOX_COLOURS)]


def _cut(rank: str) -> str:
    return "Italic" if rank in ITALIC_RANKS else "Regular"
