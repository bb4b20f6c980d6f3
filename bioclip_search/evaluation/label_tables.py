"""The labels of a table of pictures, whatever its columns are called: which picture, which part of it, which taxon.

Reads Parquet, CSV, TSV and JSON lines, and no picture; bare names are left to `labels`, the pictures to `labelled`.

Where a row names its taxon, the first that holds:

1. The column species (or an epithet beside the genus): the ranks tell the taxon.
2. The columns scientific_name, taxon or label: a bare name, with the ranks as what must stand above it.
3. Any other rank: the ranks tell the taxon, and common_name is what it is called.
4. The column common_name alone: a bare name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.evaluation.taken import is_taken_column, taken_columns
from bioclip_search.names.parse import parse
from bioclip_search.tables import read_header, read_table, text_column
from bioclip_search.taxonomy import lineage_columns

PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
JSONL_SUFFIXES = frozenset({".jsonl", ".ndjson"})
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt"}) | JSONL_SUFFIXES

IMAGE_COLUMNS = ("image", "path", "file_name", "file")
"""Columns that say where a picture is, likeliest first; `file_name` is that of Hugging Face's image folders."""

BOX_COLUMNS = ("box_xyxy", "box")
NAME_COLUMNS = ("scientific_name", "taxon", "label")
"""Columns of bare names, likeliest first."""

OTHER_COLUMNS = frozenset(
    {*IMAGE_COLUMNS, *BOX_COLUMNS, *NAME_COLUMNS, "species_epithet", "common_name", "split", "source_id", "authorship", "scientificnameauthorship"}
)
"""What is read of a Parquet file beside the ranks; other columns may be large."""

UNPLACED = "incertae sedis"

RUN_MARKS = frozenset({"rule", "encoder", "probability"})
"""Columns that only the answers of `identify` have together: their taxa are guesses, not truths."""

MAX_LINE_BYTES = 1 << 24
"""Longest line of a file of JSON lines (16 MiB); a longer one is no label."""

BOX = pa.list_(pa.float64())


def read_labels(file: Path, ranks: Sequence[str]) -> pa.Table:
    """The rows of a table, in order: the ranks, common_name, written, authorship, split, name, image, box_xyxy, and `TAKEN_COLUMNS`; all may be null.

    `written` is the bare name of a row whose ranks do not tell its taxon; where it stands under scientific_name and is a
    binomial, genus and species are filled in all the same. `image` is null where the file holds the picture itself.

    Raises:
        TableError: The file cannot be read, has no column of pictures or of taxa, or holds answers.
    """
    suffix = file.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        schema = open_parquet(file).schema_arrow
        columns = read_header(file)
        asked = [field.name for field, name in zip(schema, columns, strict=True) if _is_read(name, ranks) and not _is_picture(field)]
        table = read_table(_named_classes(parquet.read_table(file, columns=asked)))
    else:
        table = read_table(read_jsonl(file) if suffix in JSONL_SUFFIXES else file)
        columns = table.column_names
    if not set(IMAGE_COLUMNS) & set(columns):
        raise TableError(f"{file}: has no column {' or '.join(IMAGE_COLUMNS[:2])} that says where each picture is; it has {', '.join(columns)}.")
    refuse_answers(file, columns)
    image = pc.coalesce(*(text_column(table, name) for name in IMAGE_COLUMNS))
    box = boxes_of(table)
    source = pc.coalesce(text_column(table, "source_id"), image)
    labels = label_columns(table, ranks, file)
    return pa.table({**labels, "split": text_column(table, "split"), "name": source, "image": image, "box_xyxy": box, **taken_columns(table)})


def refuse_answers(file: Path, columns: Sequence[str]) -> None:
    """Raises: TableError: the columns are those of a run, whose taxa are answers."""
    if set(columns) >= RUN_MARKS:
        raise TableError(f"{file}: holds the answers of `identify`, which are no truths. Give the table of the true taxa beside it, with --truth.")


def label_columns(table: pa.Table, ranks: Sequence[str], file: Path | str = "The table") -> dict[str, pa.ChunkedArray]:
    """The ranks, common_name, written and authorship of the rows.

    Raises:
        TableError: There is no column of taxa.
    """
    told = {*ranks, "species_epithet", *NAME_COLUMNS, "common_name"} & set(table.column_names)
    if not told:
        raise TableError(
            f"{file}: has none of the columns {', '.join([*ranks, *NAME_COLUMNS, 'common_name'])} that tell what each picture shows; "
            f"it has {', '.join(table.column_names) or 'no columns'}. Rename its columns."
        )
    without_bare = table.drop_columns([name for name in NAME_COLUMNS if name in table.column_names])
    has_ranks = {*ranks, "species_epithet"} & set(without_bare.column_names)
    lineage = lineage_columns(without_bare, ranks) if has_ranks else {rank: text_column(without_bare, rank) for rank in ranks}
    lineage = {rank: _if_placed(names) for rank, names in lineage.items()}
    common = text_column(table, "common_name")
    lowest = lineage[ranks[-1]]
    any_rank = pc.coalesce(*lineage.values())
    bare = pc.if_else(pc.is_valid(lowest), None, pc.coalesce(*(text_column(table, name) for name in NAME_COLUMNS)))
    written = pc.coalesce(bare, pc.if_else(pc.is_valid(any_rank), None, common))
    authorship = pc.coalesce(text_column(table, "authorship"), text_column(table, "scientificnameauthorship"))
    declared = pc.if_else(pc.is_valid(lowest), None, text_column(table, "scientific_name"))
    return {**_with_binomials(lineage, declared), "common_name": common, "written": written, "authorship": authorship}


def _if_placed(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """Null where a table says that the taxon is of uncertain place at this rank, which is no taxon."""
    return pc.if_else(pc.equal(pc.utf8_lower(names), UNPLACED), pa.scalar(None, pa.string()), names)


def _with_binomials(lineage: dict[str, Any], names: pa.ChunkedArray) -> dict[str, Any]:
    """The lineage with the genus and species of scientific names that are binomials, so that they can be judged by name."""
    if "genus" not in lineage or "species" not in lineage or names.null_count == len(names):
        return lineage
    parsed = {name: parse(name) for name in pc.unique(names).to_pylist() if name}
    plain = {name: one for name, one in parsed.items() if one.genus and one.epithet and not (one.qualifier or one.is_formula or one.unread)}
    words = names.to_pylist()
    species = pa.array([f"{plain[word].genus} {plain[word].epithet}" if word in plain else None for word in words], pa.string())
    genus = pa.array([plain[word].genus if word in plain else None for word in words], pa.string())
    return lineage | {"genus": pc.coalesce(lineage["genus"], genus), "species": pc.coalesce(lineage["species"], species)}


def boxes_of(table: pa.Table) -> pa.Array:
    """The box of each row in pixels (left, top, right, bottom), null where there is none or it has no area.

    A box is a list of four numbers, or a text of them parted by spaces or commas, as `identify --format csv` writes it.
    """
    column = next((table[name] for name in BOX_COLUMNS if name in table.column_names), None)
    if column is None:
        return pa.nulls(table.num_rows, BOX)
    return pa.array([_box(value) for value in column.to_pylist()], BOX)


def read_jsonl(file: Path) -> pa.Table:
    """The objects of a file of JSON lines: texts, and boxes as lists of numbers; anything else in them is left out.

    Raises:
        TableError: The file is missing or empty, or a line is no object.
    """
    rows: list[dict[str, Any]] = []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE_BYTES + 1), b""), start=1):
                if line.strip():
                    rows.append(_object(line, f"{file}, line {number}"))
    except OSError as error:
        raise TableError(f"{file}: no such file, or it may not be read ({error.strerror}).") from error
    if not rows:
        raise TableError(f"{file}: the file is empty. Expected one JSON object a line.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _json_column(name, [row.get(name) for row in rows]) for name in names})


def open_parquet(file: Path) -> parquet.ParquetFile:
    """Raises: TableError: there is no such file, or it is not Parquet."""
    try:
        return parquet.ParquetFile(file)
    except FileNotFoundError as error:
        raise TableError(f"{file}: no such file.") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise TableError(f"{file}: cannot be read as Parquet ({str(error).splitlines()[0]}).") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line) if len(line) <= MAX_LINE_BYTES else None
        if rb"\u" in line:
            json.dumps(found, ensure_ascii=False).encode()  # half a character can be written so, and stands in no file and on no screen
    except (ValueError, RecursionError) as error:
        raise TableError(f"{where}: is no JSON ({str(error).splitlines()[0]}). Expected one object a line, in UTF-8.") from error
    if not isinstance(found, dict):
        raise TableError(f"{where}: expected a JSON object of at most {MAX_LINE_BYTES >> 20} MiB.")
    return found


def _json_column(name: str, values: list[Any]) -> pa.Array:
    if name.lower() in BOX_COLUMNS:
        return pa.array([_box(value) for value in values], BOX)
    return pa.array([str(value) if isinstance(value, str | int | float) else None for value in values], pa.string())


def _box(value: Any) -> list[float] | None:
    parts = value.replace(",", " ").strip("[]() ").split() if isinstance(value, str) else value
    try:
        sides = [float(side) for side in parts or ()]
    except (TypeError, ValueError):
        return None
    if len(sides) != 4 or not all(map(math.isfinite, sides)):
        return None
    return sides if sides[2] > sides[0] and sides[3] > sides[1] else None


def _is_read(name: str, ranks: Sequence[str]) -> bool:
    return name in OTHER_COLUMNS or name in ranks or is_taken_column(name)


def _is_picture(field: pa.Field) -> bool:
    return field.name.lower() in IMAGE_COLUMNS and not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type))


def _named_classes(table: pa.Table) -> pa.Table:
    """Numbered classes of a Hugging Face data set under their names, which its Parquet keeps in the schema's metadata."""
    for column in [name for name in table.column_names if pa.types.is_integer(table.schema.field(name).type)]:
        names = _class_names(table.schema.metadata or {}, column)
        if names:
            values = table[column].to_pylist()
            words = [names[value] if value is not None and 0 <= value < len(names) else None for value in values]
            table = table.set_column(table.column_names.index(column), column, pa.array(words, pa.string()))
    return table


def _class_names(metadata: dict[bytes, bytes], column: str) -> list[str]:
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return [str(name) for name in feature["names"]] if feature.get("_type") == "ClassLabel" else []
    except (KeyError, TypeError, ValueError):
        return []
