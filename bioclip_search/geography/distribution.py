"""Gives the taxa that a checklist tells for a country, from the column of an index that lists where each occurs.

Rules of a geofence are left to `geofence`, records of occurrences to `occurrences`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.countries import spellings
from bioclip_search.errors import TableError
from bioclip_search.intervals import LeafSet

COUNTRIES = "countries"
"""The column that lists where a taxon occurs, ISO 3166 alpha-3."""


def occurring_in(leaves: pa.Table, code: str, index: str) -> tuple[LeafSet, int]:
    """The leaves that are told for a country, and how many are told for none.

    Raises:
        TableError: The index has no such column, or no taxon is told for the country.
    """
    if COUNTRIES not in leaves.column_names:
        raise TableError(
            f"The index {index} does not know where its taxa occur; give --checklist with the names of the country's taxa (identify takes a --geofence or --occurrences, too), or build it from a checklist that tells their distribution."
        )
    lists = _country_lists(leaves[COUNTRIES].combine_chunks())
    told = pc.list_flatten(lists)
    mask = np.zeros(len(leaves), bool)
    mask[np.asarray(pc.list_parent_indices(lists).filter(pc.is_in(told, value_set=pa.array(spellings(code)))))] = True
    if not mask.any():
        known = ", ".join(sorted(pc.unique(told.drop_null()).to_pylist())[:10]) or "none"
        raise TableError(f"No taxon of the index {index} is told for {code}; it knows {known}.")
    untold = pc.sum(pc.equal(pc.fill_null(pc.list_value_length(lists), 0), 0)).as_py()
    return LeafSet.from_mask(mask), int(untold or 0)


def _country_lists(column: pa.Array) -> pa.Array:
    """The codes of each taxon as a list; a table of one's own has them in a text, such as "NOR; SWE"."""
    if pa.types.is_list(column.type):
        return column
    return pc.split_pattern_regex(pc.utf8_upper(column.cast(pa.string())), r"[^A-Z]+")
