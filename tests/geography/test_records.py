"""Tables as people have them: GBIF's downloads, Darwin Core, Camtrap DP, a spreadsheet, Parquet."""

from __future__ import annotations

import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.geography.records import read_records

GBIF = """gbifID\tkingdom\tphylum\tclass\torder\tfamily\tgenus\tspecies\tscientificName\tcountryCode\toccurrenceStatus\tdecimalLatitude\tdecimalLongitude\teventDate\tmonth
1\tAnimalia\tChordata\tMammalia\tCarnivora\tCanidae\tVulpes\tVulpes vulpes\tVulpes vulpes (Linnaeus, 1758)\tNO\tPRESENT\t59.9\t10.7\t2020-05-30T04:57\t5
2\tAnimalia\tChordata\tMammalia\tCarnivora\tCanidae\tVulpes\tVulpes vulpes\tVulpes vulpes "red"\tNO\tPRESENT\t59.95\t10.6\t2021-05-01/2021-05-03\t5
3\tAnimalia\tChordata\tMammalia\tCarnivora\tFelidae\tFelis\t\tFelis Linnaeus, 1758\tSE\tPRESENT\t\t\t2020\t
4\tAnimalia\tChordata\tAves\tPasseriformes\tTurdidae\tTurdus\tTurdus merula\tTurdus merula L.\tNO\tABSENT\t59.9\t10.7\t2020-06-01\t6
5\tAnimalia\tChordata\tAves\tPasseriformes\tTurdidae\tTurdus\tTurdus merula\tTurdus merula L.\tNO\tPRESENT\t0\t0\t01.02.2020\t
"""
"""Tabs, quotation marks that quote nothing, a genus, an interval of days, a date without a month, an absence, the point 0, 0."""


def counted(records):
    """Each count as (name, country, cell, month, count)."""
    names = records.names["name"].to_pylist()
    cells = [None if np.isnan(cell).any() else tuple(cell.tolist()) for cell in records.cell]
    return list(zip([names[number] for number in records.number], records.country.tolist(), cells, records.month.tolist(), records.count.tolist(), strict=True))


GBIF_COUNTS = {("Vulpes vulpes", "NO", (59.875, 10.625), 5, 2.0), ("Felis Linnaeus, 1758", "SE", None, 0, 1.0), ("Turdus merula", "NO", None, 0, 1.0)}


def test_a_simple_download_of_gbif_is_counted_by_name_country_cell_and_month(tmp_path):
    (tmp_path / "0001.csv").write_text(GBIF)
    records = read_records(tmp_path / "0001.csv")
    assert set(counted(records)) == GBIF_COUNTS
    assert (records.rows, records.unnamed, records.absent, records.misshapen, records.bad_points, records.bad_dates) == (5, 0, 1, 0, 1, 2)
    assert records.names.to_pylist()[1]["kingdom"] == "Animalia"


@pytest.mark.parametrize("member", ["occurrence.txt", "0001234-56789.csv"])
def test_a_download_may_stay_packed(tmp_path, member):
    with zipfile.ZipFile(tmp_path / "download.zip", "w") as packed:
        packed.writestr(member, GBIF)
        packed.writestr("multimedia.txt", "gbifID\n")
    assert set(counted(read_records(tmp_path / "download.zip"))) == GBIF_COUNTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "species;country;Latitude;lon;month;count\nFelis catus;no;59,9;10,7;Mai;\n",
            [("Felis catus", "NO", (59.875, 10.625), 0, 1.0)],
            id="semicolons, decimal commas, a month in German",
        ),
        pytest.param(
            "Species,Country Code,month,records\nFelis catus,NOR,May,12\n", [("Felis catus", "NOR", None, 5, 12.0)], id="counted already, months in words"
        ),
        pytest.param("genus,species,iso3\nFelis,Catus,NOR\n", [("Felis catus", "NOR", None, 0, 1.0)], id="an epithet in the column of species"),
        pytest.param(
            "dwc:genus,dwc:specificEpithet,dwc:countryCode,dwc:eventDate\nFelis,catus,NO,2020-12\n",
            [("Felis catus", "NO", None, 12, 1.0)],
            id="terms with their namespace",
        ),
        pytest.param(
            "name,lat,lng\nFelis catus,-0.1,-179.99\nFelis catus,91,0\n",
            [("Felis catus", None, (-0.125, -179.875), 0, 1.0), ("Felis catus", None, None, 0, 1.0)],
            id="south and west, and off the map",
        ),
        pytest.param(
            "species,country,count\nFelis catus,NO,0\nFelis catus,NO,-3\nFelis catus,NO,many\nFelis catus,NO,nan\nFelis catus,NO,1e300\nFelis catus,NO,2\n",
            [("Felis catus", "NO", None, 0, 3.0)],
            id="counts that are none",
        ),
        pytest.param("species,country,month\nFelis catus,NO,13\nNA,NO,1\n", [("Felis catus", "NO", None, 0, 1.0)], id="a thirteenth month, no name"),
    ],
)
def test_tables_of_ones_own_are_understood(tmp_path, text, expected):
    (tmp_path / "own.csv").write_text("\ufeff" + text, encoding="utf-8")
    assert counted(read_records(tmp_path / "own.csv")) == expected


def test_parquet_is_read_whatever_its_types_and_its_name(tmp_path):
    import datetime

    table = pa.table(
        {
            "scientificName": ["Felis catus"] * 2,
            "countryCode": ["NO"] * 2,
            "eventDate": [datetime.datetime(2020, 5, 30)] * 2,
            "count": [2, None],
            "tags": [["a"]] * 2,
        }
    )
    parquet.write_table(table, tmp_path / "own [1]*.parquet")
    assert counted(read_records(tmp_path / "own [1]*.parquet")) == [("Felis catus", "NO", None, 5, 3.0)]


@pytest.mark.parametrize("given", ["", "observations.csv"])
def test_a_camtrap_dp_package_takes_its_points_from_the_deployments(shared, given):
    records = read_records(shared / "bursts" / "camtrap-dp-example" / given)
    seen = dict(zip(records.names["name"].to_pylist(), records.names["records"].to_pylist(), strict=True))
    assert (records.rows, records.unnamed, seen["Anas platyrhynchos"], seen["Vulpes vulpes"]) == (549, 150, 222, 7)
    assert not np.isnan(records.cell).any()
    assert set(records.month.tolist()) == {3, 4, 5, 6, 7, 8}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a,b\n1,2\n", "does not say which taxon was recorded where", id="other columns"),
        pytest.param("species\nFelis catus\n", "does not say which taxon was recorded where", id="no place"),
        pytest.param("country,lat,lon\nNO,1,2\n", "a column species or scientificName", id="no name"),
        pytest.param("species,country\n", r"holds no record of a taxon \(0 rows", id="no rows"),
        pytest.param("species,country\n,NO\n", "1 rows, 1 without a name", id="no names"),
        pytest.param("", "has no rows", id="empty"),
        pytest.param('species,country\n"Felis catus,NO\nFelis catus,NO\n', "1 with too few or too many cells", id="a quotation mark that is never closed"),
        pytest.param("species,country\n" + "a" * (18 << 20) + ",NO\n", "1 with too few or too many cells", id="a line without end"),
        pytest.param(b"species,country\nFelis \xff,NO\n", "is not text in UTF-8", id="another encoding"),
    ],
)
def test_tables_that_tell_nothing_are_refused(tmp_path, text, message):
    (tmp_path / "own.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TableError, match=message):
        read_records(tmp_path / "own.csv")


def test_rows_of_another_width_are_counted_and_left_out(tmp_path):
    (tmp_path / "own.csv").write_text("species,country\nFelis catus,NO\nFelis catus\nFelis catus,NO,1,2\n")
    records = read_records(tmp_path / "own.csv")
    assert (records.rows, records.misshapen, records.count.tolist()) == (3, 2, [1.0])


def test_paths_and_archives_that_hold_no_table_are_told(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        read_records(tmp_path / "gone.csv")
    (tmp_path / "folder").mkdir()
    for name in ("a.csv", "b.csv"):
        (tmp_path / "folder" / name).write_text(GBIF)
    with pytest.raises(TableError, match=r"\(there are a\.csv, b\.csv\)"):
        read_records(tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("../occurrence.txt", GBIF)
    with pytest.raises(TableError, match="outside of the folder"):
        read_records(tmp_path / "evil.zip")
