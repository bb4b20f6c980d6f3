"""Draws what was learned: ROC and precision–recall by taxon, who is taken for whom, and what each step gains.

Draws and nothing else; figures are left to `steps`, `ranking` and `study`. Needs matplotlib (extra `evaluate`).

Colours are those of Okabe and Ito (2008), which people tell apart whatever colours they see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bioclip_search.classifier.ranking import Curves, curves
from bioclip_search.classifier.steps import as_probabilities
from bioclip_search.evaluation.report.charts import round_top
from bioclip_search.taxonomy import Taxon

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C00", "#000000")
GREY = "#9a9a9a"
NAMED = len(COLOURS)
"""Taxa whose curves have a colour and a name: those that are told worst; the others are grey."""

NEARLY_ALL = 0.99
"""The ROC is drawn to where so much of every taxon is found; beyond it all lines run along the top."""

WRITTEN = 60
"""Taxa up to which a confusion names every row; of more only the orders or families are told."""

NUMBERED = 15
"""Taxa up to which a confusion writes the share into every field."""

FAINT, DARK_SHARE = 0.4, 0.25
"""The power of a share that its shade is, so that one picture of fifty is seen; and the share on whose shade words are white."""

DPI = 150
STEP_IN, SIDE_IN = 0.48, 0.2
"""Height of one line of steps, and of one taxon of a confusion."""


def draw_curves(path: Path, scores: np.ndarray, of: np.ndarray, taxa: Sequence[Taxon]) -> None:
    """Writes a PNG: each taxon against all others, the worst ones in colour, and all of them together."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    probabilities = as_probabilities(scores)
    found = {number: curves(probabilities[:, number], of == number) for number in np.unique(of).tolist()}
    areas = {number: _area(one) for number, one in found.items()}
    worst = sorted(found, key=lambda number: areas[number])[:NAMED]
    figure = Figure((10, 5.2), layout="constrained")
    roc, precision = figure.subplots(1, 2)
    for number in [*(number for number in found if number not in worst), *worst[::-1]]:
        is_named = number in worst
        colour = COLOURS[worst.index(number)] if is_named else GREY
        style = {"color": colour, "linewidth": 1.6 if is_named else 0.8, "alpha": 1.0 if is_named else 0.5}
        label = f"{taxa[number].name}  {areas[number]:.3f}" if is_named else None
        roc.plot(found[number].false_share, found[number].recall, **style)
        precision.plot(found[number].recall, found[number].precision, label=label, **style)
    roc.set(title="ROC", xlabel="share of the others that is let in", ylabel="share of the taxon that is found")
    precision.set(title="Precision and recall", xlabel="share of the taxon that is found", ylabel="share right of what is called so")
    reached = round_top(max(float(one.false_share[np.argmax(one.recall >= NEARLY_ALL)]) for one in found.values()))
    for axes, end in ((roc, reached), (precision, 1.0)):
        axes.set(xlim=(-0.01 * end, 1.01 * end), ylim=(-0.01, 1.02))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        _plain(axes)
    handles, labels = precision.get_legend_handles_labels()
    title = "Average precision" + (f", the {NAMED} lowest of {len(found)}" if len(found) > NAMED else "")
    precision.legend(handles[::-1], labels[::-1], title=title, loc="lower left", fontsize="small", frameon=True, framealpha=0.9)
    figure.suptitle("Each taxon against all others, by heads that were not taught the picture", fontsize="medium")
    figure.savefig(path, dpi=DPI)


def draw_confusion(path: Path, counts: np.ndarray, taxa: Sequence[Taxon], groups: Sequence[str]) -> None:
    """Writes a PNG: of the pictures of each taxon (rows) the share that is called each taxon (columns), in the order of the tree.

    Args:
        counts: (k, k) pictures.
        groups: (k,) the family, or what else a taxon is told under; lines part those of different ones.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    k = len(taxa)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.5, SIDE_IN * k + 2.6), 14)
    figure = Figure((side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(shares, cmap="Blues", norm=PowerNorm(FAINT, 0, 1), interpolation="nearest")
    _name_fields(axes, taxa, groups)
    for row, column in np.argwhere(shares > 0.005) if k <= NUMBERED else ():
        axes.text(
            column,
            row,
            f"{100 * shares[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize="small",
            color="white" if shares[row, column] > 0.55 else "black",
        )
    axes.set(xlabel="called", ylabel="is")
    axes.set_title("Who is taken for whom: % of the pictures of a row", fontsize="medium")
    bar = figure.colorbar(drawn, ax=axes, shrink=0.6, format=lambda share, _: f"{100 * share:.0f} %")
    bar.outline.set_visible(False)
    figure.savefig(path, dpi=DPI)


def draw_steps(path: Path, steps: Sequence[tuple[str, str]], metrics: Mapping[str, float], title: str, words: str) -> None:
    """Writes a PNG: a figure with its interval for every step, (its name in metrics, its words), from above downwards."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    shown = [(name, said) for name, said in steps if name in metrics]
    figure = Figure((9, 1.3 + STEP_IN * len(shown)), layout="constrained")
    axes = figure.subplots()
    lows = [metrics.get(f"{name}_low", metrics[name]) for name, _ in shown]
    for place, (name, _) in enumerate(shown):
        value, low, high = metrics[name], lows[place], metrics.get(f"{name}_high", metrics[name])
        axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=3, alpha=0.45, solid_capstyle="round")
        axes.plot([value], [place], "o", color=COLOURS[0], markersize=7)
        axes.annotate(f"{100 * value:.1f} %", (value, place), (0, 8), textcoords="offset points", ha="center", fontsize="small")
    axes.set_yticks(range(len(shown)), [said for _, said in shown])
    start = max(0.0, min(lows) - 0.05)
    axes.set(ylim=(len(shown) - 0.5, -0.7), xlim=(start, 1 + 0.02 * (1 - start)), xlabel=words)
    axes.set_xticks([tick for tick in axes.get_xticks() if start <= tick <= 1])
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_title(title, fontsize="medium")
    _plain(axes)
    axes.grid(visible=False, axis="y")
    figure.savefig(path, dpi=DPI)


def _name_fields(axes, taxa: Sequence[Taxon], groups: Sequence[str]) -> None:
    """The names of rows and columns, or of the groups where there are too many; lines between groups."""
    k = len(taxa)
    borders = [place for place in range(1, k) if groups[place] != groups[place - 1]]
    for border in borders:
        axes.axhline(border - 0.5, color=GREY, linewidth=0.5)
        axes.axvline(border - 0.5, color=GREY, linewidth=0.5)
    places, names = list(range(k)), [taxon.name for taxon in taxa]
    if k > WRITTEN:
        starts = [0, *borders]
        places = [(start + stop - 1) / 2 for start, stop in zip(starts, [*borders, k], strict=True)]
        names = [groups[start] for start in starts]
        kept = [place for place, (start, stop) in enumerate(zip(starts, [*borders, k], strict=True)) if stop - start >= k / WRITTEN]
        places, names = [places[place] for place in kept], [names[place] for place in kept]
    axes.set_xticks(places, names, rotation=90, fontsize="small")
    axes.set_yticks(places, names, fontsize="small")


def _area(found: Curves) -> float:
    return float((np.diff(found.recall) * found.precision[1:]).sum())


def _plain(axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
