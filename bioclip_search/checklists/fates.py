"""Decides what becomes of every row, from its rank, its standing and what it points at.

Pure: numpy in, numpy out, no loop over rows. Finding what a key points at is left to `resolve`.

Rules, in order:
1. Rows that are no taxon and no other name of one (misapplied, bare, inactive, informal, nameless, repeated) are left out.
2. Synonyms follow their pointers to a taxon; those that find none, or run in a circle, are left out.
3. A parent that is a synonym stands for its taxon. Taxa on a circle of parents are left out, what hangs below is cut off there.
4. A taxon of a main rank with another such taxon below it is interior; one without is a leaf.
5. A taxon of another rank below a species is merged into it; any other is passed over. One below a species that is not listed is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bioclip_search.checklists.canonical import DOUBTFUL, PRO_PARTE, SYNONYM
from bioclip_search.checklists.links import ancestors, follow
from bioclip_search.checklists.ranks import BETWEEN, INFRASPECIFIC, SPECIES

LEAF, INTERIOR, OTHER_NAME, SHARED_NAME, BELOW_SPECIES, PASSED_OVER = 0, 1, 2, 3, 4, 5
NO_TARGET, TARGET_LEFT_OUT, SYNONYM_CIRCLE, INTO_CIRCLE, PARENT_CIRCLE, NO_SPECIES = 20, 21, 22, 23, 24, 25
"""Fates beside the standings of rows that are left out, which are their own fate."""


@dataclass(frozen=True, eq=False)
class Links:
    """All rows, (n,) each: what they are and which rows they point at, -1 for none."""

    rank: np.ndarray
    standing: np.ndarray
    parent: np.ndarray
    accepted: np.ndarray


@dataclass(frozen=True, eq=False)
class Decision:
    """What becomes of all rows, (n,) each."""

    fate: np.ndarray
    taxon: np.ndarray
    """The row of the leaf or interior taxon that the row is or names, -1 for none."""
    leaf: np.ndarray
    """The row of the leaf, or of any leaf below, that taxon; -1 for none."""
    above: np.ndarray
    """(7, n) int32, the taxon of each main rank at or above the row, -1 for none."""
    parent: np.ndarray
    """The parents as they were followed, for telling circles."""


def decide(links: Links) -> Decision:
    """The fate of every row, by the rules above."""
    n = len(links.rank)
    rows = np.arange(n)
    is_taxon = links.standing <= DOUBTFUL
    is_synonym = (links.standing == SYNONYM) | (links.standing == PRO_PARTE)
    end, on_synonym_circle = follow(np.where(is_synonym, links.accepted, -1), is_taxon)
    parent, on_parent_circle = _parents(links, is_synonym, end)
    is_kept = is_taxon & ~on_parent_circle
    is_main = is_kept & (links.rank <= SPECIES)
    cut = np.where((parent >= 0) & ~on_parent_circle & ~on_parent_circle[parent], parent, -1)
    above = ancestors(cut, np.where(is_main, links.rank, -1), SPECIES + 1)
    leaf_of, is_leaf = _leaves(links.rank, is_main, above)
    is_below = is_kept & ~is_main & (above[SPECIES] >= 0)
    taxon = np.where(is_main, rows, np.where(is_below, above[SPECIES], -1))
    taxon = np.where(is_synonym & (end >= 0), taxon[end], taxon)
    fate = links.standing.astype(np.int8)
    fate[is_main] = np.where(is_leaf, LEAF, INTERIOR)[is_main]
    fate[is_below] = BELOW_SPECIES
    fate[is_kept & ~is_main & ~is_below] = PASSED_OVER
    fate[is_kept & (links.rank == INFRASPECIFIC) & ~is_below] = NO_SPECIES
    fate[on_parent_circle] = PARENT_CIRCLE
    _judge_synonyms(fate, links, is_synonym, end, taxon, on_synonym_circle)
    return Decision(fate, taxon, np.where(taxon >= 0, leaf_of[taxon], -1), above, parent)


def _parents(links: Links, is_synonym: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parents with synonyms replaced by their taxa, and which taxa stand in a circle of parents.

    Subtle: a taxon of no main rank that is its own parent is the root of its tree, as some sources write it.
    """
    is_root = (links.parent == np.arange(len(links.parent))) & (links.rank == BETWEEN)
    parent = np.where((links.parent >= 0) & is_synonym[links.parent], end[links.parent], links.parent)
    parent = np.where(is_synonym | is_root, -1, parent)
    return parent, follow(parent, parent < 0)[1]


def _leaves(rank: np.ndarray, is_main: np.ndarray, above: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each taxon of a main rank its leaf or any leaf below, (n,) with -1 for other rows; and which are leaves."""
    has_below = np.zeros(len(rank), bool)
    for number in range(SPECIES):
        held = above[number, is_main & (rank > number)]
        has_below[held[held >= 0]] = True
    leaf_of = np.full(len(rank), -1)
    leaves = np.flatnonzero(is_main & ~has_below)
    leaf_of[leaves] = leaves
    for number in range(SPECIES):
        lower = leaves[rank[leaves] > number][::-1]  # backwards, so that the first leaf is the one that stays
        held = above[number, lower]
        leaf_of[held[held >= 0]] = lower[held >= 0]
    stranded = np.flatnonzero(is_main & (leaf_of < 0))  # only where ranks are out of order, a family below a genus
    leaf_of[stranded] = stranded
    return leaf_of, is_main & (leaf_of == np.arange(len(rank)))


def _judge_synonyms(fate: np.ndarray, links: Links, is_synonym: np.ndarray, end: np.ndarray, taxon: np.ndarray, on_circle: np.ndarray) -> None:
    fate[is_synonym] = np.where(links.standing == PRO_PARTE, SHARED_NAME, OTHER_NAME)[is_synonym]
    fate[is_synonym & (taxon < 0)] = TARGET_LEFT_OUT
    broken = is_synonym & (end < 0)
    fate[broken] = INTO_CIRCLE
    fate[broken & ~_leads_to(links.accepted, on_circle, broken)] = NO_TARGET
    fate[on_circle] = SYNONYM_CIRCLE


def _leads_to(accepted: np.ndarray, on_circle: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Which of the rows asked about run into a circle, rather than break off."""
    end, _ = follow(np.where(asked, accepted, -1), on_circle)
    return asked & (end >= 0)
