"""Text in one typeface that every machine has: Inter, cut down to Latin, Greek and Cyrillic, and the fitting of lines.

Where text stands and in which ink is left to `render`. Inter is under the SIL Open Font License, see `OFL.txt` here.
"""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

OVERSAMPLING = 4
"""How many times too large text is drawn before it is averaged down."""


@dataclass(frozen=True)
class Typeface:
    """One cut ("Regular", "Italic", "SemiBold") of Inter in one size.

    Subtle: text is drawn too large and averaged, as letters placed on whole pixels stand unevenly at small sizes.
    """

    cut: str
    size_px: int

    @property
    def line_px(self) -> int:
        """The distance between two lines of text."""
        return round(1.4 * self.size_px)

    def length(self, text: str) -> float:
        """The width of `text` in pixels."""
        return _font(self.cut, self.size_px * OVERSAMPLING).getlength(text) / OVERSAMPLING

    def draw(self, sheet: Image.Image, at_xy: tuple[float, float], text: str, ink: str, anchor: str = "ls") -> None:
        """Draws `text` in one line; `anchor` says which point of it lies at `at_xy`, as in Pillow."""
        font = _font(self.cut, self.size_px * OVERSAMPLING)
        large_xy = tuple(OVERSAMPLING * at for at in at_xy)
        left, top, right, bottom = ImageDraw.Draw(sheet).textbbox(large_xy, text, font, anchor)
        left, top = math.floor(left / OVERSAMPLING) - 1, math.floor(top / OVERSAMPLING) - 1
        width, height = math.ceil(right / OVERSAMPLING) + 1 - left, math.ceil(bottom / OVERSAMPLING) + 1 - top
        mask = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
        inside_xy = (large_xy[0] - left * OVERSAMPLING, large_xy[1] - top * OVERSAMPLING)
        ImageDraw.Draw(mask).text(inside_xy, text, 255, font, anchor)
        sheet.paste(ink, (left, top), mask.reduce(OVERSAMPLING))


def fit(text: str, face: Typeface, width_px: float) -> str:
    """`text` on one line if it is no wider than `width_px`, else the longest beginning that is, with an ellipsis."""
    text = tidy(text)
    if face.length(text) <= width_px:
        return text
    cut = bisect_right(range(1, len(text)), width_px, key=lambda n: face.length(text[:n].rstrip() + "…"))
    return text[:cut].rstrip(" ,;·") + "…"


def wrap(text: str, face: Typeface, width_px: float, lines_max: int) -> list[str]:
    """`text` broken between words into at most `lines_max` lines no wider than `width_px`; `fit` cuts the last."""
    words, lines = tidy(text).split(" "), []
    while words and len(lines) < lines_max - 1:
        count = 1
        while count < len(words) and face.length(" ".join(words[: count + 1])) <= width_px:
            count += 1
        lines.append(fit(" ".join(words[:count]), face, width_px))
        words = words[count:]
    return [*lines, fit(" ".join(words), face, width_px)] if words else lines


def tidy(text: str) -> str:
    """One line, composed: runs of white space become one space, a letter and its accents one character."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def is_drawable(text: str) -> bool:
    """Whether the typeface has a glyph for every character."""
    return all(_stamp(character) != _stamp("\U0010ffff") for character in set(text))


@cache
def _font(cut: str, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(__file__).with_name(f"Inter-{cut}.otf"), size_px)


@cache
def _stamp(character: str) -> bytes:
    """The picture of one character; all characters that the typeface lacks share one, an empty box."""
    stamp = Image.new("L", (64, 64))
    ImageDraw.Draw(stamp).text((16, 40), character, 255, _font("SemiBold", 18), "ls")
    return stamp.tobytes()
