"""How long something takes, as one reads it."""

from __future__ import annotations

MINUTE_S, HOUR_S = 60, 3600


def in_words(seconds: float) -> str:
    """A duration in its two largest units.

    >>> in_words(42), in_words(754), in_words(8100)
    ('42 s', '12 min 34 s', '2 h 15 min')
    """
    whole = round(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S} s"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
