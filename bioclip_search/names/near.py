"""Gives the kept names that a misspelt one may be, without looking at all of them.

A name with one slip of the pen keeps its first or its last half: two ranges of sorted names hold it, whichever letter is
wrong. Names that sound alike (`fold.sound`) may differ by more. Which candidate is meant is left to `match`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bioclip_search.names.fold import fold, fold_scientific, key, sound
from bioclip_search.names.reading import Entry, Store
from bioclip_search.names.store import VERNACULAR

MOST_SLIPS, LETTERS_PER_SLIP = 2, 7
"""A name may have one slip in so many letters, and never more than `MOST_SLIPS`; one more where it sounds alike. With three, most
matches of species that a list lacks were other species."""

MOST_OF_A_WORD = 1 / 4
"""The share of one word's letters that several slips may touch; one slip is allowed in any word."""

LEAST_LETTERS = 4
"""Shorter names are not taken for misspelt: any three letters are near to many names."""

LEAST_HALF = 2
"""Letters of the shortest beginning or end that is looked up."""

MOST_CANDIDATES = 20_000
"""Names of one beginning that are looked at, for a list of millions."""


LONGEST, MOST_LIKE = 1_000, 2_000
"""Letters of the longest name, and names of one half, that are looked at for a likeness."""

LEAST_LIKENESS = 60
"""Names less like the one asked for than this (rapidfuzz ratio, 0 to 100) are not suggested."""


@dataclass(frozen=True)
class Near:
    """A kept name, the slips between it and the one asked for, and the share of the worst word that they touch."""

    entry: Entry
    slips: int
    share: float
    sounds_alike: bool


def near_names(stores: list[Store], folded: str) -> list[Near]:
    """The names that the folded words may be a misspelling of, fewest slips first; ties in order of importance.

    Slips are counted as optimal string alignment does: a letter too many, too few or wrong, or two neighbours swapped.
    """
    asked = key(folded)
    if len(asked) < LEAST_LETTERS:
        return []
    most = min(MOST_SLIPS, max(1, len(asked) // LETTERS_PER_SLIP))
    found = [near for store in stores for near in _near_of_store(store, folded, asked, most)]
    found = [near for near in found if near.slips == 1 or near.sounds_alike or near.share <= MOST_OF_A_WORD]
    return sorted(found, key=lambda near: (near.slips, near.entry.kind == VERNACULAR, not near.sounds_alike, near.share, near.entry.id))


def named_with_short_genus(stores: list[Store], initial: str, epithet: str) -> list[Entry]:
    """The scientific names of this epithet whose genus begins so, in order of importance: "p" and "leo" for "P. leo"."""
    found = []
    for store in stores:
        ending = key(epithet)[::-1]
        numbers = [number for text, number in store.beginning(ending, (len(ending) + 1, LONGEST), backwards=True) if text.endswith(initial[::-1])]
        found += [entry for entry in store.by_ids(sorted(numbers)) if entry.kind != VERNACULAR and fold_scientific(entry.name).split(" ", 1)[1:] == [epithet]]
    return found


def likest_names(stores: list[Store], folded: str, most: int) -> list[str]:
    """The names that are most like the folded words in letters, however many slips lie between; best first.

    Only names that share a half or a word's beginning are looked at.
    """
    from rapidfuzz import fuzz, process

    asked, found = key(folded), {}
    half = max(LEAST_HALF, len(asked) // 2)
    for store in stores if asked else ():
        numbers = [number for _, number in store.beginning(asked[:half], (0, LONGEST), most=MOST_LIKE)]
        numbers += [number for _, number in store.beginning(asked[::-1][:half], (0, LONGEST), backwards=True, most=MOST_LIKE)]
        numbers += [number for near in near_names([store], folded) for number in [near.entry.id]]
        found |= {entry.name: fold(entry.name) for entry in store.by_ids(sorted(set(numbers)))}
    likest = process.extract(folded, found, scorer=fuzz.ratio, limit=most, score_cutoff=LEAST_LIKENESS)
    return [name for _, _, name in likest]


def _near_of_store(store: Store, folded: str, asked: str, most: int) -> list[Near]:
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    candidates = dict(_candidates(store, folded, asked, most))
    close = process.extract(asked, candidates, scorer=OSA.distance, score_cutoff=most, limit=None)
    slips = {number: count for _, count, number in close}
    heard = sound(folded)
    alike = {number for _, number in store.sounding(heard)}
    entries = store.by_ids(sorted(slips.keys() | alike))
    found = []
    for entry in entries:
        spelt = fold(entry.name) if entry.kind == VERNACULAR else fold_scientific(entry.name)
        count = slips.get(entry.id, OSA.distance(asked, key(spelt)))
        if count <= most + (entry.id in alike):
            found.append(Near(entry, count, _worst_share(folded, spelt, count), entry.id in alike))
    return found


def _candidates(store: Store, folded: str, asked: str, most: int) -> list[tuple[int, str]]:
    """Ids and keys of names that share the first or the last half, or the whole first or last word.

    Subtle: the end leaves one letter out, or two letters that were swapped across the middle would spoil both halves.
    """
    half, words = len(asked) // 2, folded.split()
    first = max(LEAST_HALF, min(half, len(words[0]) if len(words) > 1 else half))
    last = max(LEAST_HALF, min(len(asked) - half - 1, len(words[-1]) if len(words) > 1 else half))
    lengths = (len(asked) - most, len(asked) + most)
    forwards = store.beginning(asked[:first], lengths, most=MOST_CANDIDATES)
    backwards = store.beginning(asked[::-1][:last], lengths, backwards=True, most=MOST_CANDIDATES)
    return [(number, text) for text, number in forwards] + [(number, text[::-1]) for text, number in backwards]


def _worst_share(asked: str, spelt: str, slips: int) -> float:
    """The largest share of a word that slips touch; of the whole name where the words do not answer each other."""
    from rapidfuzz.distance import OSA

    ours, theirs = asked.split(), spelt.split()
    if len(ours) != len(theirs):
        return slips / max(1, len(key(spelt)))
    return max(OSA.distance(one, other) / max(len(one), len(other)) for one, other in zip(ours, theirs, strict=True))
