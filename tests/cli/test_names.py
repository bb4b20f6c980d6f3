"""`names search` and `names match` as a user types them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from click.testing import CliRunner

from bioclip_search.cli import root


def run(*arguments, **options):
    result = CliRunner().invoke(root, ["names", *map(str, arguments)], standalone_mode=False, **options)
    if result.exception is not None:
        raise result.exception
    return result


@pytest.fixture
def my_list(tmp_path):
    (tmp_path / "list.csv").write_text("name,kingdom\nPanthera leo,\nOenanthe,\nOenanthe,Plantae\nTurdus merulla,\nYeti,\n", encoding="utf-8")
    return tmp_path / "list.csv"


def test_search_prints_one_line_a_taxon(small_index):
    result = run("search", "snow", "leo", "--index", small_index)
    head, line = result.stdout.splitlines()
    assert head.split() == ["TAXON", "RANK", "FOUND", "AS", "LINEAGE"]
    assert line.split("  ")[0] == "Panthera uncia"
    assert "Snow leopard (vernacular)" in line
    assert "Felidae > Panthera" in line
    assert result.return_value == 0


def test_search_prints_json_lines(small_index):
    hits = [json.loads(line) for line in run("search", "panthera", "--index", small_index, "--format", "jsonl").stdout.splitlines()]
    assert [(hit["taxon"], hit["leaves"]) for hit in hits] == [("Panthera", 2), ("Panthera leo", 1), ("Panthera uncia", 1)]


def test_search_without_a_hit_says_so_and_exits_with_one(small_index):
    result = run("search", "Yeti", "--index", small_index)
    assert "No name is like 'Yeti'." in result.stderr
    assert result.return_value == 1


def test_a_language_without_names_is_told(small_index):
    result = run("search", "lion", "--index", small_index, "--language", "ja")
    assert "There are no vernacular names in 'ja' here" in result.stderr
    assert "Panthera leo" in result.stdout


def test_match_prints_a_row_for_every_row_and_a_summary(small_index, my_list):
    result = run("match", my_list, "--index", small_index, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["match_type"] for row in rows] == ["EXACT", "HOMONYM", "EXACT", "FUZZY", "NONE"]
    assert [row["taxon"] for row in rows] == ["Panthera leo", "", "Oenanthe", "Turdus merula", ""]
    assert rows[2]["family"] == "Apiaceae"
    assert rows[1]["alternatives"].count("Oenanthe") == 2
    assert result.stderr.splitlines()[-1] == "5 names: 2 EXACT, 1 FUZZY, 1 HOMONYM, 1 NONE"
    assert result.return_value == 0


def test_match_shows_the_choices_of_a_homonym_in_its_table(small_index, my_list):
    told = run("match", my_list, "--index", small_index).stdout
    assert "or Plantae > Tracheophyta > Magnoliopsida > Apiales > Apiaceae > Oenanthe" in told


def test_json_lines_hold_the_whole_match(small_index, my_list):
    first = json.loads(run("match", my_list, "--index", small_index, "--format", "jsonl").stdout.splitlines()[0])
    assert (first["name"], first["confidence"], first["lineage"]["family"], first["kind"]) == ("Panthera leo", 100, "Felidae", "accepted")


def test_a_list_may_come_through_a_pipe(small_index):
    result = run("match", "-", "--index", small_index, "--format", "jsonl", input="Panthera leo\n\nSnow leopard\n")
    assert [json.loads(line)["taxon"] for line in result.stdout.splitlines()] == ["Panthera leo", "Panthera uncia"]
