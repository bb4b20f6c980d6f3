"""Figures in words: a share with the interval that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping


def share_in_words(metrics: Mapping[str, float], name: str) -> str:
    """A figure with its interval, as far as there is one.

    >>> share_in_words({"right": 0.9864, "right_low": 0.9787, "right_high": 0.9932}, "right")
    '0.986 (0.979–0.993)'
    >>> share_in_words({}, "right")
    '–'
    """
    if name not in metrics:
        return "–"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return f"{metrics[name]:.3f}" + ("" if low is None or high is None else f" ({low:.3f}–{high:.3f})")


def gain_in_words(metrics: Mapping[str, float], name: str) -> str:
    """A difference of two shares in hundredths, with its interval.

    >>> gain_in_words({"gain": 0.0532, "gain_low": 0.0387, "gain_high": 0.0678}, "gain")
    '+5.3 (+3.9 to +6.8)'
    """
    if name not in metrics:
        return "–"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return f"{100 * metrics[name]:+.1f}" + ("" if low is None or high is None else f" ({100 * low:+.1f} to {100 * high:+.1f})")
