"""Gives taxa the names that people are shown: vernacular where there is one, and never one name for two taxa.

Which taxa are shown, and where, is left to the callers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bioclip_search.names.fold import fold
from bioclip_search.names.lookup import Names
from bioclip_search.names.store import VERNACULAR
from bioclip_search.taxonomy import Taxon


def common_names(names: Names, taxa: Sequence[Taxon], language: str | None = None) -> list[str | None]:
    """The vernacular name of each taxon in the language, else that of the index; None where there is neither."""
    spoken = names.vernacular(taxa, language) if language else [None] * len(taxa)
    return [name or names.taxonomy.common_name(taxon) for name, taxon in zip(spoken, taxa, strict=True)]


def display_names(names: Names, taxa: Sequence[Taxon], language: str | None = None) -> list[str]:
    """A name for each taxon by which it can be told from all others of the list, and from all others of the index.

    Where two taxa share a vernacular name, both get their scientific name behind it: "Robin (Erithacus rubecula)".
    Where they share a scientific name, too, the lineage follows: "Oenanthe (Plantae > … > Apiaceae)". A taxon that
    stands twice in the list has the same name twice.
    """
    return unique_names(names, taxa, common_names(names, taxa, language))


def unique_names(names: Names, taxa: Sequence[Taxon], common: Sequence[str | None]) -> list[str]:
    """As `display_names`, with the vernacular names at hand."""
    shown = []
    for taxon, name in zip(taxa, common, strict=True):
        if name and name != taxon.name:
            shown.append(f"{name} ({taxon.name})" if _is_shared(names, name, taxon) else name)
        else:
            shown.append(taxon.name)
    bearers = Counter(name for name, _ in {(fold(name), taxon) for name, taxon in zip(shown, taxa, strict=True)})
    return [f"{name} ({names.path(taxon)})" if bearers[fold(name)] > 1 else name for name, taxon in zip(shown, taxa, strict=True)]


def _is_shared(names: Names, common: str, taxon: Taxon) -> bool:
    return any(names.taxon(entry) != taxon for entry in names.entries(common) if entry.kind == VERNACULAR)
