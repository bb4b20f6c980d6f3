"""What is odd about species epithets: authors, digits, markup and the like that published lists carry in them.

Works on whole columns; where they come from is left to `published`, what an index makes of them to `check`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FLAWS = {
    "repeats the genus": None,
    "holds markup": r"[<>{}\[\]|*#_=\\\"“”]|&[a-z]+;",
    "holds an author or a year": r"[(),&]|\bex\b|\b1[789]\d\d\b|\b20\d\d\b",
    "is an open name": r"^(?:sp|spp|cf|aff|nr|indet|ssp|subsp|var)\b",
    "holds digits": r"\d",
    "holds capitals": r"\p{Lu}",
    "is several words": r"^(?:[^x×\s]\S*|[x×]\S+)\s+\S|^[x×]\s+\S+\s+\S",
}
"""Each flaw and the pattern (RE2) that tells it. An epithet is one lower-case word, before which a hybrid has × or x."""


def flaws(genus: pa.ChunkedArray, epithet: pa.ChunkedArray) -> dict[str, np.ndarray]:
    """For each flaw of `FLAWS` the epithets that have it, (n,) bool; one with several counts for the first of them.

    A missing epithet has none.

    >>> found = flaws(pa.chunked_array([["Pica", "Pica"]]), pa.chunked_array([["pica (Linnaeus, 1758)", "hudsonia"]]))
    >>> [name for name, which in found.items() if which.any()]
    ['holds an author or a year']
    """
    found, left = {}, np.ones(len(epithet), bool)
    for name, pattern in FLAWS.items():
        which = pc.match_substring_regex(epithet, pattern) if pattern else _starts_with(epithet, genus)
        found[name] = np.asarray(pc.fill_null(which, False)) & left
        left &= ~found[name]
    return found


def epithets_of(species: pa.ChunkedArray) -> pa.ChunkedArray:
    """What each binomial says behind its first word; the whole of a single word."""
    return pc.replace_substring_regex(species, r"^\S+\s+", "")


def _starts_with(names: pa.ChunkedArray, genus: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each name begins with its own genus as a word."""
    first = pc.replace_substring_regex(names, r"\s.*$", "")
    return pc.equal(first, genus)
