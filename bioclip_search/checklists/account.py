"""Counts what was decided of the rows, with the first few of each decision, and gives the report.

Deciding is left to `fates`; what the report looks like to `report`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bioclip_search.checklists import fates
from bioclip_search.checklists.canonical import BARE, DOUBTFUL, INACTIVE, INFORMAL, MISAPPLIED, NAMELESS, REPEATED
from bioclip_search.checklists.links import circles
from bioclip_search.checklists.report import Fault, ImportReport, Note
from bioclip_search.checklists.staging import MAX_EXAMPLES, Staging

MAX_FAULTS, MAX_KEYS = 20, 20

WORDS = {
    fates.SHARED_NAME: ("kept", "pro_parte", "synonyms of several taxa, kept for each of them"),
    fates.BELOW_SPECIES: ("merged", "below_species", "taxa below species, kept as further names of their species"),
    fates.PASSED_OVER: ("merged", "passed_over", "taxa of ranks between the seven, or of no rank, passed over in the lineages"),
    MISAPPLIED: ("dropped", "misapplied", "misapplied names, which rightly belong to another taxon"),
    BARE: ("dropped", "bare", "bare names, which the source places nowhere"),
    INACTIVE: ("dropped", "inactive", "names that the source has retired"),
    INFORMAL: ("dropped", "informal", "informal names (sp., cf., aff., uncultured)"),
    NAMELESS: ("dropped", "nameless", "rows without a name"),
    REPEATED: ("dropped", "repeated_key", "taxa whose key another row has already"),
    fates.NO_TARGET: ("dropped", "no_target", "synonyms whose accepted name is not in the list"),
    fates.TARGET_LEFT_OUT: ("dropped", "target_left_out", "synonyms of taxa that were passed over or left out"),
    fates.INTO_CIRCLE: ("dropped", "into_circle", "synonyms that lead into a circle of synonyms"),
    fates.NO_SPECIES: ("dropped", "no_species", "taxa below a species that is not in the list"),
    fates.SYNONYM_CIRCLE: ("dropped", "synonym_circle", "synonyms that point at themselves, straight or round a circle"),
    fates.PARENT_CIRCLE: ("dropped", "parent_circle", "taxa that are their own parent, straight or round a circle"),
}
"""Decisions worth telling: what was done, a short name, and words that follow a number."""


FURTHER = (
    (
        *("kept", "doubtful", "doubtful or provisional names, taken as taxa"),
        f"SELECT row, name AS label FROM clean JOIN placed USING (row) WHERE standing = {DOUBTFUL} AND fate IN ({fates.LEAF}, {fates.INTERIOR})",
    ),
    (
        *("kept", "orphan", "rows whose parent is not in the list, placed by their own classification as far as it goes"),
        "SELECT row, name AS label FROM links JOIN clean USING (row) JOIN placed USING (row) WHERE is_orphan"
        f" AND fate IN ({fates.LEAF}, {fates.INTERIOR}, {fates.BELOW_SPECIES}, {fates.PASSED_OVER})",
    ),
    (
        *("merged", "twin", "taxa of the same name and lineage as another"),
        "SELECT leaf AS row, name AS label FROM seats JOIN clean ON clean.row = leaf WHERE leaf <> kept",
    ),
    (
        *("dropped", "vernacular_of_nothing", "vernacular names of taxa that are not in the list, or were left out"),
        "SELECT v.rowid AS row, v.name AS label FROM vernaculars AS v LEFT JOIN handles ON handle = key LEFT JOIN placed ON placed.row = handles.row"
        " WHERE v.name IS NOT NULL AND coalesce(leaf, -1) < 0",
    ),
    (
        *("dropped", "absent", "countries in which the source says a taxon is absent or doubtful"),
        "SELECT key AS row, code AS label FROM places WHERE is_absent",
    ),
    (
        *("dropped", "no_country", "areas that are no country by ISO 3166"),
        "SELECT key AS row, code AS label FROM places LEFT JOIN iso_codes USING (code) WHERE alpha3 IS NULL AND NOT is_absent",
    ),
)
"""Further decisions, each with the query that finds their rows and what to call them."""


def words_of(fate: int) -> str:
    return WORDS[fate][2] if fate in WORDS else "kept"


def tell(staging: Staging, links: fates.Links, decision: fates.Decision, names: Mapping[str, int]) -> ImportReport:
    """The account of an import whose tables are written."""
    notes = [*staging.notes, *_notes_of_fates(staging, decision), *_further_notes(staging)]
    order = {"kept": 0, "merged": 1, "dropped": 2}
    return ImportReport(
        source=staging.archive,
        format=staging.format,
        rows=int(staging.rows("SELECT count(*) FROM usages")[0][0]) - sum(note.count for note in notes if note.what in {"accepted_added", "species_added"}),
        taxa=int(staging.rows("SELECT count(*) FROM seats WHERE leaf = kept")[0][0]),
        names=dict(names),
        notes=tuple(sorted(notes, key=lambda note: order[note.action])),
        faults=(*_faults(staging, decision, links.accepted, fates.SYNONYM_CIRCLE), *_faults(staging, decision, decision.parent, fates.PARENT_CIRCLE)),
        fault_count=int(np.isin(decision.fate, (fates.SYNONYM_CIRCLE, fates.PARENT_CIRCLE)).sum()),
    )


def _notes_of_fates(staging: Staging, decision: fates.Decision) -> list[Note]:
    counts = dict(zip(*(found.tolist() for found in np.unique(decision.fate, return_counts=True)), strict=True))
    notes = []
    for fate, (action, what, words) in WORDS.items():
        if fate in counts:
            rows = np.flatnonzero(decision.fate == fate)[:MAX_EXAMPLES].tolist()
            notes.append(Note(action, what, words, counts[fate], _labels(staging, rows)))
    return notes


def _labels(staging: Staging, rows: list[int]) -> tuple[str, ...]:
    found = staging.rows(f"SELECT coalesce(name, 'row ' || row + 1), key FROM clean WHERE row IN ({', '.join(map(str, rows))}) ORDER BY row")
    return tuple(f"{name} ({key})" if key else name for name, key in found)


def _further_notes(staging: Staging) -> list[Note]:
    """Decisions that are no fate of a row: doubtful taxa, orphans, twins, and what hangs on taxa."""
    notes = []
    for action, what, words, query in FURTHER:
        (count,), *_ = staging.rows(f"SELECT count(*) FROM ({query})")
        if count:
            found = staging.rows(f"SELECT label FROM (SELECT label, min(row) AS row FROM ({query}) GROUP BY label) ORDER BY row, label LIMIT {MAX_EXAMPLES}")
            notes.append(Note(action, what, words, int(count), tuple(str(example) for (example,) in found)))
    return notes


def _faults(staging: Staging, decision: fates.Decision, target: np.ndarray, fate: int) -> tuple[Fault, ...]:
    what = {fates.SYNONYM_CIRCLE: "synonyms in a circle", fates.PARENT_CIRCLE: "parents in a circle"}[fate]
    faults = []
    for circle in circles(target, decision.fate == fate, MAX_FAULTS, MAX_KEYS + 1):
        cut = ("…",) if len(circle) > MAX_KEYS else ()
        found = dict(staging.rows(f"SELECT row, coalesce(key, name) FROM clean WHERE row IN ({', '.join(map(str, circle))})"))
        faults.append(Fault(what, (*(str(found[row]) for row in circle[:MAX_KEYS]), *cut)))
    return tuple(faults)
