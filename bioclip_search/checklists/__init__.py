"""Checklists of any origin: Darwin Core Archives, Catalogue of Life, NCBI, iNaturalist, plain tables.

    checklist      what a source is, and the checklist that comes of it
    ├── archive    opens zip, tar and folders safely      ├── meta   what a Darwin Core Archive says of its files
    ├── delimited  text files, exactly as described       ├── ranks  what words for ranks mean
    ├── darwin_core, coldp, taxdump, plain                the formats: which column is which
    ├── staging    the rows as they came, in DuckDB
    └── resolve    canonical (names without authors) → links, fates (who belongs where) → output, account

What an index makes of a checklist is left to `build`.
"""

from bioclip_search.checklists.checklist import Checklist, import_checklist, is_checklist, read_checklist
from bioclip_search.checklists.report import Fault, ImportReport, Note

__all__ = ["Checklist", "Fault", "ImportReport", "Note", "import_checklist", "is_checklist", "read_checklist"]
