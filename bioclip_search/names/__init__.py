"""Every name of every taxon: written with an index, searched as one types, matched against lists.

parse, fold ─ store (writes) ─ reading (asks one store) ─ lookup (asks all stores of an index)
                                                          search, match, display stand on top
"""

from bioclip_search.names.lookup import Names, Unknown
from bioclip_search.names.store import entries, write_names, write_store

__all__ = ["Names", "Unknown", "entries", "write_names", "write_store"]
