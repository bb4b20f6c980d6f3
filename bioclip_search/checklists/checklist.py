"""A checklist: the taxa of a source as one table, all their other names as a second, and the account of how they came.

Recognises what a source is and hands it to its format (`darwin_core`, `coldp`, `taxdump`, `plain`); what the
rows mean is left to `resolve`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.checklists.archive import Archive, gunzip, open_archive
from bioclip_search.checklists.coldp import is_coldp, stage_coldp
from bioclip_search.checklists.darwin_core import shallowest, stage_darwin_core
from bioclip_search.checklists.output import NAMES_FILE, TAXA_FILE
from bioclip_search.checklists.plain import stage_plain
from bioclip_search.checklists.report import ImportReport
from bioclip_search.checklists.resolve import Progress, resolve
from bioclip_search.checklists.staging import Staging, open_staging
from bioclip_search.checklists.taxdump import is_taxdump, stage_taxdump
from bioclip_search.errors import TableError
from bioclip_search.swapping import swap

REPORT_FILE = "report.json"
TABLE_SUFFIXES = {".csv", ".tsv", ".tab", ".txt", ".parquet", ".pq"}


@dataclass(frozen=True, eq=False)
class Checklist:
    """The taxa and names of a source.

    taxa has one row for each leaf: kingdom … species, common_name and, where anything is known of them, taxon_key,
    authorship and countries (a list of ISO 3166 codes of three letters).
    names has one row for each further name: row (the row in `taxa` of the leaf it names, or of any leaf below the
    taxon it names), rank (of the taxon named), name, kind ("accepted" for a taxon above the leaves, "synonym",
    "infraspecific", "vernacular"), language (as published, in small letters), authorship, taxon_key.
    """

    taxa: pa.Table
    names: pa.Table
    report: ImportReport

    def write(self, folder: Path | str) -> Path:
        """Writes a folder that `read` opens; one that is there already is replaced as a whole.

        Raises:
            TableError: Something else is there under that name.
        """
        with _new_folder(Path(folder)) as fresh:
            parquet.write_table(self.taxa, fresh / TAXA_FILE, compression="zstd")
            parquet.write_table(self.names, fresh / NAMES_FILE, compression="zstd")
            _write_report(fresh, self.report)
        return Path(folder)

    @classmethod
    def read(cls, folder: Path | str) -> Checklist:
        """The checklist of a folder that `write` or `import_checklist` made.

        Raises:
            TableError: The folder holds none, or it is damaged.
        """
        folder = Path(folder)
        if not is_checklist(folder):
            raise TableError(
                f"{folder}: holds no checklist ({TAXA_FILE}, {NAMES_FILE}, {REPORT_FILE}). Make one: bioclip-search names import SOURCE --out {folder}"
            )
        try:
            report = ImportReport.from_dict(json.loads((folder / REPORT_FILE).read_text(encoding="utf-8")))
            # Subtle: without `partitioning=None` a folder named a=b would add a column a.
            taxa, names = (parquet.read_table(folder / name, partitioning=None) for name in (TAXA_FILE, NAMES_FILE))
            checklist = cls(taxa, names, report)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, pa.ArrowException) as error:
            raise TableError(f"{folder}: its checklist is damaged ({error}). Import it again.") from error
        missing = [name for name in ("row", "rank", "name", "kind") if name not in checklist.names.column_names]
        if missing or "species" not in checklist.taxa.column_names:
            raise TableError(f"{folder}: its checklist lacks the columns of one ({', '.join(missing) or 'species'}). Import it again.")
        return checklist


def is_checklist(folder: Path | str) -> bool:
    """Whether a folder looks like one that `Checklist.write` made."""
    return all((Path(folder) / name).is_file() for name in (TAXA_FILE, NAMES_FILE, REPORT_FILE))


def read_checklist(source: Path | str, *, columns: Mapping[str, str] | None = None, progress: Progress | None = None) -> Checklist:
    """The checklist in any source: an archive, a table, or a folder that was imported before.

    Args:
        source: A Darwin Core Archive, ColDP package or NCBI dump (zip, tar, tar.gz or folder), a table (CSV, TSV, Parquet),
            or a checklist folder.
        columns: Of a table, our name of a column to the table's own; the rest is guessed.
        progress: Called with (steps done, steps in all).

    Raises:
        TableError: It is none of these, is damaged or hostile, or holds no taxon.
    """
    if is_checklist(source):
        return Checklist.read(source)
    with _scratch() as scratch:
        _import(Path(source), scratch, columns, progress)
        return Checklist.read(scratch / "out")


def import_checklist(source: Path | str, out: Path | str, *, columns: Mapping[str, str] | None = None, progress: Progress | None = None) -> ImportReport:
    """Writes the checklist in any source straight into a folder, with little memory however long it is.

    Takes the same sources as `read_checklist`. A folder that held a checklist before is replaced as a whole.

    Raises:
        TableError: As `read_checklist`, or something else is there under the name of the folder.
    """
    with _new_folder(Path(out)) as fresh, _scratch() as scratch:
        if is_checklist(source):
            shutil.copytree(source, fresh, dirs_exist_ok=True)
            return Checklist.read(fresh).report
        report = _import(Path(source), scratch, columns, progress)
        for file in (scratch / "out").iterdir():
            shutil.move(file, fresh / file.name)
        return report


def _import(source: Path, scratch: Path, columns: Mapping[str, str] | None, progress: Progress | None) -> ImportReport:
    out = scratch / "out"
    out.mkdir()
    try:
        with ExitStack() as stack:
            staging = _stage(stack, source, scratch, columns)
            report = resolve(staging, out, progress)
    except OSError as error:
        raise TableError(f"{error.filename or source}: cannot be read or written ({error.strerror or error}).") from error
    except RuntimeError as error:
        if "interrupted" in str(error).lower():  # Subtle: so DuckDB answers Ctrl-C
            raise KeyboardInterrupt from error
        raise
    _write_report(out, report)
    return report


def _stage(stack: ExitStack, source: Path, scratch: Path, columns: Mapping[str, str] | None) -> Staging:
    """Recognises the source and fills a staging with its rows."""
    if not source.exists():
        raise TableError(f"{source}: no such file or folder. Give an archive (zip, tar.gz, folder) or a table (CSV, TSV, Parquet).")
    if source.is_file() and source.stat().st_size == 0:
        raise TableError(f"{source}: the file is empty. Download it again.")
    if source.name.lower() in {"meta.xml", "nodes.dmp", "names.dmp", "metadata.yaml"}:
        source = source.parent
    suffixes = [suffix.lower() for suffix in source.suffixes]
    if source.is_file() and suffixes[-1:] == [".gz"] and suffixes[-2:-1] != [".tar"]:
        return _stage_table(stack, gunzip(source, scratch), source.name, scratch, columns)
    if source.is_file() and suffixes[-1:] and suffixes[-1] in TABLE_SUFFIXES:
        return _stage_table(stack, source, source.name, scratch, columns)
    archive = stack.enter_context(open_archive(source, scratch))
    if not archive.members:
        raise TableError(f"{source}: is empty. Expected the files of a checklist; download it again.")
    for format, is_this, fill in (
        ("Darwin Core Archive", lambda archive: shallowest(archive, "meta.xml"), stage_darwin_core),
        ("Catalogue of Life Data Package", is_coldp, stage_coldp),
        ("NCBI taxonomy", is_taxdump, stage_taxdump),
    ):
        if is_this(archive):
            if columns:
                raise TableError(f"{archive.name}: is a {format}, which says itself what its columns mean; columns can be given for a plain table only.")
            staging = stack.enter_context(open_staging(scratch, archive.name, format))
            fill(archive, staging)
            return staging
    table = _only_table(archive)
    return _stage_table(stack, archive.file(table), f"{archive.name}: {table}", scratch, columns)


def _stage_table(stack: ExitStack, path: Path, name: str, scratch: Path, columns: Mapping[str, str] | None) -> Staging:
    staging = stack.enter_context(open_staging(scratch, name, "table"))
    stage_plain(path, name, staging, columns)
    return staging


def _only_table(archive: Archive) -> str:
    tables = [member for member in archive.members if PurePosixPath(member).suffix.lower() in TABLE_SUFFIXES]
    tables = [table for table in tables if PurePosixPath(table).suffix.lower() != ".txt"] or tables
    if len(tables) == 1:
        return tables[0]
    there = ", ".join(archive.members[:10]) + (" …" if len(archive.members) > 10 else "")
    raise TableError(
        f"{archive.name}: is no checklist known here; it holds {there}. "
        "Expected meta.xml (Darwin Core Archive), NameUsage or Name and Taxon (Catalogue of Life), "
        "nodes.dmp and names.dmp (NCBI), or one single table."
    )


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bioclip-checklist-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the wanted one, put into its place when all went well; the old one goes only then."""
    folder = folder.resolve()
    _stop_if_other(folder)
    with _told_of_folder(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield fresh
        with _told_of_folder(folder):
            fresh.chmod(0o777 & ~_umask())
            if folder.exists():
                swap(fresh, folder, fresh.with_name(f"{fresh.name}-old"))
            else:
                os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _stop_if_other(folder: Path) -> None:
    """Refuses a folder that holds anything besides a checklist: it would be lost with the old one."""
    with _told_of_folder(folder):
        there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    ours = {TAXA_FILE, NAMES_FILE, REPORT_FILE}
    there -= {".DS_Store", "Thumbs.db"}
    if there and not ours <= there:
        raise TableError(f"{folder}: is there already and is no checklist folder. Choose another name.")
    if others := sorted(there - ours):
        raise TableError(f"{folder}: holds a checklist, but also {', '.join(others[:3])}, which would be lost. Move that away, or choose another name.")


@contextmanager
def _told_of_folder(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TableError(f"{folder}: cannot be made or replaced ({error.strerror or error}). Choose another folder.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_report(folder: Path, report: ImportReport) -> None:
    (folder / REPORT_FILE).write_text(json.dumps(report.to_dict(), ensure_ascii=False, indent=1), encoding="utf-8")
