"""A store over the nine leaves of the small tree, with synonyms, keys and vernacular names in several languages."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from bioclip_search.names import Names, write_names

FURTHER = [
    (0, "species", "Felis leo", "synonym", None, "Linnaeus, 1758", None),
    (0, "species", "Panthera leo persica", "infraspecific", None, None, "key-persica"),
    (0, "species", "Panthera leo", "accepted", None, "(Linnaeus, 1758)", "key-leo"),
    (0, "species", "Löwe", "vernacular", "DE", None, None),
    (0, "species", "Lion", "vernacular", "en", None, None),
    (2, "family", "Felidae", "accepted", None, "Fischer von Waldheim, 1817", "key-felidae"),
    (1, "family", "Katzen", "vernacular", "de", None, None),
    (1, "species", "ユキヒョウ", "vernacular", "ja", None, None),
    (5, "species", "Amsel", "vernacular", "de", None, None),
    (5, "species", "Robin", "vernacular", "en", None, None),
    (4, "species", "Robin", "vernacular", "en", None, None),
    (7, "species", "Oenanthe gigantea", "synonym", None, "Smith, 1900", None),
    (4, "species", "Oenanthe gigantea", "synonym", None, "Jones, 1950", None),
    (6, "class", "Fish that have no class", "vernacular", "en", None, None),
]
"""Rows of the small table: 0 lion, 1 snow leopard, 2 cat, 4 wheatear, 5 blackbird, 6 a carp whose class is missing, 7 a plant."""


def further_names(rows=FURTHER) -> pa.Table:
    columns = ("row", "rank", "name", "kind", "language", "authorship", "taxon_key")
    types = (pa.int64(), *(pa.string() for _ in columns[1:]))
    return pa.table([pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), types, strict=True)], names=columns)


@pytest.fixture(scope="session")
def store(tmp_path_factory, taxonomy) -> Path:
    """Do not change it, copy it."""
    path = tmp_path_factory.mktemp("store") / "names.sqlite"
    write_names(path, taxonomy, further_names())
    return path


@pytest.fixture(scope="session")
def names(store, taxonomy) -> Names:
    return Names(store, taxonomy)
