"""What a person sees who says where a picture was taken, and who mistypes it."""

from __future__ import annotations

import csv
import io
import json
import re

import click
import pytest
from click.testing import CliRunner

from bioclip_search.cli import root
from bioclip_search.errors import TableError

FENCE = {"mammalia;;;;": {"block": {"NOR": []}}, "mammalia;carnivora;canidae;canis;lupus dingo": {"block": {"NOR": []}}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from PIL import Image

    Image.new("RGB", (64, 64), (90, 120, 60)).save("grass.png")
    (tmp_path / "fence.json").write_text(json.dumps(FENCE))
    (tmp_path / "seen.csv").write_text("species,country,lat,lon,month\n" + "Vulpes vulpes,NO,60,10,5\n" * 30 + "Nonsense nonsense,NO,60,10,5\n")

    def run(*words):
        found = CliRunner().invoke(root, ["identify", "grass.png", *words], standalone_mode=False)
        if found.exception is not None:
            raise found.exception
        return found

    return run


def test_jsonl_and_csv_tell_the_place_and_what_it_took_out(run):
    found = run("--country", "nor", "--geofence", "fence.json", "--rank", "species", "--format", "jsonl")
    assert found.return_value == 0
    answer = json.loads(found.stdout)
    assert (answer["place"], answer["out_of_range"], answer["lineage"]["class"] != "Mammalia") == ("NOR", None, True)
    assert set(answer["without_place"]) == {"taxon", "rank", "probability", "chance"}
    assert "Note: fence.json: 943 taxa shut out of NOR." in found.stderr
    assert "of 2 keys 1 without a taxon in this index (mammalia;carnivora;canidae;canis;lupus dingo)" in found.stderr
    found = run("--occurrences", "seen.csv", "--near", "60.1,10.1", "--month", "5", "--rank", "species", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(found.stdout))
    assert (row["place"], row["out_of_range"] in ("True", "False")) == ("60.1, 10.1 in May", True)
    assert row["without_place"].rsplit(" ", 1)[1].startswith("0.")
    assert "1 name unknown, 1 record (Nonsense nonsense 1)" in found.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("--country NOE --geofence fence.json", "'NOE' is no country code (did you mean NOR, ", id="a slip in a country"),
        pytest.param("--country NOR --region Oslo --geofence fence.json", "'Oslo' is no region of NOR", id="a region's name"),
        pytest.param("--country NOR --geofence fense.json", "fense.json: cannot be read", id="a slip in a file"),
        pytest.param("--country NOR --geofence seen.csv", "Expected species, rule, country_code", id="records for rules"),
        pytest.param("--country NOR --occurrences fence.json", "fence.json: ", id="rules for records"),
        pytest.param("--occurrences seen.csv --near 10.7,59.9", "Is the latitude given first?", id="longitude first"),
        pytest.param("--occurrences seen.csv --near Oslo", "'Oslo' is no point; give two numbers", id="a name for a point"),
        pytest.param("--occurrences seen.csv --country PER", "has no record from PER; it has NOR", id="a country without records"),
        pytest.param("--country NOR", "does not know where its taxa occur; give --checklist", id="nothing to know the country by"),
        pytest.param("--near 60,10", "used with --occurrences only", id="nothing to know the point by"),
    ],
)
def test_slips_are_told_with_what_to_do(run, words, message):
    with pytest.raises(TableError, match=re.escape(message)):
        run(*words.split())


def test_a_month_that_is_none_is_a_slip_of_usage(run):
    with pytest.raises(click.UsageError, match="1<=x<=12"):
        run("--occurrences", "seen.csv", "--country", "NOR", "--month", "13")
