"""Reads the text matrices that BioCLIP's makers publish, so that nobody encodes their 867,455 names again.

Gives a table of taxa and an array of vectors, one row each; what becomes an index of them is left to `build`.

The layout is pybioclip's: `txt_emb_species.npy` holds one column a taxon, (dim, n), and `txt_emb_species.json` says which:
[[kingdom … genus, epithet], vernacular name], "" where missing. What is done about names that are not well-formed:

1. A missing rank is passed over. A taxon without an epithet stands at its genus or higher.
2. An epithet is mended where that is sure: HTML tags and white space are taken out, a genus before it is taken off.
3. Whatever else is odd about it (an author, digits, capitals, several words) is kept as it stands, and told.
4. Of two taxa with one lineage the first is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.encoder import Encoder, encode_recipe
from bioclip_search.epithets import flaws
from bioclip_search.errors import IndexFolderError, IndexMismatchError, TableError
from bioclip_search.prompts import BARE_TEMPLATE, MATRIX_TEXT_TYPE, ONE_TEMPLATE, OPENAI_80_TEMPLATES, RANKS, TextRecipe
from bioclip_search.tables import read_table
from bioclip_search.taxonomy import Taxonomy

MATRIX_RECIPES = tuple(
    TextRecipe(text_type, templates) for templates in (ONE_TEMPLATE, BARE_TEMPLATE, OPENAI_80_TEMPLATES) for text_type in (MATRIX_TEXT_TYPE, "taxon_com")
)
"""How a matrix may have been made, likeliest first. That of BioCLIP 2 was made with the lineage and vernacular name side by side
(Imageomics/bioclip-2, make_txt_embedding.py), in batches of 16,384 sentences of which the last, unfilled one was left out:
its 15,487 zero columns are just the rest of 867,455 names, so each name had one sentence."""

TRIED_TAXA = 5
"""Taxa whose texts are encoded again to see that encoder and recipe are the right ones."""

SURE_COSINE, LEAST_COSINE = 0.999, 0.98
"""A recipe that comes so near is taken at once; the nearest one must come this near. Halved precision moves a text's vector by
less than 0.01, another encoder brings it to about 0."""

LARGEST_ENTRY_BYTES = 1 << 20

_READ = """
WITH entries AS (
  SELECT json_extract_string(entry, ['$[0][0]', '$[0][1]', '$[0][2]', '$[0][3]', '$[0][4]', '$[0][5]', '$[0][6]', '$[1]']) AS words,
    coalesce(json_array_length(entry) = 2 AND json_array_length(entry, '$[0]') = 7, FALSE) AS is_entry
  FROM read_json_objects($path, format = 'array', maximum_object_size = $largest) AS objects(entry)),
plain AS (
  SELECT *, trim(words[6]) AS genus, trim(regexp_replace(regexp_replace(words[7], '<[^<>]*>', '', 'g'), '\\s+', ' ', 'g')) AS plain FROM entries)
SELECT is_entry, words[1] AS kingdom, words[2] AS phylum, words[3] AS "class", words[4] AS "order", words[5] AS family, genus,
  words[7] AS published, words[8] AS common_name,
  CASE WHEN genus <> '' AND starts_with(plain, genus || ' ') THEN trim(substr(plain, length(genus) + 2)) ELSE plain END AS epithet
FROM plain
"""


@dataclass(frozen=True, eq=False)
class Published:
    """A published matrix: the taxa with the lineages that they are kept under, their vectors, and what was odd."""

    taxa: pa.Table
    vectors: MatrixColumns
    report: tuple[str, ...]


class MatrixColumns:
    """The columns of a (dim, n) matrix as rows: `columns[which]` gives (b, dim) float32. The file stays on disk."""

    def __init__(self, path: Path):
        try:
            self._matrix = np.load(path, mmap_mode="r", allow_pickle=False)  # (dim, n)
        except (OSError, ValueError, EOFError) as error:
            raise IndexFolderError(f"{path}: is no .npy file of numbers ({error}). Download it again.") from error
        if not isinstance(self._matrix, np.ndarray) or self._matrix.ndim != 2 or self._matrix.dtype.kind != "f":
            raise IndexFolderError(f"{path}: is no matrix of text vectors; expected fractions, one column per taxon.")
        self.path, self.shape = path, self._matrix.shape[::-1]

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        rows = np.ascontiguousarray(self._matrix[:, which].T, np.float32)  # (b, dim)
        broken = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(broken):
            column = np.arange(self.shape[0])[which][broken[0]]
            raise IndexFolderError(
                f"{self.path}: column {column + 1} holds NaN or infinity. Download it again, or set that column to zero to leave the taxon out."
            )
        return rows


def is_published(source: str | Path) -> bool:
    """Whether this is a folder with names and a matrix of the published layout, or the JSON file of such."""
    return Path(source).suffix.lower() == ".json" or (Path(source).is_dir() and _json_of(Path(source)) is not None)


def read_published(source: str | Path, matrix: str | Path | None = None) -> Published:
    """The taxa and vectors of a folder, or of a JSON file and the `.npy` of the same name beside it.

    Args:
        matrix: The `.npy`, where it lies elsewhere.

    Raises:
        TableError: The JSON is missing or of another layout.
        IndexFolderError: The matrix is missing, or has another number of columns.
    """
    source = Path(source)
    names = _json_of(source) if source.is_dir() else source
    if names is None or not names.is_file():
        raise TableError(f"{source}: holds no names of a published matrix. Give txt_emb_species.json, or the folder it lies in.")
    vectors = MatrixColumns(Path(matrix) if matrix else names.with_suffix(".npy"))
    taxa, report = _read_taxa(names)
    if len(taxa) != vectors.shape[0]:
        raise IndexFolderError(
            f"{vectors.path}: holds {vectors.shape[0]:,} columns of {vectors.shape[1]:,} numbers, and {names.name} names {len(taxa):,} taxa. "
            "Expected one column per taxon; take both files from one place."
        )
    return Published(taxa, vectors, report)


def recipe_of(published: Published, taxonomy: Taxonomy, encoder: Encoder, recipes: Sequence[TextRecipe] = MATRIX_RECIPES) -> TextRecipe:
    """The recipe by which the encoder makes the vectors that were published, found by encoding a few texts again.

    Raises:
        IndexMismatchError: By none of them: the vectors are another encoder's, or were made of other texts.
    """
    path = published.vectors.path
    if published.vectors.shape[1] != encoder.dim:
        raise IndexMismatchError(
            f"{path}: holds vectors of {published.vectors.shape[1]} numbers, the encoder {encoder.name} makes {encoder.dim}. Name the encoder that made them."
        )
    vectors, taxa = _some(published, taxonomy)
    cosines: dict[TextRecipe, float] = {}
    for recipe in recipes:
        again = encode_recipe(encoder, list(recipe.texts(taxa)))  # (tried, dim)
        cosines[recipe] = float(np.median((vectors * again).sum(axis=1)))
        if cosines[recipe] >= SURE_COSINE:
            return recipe
    best = max(cosines, key=cosines.__getitem__)
    if cosines[best] < LEAST_COSINE:
        raise IndexMismatchError(
            f"{path}: its vectors are not those that {encoder.name} makes of these names (cosine {cosines[best]:.2f}, expected {LEAST_COSINE} or more). "
            "Near 0: name the encoder that made them. Nearer to 1: give the --text-type and --templates that they were made with."
        )
    return best


def _some(published: Published, taxonomy: Taxonomy) -> tuple[np.ndarray, list[dict]]:
    """A few unit vectors that are not zero, (tried, dim) float64, and their taxa."""
    order = taxonomy.row_of_leaf
    leaves = np.linspace(0, len(order) - 1, min(len(order), 20 * TRIED_TAXA)).astype(int)
    vectors = published.vectors[order[leaves]].astype(np.float64)  # (b, dim)
    tried = np.flatnonzero(vectors.any(axis=1))[:TRIED_TAXA]
    if not len(tried):
        raise IndexFolderError(f"{published.vectors.path}: holds nothing but zeros where it was looked at. Download it again.")
    vectors = vectors[tried] / np.linalg.norm(vectors[tried], axis=1, keepdims=True)
    return vectors, taxonomy.leaves.take(pa.array(leaves[tried])).to_pylist()


def _json_of(folder: Path) -> Path | None:
    """The JSON file of a folder that has a matrix beside it; of several the first by name."""
    return next((path for path in sorted(folder.glob("txt_emb*.json")) if path.with_suffix(".npy").is_file()), None)


def _read_taxa(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """Subtle: DuckDB would read brackets and stars in the path as a pattern."""
    import duckdb

    literal = re.sub(r"([\[*?])", r"[\1]", str(path.absolute()))
    with duckdb.connect() as store:
        try:
            entries = store.sql(_READ, params={"path": literal, "largest": LARGEST_ENTRY_BYTES}).to_arrow_table()
        except (duckdb.Error, UnicodeDecodeError) as error:
            raise TableError(f"{path}: cannot be read as names of a matrix ({str(error).splitlines()[0]}). Download it again.") from error
    if not len(entries):
        raise TableError(f"{path}: names no taxon. Download it again.")
    bad = np.flatnonzero(~np.asarray(entries["is_entry"]))
    if len(bad):
        raise TableError(
            f"{path}: entry {bad[0] + 1} is not [[seven names], vernacular name], as pybioclip has it ({len(bad):,} such entries). Download it again."
        )
    odd = _report(entries)
    entries = read_table(entries)  # empty words null
    epithet = entries["species_epithet"]  # as `tables` calls it
    species = pc.coalesce(pc.binary_join_element_wise(entries["genus"], epithet, " "), epithet)
    return pa.table({**{rank: entries[rank] for rank in RANKS[:-1]}, "species": species, "common_name": entries["common_name"]}), odd


def _report(entries: pa.Table) -> tuple[str, ...]:
    """What was mended, kept or passed over, in words, with an example of each."""
    genus, epithet = entries["genus"], entries["epithet"]
    is_named = pc.not_equal(epithet, "")
    cases = {
        "were mended (markup, white space or a repeated genus taken out)": pc.not_equal(epithet, pc.utf8_trim_whitespace(entries["published"])),
        "are missing: the taxon stands at its genus or higher": pc.invert(is_named),
        "stand without a genus and were kept as the species' whole name": pc.and_(is_named, pc.equal(genus, "")),
        **{f"are odd and were kept: {flaw}": which for flaw, which in flaws(genus, epithet).items()},
    }
    lines = [_line("epithets", text, np.asarray(which), entries) for text, which in cases.items()]
    lines += [_line(f"taxa have no {rank}:", "it is passed over", np.asarray(pc.equal(entries[rank], "")), entries) for rank in RANKS[:-1]]
    return tuple(line for line in lines if line)


def _line(what: str, text: str, which: np.ndarray, entries: pa.Table) -> str:
    if not which.any():
        return ""
    first = int(np.argmax(which))
    words = " ".join(filter(None, (entries[column][first].as_py() for column in ("family", "genus", "published"))))
    return f"{which.sum():,} {what} {text} (first: entry {first + 1}, {words})"
