r"""Turns staged names into clean ones: the name without its author, the author, the rank as a number, the standing.

Cuts by what the source gives first (canonical name, epithets, authorship) and by a small rule last, all in DuckDB.
Parsing what users type is left to `names`.

Rules for the name, first match wins:
1. The source's canonical name, unless it lost the × of a hybrid.
2. A hybrid formula stays as it is, without its author.
3. Genus, epithet and epithet below, where the source has them apart.
4. The scientific name with its known author cut off its end, or as it is where no author stands in it, or it is a virus's.
5. The words at the start that make a name of that rank: one capitalised, then epithets in small letters.
"""

from __future__ import annotations

from bioclip_search.checklists.ranks import BETWEEN, INFRASPECIFIC, SPECIES, UNSAID, rank_codes
from bioclip_search.checklists.staging import Staging
from bioclip_search.prompts import RANKS

ACCEPTED, DOUBTFUL, SYNONYM, PRO_PARTE = 0, 1, 2, 3
MISAPPLIED, BARE, INACTIVE, INFORMAL, NAMELESS, REPEATED = 10, 11, 12, 13, 14, 15
"""What a row is: the first two are taxa, the next two other names of taxa, the rest is left out."""

SYNONYM_WORDS = (
    "synonym|unaccepted|not accepted|^invalid|not valid|superseded|replaced|alternat|unjustified|misspell|incorrect|homonym|basionym|superfluous|variant"
)
DOUBT_WORDS = "doubtful|uncertain|inquirend|dubi|nudum|provisional|temporary|unpublished|unresolved|unchecked|unassess"
INFORMAL_NAME = r"(\s(sp|spp|cf|aff|nr|indet)(\.|\s|$))|^(uncultured|unidentified|unclassified|environmental|unknown)\s"
"""Names that stand for something not yet named or not surely known: Felis sp., Felis cf. catus, uncultured bacterium."""

UNPLACED = r"(?i)incertae.sedis|not assigned|unassigned|unplaced|unknown|uncertain"
UNPLACED_WORDS = ("incertae_sedis", "Incertae_sedis", "unassigned", "Unassigned", "unplaced", "Unplaced", "unknown", "Unknown", "uncertain", "Uncertain")
"""What some sources write where a rank is missing."""

CAPITAL, EPITHET = r"(?:× ?)?\p{Lu}[\p{L}\-]*", r"(?:× ?)?\p{Ll}[\p{Ll}\p{N}'’\-]+"
WORD_END = r"(?:[ ,;(\[]|$)"
MARKER = r"(?:(?:nothosubsp|subsp|ssp|subvar|var|subf|fo|cv)\.?|f\.|forma)"
BINOMIAL = rf"^{CAPITAL}(?: \(\p{{Lu}}[^)]*\))? {EPITHET}"
FORMULA = rf" × \p{{Lu}}|^{CAPITAL} \p{{Ll}}[^ ]* .*× "
"""Two parents with a × between them, unlike the one epithet of a named hybrid: Felis catus × silvestris, Mentha × piperita."""
PARTICLES = r"(?:de|del|della|der|den|di|da|do|dos|du|la|le|van|von|vom|zu|zur|af|ten|ter|y|e|et|and|ex|in|auct|auctt|non|nec|not|sensu|bis|fil|f|apud|emend)"
"""Small words that belong to authors: Aus bus de Vries is a species."""


def clean(staging: Staging) -> None:
    """Makes the table `clean`, with one row for each staged row."""
    staging.run("CREATE TABLE rank_words (word VARCHAR, code TINYINT)")
    staging.connection.executemany("INSERT INTO rank_words VALUES (?, ?)", list(rank_codes().items()))
    staging.run(f"CREATE TABLE clean AS {_clean_sql(0)}")


def clean_added(staging: Staging, first_row: int) -> None:
    """Appends the rows that were staged since, from this one on."""
    staging.run(f"INSERT INTO clean {_clean_sql(first_row)}")


def _clean_sql(first_row: int) -> str:
    return f"""
        WITH folded AS (
            SELECT u.rowid AS row, {_folded("scientific_name")} AS full_name, {_folded("canonical_name")} AS given,
                {_folded("authorship")} AS authorship, {_folded("common_name")} AS common_name, u.* EXCLUDE (rank, status, authorship, common_name),
                regexp_replace(lower(coalesce(u.status, '')), '[\\s_]+', ' ', 'g') AS status,
                rank AS rank_word, coalesce(code, CASE WHEN u.rank IS NULL THEN {UNSAID} ELSE {BETWEEN} END) AS said
            FROM usages AS u LEFT JOIN rank_words ON word = regexp_replace(rtrim(lower(u.rank), '. '), '[\\s_-]+', '_', 'g')
            WHERE u.rowid >= {first_row}
        ), named AS (SELECT *, {_name_sql()} AS name FROM folded
        ), ranked AS (SELECT *, {_rank_sql()} AS code FROM named)
        SELECT row, key, CASE WHEN id <> key OR key IS NULL THEN id END AS id, name, {_author_sql()} AS authorship, code AS rank, rank_word,
            {_standing_sql()} AS standing, status, {", ".join(f'{_placed(rank)} AS "{rank}"' for rank in RANKS[:SPECIES])}, species, common_name, lower(language) AS language
        FROM ranked"""


def _folded(column: str) -> str:
    """White space folded, and the letter x between two parts of a hybrid's name as ×."""
    folded = (
        f"CASE WHEN regexp_matches({column}, '\\s\\s|[\\t\\n\\x{{a0}}]') THEN trim(regexp_replace({column}, '[\\s\\x{{a0}}]+', ' ', 'g')) ELSE {column} END"
    )
    return f"CASE WHEN contains({column}, ' x ') OR starts_with({column}, 'x ') THEN regexp_replace({folded}, '(^|\\s)[xX] ', '\\1× ', 'g') ELSE {folded} END"


def _name_sql() -> str:
    is_below, is_hybrid = f"said = {INFRASPECIFIC}", "coalesce(contains(full_name, '×'), false)"
    start = f"nullif(regexp_extract(full_name, '({_sql(BINOMIAL)}){WORD_END}', 1), '')"
    to_marked = f"regexp_extract(full_name, '{_sql(BINOMIAL)}.*? {MARKER} {_sql(EPITHET)}')"
    marked = f"nullif(regexp_replace({to_marked}, '({_sql(BINOMIAL)}).* ({MARKER} [^ ]+)$', '\\1 \\2'), '')"
    third = f"nullif(regexp_extract(full_name, '({_sql(BINOMIAL)} {_sql(EPITHET)}){WORD_END}', 1), '')"
    trinomial = f"coalesce({_unless_author(marked)}, {_unless_author(third)})"
    single = f"nullif(regexp_extract(full_name, '^({CAPITAL}){WORD_END}', 1), '')"
    cut = "rtrim(left(full_name, length(full_name) - length(authorship)), ' ,')"
    name = f"""CASE
        WHEN given IS NOT NULL AND (full_name IS NULL OR NOT contains(full_name, '×') OR contains(given, '×')) THEN given
        WHEN contains(full_name, '×') AND regexp_matches(full_name, '{FORMULA}') THEN CASE WHEN ends_with(full_name, authorship) THEN {cut} ELSE full_name END
        WHEN said IN ({SPECIES}, {INFRASPECIFIC}) AND generic_name IS NOT NULL AND specific_epithet IS NOT NULL AND NOT {is_hybrid}
            AND NOT ({is_below} AND infraspecific_epithet IS NULL) AND coalesce(starts_with(full_name, generic_name || ' '), true)
            THEN generic_name || ' ' || specific_epithet || CASE WHEN {is_below} THEN ' ' || infraspecific_epithet ELSE '' END
        WHEN ends_with(full_name, ' ' || authorship) THEN {cut}
        WHEN regexp_matches(full_name, ' .*(virus|viroid|phage)') THEN full_name
        WHEN authorship IS NOT NULL AND NOT contains(full_name, authorship) AND NOT regexp_matches(full_name, ' [(\\p{{Lu}}]') THEN full_name
        WHEN said < {SPECIES} THEN coalesce({single}, full_name)
        WHEN said = {SPECIES} THEN coalesce({start}, full_name)
        WHEN {is_below} THEN coalesce({trinomial}, {start}, full_name)
        ELSE coalesce({trinomial}, {start}, {single}, full_name) END"""
    return f"regexp_replace({name}, '^(\\S+) \\(\\p{{Lu}}[^)]*\\) (\\S)', '\\1 \\2')"


def _unless_author(name: str) -> str:
    """Null where the last word belongs to an author: Carex halleri L. f. et Smith has no form."""
    return f"CASE WHEN regexp_matches({name}, ' {PARTICLES}$') THEN NULL ELSE {name} END"


def _rank_sql() -> str:
    """The rank as said; where nothing is said, as the classification or the form of the name has it."""
    same = " ".join(f'WHEN name = "{rank}" THEN {number}' for number, rank in enumerate(RANKS[:SPECIES]))
    return f"""CASE WHEN said < {SPECIES} AND regexp_matches(name, '{UNPLACED}') THEN {BETWEEN} WHEN said <> {UNSAID} THEN said {same}
        WHEN regexp_matches(name, '^{CAPITAL} {_sql(EPITHET)}$') THEN {SPECIES}
        WHEN regexp_matches(name, '^{CAPITAL} {_sql(EPITHET)} (?:{MARKER} )?{_sql(EPITHET)}$') THEN {INFRASPECIFIC}
        WHEN regexp_matches(name, '^\\p{{Lu}}\\p{{Ll}}+(idae|aceae)$') THEN {RANKS.index("family")} ELSE {BETWEEN} END::TINYINT"""


def _author_sql() -> str:
    """The author as given, else what follows the name if it begins as an author does."""
    rest = "trim(substr(full_name, length(name) + 1), ' ,')"
    return f"""coalesce(authorship, CASE WHEN starts_with(full_name, name || ' ') AND regexp_matches({rest}, '^[(\\p{{Lu}}]|^{PARTICLES} ') THEN {rest} END)"""


def _standing_sql() -> str:
    is_own = "accepted_key = key OR accepted_key = id"
    return f"""CASE WHEN name IS NULL OR name = '' THEN {NAMELESS}
        WHEN regexp_matches(status, 'misapplied|misidentif') THEN {MISAPPLIED}
        WHEN status IN ('bare name', 'unavailable', 'unavailable name') THEN {BARE}
        WHEN status IN ('inactive', 'deleted', 'quarantined') THEN {INACTIVE}
        WHEN regexp_matches(status, 'ambiguous synonym|pro ?parte') THEN {PRO_PARTE}
        WHEN regexp_matches(status, '{SYNONYM_WORDS}') THEN {SYNONYM}
        WHEN accepted_key IS NOT NULL AND NOT coalesce({is_own}, false) AND NOT regexp_matches(status, 'accepted|valid') THEN {SYNONYM}
        WHEN accepted_name IS NOT NULL AND accepted_key IS NULL AND accepted_name NOT IN (name, coalesce(full_name, name))
            AND NOT regexp_matches(status, 'accepted|valid') THEN {SYNONYM}
        WHEN code >= {SPECIES} AND code <> {BETWEEN} AND regexp_matches(name, '{INFORMAL_NAME}') THEN {INFORMAL}
        WHEN regexp_matches(status, '{DOUBT_WORDS}') THEN {DOUBTFUL}
        ELSE {ACCEPTED} END::TINYINT"""


def _placed(rank: str) -> str:
    """A word of the classification, null where it says that the rank is missing; the pattern is only tried where it may fit."""
    may_be = f"""("{rank}" IN {UNPLACED_WORDS} OR (contains("{rank}", ' ') AND regexp_matches("{rank}", '{UNPLACED}')))"""
    return f"""CASE WHEN {may_be} THEN NULL ELSE "{rank}" END"""


def _sql(pattern: str) -> str:
    return pattern.replace("'", "''")
