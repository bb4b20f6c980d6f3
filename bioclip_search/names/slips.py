"""Gives what a text may be that was typed with one slip: a letter too many, too few or wrong, or two letters swapped.

For names that are still being typed. Finished names are left to `near`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bioclip_search.names.near import LONGEST
from bioclip_search.names.reading import Entry, Store

LEAST_WITH_SLIP, START_WITH_SLIP = 5, 3
"""Letters that a text must have for slips to be looked for, and that a slip in its second half leaves untouched at least."""

ALPHABET = "abcdefghijklmnopqrstuvwxyz"

MOST_TERMS = 2_000
"""Words of one beginning that are looked at."""


def beginning_with_slip(store: Store, typed: str, most: int) -> list[Entry]:
    """Names whose key begins nearly as typed.

    A slip in the second half leaves the first as it is: a range of sorted names. For one in the first half all texts
    are tried from which it could come, if they are in Latin letters.
    """
    if len(typed) < LEAST_WITH_SLIP:
        return []
    half = max(START_WITH_SLIP, len(typed) // 2)
    ids = [store.begins(variant) for variant in sorted(_slips(typed, half))] if typed.isascii() else []
    ids += [number for folded, number in store.beginning(typed[:half], (len(typed) - 1, LONGEST), most=MOST_TERMS) if _begins_nearly(folded, typed)]
    return store.by_ids(sorted({number for number in ids if number})[:most])


def readings(store: Store, words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The words, one that no name has replaced by one that it may be; its first half must be right."""
    for place, word in enumerate(words):
        if len(word) < LEAST_WITH_SLIP or store.terms(word, 1):
            continue
        half = max(START_WITH_SLIP, len(word) // 2)
        for term in store.terms(word[:half], MOST_TERMS):
            if _begins_nearly(term, word):
                yield (*words[:place], term, *words[place + 1 :])


def _slips(typed: str, half: int) -> set[str]:
    """All texts from which one slip in the first half makes what was typed."""
    texts = set()
    for place in range(half + 1):
        before, after = typed[:place], typed[place:]
        texts |= {before + letter + after for letter in ALPHABET} | {before + letter + after[1:] for letter in ALPHABET}
        texts |= {before + after[1:], before + after[1:2] + after[:1] + after[2:]}
    return texts - {typed}


def _begins_nearly(folded: str, typed: str) -> bool:
    from rapidfuzz.distance import OSA

    return any(OSA.distance(folded[: len(typed) + more], typed, score_cutoff=1) <= 1 for more in (-1, 0, 1))
