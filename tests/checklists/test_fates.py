from __future__ import annotations

import numpy as np

from bioclip_search.checklists import fates
from bioclip_search.checklists.canonical import ACCEPTED, MISAPPLIED, SYNONYM
from bioclip_search.checklists.fates import Links, decide
from bioclip_search.checklists.ranks import BETWEEN, INFRASPECIFIC

FAMILY, GENUS, SPECIES = 4, 5, 6


def decided(*rows):
    """Each row: rank, standing, parent, accepted."""
    return decide(Links(*(np.array(column) for column in zip(*rows, strict=True))))


def test_every_rule_once():
    found = decided(
        (FAMILY, ACCEPTED, -1, -1),  # 0 interior: 2 and 3 stand below
        (BETWEEN, ACCEPTED, 0, -1),  # 1 passed over
        (GENUS, ACCEPTED, 1, -1),  # 2 interior, through the one passed over
        (SPECIES, ACCEPTED, 2, -1),  # 3 leaf
        (INFRASPECIFIC, ACCEPTED, 3, -1),  # 4 below species 3
        (SPECIES, SYNONYM, -1, 4),  # 5 a name of 3, by way of 4
        (GENUS, SYNONYM, -1, 2),  # 6 a name of 2
        (SPECIES, ACCEPTED, 6, -1),  # 7 leaf, its parent is the synonym of 2
        (SPECIES, SYNONYM, -1, 1),  # 8 names one that was passed over
        (SPECIES, SYNONYM, -1, -1),  # 9 names nothing
        (SPECIES, MISAPPLIED, -1, 3),  # 10 left out
        (INFRASPECIFIC, ACCEPTED, 2, -1),  # 11 its species is not listed
    )
    assert found.fate.tolist() == [
        *(fates.INTERIOR, fates.PASSED_OVER, fates.INTERIOR, fates.LEAF, fates.BELOW_SPECIES, fates.OTHER_NAME, fates.OTHER_NAME, fates.LEAF),
        *(fates.TARGET_LEFT_OUT, fates.NO_TARGET, MISAPPLIED, fates.NO_SPECIES),
    ]
    assert found.taxon.tolist() == [0, -1, 2, 3, 3, 3, 2, 7, -1, -1, -1, -1]
    assert found.leaf.tolist() == [3, -1, 3, 3, 3, 3, 3, 7, -1, -1, -1, -1]
    assert found.above[:, 7].tolist() == [-1, -1, -1, -1, 0, 2, 7]


def test_a_root_of_no_rank_may_be_its_own_parent_but_a_family_may_not():
    assert decided((BETWEEN, ACCEPTED, 0, -1), (FAMILY, ACCEPTED, 0, -1)).fate.tolist() == [fates.PASSED_OVER, fates.LEAF]
    assert decided((FAMILY, ACCEPTED, 0, -1), (GENUS, ACCEPTED, 0, -1)).fate.tolist() == [fates.PARENT_CIRCLE, fates.LEAF]


def test_a_circle_may_run_through_a_synonym():
    """The tribe's parent is a synonym, and the synonym is the tribe's own."""
    assert decided((BETWEEN, ACCEPTED, 1, -1), (FAMILY, SYNONYM, -1, 0)).fate.tolist() == [fates.PARENT_CIRCLE, fates.TARGET_LEFT_OUT]


def test_ranks_out_of_order_lose_no_taxon():
    """A family below a genus below an order below a species: each is a leaf or has one."""
    found = decided((SPECIES, ACCEPTED, -1, -1), (3, ACCEPTED, 0, -1), (GENUS, ACCEPTED, 1, -1), (FAMILY, ACCEPTED, 2, -1))
    assert (found.leaf >= 0).all()
    assert all(found.fate[leaf] == fates.LEAF for leaf in found.leaf)
