"""What one detector gains over another on the same pictures, with the interval of the difference.

Looking is left to `detection`; both detectors must have looked at the same pictures of one set.
"""

from __future__ import annotations

from bioclip_search.errors import TableError
from bioclip_search.evaluation.detection import Looked, drawn_figures
from bioclip_search.evaluation.resample import Figure, with_intervals

FIGURES = ("map50", "map75", "map", "found")
"""The figures of `detection.detection_figures` that are compared."""


def gain_figures(before: Looked, after: Looked, *, by_category: bool = False) -> dict[str, float]:
    """`NAME_before`, `NAME_after` and `NAME_gain` for each of `FIGURES`, flat, each with `_low` and `_high`.

    The bootstrap is paired: every draw takes the same pictures for both, so what makes a picture hard for both is no part of the
    interval of the gain.

    Raises:
        TableError: They did not look at the same pictures.
    """
    if before.true != after.true or before.rows != after.rows:
        raise TableError("Only finds in the same pictures can be compared. Let both detectors look at the same part of the same set.")
    of_before, of_after = (drawn_figures(looked, by_category)[1] for looked in (before, after))
    figures: dict[str, Figure] = {}
    for name in FIGURES:
        if name in of_before:
            figures |= {f"{name}_before": of_before[name], f"{name}_after": of_after[name]}
            figures[f"{name}_gain"] = _difference(of_before[name], of_after[name])
    return {"pictures": len(before.true)} | with_intervals(figures, len(before.true))


def gain_in_words(figures: dict[str, float], name: str, part: str = "gain") -> str:
    """In points of a hundred, with the interval: "+3.1 (-0.4 to +6.2)" for a gain, "85.0 (74.2 to 95.1)" for a figure; a dash for none."""
    key = f"{name}_{part}"
    if key not in figures:
        return "–"
    sign = "+" if part == "gain" else ""
    told = f"{100 * figures[key]:{sign}.1f}"
    return f"{told} ({100 * figures[f'{key}_low']:{sign}.1f} to {100 * figures[f'{key}_high']:{sign}.1f})" if f"{key}_low" in figures else told


def _difference(before: Figure, after: Figure) -> Figure:
    return lambda weights: after(weights) - before(weights)
