"""A smaller index out of a larger one: the taxa of a clade, a checklist or a country, with the very vectors they had.

Which taxa a filter keeps is left to `catalogue`, writing rows of vectors to `index.copying`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bioclip_search.build import seal
from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import IndexDamagedError
from bioclip_search.heads.storing import trim_head
from bioclip_search.index import Card, Index
from bioclip_search.index.card import HeadNote, TaxonomyNote, VectorsNote
from bioclip_search.index.copying import copy_rows
from bioclip_search.index.folder import NAMES_FILE, TAXA_FILE, VECTORS_FILE
from bioclip_search.index.replacing import new_folder
from bioclip_search.names import write_names
from bioclip_search.names.reading import Entry, Store
from bioclip_search.taxonomy import Taxonomy

NAMED_ROWS = 1 << 16
"""Rows whose names are read at a time."""

ENTRY_COLUMNS = pa.schema([(field, pa.int64() if field in {"id", "row"} else pa.string()) for field in Entry._fields])

TRAVELLING = ("encoder/", "detector/")
"""Folders of an index that do not hang on which taxa it has."""


def trim_index(
    index: Index,
    out: Path,
    *,
    within: str | Sequence[str] = (),
    checklist: str | Path | Sequence[str] | None = None,
    exclude: str | Sequence[str] = (),
    country: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Index:
    """Writes the index `out` with those taxa of another that all filters keep; with no filter, all of them.

    Its answers are those of the larger index under the same filters. Taxa that were added are merged with the others.
    A calibration is not taken along: it promises an accuracy among the taxa that it was fitted on. A head is, if any of its classes is left.

    Args:
        within: Clades, of which a taxon must be in one.
        checklist: Only these taxa and all below them: a file of names or a list.
        exclude: Not these taxa, nor any below them.
        country: Only taxa that the checklist told for this country, by its three letters (ISO 3166 alpha-3).
        say: Called with a line for each thing worth telling.

    Raises:
        IndexFolderError: `out` exists.
        UnknownTaxonError: A clade or exclusion is not in the index.
        TableError: Nothing is left, or the index does not know its taxa's countries.
    """
    say = say or (lambda line: None)
    catalogue = Catalogue(index)
    whole = catalogue.taxonomy
    restriction = catalogue.restrict(within=within or None, checklist=checklist, exclude=exclude or None, country=country)
    for line in (*map(str, restriction.unknown), *restriction.notes):
        say(line)
    kept = np.arange(len(whole)) if restriction.leaves is None else np.flatnonzero(restriction.leaves.mask)
    taxonomy = Taxonomy(plain_leaves(whole.leaves.take(pa.array(kept))), whole.ranks)
    with new_folder(out) as folder:
        copy_rows(folder / VECTORS_FILE, index.parts, whole.row_of_leaf[kept])
        parquet.write_table(taxonomy.leaves, folder / TAXA_FILE, compression="zstd")
        write_names(folder / NAMES_FILE, taxonomy, names_of_kept(catalogue, kept))
        for name in index.card.files:
            if name.startswith(TRAVELLING):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(index.folder / name, folder / name)
        head = trim_head(index, folder, taxonomy)
        seal(folder, _card(index, head, out.name, taxonomy, len(whole), _in_words(within, checklist, exclude, country)))
    if index.card.head and not head:
        say(f"The head was left behind, for none of its {index.card.head.classes:,} classes is among the taxa kept.")
    if index.card.calibration:
        say("The calibration was left behind, for it holds for the taxa that it was fitted on: `--target-accuracy` needs a new one.")
    say(f"{len(taxonomy):,} of {len(whole):,} taxa kept")
    return Index(out)


def names_of_kept(catalogue: Catalogue, kept: np.ndarray) -> pa.Table:
    """The names of all taxa that have a leaf among the kept ones, each pointing to the first such leaf by its new number.

    Args:
        kept: (k,) int64, ascending.

    Raises:
        IndexDamagedError: A name is of no taxon.
    """
    taxonomy, parts = catalogue.taxonomy, []
    lost = IndexDamagedError(f"{catalogue.index.folder}: its list of names points outside the taxonomy. Run `bioclip-search index check --repair`.")
    if any(row is not None and not 0 <= row < len(taxonomy) for store in catalogue.names.stores for row in store.rows):
        raise lost
    for entries in (entries for store in catalogue.names.stores for entries in all_entries(store, len(taxonomy))):
        leaves = taxonomy.leaf_of_row[np.asarray(entries["row"])]
        for level in taxonomy.levels:
            of_rank = np.flatnonzero(np.asarray(pc.equal(entries["rank"], level.rank)))
            number = level.numbers(leaves[of_rank])
            if (number < 0).any():
                raise lost
            first = np.searchsorted(kept, level.start[number])
            lives = (first < len(kept)) & (kept[np.minimum(first, len(kept) - 1)] < level.stop[number])
            names = entries.take(pa.array(of_rank[lives]))
            parts.append(names.set_column(names.column_names.index("row"), "row", pa.array(first[lives], pa.int64())))
    return pa.concat_tables(parts)


def all_entries(store: Store, count: int) -> Iterator[pa.Table]:
    """All names of a store that point to one of `count` rows, those of some rows at a time, as `names.write_names` takes further names."""
    for start in range(0, count, NAMED_ROWS):
        entries = store.of_rows(start, min(start + NAMED_ROWS, count) - 1)
        columns = zip(*entries, strict=True) if entries else [()] * len(Entry._fields)
        yield pa.table(dict(zip(Entry._fields, map(list, columns), strict=True)), schema=ENTRY_COLUMNS)


def _card(index: Index, head: HeadNote | None, name: str, taxonomy: Taxonomy, before: int, filters: str) -> Card:
    card = index.card
    return replace(
        card,
        name=name,
        taxonomy=TaxonomyNote(taxonomy.content_hash, taxonomy.ranks, len(taxonomy)),
        vectors=VectorsNote(card.vectors.kind, len(taxonomy), card.vectors.dim),
        about={**card.about, "trimmed": f"from {card.name} ({before:,} taxa; whatever else is told here was told of that): {filters}"},
        calibration=None,
        added=None,
        head=head,
    )


def _in_words(within: str | Sequence[str], checklist: Any, exclude: str | Sequence[str], country: str | None) -> str:
    parts = [f"within {' or '.join(_several(within))}"] if within else []
    parts += ["on a checklist"] if checklist is not None else []
    parts += [f"without {' and '.join(_several(exclude))}"] if exclude else []
    parts += [f"told for {country.upper()}"] if country else []
    return ", ".join(parts) or "all of them"


def _several(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def plain_leaves(leaves: pa.Table) -> pa.Table:
    """The table as `build` writes it, without the dictionaries that it was opened with."""
    types = [field.type.value_type if pa.types.is_dictionary(field.type) else field.type for field in leaves.schema]
    return leaves.cast(pa.schema(list(zip(leaves.column_names, types, strict=True)))).combine_chunks()
