"""Tells whether two authorships mean the same authors and year, however they are shortened.

Knows authorships only; what follows from their agreement is left to `match`.
"""

from __future__ import annotations

import re

from bioclip_search.names.fold import fold

_YEAR = re.compile(r"\b(?:1[5-9]\d\d|20\d\d)\b")
_LINKS = frozenset(("ex", "in", "et", "al", "and", "f", "fil", "de", "da", "van", "von", "der", "den", "la", "le", "du", "jr", "bis"))
_SAME = {"l": "linnaeus", "linn": "linnaeus", "linne": "linnaeus"}

YEARS_APART = 1
"""Years by which two citations of one work differ: the volume's year and the year it came out."""


def same_authorship(one: str | None, other: str | None) -> bool | None:
    """Whether two authorships agree; None where one of them tells nothing.

    Years agree within one; authors agree if the last one of each agrees, in full or shortened. Brackets are passed over.

    >>> same_authorship("L.", "Linnaeus, 1758"), same_authorship("(Mill.) Karst.", "Karsten"), same_authorship("Smith", "Jones")
    (True, True, False)
    """
    years = [_YEAR.search(text or "") for text in (one, other)]
    if all(years) and abs(int(years[0].group()) - int(years[1].group())) > YEARS_APART:
        return False
    ours, theirs = _surnames(one), _surnames(other)
    if not ours or not theirs:
        return True if all(years) else None
    return _is_same(ours[-1], theirs[-1]) or (bool(set(ours) & set(theirs)) and all(years))


def _surnames(text: str | None) -> list[str]:
    words = fold(_YEAR.sub(" ", (text or "").replace(".", ". "))).split()
    named = [word for word in words if word not in _LINKS and not word.isdigit()]
    long = [word for word in named if len(word) > 1 or word in _SAME]
    return [_SAME.get(word, word) for word in long]


def _is_same(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter[:3]) if len(shorter) >= 3 else longer.startswith(shorter)
