"""All that an index knows of one taxon: where it stands, what it is called, what lies below it, what it is near to, and whether it can be an answer.

Finding a taxon by a name is left to `names`, which taxa are near to `nearness`, pictures of it to `likeness`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bioclip_search.calibration.record import CalibrationRecord
from bioclip_search.catalogue import Catalogue
from bioclip_search.encoder import Encoder, encode_recipe, unit_rows
from bioclip_search.errors import UnknownTaxonError
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED
from bioclip_search.names.display import common_names
from bioclip_search.names.lookup import Names
from bioclip_search.names.store import INFRASPECIFIC, SYNONYM, VERNACULAR
from bioclip_search.nearness import Means, Near, mean_vector, near_taxa, vectors_of
from bioclip_search.prompts import TextRecipe, describe
from bioclip_search.taxonomy import Taxon, Taxonomy

NEAREST = 8
"""Near taxa told: as many as are read at a glance."""

SAME_COSINE = 1 - 1e-4
"""From this cosine on two vectors are the same but for rounding: int8 keeps some two digits of each number."""

TEXT_COSINE = 0.995
"""Below this cosine with its own text a taxon's vector holds something else, too: its photographs. A single one takes half of the weight."""

NO_KEYS = frozenset(("common_name", "authorship", "taxon_key", "zero_vector"))
"""Columns of a leaf that are told otherwise, besides its ranks."""


@dataclass(frozen=True)
class Named:
    """A name of another kind than the accepted one; the language where it is a vernacular one and told."""

    name: str
    language: str | None = None
    authorship: str | None = None


@dataclass(frozen=True)
class Knowledge:
    """Whether a taxon can be an answer, and what of.

    Attributes:
        leaves: Answers of their own at or below it.
        silent: Those among them whose text gave no vector; they can never be an answer.
        added: Those that were added after the index was built.
        is_leaf: Whether it is itself one of them, and not only by what lies below it.
        has_photos: Whether photographs count in its own vector; None where nobody compared.
        same_text: Taxa that are described by the very same words, so that no picture can tell them apart.
    """

    leaves: int
    silent: int
    added: int
    is_leaf: bool
    has_photos: bool | None
    same_text: tuple[Taxon, ...]

    @property
    def is_known(self) -> bool:
        return self.silent < self.leaves


@dataclass(frozen=True)
class Tried:
    """How often the index was right at a rank on the pictures it was tried on; of single taxa no count is kept."""

    pictures: int
    right: float
    rank: str
    fitted_on: str


@dataclass(frozen=True)
class Species:
    """A taxon of any rank as an index knows it."""

    taxon: Taxon
    lineage: tuple[Taxon, ...]
    authorship: str | None
    keys: tuple[tuple[str, str], ...]
    synonyms: tuple[Named, ...]
    vernacular: tuple[Named, ...]
    children: tuple[Taxon, ...]
    near: tuple[Near, ...]
    knowledge: Knowledge


def taxa_called(names: Names, asked: str) -> list[Taxon]:
    """The taxa that a name or a whole lineage, as `call` gives it, means; several where the name alone does not tell.

    Raises:
        UnknownTaxonError: There is none; the message suggests near names.
    """
    found = names.find(asked) if asked.strip() else []
    if not found:
        names.the_one(asked)  # says what is near
        raise UnknownTaxonError(f"{asked!r} is not in this index.")
    exactly = [taxon for taxon in found if names.path(taxon) == asked.strip()]
    return exactly or found


def call(names: Names, taxon: Taxon) -> str:
    """The shortest that means this taxon alone: its name, else its whole lineage."""
    return taxon.name if names.find(taxon.name) == [taxon] else names.path(taxon)


def species(catalogue: Catalogue, taxon: Taxon, *, encoder: Encoder | None = None, nearest: int = NEAREST, means: Means | None = None) -> Species:
    """What the index knows of a taxon.

    Args:
        encoder: That of the index, to see whether photographs count in a taxon that was added; without it that is not told.
        nearest: How many near taxa of its rank to give, nearest first.
        means: Those of its rank, where they are at hand; see `nearness`.
    """
    names, taxonomy = catalogue.names, catalogue.taxonomy
    own = names.accepted(taxon)
    near = near_taxa(catalogue, taxon, means)
    keys = [("taxon_key", own.taxon_key)] if own and own.taxon_key else []
    return Species(
        taxon=taxon,
        lineage=tuple(ancestors(taxonomy, taxon)),
        authorship=own.authorship if own else None,
        keys=(*keys, *_keys(taxonomy, taxon)),
        synonyms=tuple(Named(one.name, None, one.authorship) for kind in (SYNONYM, INFRASPECIFIC) for one in names.own_entries(taxon, kind)),
        vernacular=tuple(_vernacular(catalogue, taxon)),
        children=tuple(children(taxonomy, taxon)),
        near=tuple(near[:nearest]),
        knowledge=knowledge(catalogue, taxon, near, encoder),
    )


def ancestors(taxonomy: Taxonomy, taxon: Taxon) -> list[Taxon]:
    """The taxa above one, highest rank first, without itself; ranks that its lineage lacks are passed over."""
    above = taxonomy.levels[: taxonomy.ranks.index(taxon.rank)]
    held = [(level.rank, level.holding(taxon.start)) for level in above]
    return [taxonomy.taxon(rank, number) for rank, number in held if number is not None]


def children(taxonomy: Taxonomy, taxon: Taxon) -> list[Taxon]:
    """The taxa right below one, in depth-first order; where a lineage lacks the next rank, of the one below that.

    Empty for the lowest. A leaf that is the taxon itself is no child of its own.
    """
    found, is_told = [], np.zeros(taxon.stop - taxon.start, bool)
    for level in taxonomy.levels[taxonomy.ranks.index(taxon.rank) + 1 :]:
        first, stop = np.searchsorted(level.start, (taxon.start, taxon.stop))
        for number in np.arange(first, stop)[~is_told[level.start[first:stop] - taxon.start]].tolist():
            below = taxonomy.taxon(level.rank, number)
            is_told[below.start - taxon.start : below.stop - taxon.start] = True
            found.append(below)
        if is_told.all():
            break
    return sorted(found, key=lambda below: below.start)


def is_leaf(taxonomy: Taxonomy, taxon: Taxon) -> bool:
    """Whether the taxon is an answer of its own. Subtle: missing ranks sort first, so it is the first of its interval."""
    return next(reversed(taxonomy.lineage(taxon.start))) == taxon.rank


def knowledge(catalogue: Catalogue, taxon: Taxon, near: Sequence[Near], encoder: Encoder | None = None) -> Knowledge:
    """Whether a taxon can be an answer; `near` as `near_taxa` gives it."""
    taxonomy = catalogue.taxonomy
    rows = taxonomy.row_of_leaf[taxon.start : taxon.stop]
    silent = np.isin(rows, catalogue.silent_rows, assume_unique=True)
    added = int((rows >= catalogue.index.card.vectors.count).sum())
    leaf = is_leaf(taxonomy, taxon)
    same = _same_text(catalogue, taxon, near) if leaf and taxon.stop - taxon.start == 1 else []
    photos = _has_photos(catalogue, taxon, encoder) if encoder is not None and leaf and added and not silent[0] else None
    return Knowledge(len(rows), int(silent.sum()), added, leaf, photos, tuple(same))


def tried(record: CalibrationRecord | None, taxonomy: Taxonomy, rank: str) -> Tried | None:
    """How often names of this rank were right on the pictures that the index was calibrated with; None where none was."""
    if record is None or rank not in record.origin.ranks:
        return None
    verdicts = record.evidence.verdicts[:, record.origin.ranks.index(rank)]
    decided = verdicts[verdicts != UNDECIDED]
    return Tried(len(decided), float((decided == RIGHT).mean()), rank, record.origin.fitted_on) if len(decided) else None


def with_common_names(names: Names, taxa: Sequence[Taxon], language: str | None) -> list[tuple[Taxon, str | None]]:
    """Each taxon with its vernacular name."""
    return list(zip(taxa, common_names(names, taxa, language), strict=True))


def direction(catalogue: Catalogue, taxon: Taxon) -> np.ndarray | None:
    """The unit vector that stands for a taxon, (d,) float32: its own, or the mean of those below it; None where none has one."""
    mean = mean_vector(catalogue, taxon.start, taxon.stop)
    return None if mean is None else unit_rows(mean[np.newaxis])[0]


def _keys(taxonomy: Taxonomy, taxon: Taxon) -> list[tuple[str, str]]:
    """What else the table of the index tells of a leaf."""
    if not is_leaf(taxonomy, taxon):
        return []
    columns = [name for name in taxonomy.leaves.column_names if name not in NO_KEYS and name not in taxonomy.ranks]
    row = taxonomy.leaves.select(columns).slice(taxon.start, 1).to_pylist()[0]
    return [(name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)) for name, value in row.items() if value not in (None, "", [])]


def _vernacular(catalogue: Catalogue, taxon: Taxon) -> list[Named]:
    """Each once, in the order of the store; that of the table itself first, unless a language tells it, too."""
    told = [Named(one.name, one.language) for one in catalogue.names.own_entries(taxon, VERNACULAR)]
    own = catalogue.taxonomy.common_name(taxon)
    if own and own not in {one.name for one in told}:
        told.insert(0, Named(own))
    return list(dict.fromkeys(told))


def _same_text(catalogue: Catalogue, taxon: Taxon, near: Sequence[Near]) -> list[Taxon]:
    """The near taxa of one leaf with the same vector and the same words."""
    found = []
    words = _words(catalogue, taxon.start)
    for other in near:
        if other.score < SAME_COSINE:
            break
        if other.taxon.stop - other.taxon.start == 1 and _words(catalogue, other.taxon.start) == words:
            found.append(other.taxon)
    return found


def _words(catalogue: Catalogue, leaf: int) -> str:
    return describe(_row(catalogue, leaf), catalogue.index.card.recipe["text_type"])


def _row(catalogue: Catalogue, leaf: int) -> dict[str, str | None]:
    leaves: pa.Table = catalogue.taxonomy.leaves
    return leaves.select([*catalogue.taxonomy.ranks, "common_name"]).slice(leaf, 1).to_pylist()[0]


def _has_photos(catalogue: Catalogue, taxon: Taxon, encoder: Encoder) -> bool | None:
    """Whether the vector of a leaf that was added is another than that of its text; None for one that was there from the start."""
    row = int(catalogue.taxonomy.row_of_leaf[taxon.start])
    if row < catalogue.index.card.vectors.count:
        return None
    recipe = TextRecipe.from_card(catalogue.index.card.recipe)
    text = encode_recipe(encoder, list(recipe.texts([_row(catalogue, taxon.start)])))[0]  # (d,)
    return bool(vectors_of(catalogue, np.array([row]))[0] @ text < TEXT_COSINE)
