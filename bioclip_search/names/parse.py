"""Takes a scientific name apart: genus, epithets, rank, authorship, and the marks of doubt and of hybrids.

Never fails: of what is no scientific name it gives the words. Whether a name exists is left to `lookup` and `match`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

INFRA_RANKS = {
    **dict.fromkeys(("subsp", "ssp", "subspec", "nothosubsp"), "subspecies"),
    **dict.fromkeys(("var", "nothovar", "convar"), "variety"),
    **dict.fromkeys(("f", "fo", "forma", "form", "fma"), "form"),
    **{"subvar": "subvariety", "subf": "subform", "cv": "cultivar", "ab": "aberration", "morph": "morph", "race": "race", "pv": "pathovar", "bv": "biovar"},
}
"""The abbreviations before an epithet below species, without their full stop, and the rank each means."""

DOUBTS = {
    **dict.fromkeys(("sp", "spp", "spec", "species"), "sp."),
    **dict.fromkeys(("cf", "cfr", "conf"), "cf."),
    **dict.fromkeys(("aff", "affin"), "aff."),
    **dict.fromkeys(("nr", "near"), "nr"),
    **dict.fromkeys(("indet", "ind", "undet", "unidentified"), "indet."),
    **{"gen": "gen.", "?": "?"},
}
"""Words that leave the species open, and how they are told."""

LEADING_DOUBTS = ("cf.", "aff.", "nr", "?")
"""Those that may stand before the genus: "cf. Panthera leo"."""

BROAD = {"agg": "agg.", "sl": "s.l.", "sstr": "s.str.", "ss": "s.str.", "coll": "coll.", "group": "agg.", "gr": "agg.", "complex": "agg."}
"""Words for a wider or a narrower sense of a species; its name stays the same."""

_SMALL_WORDS = (
    "de da di del della der den des do dos du el la le les van von vom zu zur ter ten y e et and ex in non nec not auct bis f fil filius al apud sensu emend"
)
_PARTICLES = frozenset(_SMALL_WORDS.split())
"""Words in small letters that belong to an author, not to a name."""

_NOTES = re.compile(
    r"\bnom(?:en)?\.?\s*(?:nudum|nud|novum|nov|cons|rej|illeg|inval|dubium|dub|ambig|superfl|prov)\b\.?"
    r"|\b(?:comb|gen|sp|ssp|subsp|var|stat|fam)\.?\s*nov\b\.?|\bp\.\s?p\.|\bpro (?:sp|parte)\b\.?|\bined\."
    r"|\bauctt?\.?(?:,? ?(?:non|nec)\b.*)?$|\b(?:non|nec)\b.*$|\bsensu (?!lato|stricto).*$"
)
_SENSES = ((re.compile(r"\b(?:sensu lato|s\.\s?lat\.?|s\.\s?l\.)", re.I), "sl"), (re.compile(r"\b(?:sensu stricto|s\.\s?str\.?|s\.\s?s\.)", re.I), "sstr"))
_FAMILY_ENDINGS = {"idae": "family", "aceae": "family", "ales": "order", "oidea": "superfamily", "inae": "subfamily"}
_YEAR = re.compile(r"\b(1[5-9]\d\d|20\d\d)(?:[a-z]\b|\b)")
_GENUS = re.compile(r"^[^\W\d_a-z][^\W\d_]*(?:-[^\W\d_]+)?\.?$")
_EPITHET = re.compile(r"^(?:\d+-?)?[^\W\d_][^\W\d_]*(?:[-'’.][^\W\d_]+)*$")
_SUBGENUS = re.compile(r"^\((?:subg\.\s*)?([^\W\d_a-z][^\W\d_]+)\)$")
_AUTHOR = re.compile(r"^[(\[&]*[^\W\d_a-z]|^\(?\d{4}")
HYBRID_SIGN = "×"


@dataclass(frozen=True)
class ParsedName:
    """The parts of a name. `canonical` is what a list would hold: words without rank marks, authors and doubts.

    `qualifier` is a mark of doubt (sp., cf., aff., nr, indet., ?, or / between epithets); `meant` are then the names that
    it points to, if any, and for a hybrid formula its two parents. `sense` is agg., s.l. or s.str. `rank` is None where
    the word alone does not tell. `unread` is what stands behind a genus and is neither epithet nor author.
    """

    verbatim: str
    canonical: str
    rank: str | None = None
    genus: str | None = None
    subgenus: str | None = None
    epithet: str | None = None
    infraspecific: str | None = None
    authorship: str | None = None
    year: int | None = None
    qualifier: str | None = None
    meant: tuple[str, ...] = ()
    sense: str | None = None
    notes: tuple[str, ...] = ()
    is_hybrid: bool = False
    is_formula: bool = False
    unread: str | None = None

    @property
    def is_scientific(self) -> bool:
        """Whether the text is built like a scientific name; a vernacular name may be too."""
        return self.genus is not None


def parse(text: str) -> ParsedName:
    """The parts of a name.

    >>> name = parse("Poa annua L. var. reptans Hausskn.")
    >>> name.canonical, name.rank, name.authorship
    ('Poa annua reptans', 'variety', 'Hausskn.')
    >>> name = parse("Panthera cf. leo")
    >>> name.canonical, name.qualifier, name.meant
    ('Panthera', 'cf.', ('Panthera leo',))
    """
    cleaned = _plain(text)
    if formula := _formula(text, cleaned):
        return formula
    cleaned, sense = _take_sense(cleaned)
    cleaned, notes = _take_notes(cleaned)
    words = cleaned.split()
    if words and words[0].rstrip(".").lower() in {"candidatus", "ca"} and len(words) > 1:
        words, notes = words[1:], (*notes, "Candidatus")
    doubt = _doubt(words[0]) if len(words) > 1 and _GENUS.match(words[1]) else None
    words = words[doubt in LEADING_DOUBTS :]
    is_hybrid = bool(words) and words[0] == HYBRID_SIGN
    words = words[is_hybrid:]
    if not words or not _GENUS.match(words[0]):
        return ParsedName(text, " ".join(words), is_hybrid=is_hybrid, notes=notes)
    return _of_words(text, words, sense, notes, is_hybrid, doubt)


def _of_words(text: str, words: list[str], sense: str | None, notes: tuple[str, ...], is_hybrid: bool, doubt: str | None) -> ParsedName:
    """Reads from left to right: genus, subgenus, epithet, epithet below species, authorship."""
    genus, (subgenus, rest) = words[0].rstrip(",;"), _subgenus(words[1:])
    is_hybrid, rest = is_hybrid or rest[:1] == [HYBRID_SIGN], rest[1:] if rest[:1] == [HYBRID_SIGN] else rest
    if rest and len(choices := rest[0].split("/")) > 1 and all(map(_is_epithet, choices)):
        meant = tuple(f"{genus} {choice}" for choice in choices)
        return ParsedName(text, genus, genus=genus, subgenus=subgenus, qualifier="/", meant=meant, sense=sense, notes=notes)
    qualifier, epithet, infra_rank, infra, rest = _epithets(rest)
    qualifier = qualifier or doubt
    if rest and _bare(rest[0]) in BROAD and epithet:
        sense, rest = BROAD[_bare(rest[0])], rest[1:]
    told = " ".join(rest).strip(" ,;") or None
    is_unread = bool(told) and not epithet and not qualifier and not _AUTHOR.match(rest[0]) and rest[0] not in _PARTICLES
    authorship = None if qualifier == "sp." or is_unread else told
    year = _YEAR.search(authorship or "")
    whole = " ".join(word for word in (genus, epithet, infra) if word)
    return ParsedName(
        verbatim=text,
        canonical=genus if qualifier else whole,
        rank=_rank(genus, None if qualifier else epithet, None if qualifier else infra_rank),
        genus=genus,
        subgenus=subgenus,
        epithet=epithet,
        infraspecific=infra,
        authorship=authorship,
        year=int(year.group(1)) if year else None,
        qualifier=qualifier,
        meant=(whole,) if qualifier and epithet else (),
        sense=sense,
        notes=notes,
        is_hybrid=is_hybrid,
        unread=told if is_unread else None,
    )


def _subgenus(rest: list[str]) -> tuple[str | None, list[str]]:
    """A subgenus in brackets, if an epithet follows: an author in brackets stands last."""
    if len(rest) > 1 and (found := _SUBGENUS.match(rest[0])) and (_is_epithet(rest[1]) or _bare(rest[1]) in DOUBTS):
        return found.group(1), rest[1:]
    return None, rest


def _epithets(rest: list[str]) -> tuple[str | None, str | None, str | None, str | None, list[str]]:
    """A mark of doubt, the epithet, rank and epithet below species, and the words that follow."""
    qualifier = epithet = infra_rank = infra = None
    while rest and _doubt(rest[0]):
        qualifier, rest = qualifier or _doubt(rest[0]), rest[1:]
    if rest and _is_epithet(rest[0].rstrip(",;")) and qualifier != "sp.":
        epithet, is_last, rest = rest[0].rstrip(",;"), rest[0][-1] in ",;", rest[1:]
        if rest and not qualifier and (qualifier := _doubt(rest[0])):
            rest = rest[1:]
        if not is_last:
            infra_rank, infra, rest = _below_species(rest)
    return qualifier, epithet, infra_rank, infra, rest


def _below_species(rest: list[str]) -> tuple[str | None, str | None, list[str]]:
    """Rank and epithet below species, and the words that follow: marked anywhere, or as a third word at once.

    Subtle: "f." is a form before an epithet and a son behind an author; authors may stand before the mark.
    """
    for place, word in reversed(list(enumerate(rest[:-1]))):
        if _bare(word) in INFRA_RANKS and _is_epithet(rest[place + 1]) and (word.endswith(".") or len(word) > 1):
            return INFRA_RANKS[_bare(word)], rest[place + 1], rest[place + 2 :]
    if rest and _is_epithet(rest[0]) and _bare(rest[0]) not in BROAD:
        return "subspecies", rest[0], rest[1:]
    return None, None, rest


def _plain(text: str) -> str:
    """One way of writing white space, signs and capitals: "PANTHERA_LEO" as "Panthera leo"."""
    text = re.sub(r"[\s_]+", " ", re.sub(r"[\"“”«»†‡]", "", text)).strip()
    text = re.sub(r"\s*[×✕╳]\s*", f" {HYBRID_SIGN} ", text).strip()
    text = re.sub(r"^[xX] (?=[A-Z])|(?<=\S) [xX](?= \S)", lambda found: f" {HYBRID_SIGN} " if found.start() == 0 else f" {HYBRID_SIGN}", text).strip()
    text = re.sub(r"(?<=\w)\?(?=\s|$)|\?(?=\w)", " ? ", text).strip()
    text = re.sub(r"^(\w{1,3}\.)(?=[a-z])", r"\1 ", text)
    if text.isupper() and len(text) > 3:
        text = re.sub(r"^(\W*)(\w)", lambda found: found.group(1) + found.group(2).upper(), text.lower())
        text = re.sub(r"(?<=[(,] )\w|(?<=\()\w", lambda found: found.group().upper(), text)
    elif text[:1].islower() and re.match(r"^[a-z]+ [a-z]", text):
        text = text[0].upper() + text[1:]
    return re.sub(r"\s+", " ", text)


def _formula(text: str, cleaned: str) -> ParsedName | None:
    """A hybrid named by its parents: "Salix alba × Salix fragilis", "Salix alba × fragilis", "Anas acuta × A. crecca"."""
    parts = [part.strip() for part in cleaned.split(HYBRID_SIGN)]
    if len(parts) != 2 or len(parts[0].split()) < 2 or not parts[1]:
        return None
    first, second = parse(parts[0]), parts[1]
    if not (first.genus and first.epithet):
        return None
    head, *tail = second.split()
    if _is_epithet(head):
        second = f"{first.genus} {second}"
    elif tail and re.fullmatch(r"[^\W\d_]\.?", head) and first.genus.startswith(head[0]):
        second = f"{first.genus} {' '.join(tail)}"
    other = parse(second)
    if not other.genus or not other.epithet:
        return None
    common = first.genus if first.genus == other.genus else ""
    return ParsedName(text, common, "genus" if common else None, first.genus, is_hybrid=True, is_formula=True, meant=(first.canonical, other.canonical))


def _take_sense(text: str) -> tuple[str, str | None]:
    for pattern, sense in _SENSES:
        if pattern.search(text):
            return " ".join(pattern.sub(" ", text).split()), BROAD[sense]
    return text, None


def _take_notes(text: str) -> tuple[str, tuple[str, ...]]:
    """Cuts out what nomenclature says of a name: nom. nud., comb. nov., auct. non L. The sp. of "sp. nov." stays."""
    notes = tuple(found.group().strip() for found in _NOTES.finditer(text))
    kept = _NOTES.sub(lambda found: " sp. " if found.group().startswith("sp") else " ", text) if notes else text
    return " ".join(kept.split()), notes


def _doubt(word: str) -> str | None:
    return DOUBTS.get(_bare(word)) if word[:1].islower() or word == "?" else None


def _is_epithet(word: str) -> bool:
    return word[:1].islower() and bool(_EPITHET.match(word)) and word.lower() not in _PARTICLES and _bare(word) not in INFRA_RANKS and _bare(word) not in DOUBTS


def _bare(word: str) -> str:
    return word.replace(".", "").lower()


def _rank(genus: str, epithet: str | None, infra_rank: str | None) -> str | None:
    if epithet:
        return infra_rank or "species"
    return next((rank for ending, rank in _FAMILY_ENDINGS.items() if genus.endswith(ending) and len(genus) > len(ending) + 2), None)
