from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.names.lists import read_list
from bioclip_search.names.match import Query


def written(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_a_text_has_one_name_a_line(tmp_path):
    path = written(tmp_path, "list.txt", "# my valley\nPanthera leo (L., 1758)\n\n  Amsel \n")
    assert read_list(path) == [Query("Panthera leo (L., 1758)"), Query("Amsel")]


def test_standard_input_is_text_in_utf8_whatever_the_system_speaks(monkeypatch):
    def coming(data: bytes):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="cp1252"))
        return read_list(Path("-"))

    assert coming("\ufeff# my valley\r\nLöwe\r\n\r\n".encode()) == [Query("Löwe")]
    with pytest.raises(TableError, match="Standard input is not text in UTF-8"):
        coming("Löwe".encode("cp1252"))


def test_a_text_with_tabs_is_a_table(tmp_path):
    path = written(tmp_path, "list.txt", "Country\tScientific name\nKE\tPanthera leo\nTZ\t\n")
    assert [query.name for query in read_list(path)] == ["Panthera leo", None]


def test_every_row_of_a_table_is_kept_even_without_a_name(tmp_path):
    path = written(tmp_path, "list.csv", "scientificName,kingdom\nPanthera leo,Animalia\nNA,\nPanthera leo,Animalia\n")
    assert read_list(path) == [Query("Panthera leo", None, {"kingdom": "Animalia"}), Query(None), Query("Panthera leo", None, {"kingdom": "Animalia"})]


def test_authorship_and_ranks_are_read_but_not_the_genus(tmp_path):
    path = written(tmp_path, "list.tsv", "name\tscientificNameAuthorship\tfamily\tgenus\nFelis leo\tLinnaeus, 1758\tFelidae\tFelis\n")
    assert read_list(path) == [Query("Felis leo", "Linnaeus, 1758", {"family": "Felidae"})]


def test_an_authority_is_an_authorship(tmp_path):
    path = written(tmp_path, "list.csv", "Species;Authority\nFelis leo;L.\n")
    assert read_list(path) == [Query("Felis leo", "L.")]


def test_of_rank_columns_the_deepest_name_is_taken(tmp_path):
    table = {"family": ["Felidae", "Felidae", "Felidae"], "genus": ["Panthera", "Panthera", None], "species": ["leo", None, None]}
    parquet.write_table(pa.table(table), tmp_path / "list.parquet")
    assert [query.name for query in read_list(tmp_path / "list.parquet")] == ["Panthera leo", "Panthera", "Felidae"]
    assert read_list(tmp_path / "list.parquet")[2].context == {}


def test_the_column_may_be_given(tmp_path):
    path = written(tmp_path, "list.csv", "species,What I saw\nPanthera leo,Lion\n")
    assert [query.name for query in read_list(path, "What I saw")] == ["Lion"]


@pytest.mark.parametrize(
    ("text", "column", "told"),
    [
        pytest.param("a,b\n1,2\n", None, "No column of the list looks like names; it has a, b", id="nothing to guess"),
        pytest.param("species\nPanthera leo\n", "nonsense", "has no column 'nonsense'; it has species", id="a column that is not there"),
        pytest.param("", None, "is empty", id="an empty file"),
    ],
)
def test_a_table_without_names_is_refused(tmp_path, text, column, told):
    with pytest.raises(TableError, match=told):
        read_list(written(tmp_path, "list.csv", text), column)
