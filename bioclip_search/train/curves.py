"""Draws how a run went: loss, learning rate, and the accuracy on each part that was kept back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from bioclip_search.train.journal import LOG_FILE, WATCH_FILE, read_rows

log = logging.getLogger(__name__)

CURVES_FILE = "curves.png"
SIZE_INCHES = (12, 4)


def draw_curves(run: Path, out: Path, best_step: int, terms: Sequence[str]) -> Path | None:
    """The picture `out`, from the CSV files of the run; None, with a word about it, if matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        log.warning("No curves drawn: matplotlib is not installed. Run: pip install 'bioclip-search[train]'")
        return None
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    loss, rate, accuracy = figure.subplots(1, 3)
    learned, watched = read_rows(run / LOG_FILE), read_rows(run / WATCH_FILE)
    for name in ("loss", *terms):
        if learned and name in learned[0]:
            loss.plot([row["step"] for row in learned], [row[name] for row in learned], label=name)
    rate.plot([row["step"] for row in learned], [row["learning_rate"] for row in learned])
    for name in [key for key in (watched[0] if watched else ()) if key != "step"]:
        accuracy.plot([row["step"] for row in watched], [row[name] for row in watched], label=name, linewidth=2 if name == "metric" else 1)
    accuracy.axvline(best_step, color="grey", linestyle=":", label="chosen")
    for axes, title in ((loss, "loss"), (rate, "learning rate"), (accuracy, "accuracy on parts kept back")):
        axes.set(title=title, xlabel="step")
    loss.legend(fontsize="x-small")
    accuracy.legend(fontsize="x-small")
    figure.savefig(out, dpi=100)
    return out
