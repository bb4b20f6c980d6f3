"""Matches names of a list, one by one, to taxa, and says how: the rules are numbered and each answer names its type.

In the manner of GBIF's species matcher, offline. Reading the list is left to `lists`, spelling to `near` and `fold`,
printing to `cli.names`.

Rules, the first that holds decides:
 1  nothing is written, or more than a name                         NONE
 2  a mark of doubt (sp., cf., aff. …) or a hybrid formula          HIGHERRANK, the genus, unless that formula is kept
 3  the name is kept, and its taxa are several and not one lineage  HOMONYM, unless context or authorship decides
 4  the name is kept as accepted or vernacular name                 EXACT
 5  the name is kept as a synonym                                   SYNONYM, the accepted taxon
 6  the name is kept as a name below species                        HIGHERRANK, the species
 7  one taxon's name is nearest in spelling                         FUZZY
 8  a part of it is known: species, genus, or a rank of its row     HIGHERRANK
 9  else                                                            NONE
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bioclip_search.names.authors import same_authorship
from bioclip_search.names.fold import fold, fold_scientific
from bioclip_search.names.languages import plain_language
from bioclip_search.names.lookup import PATH_SIGN, Names
from bioclip_search.names.near import Near, named_with_short_genus, near_names
from bioclip_search.names.parse import HYBRID_SIGN, ParsedName, parse
from bioclip_search.names.reading import Entry
from bioclip_search.names.store import ACCEPTED, INFRASPECIFIC, SYNONYM, VERNACULAR
from bioclip_search.taxonomy import Taxon

EXACT, SAME, FUZZY, HIGHERRANK, HOMONYM, NONE = MATCH_TYPES = ("EXACT", "SYNONYM", "FUZZY", "HIGHERRANK", "HOMONYM", "NONE")

CONFIDENCE = {EXACT: 100, SAME: 97, FUZZY: 95, HIGHERRANK: 90, HOMONYM: 50, NONE: 0}
"""Confidence to start from, 0 to 100; a rule of thumb, not a probability."""

VERNACULAR_CONFIDENCE, PART_CONFIDENCE, RANK_CONFIDENCE = 90, 70, 40
"""Of a vernacular name; of the species or genus of an unknown name; of a higher rank that only its row tells."""

AUTHORSHIP_DISAGREES, CONTEXT_DISAGREES = 15, 40
"""What is taken off where the list has another author or year, or another kingdom … family."""

FURTHER_SLIP = 15
"""What is taken off for a second slip, which is often another species' name, unless the two sound alike."""

ALTERNATIVES = 10
"""Alternatives that a record holds; a homonym holds all."""


LONGEST_NAME = 500
"""Letters of the longest name with its authors and ancestors; the longest that are published have about 200."""

MOST_WORDS = 4
"""Words of a text that are looked for in longer names."""


@dataclass(frozen=True)
class Query:
    """One row of a list: a name, and what the row says besides."""

    name: str | None
    authorship: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Other:
    """A taxon that may be meant instead, and the name that leads to it."""

    taxon: str
    rank: str
    matched_name: str
    taxon_key: str | None
    lineage: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Match:
    """What became of one name. `taxon`, `rank` and `lineage` are those of the accepted taxon, None where there is none."""

    name: str | None
    match_type: str
    confidence: int
    taxon: str | None = None
    rank: str | None = None
    lineage: dict[str, str] = field(default_factory=dict)
    taxon_key: str | None = None
    matched_name: str | None = None
    authorship: str | None = None
    kind: str | None = None
    language: str | None = None
    note: str = ""
    alternatives: tuple[Other, ...] = ()

    def to_dict(self) -> dict:
        return asdict(self)


def match_names(names: Names, queries: Iterable[Query | str | None], *, language: str | None = None) -> Iterator[Match]:
    """One match per query, in order; repeated names get the same answer each time.

    Args:
        language: Where a vernacular name means several taxa, those that bear it in this language (ISO 639-1) are meant.
    """
    matcher = _Matcher(names, language)
    known: dict[tuple, Match] = {}
    for query in queries:
        query = query if isinstance(query, Query) else Query(query)
        state = (query.name, query.authorship, *sorted(query.context.items()))
        if state not in known:
            known[state] = matcher.match(query)
        yield known[state]


@dataclass(frozen=True)
class _Asked:
    """A query taken apart. `context` are names that must stand in the lineage, by rank; None is any rank."""

    query: Query
    text: str
    parsed: ParsedName
    authorship: str | None
    context: tuple[tuple[str | None, str], ...]


class _Matcher:
    def __init__(self, names: Names, language: str | None):
        self.names, self.language = names, language

    def match(self, query: Query) -> Match:
        if len(query.name or "") > LONGEST_NAME:
            told = f"a name has at most {LONGEST_NAME} letters, this has {len(query.name):,}"
            return Match(name=query.name, match_type=NONE, confidence=0, note=told)  # rule 1
        *ancestors, text = (query.name or "").split(PATH_SIGN)
        parsed = parse(text)
        context = tuple((rank, name) for rank, name in query.context.items() if name) + tuple((None, name) for name in ancestors if fold(name))
        asked = _Asked(query, text.strip(), parsed, query.authorship or parsed.authorship, context)
        if not fold(text):
            return Match(name=query.name, match_type=NONE, confidence=0, note="nothing is written here")  # rule 1
        if parsed.qualifier or parsed.is_formula:
            return self._kept_formula(asked) or self._doubtful(asked)  # rule 2
        return self._kept(asked) or self._shortened(asked) or self._misspelt(asked) or self._part(asked) or self._none(asked)

    def _kept_formula(self, asked: _Asked) -> Match | None:
        """The exception to rule 2: a hybrid that the list itself calls by its two parents."""
        spellings = (asked.text, f" {HYBRID_SIGN} ".join(asked.parsed.meant)) if asked.parsed.is_formula else ()
        entries = [entry for spelling in spellings for entry in self.names.entries(spelling) if parse(entry.name).is_formula]
        pairs, note = self._decided(asked, self._taxa(entries))
        if len(pairs) != 1:
            return None
        entry, taxon = pairs[0]
        kind, said = (SAME, f"a synonym of {taxon.name}") if entry.kind == SYNONYM else (EXACT, "")
        return self._match(asked, kind, entry, taxon, said, note=note, compare_authors=False)

    def _doubtful(self, asked: _Asked) -> Match:
        """Rule 2: the genus, and the species that is meant among the alternatives."""
        parsed = asked.parsed
        others = [pair for name in parsed.meant for pair in self._taxa(self.names.entries(name))]
        why = f"a hybrid of {' and '.join(parsed.meant)}" if parsed.is_formula else f"marked {parsed.qualifier}"
        if not parsed.canonical:
            return self._none(asked, others, f"{why}: two genera")
        genera, note = self._decided(asked, self._taxa([entry for entry in self.names.entries(parsed.canonical) if entry.rank != "species"]))
        if len(genera) > 1:
            return self._homonym(asked, genera, why)
        if genera:
            entry, taxon = genera[0]
            return self._match(asked, HIGHERRANK, entry, taxon, f"{why}: only the {taxon.rank} is taken", others, note=note, compare_authors=False)
        return self._part(asked, others) or self._none(asked, others, why)

    def _kept(self, asked: _Asked) -> Match | None:
        """Rules 3 to 6: the name as it stands, else its words without authors and rank marks."""
        entries = self.names.entries(asked.text) or ([] if asked.parsed.unread else _scientific(self.names.entries(asked.parsed.canonical)))
        scientific = _of_sign([entry for entry in entries if entry.kind in (ACCEPTED, SYNONYM)], asked.parsed.is_hybrid)
        below = [entry for entry in entries if entry.kind == INFRASPECIFIC]
        pairs, note = self._decided(asked, self._taxa(scientific or below or self._preferred(entries)))
        if not pairs:
            return None
        if len(pairs) > 1:
            return self._homonym(asked, pairs)
        entry, taxon = pairs[0]
        kind, said = {
            SYNONYM: (SAME, f"a synonym of {taxon.name}"),
            INFRASPECIFIC: (HIGHERRANK, f"a name below {taxon.name}"),
        }.get(entry.kind, (EXACT, ""))
        said += f"{'; ' if said else ''}written {asked.parsed.sense}" if asked.parsed.sense else ""
        return self._match(asked, kind, entry, taxon, said, note=note)

    def _shortened(self, asked: _Asked) -> Match | None:
        """Rule 7 for "P. leo": the only species of this epithet in a genus that begins so."""
        parsed = asked.parsed
        if not (parsed.genus and parsed.epithet and parsed.genus.endswith(".")):
            return None
        entries = named_with_short_genus(self.names.stores, fold(parsed.genus), fold_scientific(parsed.canonical.split(" ", 1)[1]))
        pairs, note = self._decided(asked, self._taxa(entries))
        if len(pairs) == 1:
            return self._match(asked, FUZZY, *pairs[0], f"{parsed.genus} can only be {pairs[0][0].name.split()[0]} here", note=note, confidence=PART_CONFIDENCE)
        return self._none(asked, pairs, f"{parsed.genus} may be several genera") if pairs else None

    def _misspelt(self, asked: _Asked) -> Match | None:
        """Rule 7: the nearest name; where several taxa are equally near, none of them."""
        near = self._near(asked)
        if not near:
            return None
        pairs = self._taxa([one.entry for one in near])
        best = [one for one in near if _closeness(one) == _closeness(near[0])]
        first, note = self._decided(asked, self._taxa([one.entry for one in best]))
        if len(first) > 1:
            return self._tied(asked, first, pairs)
        entry, taxon = first[0]
        chosen = next(one for one in near if one.entry is entry)
        others = [pair for pair in pairs if pair[1] != taxon]
        said = f"spelt {entry.name} here" + (f", a synonym of {taxon.name}" if entry.kind == SYNONYM else "")
        doubt = 0 if chosen.sounds_alike else (chosen.slips - 1) * FURTHER_SLIP
        confidence = round(CONFIDENCE[FUZZY] - 100 * chosen.slips / max(1, len(fold(entry.name)))) - doubt
        return self._match(asked, FUZZY, entry, taxon, said, others, note=note, confidence=confidence)

    def _near(self, asked: _Asked) -> list[Near]:
        found = near_names(self.names.stores, fold_scientific(asked.text))
        if asked.parsed.is_scientific and not asked.parsed.unread and asked.parsed.canonical != asked.text:
            bare = near_names(self.names.stores, fold_scientific(asked.parsed.canonical))
            found = sorted([*found, *(near for near in bare if near.entry.kind != VERNACULAR)], key=_closeness)
        return found

    def _tied(self, asked: _Asked, tied: Sequence[tuple[Entry, Taxon]], pairs: Sequence[tuple[Entry, Taxon]]) -> Match:
        others = [*tied, *(pair for pair in pairs if pair[1] not in {taxon for _, taxon in tied})]
        said = f"equally near to {' and '.join(entry.name for entry, _ in tied[:3])}{' and others' if len(tied) > 3 else ''}"
        return self._part(asked, others, said) or self._none(asked, others, said)

    def _part(self, asked: _Asked, others: Sequence[tuple[Entry, Taxon]] = (), why: str = "") -> Match | None:
        """Rule 8: the deepest part of the name that is known, then the lowest rank that the row tells."""
        parsed = asked.parsed
        parts = [f"{parsed.genus} {parsed.epithet}"] if parsed.infraspecific and not parsed.qualifier else []
        parts += [parsed.genus] if parsed.genus and (parsed.epithet or parsed.qualifier or parsed.unread) else []
        for part in parts:
            entries = [entry for entry in self.names.entries(part) if entry.kind in (ACCEPTED, SYNONYM)]
            pairs, note = self._decided(asked, self._taxa(entries))
            if len(pairs) > 1:
                return self._homonym(asked, pairs, why or f"{asked.text} is not known, and {part} names several")
            if pairs and not note:
                said = why or f"{asked.text} is not known"
                return self._match(asked, HIGHERRANK, *pairs[0], f"{said}: only {part} is taken", others, confidence=PART_CONFIDENCE, compare_authors=False)
        for rank, name in reversed(asked.context):
            pairs = self._taxa([entry for entry in self.names.entries(name) if entry.kind == ACCEPTED and entry.rank == (rank or entry.rank)])
            pairs, note = self._decided(asked, pairs)
            if len(pairs) == 1 and not note:
                said = f"{why or 'the name is not known'}: the {pairs[0][1].rank} is that of the row"
                return self._match(asked, HIGHERRANK, *pairs[0], said, others, confidence=RANK_CONFIDENCE, compare_authors=False)
        return None

    def _none(self, asked: _Asked, others: Sequence[tuple[Entry, Taxon]] = (), why: str = "") -> Match:
        """Rule 9, with the taxa whose names hold all the words, if nothing better is known."""
        words = fold(asked.text).split()
        if not others and len(words) <= MOST_WORDS:
            others = self._taxa([entry for store in self.names.stores for entry in store.with_words(words, 1, store.stop, ALTERNATIVES, whole=True)])
        why = why or ("a part of other names only" if others else "no name is like it")
        return Match(name=asked.query.name, match_type=NONE, confidence=0, note=why, alternatives=self._others(others[:ALTERNATIVES]))

    def _homonym(self, asked: _Asked, pairs: Sequence[tuple[Entry, Taxon]], why: str = "") -> Match:
        said = f"{why + ': ' if why else ''}{pairs[0][0].name} names {len(pairs)} taxa; authorship or a column such as kingdom or family would decide"
        entry = pairs[0][0]
        return Match(
            name=asked.query.name,
            match_type=HOMONYM,
            confidence=CONFIDENCE[HOMONYM],
            matched_name=entry.name,
            kind=entry.kind,
            note=said,
            alternatives=self._others(pairs),
        )

    def _decided(self, asked: _Asked, pairs: list[tuple[Entry, Taxon]]) -> tuple[list[tuple[Entry, Taxon]], str]:
        """What context and authorship leave of several taxa, and where the only one contradicts the row, how."""
        fitting = [pair for pair in pairs if not self._contradiction(asked, pair[1])]
        if not fitting:
            return pairs, self._contradiction(asked, pairs[0][1]) if pairs else ""
        if len(fitting) > 1:
            fitting = [pair for pair in fitting if same_authorship(asked.authorship, pair[0].authorship)] or fitting
        return _without_nested(fitting), ""

    def _contradiction(self, asked: _Asked, taxon: Taxon) -> str:
        lineage = self.names.taxonomy.lineage(taxon.start, down_to=taxon.rank)
        for rank, name in asked.context:
            there = [lineage[rank]] if rank in lineage else list(lineage.values()) if rank is None else []
            if there and fold_scientific(name) not in map(fold_scientific, there):
                return f"lies in {lineage.get(rank) or next(iter(lineage.values()))}, not in {name}"
        return ""

    def _preferred(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        spoken = [entry for entry in entries if self.language and entry.language and plain_language(entry.language) == plain_language(self.language)]
        return spoken or entries

    def _taxa(self, entries: Sequence[Entry]) -> list[tuple[Entry, Taxon]]:
        """Each taxon once, with the first of its names."""
        found: dict[Taxon, Entry] = {}
        for entry in entries:
            found.setdefault(self.names.taxon(entry), entry)
        return [(entry, taxon) for taxon, entry in found.items()]

    def _match(
        self,
        asked: _Asked,
        match_type: str,
        entry: Entry,
        taxon: Taxon,
        said: str,
        others: Sequence[tuple[Entry, Taxon]] = (),
        *,
        note: str = "",
        confidence: int | None = None,
        compare_authors: bool = True,
    ) -> Match:
        confidence = confidence or (VERNACULAR_CONFIDENCE if entry.kind == VERNACULAR else CONFIDENCE[match_type])
        notes = [said, note]
        confidence -= CONTEXT_DISAGREES if note else 0
        if compare_authors and same_authorship(asked.authorship, entry.authorship) is False:
            confidence -= AUTHORSHIP_DISAGREES
            notes.append(f"its author here is {entry.authorship}, not {asked.authorship}")
        own = self.names.accepted(taxon)
        return Match(
            name=asked.query.name,
            match_type=match_type,
            confidence=max(1, confidence),
            taxon=taxon.name,
            rank=taxon.rank,
            lineage=self.names.taxonomy.lineage(taxon.start, down_to=taxon.rank),
            taxon_key=own.taxon_key if own else None,
            matched_name=entry.name,
            authorship=entry.authorship,
            kind=entry.kind,
            language=entry.language,
            note="; ".join(part for part in notes if part),
            alternatives=self._others([pair for pair in others if pair[1] != taxon][:ALTERNATIVES]),
        )

    def _others(self, pairs: Sequence[tuple[Entry, Taxon]]) -> tuple[Other, ...]:
        told = []
        for entry, taxon in pairs:
            own = self.names.accepted(taxon)
            lineage = self.names.taxonomy.lineage(taxon.start, down_to=taxon.rank)
            told.append(Other(taxon.name, taxon.rank, entry.name, own.taxon_key if own else None, lineage))
        return tuple(told)


def _scientific(entries: Iterable[Entry]) -> list[Entry]:
    """Without vernacular names, which have no author that could be cut off: a tiger beetle is no tiger."""
    return [entry for entry in entries if entry.kind != VERNACULAR]


def _of_sign(entries: list[Entry], is_hybrid: bool) -> list[Entry]:
    """Where a list has a species and a hybrid of one spelling, those written like the name asked for."""
    return [entry for entry in entries if parse(entry.name).is_hybrid == is_hybrid] or entries


def _closeness(near: Near) -> tuple:
    """Fewer slips first; then scientific names, names that sound alike, and slips in long words."""
    return near.slips, near.entry.kind == VERNACULAR, not near.sounds_alike


def _without_nested(pairs: list[tuple[Entry, Taxon]]) -> list[tuple[Entry, Taxon]]:
    """Leaves out taxa that lie within another one of the same name: a phylum and its class are no homonyms."""
    return [
        pair for pair in pairs if not any(other[1] != pair[1] and other[1].start <= pair[1].start and pair[1].stop <= other[1].stop for other in pairs)
    ] or pairs[:1]
