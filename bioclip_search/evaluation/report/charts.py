"""Drawings as inline SVG: lines, bars with whiskers, shares, reliability; all axes are shares from 0 to 100 %.

Colours are names of classes that the page's style gives, light or dark; numbers are left to `sections`. Words are escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 420
"""Of a drawing in its own units; 14 of them are a line of text, which a phone shows 11 pixels high."""

TICKS = 4
"""Steps of an axis."""

TOPS = (0.02, 0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Ends of an axis whose quarters are round numbers."""

BAR_HEIGHT, BAR_GAP = 15, 3


@dataclass(frozen=True)
class Frame:
    """The field that points are drawn in, and the shares at its ends."""

    width: float = WIDTH
    height: float = 300
    start: float = 0.0
    top: float = 1.0
    left: float = 64
    right: float = 18
    above: float = 14
    below: float = 46

    def x(self, share: float) -> float:
        return self.left + (share - self.start) / (1 - self.start) * (self.width - self.left - self.right)

    def y(self, share: float) -> float:
        return self.height - self.below - min(share / self.top, 1.0) * (self.height - self.above - self.below)


@dataclass(frozen=True)
class Line:
    """A line through points (x, y), with the class of its colour and its words in the key."""

    points: Sequence[tuple[float, float]]
    style: str
    words: str


@dataclass(frozen=True)
class Dot:
    """A point that stands out, with its words beside it."""

    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Bar:
    """A share with its interval, None where there is none."""

    value: float
    low: float | None
    high: float | None
    style: str


def line_chart(name: str, words: str, lines: Sequence[Line], x_words: str, y_words: str, *, dot: Dot | None = None, frame: Frame | None = None) -> str:
    """Lines over a share; `name` is what the drawing is, for who cannot see it, `words` what it shows."""
    frame = frame or Frame()
    parts = [_grid(frame, x_words, y_words)]
    for line in lines:
        points = [(x, y) for x, y in line.points if not (math.isnan(x) or math.isnan(y)) and x >= frame.start]
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="line {line.style}" points="{path}"/>')
    if dot is not None:
        x, y = frame.x(dot.x), frame.y(dot.y)
        is_right, is_high = x > frame.width * 0.6, y < frame.above + 30
        place = f'x="{x + (-11 if is_right else 11):.1f}" y="{y + (22 if is_high else -11):.1f}" text-anchor="{"end" if is_right else "start"}"'
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="6"/><text class="note" {place}>{escape(dot.words)}</text>')
    return _svg(name, words, "".join(parts), frame.height, frame.width)


def bar_chart(name: str, words: str, groups: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    """Groups of lying bars, one group a line of words; whiskers are the intervals."""
    left, right, y, parts = 78, 60, 6.0, []
    scale = WIDTH - left - right
    for label, bars in groups:
        height = len(bars) * (BAR_HEIGHT + BAR_GAP)
        parts.append(f'<text class="label" x="{left - 8}" y="{y + height / 2 + 3:.1f}" text-anchor="end">{escape(label)}</text>')
        for bar in bars:
            middle = y + BAR_HEIGHT / 2
            parts.append(f'<rect class="track" x="{left}" y="{y:.1f}" width="{scale}" height="{BAR_HEIGHT}"/>')
            parts.append(f'<rect class="bar {bar.style}" x="{left}" y="{y:.1f}" width="{bar.value * scale:.1f}" height="{BAR_HEIGHT}"/>')
            if bar.low is not None and bar.high is not None:
                a, b = left + bar.low * scale, left + bar.high * scale
                parts.append(f'<path class="whisker" d="M{a:.1f} {middle - 4:.1f}v8M{a:.1f} {middle:.1f}H{b:.1f}M{b:.1f} {middle - 4:.1f}v8"/>')
            parts.append(f'<text class="value" x="{WIDTH - right + 8}" y="{middle + 5:.1f}">{percent(bar.value)}</text>')
            y += BAR_HEIGHT + BAR_GAP
        y += 9
    return _svg(name, words, "".join(parts), y)


def share_chart(name: str, words: str, rows: Sequence[tuple[str, Sequence[tuple[float, str]]]], scale_to: float) -> str:
    """One lying bar a row, of several pieces side by side, each a share and a class; `scale_to` is the share at the right end."""
    left, right, y, parts = 90, 60, 6.0, []
    scale = (WIDTH - left - right) / max(scale_to, 1e-9)
    for label, pieces in rows:
        parts.append(f'<text class="label" x="{left - 8}" y="{y + 16:.1f}" text-anchor="end">{escape(label)}</text>')
        x = float(left)
        for share, style in pieces:
            parts.append(f'<rect class="bar {style}" x="{x:.1f}" y="{y:.1f}" width="{share * scale:.1f}" height="22"/>')
            x += share * scale
        whole = sum(share for share, _ in pieces)
        parts.append(f'<text class="value" x="{x + 7:.1f}" y="{y + 16:.1f}">{percent(whole)}</text>')
        y += 30
    return _svg(name, words, "".join(parts), y)


def reliability_chart(name: str, words: str, bins: Sequence[tuple[float, float, int]]) -> str:
    """The share right over the stated probability, one dot a bin (stated, right, pictures), larger with more pictures; the diagonal is perfect."""
    frame = Frame(width=320, height=270)
    most = max((count for *_, count in bins), default=1)
    ideal = f'<path class="ideal" d="M{frame.x(0):.1f} {frame.y(0):.1f}L{frame.x(1):.1f} {frame.y(1):.1f}"/>'
    path = " ".join(f"{frame.x(stated):.1f},{frame.y(right):.1f}" for stated, right, _ in bins)
    parts = [_grid(frame, "stated chance", "share right"), ideal, f'<polyline class="line one" points="{path}"/>']
    for stated, right, count in bins:
        parts.append(f'<circle class="bin" cx="{frame.x(stated):.1f}" cy="{frame.y(right):.1f}" r="{3 + 6 * math.sqrt(count / most):.1f}"/>')
    return _svg(name, words, "".join(parts), frame.height, frame.width)


def round_top(share: float) -> float:
    """The least of `TOPS` that is not below a share.

    >>> round_top(0.05), round_top(0.35), round_top(1.0)
    (0.08, 0.4, 1.0)
    """
    return next((top for top in TOPS if top >= share), 1.0)


def percent(share: float) -> str:
    """A share in words short enough for a drawing.

    >>> [percent(share).replace(chr(160), " ") for share in (0.0, 0.004, 0.5, 0.998, 1.0)]
    ['0 %', '<1 %', '50 %', '>99 %', '100 %']
    """
    whole = "<1" if 0 < share < 0.005 else ">99" if 0.995 <= share < 1 else f"{share * 100:.0f}"
    return whole + "\N{NO-BREAK SPACE}%"


def _grid(frame: Frame, x_words: str, y_words: str) -> str:
    parts = []
    floor, right = frame.height - frame.below, frame.width - frame.right
    for tick in range(TICKS + 1):
        across, up = frame.start + (1 - frame.start) * tick / TICKS, frame.top * tick / TICKS
        x, y = frame.x(across), frame.y(up)
        parts.append(f'<path class="grid" d="M{frame.left} {y:.1f}H{right}M{x:.1f} {frame.above}V{floor}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{_tick(across)}</text>')
        parts.append(f'<text class="tick" x="{frame.left - 6}" y="{y + 5:.1f}" text-anchor="end">{_tick(up)}</text>')
    parts.append(f'<text class="axis" x="{(frame.left + right) / 2}" y="{frame.height - 8}" text-anchor="middle">{escape(x_words)}</text>')
    parts.append(f'<text class="axis" transform="translate(13 {(frame.above + floor) / 2}) rotate(-90)" text-anchor="middle">{escape(y_words)}</text>')
    return "".join(parts)


def _tick(share: float) -> str:
    return f"{share * 100:.3g}\N{NO-BREAK SPACE}%"


def _svg(name: str, words: str, inside: str, height: float, width: float = WIDTH) -> str:
    told = escape(f"{name}: {words}", quote=True)
    return f'<svg class="chart" viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{told}">{inside}</svg>'
