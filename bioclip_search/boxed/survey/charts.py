"""Draws what `figures` found: sizes, counts, areas, shapes and places of boxes, and how often each category is there.

Draws and nothing else; needs matplotlib (extra `evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bioclip_search.boxed.splitting import RATIOS
from bioclip_search.boxed.survey.figures import Kind, Survey
from bioclip_search.errors import MissingExtraError
from bioclip_search.evaluation.detection import AREAS_PX

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_IN = (13.0, 7.6)
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#5C6862"
"""Okabe and Ito's (2008), which all eyes tell apart."""

MOST_BARS = 25
"""Categories that are drawn; the rest are in the table of the report."""

MOST_COUNT = 10
"""Boxes in a picture that have a bar of their own; more stand together."""

MOST_LETTERS = 40
"""Longest name beside a bar, in letters."""


def stop_if_undrawable() -> None:
    """Raises: MissingExtraError: matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError("A survey of boxes", "evaluate")


def draw_survey(path: Path, survey: Survey, title: str) -> None:
    """Writes a PNG of six drawings: sizes of pictures, boxes in a picture, sides, shares and shapes of boxes, and where they lie.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    stop_if_undrawable()
    from matplotlib.figure import Figure

    figure = Figure(SIZE_IN, layout="constrained")
    (sizes, counts, heat), (sides, shares, ratios) = figure.subplots(2, 3)
    _draw_sizes(sizes, survey)
    _draw_counts(counts, survey)
    _draw_heat(heat, survey)
    _draw_sides(sides, survey)
    _draw_shares(shares, survey)
    _draw_ratios(ratios, survey)
    figure.suptitle(title, fontsize="large", parse_math=False)
    figure.savefig(path, dpi=110)


def draw_kinds(path: Path, kinds: Mapping[str, Kind], what: str) -> None:
    """Writes a PNG of boxes and pictures of each category or deployment, in order, at most `MOST_BARS`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    stop_if_undrawable()
    from matplotlib.figure import Figure

    shown = list(kinds.items())[:MOST_BARS]
    figure = Figure((9.0, 1.6 + 0.34 * len(shown)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(shown))
    for offset, colour, words, values in (
        (-0.2, BLUE, "boxes", [kind.boxes for _, kind in shown]),
        (0.2, ORANGE, "pictures", [kind.pictures for _, kind in shown]),
    ):
        bars = axes.barh(places + offset, values, height=0.38, color=colour, label=words)
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize="small", color=GREY)
    axes.set_yticks(places, [_short(name) for name, _ in shown], parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.02)
    more = f", the first {MOST_BARS} of {len(kinds):,}" if len(kinds) > MOST_BARS else ""
    axes.set(title=f"Boxes and pictures by {what}{more}", xlabel="how many")
    _plain(axes)
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=110)


def _draw_sizes(axes: Axes, survey: Survey) -> None:
    different, often = np.unique(survey.sizes_wh, axis=0, return_counts=True)
    axes.scatter(different[:, 0], different[:, 1], s=18 + 60 * np.sqrt(often / often.max(initial=1)), color=BLUE, alpha=0.45, linewidths=0)
    top = 1.08 * float(survey.sizes_wh.max(initial=1))
    axes.plot([0, top], [0, top], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(title=f"Size of pictures ({len(different):,} different)", xlabel="width in pixels", ylabel="height in pixels", xlim=(0, top), ylim=(0, top))
    _plain(axes)


def _draw_counts(axes: Axes, survey: Survey) -> None:
    counts = np.bincount(np.minimum(survey.per_picture, MOST_COUNT), minlength=1)
    words = [str(number) if number < MOST_COUNT else f"{MOST_COUNT}+" for number in range(len(counts))]
    bars = axes.bar(np.arange(len(counts)), counts, color=[ORANGE, *[BLUE] * (len(counts) - 1)])
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], fontsize="small", color=GREY)
    axes.set_xticks(np.arange(len(counts)), words)
    axes.margins(y=0.1)
    axes.set(title="Boxes in a picture (orange: none)", xlabel="boxes", ylabel="pictures")
    _plain(axes)


def _draw_heat(axes: Axes, survey: Survey) -> None:
    from matplotlib.ticker import MaxNLocator

    drawn = axes.imshow(survey.heat, cmap="magma", extent=(0, 100, 100, 0), interpolation="nearest", vmin=0, vmax=max(1, survey.heat.max()))
    axes.set(title="Middles of boxes", xlabel="% of the width", ylabel="% of the height")
    axes.figure.colorbar(drawn, ax=axes, shrink=0.85, label="boxes", ticks=MaxNLocator(integer=True))


def _draw_sides(axes: Axes, survey: Survey) -> None:
    sides = np.sqrt(survey.extents_wh.prod(axis=1))
    _histogram(axes, sides, _log_bins(sides))
    bounds = [np.sqrt(high) for _, high in AREAS_PX.values() if np.isfinite(high)]
    _mark_bounds(axes, bounds, list(AREAS_PX), sides)
    axes.set(title="Size of boxes (COCO's small, medium, large)", xlabel="√ area in pixels", ylabel="boxes")
    _plain(axes)


def _draw_shares(axes: Axes, survey: Survey) -> None:
    _histogram(axes, 100 * survey.shares, np.linspace(0, 100, 41))
    axes.set(title="Share of the picture that a box takes", xlabel="% of the area", ylabel="boxes", xlim=(0, 100))
    _plain(axes)


def _draw_ratios(axes: Axes, survey: Survey) -> None:
    _histogram(axes, survey.ratios, _log_bins(survey.ratios))
    bounds = [high for _, high in RATIOS.values() if np.isfinite(high)]
    _mark_bounds(axes, bounds, list(RATIOS), survey.ratios)
    axes.set(title="Shape of boxes", xlabel="width / height", ylabel="boxes")
    _plain(axes)


def _histogram(axes: Axes, values: np.ndarray, bins: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    counts, _, _ = axes.hist(values, bins=bins, color=BLUE)
    axes.set_ylim(0, 1.16 * max(1, counts.max()))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _log_bins(values: np.ndarray) -> np.ndarray:
    """Forty bins of one factor, from a little below the least value to a little above the most."""
    if not len(values):
        return np.geomspace(0.1, 10, 41)
    return np.geomspace(values.min() / 1.05, values.max() * 1.05, 41)


def _mark_bounds(axes: Axes, bounds: Sequence[float], words: Sequence[str], values: np.ndarray) -> None:
    """Lines at the bounds, and above each field its name and share."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    low, high = (values.min() / 1.05, values.max() * 1.05) if len(values) else (bounds[0] / 3, bounds[-1] * 3)
    edges = [min(low, bounds[0] / 1.5), *bounds, max(high, bounds[-1] * 1.5)]
    axes.set_xlim(edges[0], edges[-1])
    for bound in bounds:
        axes.axvline(bound, color=GREY, linewidth=0.8, linestyle=":")
    for word, start, stop in zip(words, edges[:-1], edges[1:], strict=True):
        share = float(((start <= values) & (values < stop)).mean()) if len(values) else 0.0
        axes.text(
            np.sqrt(start * stop), 0.985, f"{word}\n{share:.0%}", transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize="small", color=GREY
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"
