"""Opens the names of an index, or of a checklist that was imported, without any encoder or vectors.

Where an index keeps its files is left to `index`, what a checklist holds to `checklists`.
"""

from __future__ import annotations

from pathlib import Path

from bioclip_search.index import Index, find_index
from bioclip_search.names.lookup import Names
from bioclip_search.names.reading import cached_store
from bioclip_search.names.store import write_names
from bioclip_search.taxonomy import Taxonomy


def names_of_index(index: str | Path = "starter") -> Names:
    """The names of an index, by its name or folder.

    Raises:
        IndexFolderError: There is none, or it is damaged.
    """
    from pyarrow import parquet

    opened = Index(find_index(index))
    ranks = opened.card.taxonomy.ranks
    leaves = parquet.read_table(opened.taxa_path, read_dictionary=list(ranks), memory_map=True)
    taxonomy = Taxonomy(leaves.unify_dictionaries().combine_chunks(), ranks)
    return Names(opened.names_path, taxonomy, taxonomy.leaf_of_row)


def names_of_checklist(folder: str | Path) -> Names:
    """The names of a folder that `names import` made; they are put in order once and kept in the user's cache.

    Raises:
        TableError: It is no such folder.
    """
    from bioclip_search.checklists import Checklist

    checklist = Checklist.read(Path(folder))
    taxonomy = Taxonomy.from_table(checklist.taxa)
    state = [f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(Path(folder).glob("*.parquet"))]
    store = cached_store("\n".join(state), lambda target: write_names(target, taxonomy, checklist.names))
    return Names(store, taxonomy)
