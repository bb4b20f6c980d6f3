"""Finds where in the tree of an index new taxa belong, from what their rows tell and what the index knows.

Writing them is left to `addition`.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import TableError
from bioclip_search.names.parse import parse
from bioclip_search.tables import text_column
from bioclip_search.taxonomy import Taxonomy, lineage_columns

KEPT = {name: pa.string() for name in ("common_name", "taxon_key", "authorship")}
"""Columns that are kept of new taxa beside their ranks, whether the index has them or not."""


def place_taxa(catalogue: Catalogue, table: pa.Table, within: str | None = None) -> pa.Table:
    """The table with its lineages filled in, and those of its other columns that the index has, of the same types.

    1. A row's own words come first, then those of the lineage of `within`; the two must not contradict each other.
    2. What is missing comes from the nearest taxon above it that the index knows and that agrees with all these words.

    Raises:
        TableError: Nothing tells where a row belongs, or its taxon is in the index already, or stands twice in the table.
    """
    ranks = catalogue.index.card.taxonomy.ranks
    below: dict[str, str] = {}
    if within is not None:
        clade = catalogue.names.the_one(within)
        below = catalogue.taxonomy.lineage(clade.start, down_to=clade.rank)
    columns = lineage_columns(_without_authors(table), ranks)
    rows = zip(*(columns[rank].to_pylist() for rank in ranks), strict=True)
    placed = [_placed(catalogue, {rank: name for rank, name in zip(ranks, row, strict=True) if name}, below) for row in rows]
    lineages = {rank: pa.array([row.get(rank) for row in placed], pa.string()) for rank in ranks}
    types = KEPT | {field.name: field.type for field in catalogue.base.leaves.schema if field.name not in ranks}
    others = {name: _as_kept(table, name, kind) for name, kind in types.items() if name in table.column_names or name == "common_name"}
    new = pa.table(lineages | others)
    catalogue.taxonomy.places(Taxonomy.from_table(new, ranks))
    return new


def _without_authors(table: pa.Table) -> pa.Table:
    """The table with authors taken off its species.

    Raises:
        TableError: A name leaves its species open.
    """
    for column in [name for name in ("species", "scientific_name") if name in table.column_names]:
        names = [parse(name) if name else None for name in text_column(table, column).to_pylist()]
        if doubtful := next((name for name in names if name and name.qualifier), None):
            raise TableError(f"{doubtful.verbatim}: names no species for sure ({doubtful.qualifier}). Give a whole name, such as Panthera uncia.")
        plain = [name and (name.canonical if name.authorship else name.verbatim) for name in names]
        table = table.set_column(table.column_names.index(column), column, pa.array(plain, pa.string()))
    return table


def _placed(catalogue: Catalogue, row: Mapping[str, str], below: Mapping[str, str]) -> dict[str, str]:
    if not row:
        raise TableError("A row names no taxon. Give a scientific name, such as Panthera uncia.")
    ranks, name = catalogue.taxonomy.ranks, list(row.values())[-1]
    if clash := next((rank for rank in ranks if row.get(rank, below.get(rank)) != below.get(rank) and rank in below), None):
        raise TableError(f"{name}: is said to be in the {clash} {row[clash]}, and --within in the {clash} {below[clash]}. Say only one of the two.")
    told = {rank: word for rank in ranks if (word := row.get(rank, below.get(rank)))}
    for rank, above in reversed(list(told.items())[:-1]):
        lineages = _known(catalogue, told, rank, above)
        if len(lineages) == 1:
            return lineages[0] | told
        if lineages:
            choices = " or ".join(" > ".join(lineage.values()) for lineage in lineages)
            raise TableError(f"{name}: there are several {above} in the index. Say which with --within ({choices}), or give the higher ranks in a table.")
    if ranks[0] in told:
        return told
    unknown = " nor ".join(list(row.values())[:-1]) or "taxon above it"
    raise TableError(
        f"{name}: the index has no {unknown}. Say below which taxon it belongs with --within, such as --within Felidae, or give the higher ranks in a table."
    )


def _known(catalogue: Catalogue, told: Mapping[str, str], rank: str, name: str) -> list[dict[str, str]]:
    """The lineages of the taxa of a rank and name in the index that hold all that is told of the ranks above."""
    taxa = [taxon for taxon in catalogue.names.find(name) if (taxon.rank, taxon.name) == (rank, name)]
    lineages = [catalogue.taxonomy.lineage(taxon.start, down_to=rank) for taxon in taxa]
    above = catalogue.taxonomy.ranks[: catalogue.taxonomy.ranks.index(rank)]
    return [lineage for lineage in lineages if all(lineage.get(other) == told[other] for other in above if other in told)]


def _as_kept(table: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    """A column as the index keeps it; a text where it keeps lists, such as "NOR; SWE", is cut into its words."""
    if name not in table.column_names:
        return pa.nulls(len(table), kind)
    column = table[name]
    try:
        if pa.types.is_list(kind) and pa.types.is_string(column.type):
            column = pc.split_pattern_regex(column, r"[\s,;|]+")
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(f"The column {name} cannot be read as the index keeps it, as {kind}: {str(error).splitlines()[0]} Mend it or leave it out.") from error
