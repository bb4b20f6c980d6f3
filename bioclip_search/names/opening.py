"""Opens the names of a checklist that was imported, without any index.

What a checklist holds is left to `checklists`; the names of an index are opened by `catalogue`.
"""

from __future__ import annotations

from pathlib import Path

from bioclip_search.names.lookup import Names
from bioclip_search.names.reading import cached_store
from bioclip_search.names.store import write_names
from bioclip_search.taxonomy import Taxonomy


def names_of_checklist(folder: str | Path) -> Names:
    """The names of a folder that `names import` made; they are put in order once and kept in the user's cache.

    Raises:
        TableError: It is no such folder.
    """
    from bioclip_search.checklists import Checklist

    checklist = Checklist.read(Path(folder))
    taxonomy = Taxonomy.from_table(checklist.taxa)
    state = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(Path(folder).glob("*.parquet"))]
    store = cached_store(Path(folder), "\n".join(state), lambda target: write_names(target, taxonomy, checklist.names))
    return Names(store, taxonomy)
