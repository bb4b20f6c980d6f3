from __future__ import annotations

import pytest

from bioclip_search.errors import TableError
from bioclip_search.geography import Geofence, fence_file
from bioclip_search.geography.geofence import Rule

LION = "mammalia;carnivora;felidae;panthera;leo"
HEADER = "species,rule,country_code,admin1_region_code\n"


def read(tmp_path, *texts, suffix=".json"):
    paths = [tmp_path / f"fence{number}{suffix}" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return Geofence.read(*paths)


def test_json_is_read_whatever_the_case_of_its_letters(tmp_path):
    fence = read(tmp_path, '{"Mammalia;Carnivora;Felidae;Panthera;Leo": {"allow": {"ken": [], "US": ["us-ny", "AK"]}, "block": {}}}')
    assert fence.rules == {LION: Rule(allow={"KEN": (), "USA": ("AK", "NY")}, block={})}
    assert (fence.name, fence.notes) == ("fence0.json", ())


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        pytest.param("allow,USA,NJ\nallow,USA,NY", Rule(allow={"USA": ("NJ", "NY")}), id="regions add up"),
        pytest.param("allow,USA,NJ\nallow,USA,", Rule(allow={"USA": ()}), id="the whole country takes the place of its regions"),
        pytest.param("allow,USA,\nallow,USA,NJ", Rule(allow={"USA": ()}), id="a region adds nothing to the whole country"),
        pytest.param("block,USA,NJ\nblock,USA,NJ", Rule(block={"USA": ("NJ",)}), id="a row twice"),
        pytest.param("BLOCK,usa,nj\n\n# a note\nallow,CAN,", Rule(block={"USA": ("NJ",)}, allow={"CAN": ()}), id="case, blank lines and notes"),
    ],
)
def test_corrections_are_laid_over_each_other_as_speciesnets_builder_does(tmp_path, rows, rule):
    lines = [row if not row or row.startswith("#") else f"{LION},{row}" for row in rows.split("\n")]
    assert read(tmp_path, HEADER + "\n".join(lines), suffix=".csv").rules == {LION: rule}


def test_corrections_that_newly_confine_a_taxon_are_told(tmp_path):
    notes = read(tmp_path, HEADER + f"{LION},allow,KEN,", suffix=".csv").notes
    assert notes == (f"fence0.csv: allows {LION} in some places and so nowhere else; corrections are meant to be laid over a geofence: give that first",)


def test_countries_that_do_not_exist_are_told_and_kept(tmp_path):
    fence = read(tmp_path, f'{{"{LION}": {{"allow": {{"XYZ": [], "KEN": []}}}}}}')
    assert fence.notes == ("fence0.json: 1 country that is none of ISO 3166 and can never be meant (XYZ)",)
    assert fence.countries == {"XYZ", "KEN"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "holds no rule|has the columns none", id="empty"),
        pytest.param("{}", "holds no rule", id="no rules"),
        pytest.param('{"a', "is not JSON", id="cut off"),
        pytest.param("[" * 100_000, "is not JSON", id="nested without end"),
        pytest.param("[1]", "holds a list", id="a list"),
        pytest.param('{"Panthera leo": {}}', "names no taxon", id="a plain name"),
        pytest.param('{";;;;": {}}', "names no taxon", id="no name at all"),
        pytest.param('{"mammalia;;;;leo": {}}', "names no taxon", id="an epithet without a genus"),
        pytest.param('{"aves;;;;": {"alow": {}}}', '"allow", "block"', id="a rule misspelt"),
        pytest.param('{"aves;;;;": NaN}', "its rule is nan", id="not a number"),
        pytest.param('{"aves;;;;": {"allow": ["KEN"]}}', "Expected countries with their regions", id="countries as a list"),
        pytest.param('{"aves;;;;": {"allow": {"KEN": null}}}', "KEN: is None. Expected a list", id="regions missing"),
        pytest.param('{"aves;;;;": {"allow": {"KEN": [1]}}}', "Expected a list of regions", id="regions as numbers"),
        pytest.param('{"aves;;;;": {"allow": {"KEN": [""]}}}', "'' is no region", id="an empty region"),
        pytest.param('{"aves;;;;": {"allow": {"Kenya": []}}}', "'Kenya' is no country", id="a country's name"),
        pytest.param('{"aves;;;;": {}, "aves;;;;": {}}', "twice", id="a key twice"),
        pytest.param('{"aves;;;;": {}, "Aves;;;;": {}}', "two rules for aves", id="a key in two cases"),
        pytest.param("species,rule\n", "Expected species, rule, country_code", id="other columns"),
        pytest.param(HEADER, "holds no rule", id="a header alone"),
        pytest.param(HEADER + f"{LION},allow,KEN", "line 2 has 3 cells", id="a cell too few"),
        pytest.param(HEADER + f"{LION},permit,KEN,", "line 2: the rule is 'permit'", id="an unknown rule"),
        pytest.param(HEADER + f"{LION},allow,,", "line 2: '' is no country", id="no country"),
        pytest.param(HEADER + f"{LION},allow,KEN,Nairobi", "'Nairobi' is no region", id="a region's name"),
        pytest.param(HEADER + "lion,allow,KEN,", "line 2: 'lion' names no taxon", id="a vernacular name"),
    ],
)
def test_files_of_another_form_are_refused_with_what_was_expected(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        read(tmp_path, text)


def test_of_many_keys_the_one_that_stands_twice_is_told_in_few_letters(tmp_path):
    """Found in one pass: to count each of 200,000 keys among all others would take hours."""
    doubled = "x" * 100_000
    keys = [*(f"{number};;;;" for number in range(200_000)), doubled, doubled]
    with pytest.raises(TableError, match="has 'xxx.* twice in one object") as error:
        read(tmp_path, "{" + ", ".join(f'"{key}": 1' for key in keys) + "}")
    assert len(str(error.value)) < 300


def test_files_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    with pytest.raises(TableError, match=r"gone\.json: cannot be read"):
        Geofence.read(tmp_path / "gone.json")
    (tmp_path / "latin.json").write_bytes("{é".encode("latin-1"))
    with pytest.raises(TableError, match="is not text in UTF-8"):
        Geofence.read(tmp_path / "latin.json")
    monkeypatch.setattr(fence_file, "MAX_BYTES", 10)
    with pytest.raises(TableError, match="a geofence has at most 10"):
        read(tmp_path, '{"aves;;;;": {}}')
