from __future__ import annotations

import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.tables import read_header, read_lines, read_names, read_table, text_column

ROWS = [{"genus": "Felis", "species": "Felis catus", "common_name": "Cat, domestic"}, {"genus": "Nan", "species": "Nan nan", "common_name": None}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("taxa.csv", 'Genus,species,vernacularName\nFelis,Felis catus,"Cat, domestic"\nNan,Nan nan,\n', id="CSV with quotes"),
        pytest.param(
            "taxa.tsv",
            "\ufeffgenus\tspecies\tcommon name\n Felis \tFelis  catus\tCat, domestic\nNan\tNan nan\tNA\n",
            id="TSV with a byte order mark and loose spaces",
        ),
        pytest.param("taxa.txt", "genus;species;common_name\nFelis;Felis catus;Cat, domestic\nNan;Nan nan;\n", id="semicolons"),
    ],
)
def test_delimited_files_give_one_table(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert read_header(path) == ["genus", "species", "common_name"]
    assert read_table(path).to_pylist() == ROWS


def test_parquet_dataframes_and_arrow_tables_give_the_same(tmp_path):
    pandas = pytest.importorskip("pandas")
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "taxa.parquet")
    for source in (tmp_path / "taxa.parquet", pandas.DataFrame(ROWS), pa.Table.from_pylist(ROWS)):
        assert read_table(source).to_pylist() == ROWS
    assert read_header(tmp_path / "taxa.parquet") == ["genus", "species", "common_name"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("missing.csv", None, "no such file", id="missing"),
        pytest.param("empty.csv", b"", "the file is empty", id="empty"),
        pytest.param("latin.csv", "species\nFälis cätus\n".encode("latin-1"), "UTF-8", id="not UTF-8"),
        pytest.param("ragged.csv", b"genus,species\nFelis\n", "cannot be read as a table", id="a row too short"),
        pytest.param("no.parquet", b"PAR1 nothing", "cannot be read as a table", id="no Parquet"),
        pytest.param("twice.csv", b"species,Species\na,b\n", "more than once", id="a column twice"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        read_table(path)


def test_a_table_must_be_a_table():
    with pytest.raises(TableError, match="got int"):
        read_table(7)


def test_names_come_from_lists_lines_and_tables(tmp_path):
    lines, table = tmp_path / "names.txt", tmp_path / "names.csv"
    lines.write_text("# my garden\nFelis catus\n\nAves\nFelis catus\n", encoding="utf-8")
    table.write_text("genus,species,common_name\nFelis,Felis catus,Cat\nVulpes,,\n,,Blackbird\n", encoding="utf-8")
    assert read_names([" Felis catus ", "", "Aves"]) == read_names(lines) == ["Felis catus", "Aves"]
    assert read_names(table) == ["Felis catus", "Vulpes", "Blackbird"]


def test_names_come_from_a_folder_that_was_imported(tmp_path):
    parquet.write_table(pa.table({"genus": ["Felis", "Vulpes"], "species": ["Felis catus", None]}), tmp_path / "taxa.parquet")
    assert read_names(tmp_path) == read_names(str(tmp_path)) == ["Felis catus", "Vulpes"]


@pytest.mark.parametrize("values", [[["a"], ["b"]], [b"\xff", b"b"]], ids=["lists", "bytes"])
def test_a_column_of_something_else_than_text_is_told(values):
    with pytest.raises(TableError, match="The column species holds .*, where text in UTF-8 was expected"):
        text_column(pa.table({"species": values}), "species")


def test_no_name_is_an_error(tmp_path):
    (tmp_path / "names.txt").write_text("# nothing\n", encoding="utf-8")
    for source in ([], tmp_path / "names.txt"):
        with pytest.raises(TableError, match="holds no name"):
            read_names(source)
    with pytest.raises(TableError, match="cannot be read"):
        read_lines(tmp_path / "missing.txt")
