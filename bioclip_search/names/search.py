"""Gives the taxa whose names a user may be about to type, in any language, best first, within milliseconds.

Every question stops at the first few answers, for ids run in order of importance (`store`). Lists of finished names
are left to `match`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain

from bioclip_search.names.display import common_names, unique_names
from bioclip_search.names.fold import fold, key
from bioclip_search.names.languages import plain_language
from bioclip_search.names.lookup import PATH_SIGN, Names
from bioclip_search.names.parse import parse
from bioclip_search.names.reading import Entry, Section, Store
from bioclip_search.names.slips import beginning_with_slip, readings
from bioclip_search.names.store import ACCEPTED, VERNACULAR
from bioclip_search.taxonomy import Taxon

LIMIT = 20
"""Hits to show."""

SPARE = 3
"""So many times more names than hits are fetched, for several names may be of one taxon."""

SMALL_CLADE, SHORT_WORD = 200, 2
"""Leaves of a clade whose names are all looked through where no word has more letters than this: too many names begin so."""

MOST_READINGS = 5
"""Ways to read a misspelt text that are looked up."""

LONGEST_TEXT, MOST_WORDS = 200, 12
"""Letters and words of a text that are read; what follows is left out."""


@dataclass(frozen=True)
class Hit:
    """A taxon, and the name by which it was found. `display_name` tells it from all others (`display`)."""

    taxon: str
    rank: str
    matched_name: str
    kind: str
    language: str | None
    common_name: str | None
    display_name: str
    lineage: dict[str, str]
    taxon_key: str | None
    leaves: int

    def to_dict(self) -> dict:
        return asdict(self)


def search_names(names: Names, text: str, *, language: str | None = None, limit: int = LIMIT) -> list[Hit]:
    """The taxa that a text may mean, perhaps unfinished; each once, by its best name. An empty text has none.

    A name may be of any kind and language; words may come in any order, and ancestors may stand among or before them:
    "pant", "leopard snow", "felidae leo", "Plantae > oen"; an author may follow. Equal names come first, then those that begin so, then
    those with such words; of each the accepted ones first, then synonyms, then vernacular names with the preferred
    language ahead; the larger taxon before the smaller.

    Args:
        language: The preferred language (ISO 639-1) of vernacular names.
    """
    *ancestors, last = text[:LONGEST_TEXT].split(PATH_SIGN)
    folded = " ".join(fold(last).split()[:MOST_WORDS])
    if not folded or limit < 1:
        return []
    clades = [clade for ancestor in ancestors[-1:] for clade in names.find(PATH_SIGN.join([*ancestors[:-1], ancestor]))]
    if ancestors and not clades:
        return []
    found: dict[Taxon, Entry] = {}
    for entry in _candidates(names, last, folded, language, clades, limit):
        taxon = names.taxon(entry)
        if _is_in(taxon, clades):
            found.setdefault(taxon, entry)
        if len(found) >= limit:
            break
    common = common_names(names, list(found), language)
    shown = unique_names(names, list(found), common)
    return [_hit(names, *pair, *told) for pair, *told in zip(found.items(), common, shown, strict=True)]


def _candidates(names: Names, typed: str, folded: str, language: str | None, clades: list[Taxon], limit: int) -> Iterator[Entry]:
    """Names from the best to the worst; the costly questions are asked only if the caller still wants more."""
    words, seen = folded.split(), False
    plain = chain(
        sorted(names.entries(folded), key=lambda entry: _importance(entry, language)),
        *(_by_words(names, words, language, clades, limit, at_start=at_start) for at_start in (True, False)),
    )
    for entry in plain:
        seen = True
        yield entry
    for costly in (_by_lineage(names, words, language, limit), _with_slips(names, words, language, limit), _without_authors(names, typed)):
        if not seen and not clades:
            for entry in costly:
                seen = True
                yield entry


def _by_words(names: Names, words: list[str], language: str | None, clades: list[Taxon], limit: int, *, at_start: bool) -> Iterator[Entry]:
    """Names with these words, section by section: accepted, the preferred language, all others.

    Where a language is preferred, its names get half of the places, or a short beginning would show accepted ones only.
    """
    if clades and sum(clade.stop - clade.start for clade in clades) <= SMALL_CLADE and len(max(words, key=len)) <= SHORT_WORD:
        if at_start:
            yield from sorted(_in_small_clades(names, words, clades), key=lambda entry: _importance(entry, language))
        return
    for ranges, most in _sections(names.stores, language, limit):
        found = []
        for number, (store, (first, stop)) in enumerate(zip(names.stores, ranges, strict=True)):
            for rows in [names.rows_of(clade, number) for clade in clades] if clades else [None]:
                found += store.with_words(words, first, stop, most, at_start=at_start, rows=rows) if rows or not clades else []
        yield from found if len(names.stores) == 1 else sorted(found, key=lambda entry: _importance(entry, language, names.taxon(entry)))


def _sections(stores: list[Store], language: str | None, limit: int) -> list[tuple[list[tuple[int, int]], int]]:
    """Which ids of each store to ask in turn, and how many names of them at most; those of all come last."""
    asked = []
    if language:
        asked.append(([_ids(store, lambda section: section.kind == ACCEPTED) for store in stores], limit // 2))
        for code in sorted({section.language for store in stores for section in store.sections if _speaks(section.language, language)}):
            asked.append(([_ids(store, lambda section, code=code: section.language == code) for store in stores], limit * SPARE))
    return [*asked, ([_ids(store, lambda _: True) for store in stores], limit * SPARE)]


def _ids(store: Store, wanted: Callable[[Section], bool]) -> tuple[int, int]:
    """The ids [first, stop) from the first of the wanted sections to the last, which stand together."""
    chosen = [section for section in store.sections if wanted(section)]
    return (chosen[0].first, chosen[-1].stop) if chosen else (0, 0)


def _in_small_clades(names: Names, words: list[str], clades: list[Taxon]) -> Iterator[Entry]:
    for clade in clades:
        for number, store in enumerate(names.stores):
            rows = names.rows_of(clade, number)
            for entry in store.of_rows(*rows) if rows else ():
                told = fold(entry.name).split()
                if all(any(one.startswith(word) for one in told) for word in words):
                    yield entry


def _by_lineage(names: Names, words: list[str], language: str | None, limit: int) -> Iterator[Entry]:
    """Takes one word, or the first words, for an ancestor: "felidae leo", "leo felidae", "hemlock plantae"."""
    splits = [(" ".join(words[:place]), words[place:]) for place in range(1, len(words))]
    splits += [(word, words[:place] + words[place + 1 :]) for place, word in enumerate(words) if place]
    for ancestor, rest in splits:
        clades = names.find(ancestor)
        if clades:
            found = [entry for at_start in (True, False) for entry in _by_words(names, rest, language, clades, limit, at_start=at_start)]
            yield from (entry for entry in found if _is_in(names.taxon(entry), clades))


def _with_slips(names: Names, words: list[str], language: str | None, limit: int) -> Iterator[Entry]:
    """Names that begin as typed but for a slip, the shortest first; then those with the words that may be meant."""
    found = [entry for store in names.stores for entry in beginning_with_slip(store, key("".join(words)), limit * SPARE)]
    yield from sorted(found, key=lambda entry: (len(entry.name), *_importance(entry, None)))
    meant = sorted({reading for store in names.stores for reading in readings(store, words)})
    for reading in meant[:MOST_READINGS]:
        yield from _by_words(names, list(reading), language, [], limit, at_start=False)


def _without_authors(names: Names, typed: str) -> Iterator[Entry]:
    """The scientific name in front of an author, and the genus in front of sp. or cf."""
    parsed = parse(typed)
    if parsed.is_scientific and not parsed.unread:
        yield from (entry for entry in names.entries(parsed.canonical) if entry.kind != VERNACULAR)


def _hit(names: Names, taxon: Taxon, entry: Entry, common: str | None, shown: str) -> Hit:
    own = names.accepted(taxon)
    return Hit(
        taxon=taxon.name,
        rank=taxon.rank,
        matched_name=entry.name,
        kind=entry.kind,
        language=entry.language,
        common_name=common,
        display_name=shown,
        lineage=names.taxonomy.lineage(taxon.start, down_to=taxon.rank),
        taxon_key=own.taxon_key if own else None,
        leaves=taxon.stop - taxon.start,
    )


def _importance(entry: Entry, language: str | None, taxon: Taxon | None = None) -> tuple:
    """Accepted, then the preferred language, then all others in the order in which they are kept.

    Of several stores, whose orders cannot be compared, the taxon's size decides before that.
    """
    preferred = entry.kind == VERNACULAR and _speaks(entry.language, language)
    return entry.kind != ACCEPTED, not preferred, taxon.start - taxon.stop if taxon else 0, entry.id


def _speaks(code: str | None, language: str | None) -> bool:
    return bool(code) and bool(language) and plain_language(code) == plain_language(language)


def _is_in(taxon: Taxon, clades: list[Taxon]) -> bool:
    return not clades or any(clade.start <= taxon.start and taxon.stop <= clade.stop for clade in clades)
