"""Gives the names of a checklist, whatever it is kept in: a list, a table, a download of species or of occurrences.

Plain lists and tables are left to `tables`, downloads to `geography.records`; which taxa the names mean to `names`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bioclip_search.tables import FOLDERS_TABLE, MAX_LINE_BYTES, read_names


def listed_names(source: str | Path | Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The names of a checklist, each once, and what else to tell: a list, one name per line, a table, a folder that `names import` made, or a
    download of GBIF or Darwin Core, packed or not, of which each row gives the lowest name that it tells.

    Raises:
        TableError: It cannot be read, or there is no name in it.
    """
    if isinstance(source, str | Path) and _is_download(Path(source)):
        from bioclip_search.geography.records import read_recorded_names

        names, left_out = read_recorded_names(Path(source))
        note = f"{Path(source).name}: {left_out:,} names above species left out, for an organism that nobody could name stands for no others"
        return names, (note,) if left_out else ()
    return read_names(source), ()


def _is_download(path: Path) -> bool:
    """Whether it is an archive, a folder of tables, or a table with tabs whose columns are known; those of GBIF end in .csv."""
    if path.is_dir():
        return not Path(path, FOLDERS_TABLE).is_file()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            return True
        file.seek(0)
        first = file.readline(MAX_LINE_BYTES)
    if b"\t" not in first:
        return False
    from bioclip_search.geography.records import knows_columns

    return knows_columns(first.decode("utf-8-sig", "replace").rstrip("\r\n").split("\t"))
