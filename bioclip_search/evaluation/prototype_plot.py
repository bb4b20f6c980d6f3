"""Draws what `prototype_ladder` found: how many pictures can be answered at each rank with how many right.

Draws and nothing else; needs matplotlib (extra `evaluate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bioclip_search.errors import MissingExtraError, TableError

SIZE_IN = (10.0, 4.4)
COLOURS = {"species": "#b2182b", "genus": "#d6604d", "family": "#e08214", "order": "#1b7837", "class": "#2166ac", "phylum": "#6a51a3", "kingdom": "#636363"}
OTHER_COLOUR = "#000000"
LINE_HEIGHT = 0.045
"""Of a word beside a line, as a share of the axis."""

FORMATS = (".svg", ".png", ".pdf")

Curves = Mapping[str, Sequence[Mapping[str, float]]]


def stop_if_undrawable(path: Path) -> None:
    """Returns if `draw_curves` can write such a file, so that nobody waits for nothing.

    Raises:
        TableError: The file has another ending than `FORMATS`.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise TableError(f"{path}: a drawing is {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, by the ending of its name.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("A drawing", "evaluate")


def draw_curves(path: Path, curves: Curves, ranks: Sequence[str], title: str) -> None:
    """Writes SVG, PNG or PDF: share right over share answered for every rank, and for the ladder over the information gained.

    Raises:
        TableError, MissingExtraError: As `stop_if_undrawable`.
    """
    stop_if_undrawable(path)
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(SIZE_IN, layout="constrained")
    by_rank, ladder = figure.subplots(1, 2, sharey=True)
    drawn = [rank for rank in ranks if rank in curves]
    for rank in drawn:
        by_rank.plot([point["answered"] for point in curves[rank]], [point["accuracy"] for point in curves[rank]], color=_colour(rank), gid=rank)
    for rank, height in _apart({rank: curves[rank][-1]["accuracy"] for rank in drawn}).items():
        by_rank.annotate(rank, (1.0, height), (5, 0), textcoords="offset points", color=_colour(rank), va="center", fontsize="small", annotation_clip=False)
    ladder.plot([point["information"] for point in curves["ladder"]], [point["accuracy"] for point in curves["ladder"]], color=OTHER_COLOUR)
    by_rank.set(title="Answered at one rank", xlabel="pictures answered", ylabel="answers right", xlim=(0, 1), ylim=(0, 1.02))
    ladder.set(title="Answered at the rank that is sure enough", xlabel="information gained (0 nothing, 1 every species right)", xlim=(0, None))
    by_rank.xaxis.set_major_formatter(PercentFormatter(1))
    by_rank.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (by_rank, ladder):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, dpi=160)


def _colour(rank: str) -> str:
    return COLOURS.get(rank, OTHER_COLOUR)


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Heights at which words do not overlap, as near to the ends of their lines as they can be from below."""
    placed: dict[str, float] = {}
    lowest = -LINE_HEIGHT
    for rank, height in sorted(heights.items(), key=lambda item: item[1]):
        placed[rank] = lowest = max(height, lowest + LINE_HEIGHT)
    return placed
