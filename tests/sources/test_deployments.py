from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from bioclip_search.errors import SourceError
from bioclip_search.media import Deployment, Facts
from bioclip_search.sources import open_source
from bioclip_search.sources.deployments import read_deployments


def pictures(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def deployed(source):
    return {one.image: one.facts.deployment for one in source.media()}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(None, [None, "A", "A/DCIM/100RECNX"], id="the folder that holds it, unless told"),
        pytest.param("folder", [None, "A", "A/DCIM/100RECNX"], id="the folder that holds it"),
        pytest.param("folder:1", [None, "A", "A"], id="the first folder"),
        pytest.param("folder:2", [None, None, "DCIM"], id="the second folder"),
        pytest.param("none", [None, None, None], id="none"),
    ],
)
def test_folders_tell_deployments(tmp_path, spec, expected):
    source = open_source(pictures(tmp_path, "0.jpg", "A/1.jpg", "A/DCIM/100RECNX/2.jpg"), deployments=spec)
    assert list(deployed(source).values()) == expected
    assert source.deployments == ()


def test_pictures_without_the_part_that_was_asked_for_are_counted(tmp_path):
    source = open_source(pictures(tmp_path, "0.jpg", "A/1.jpg", "A/B/2.jpg"), deployments="folder:2")
    list(source.media())
    assert source.notes == ("pictures whose path has no such part, so that they are given no deployment: 2, the first 0.jpg",)


@pytest.mark.parametrize("spec", ["folder:0", "folder:x", "folder:"])
def test_a_part_is_a_number_from_one(tmp_path, spec):
    with pytest.raises(SourceError, match="expected folder:1"):
        open_source(tmp_path, deployments=spec)


def test_camtrapr_stations_are_the_first_folder(shared):
    source = open_source(shared / "bursts" / "camtrapR-sample_images_species_dir", deployments="folder:1")
    assert sorted(set(deployed(source).values())) == ["StationA", "StationB", "StationC"]
    assert source.count() == 69


STAYS = """Station,Latitude,Longitude,Setup_date,Retrieval_date
North,51.5,4.7,2020-05-01,2020-05-31
North,51.6,4.8,2020-07-01 12:00:00,2020-07-31
South,-3.25,-60.5,2020-05-01,2020-07-31
"""


def test_a_table_of_stays_gives_names_places_and_times(tmp_path):
    north, _, south = read_deployments(table(tmp_path / "stays.csv", STAYS))
    assert north == Deployment("North 2020-05-01", 51.5, 4.7, datetime(2020, 5, 1), datetime(2020, 5, 31, 23, 59, 59, 999999), "North")
    assert (south.name, south.latitude) == ("South", -3.25)


@pytest.mark.parametrize(
    ("moment", "deployment", "latitude"),
    [
        pytest.param(datetime(2020, 5, 31, 23, 0), "North 2020-05-01", 51.5, id="the last evening of the first stay"),
        pytest.param(datetime(2020, 7, 1, 12, 0), "North 2020-07-01", 51.6, id="the first second of the next"),
        pytest.param(datetime(2020, 7, 2, tzinfo=timezone(timedelta(hours=9))), "North 2020-07-01", 51.6, id="a time with its zone, by the clock"),
        pytest.param(datetime(2020, 6, 15), None, None, id="between the two"),
        pytest.param(None, None, None, id="no time"),
    ],
)
def test_time_decides_between_two_stays_of_one_camera(tmp_path, moment, deployment, latitude):
    stays = table(tmp_path / "stays.csv", STAYS)
    source = open_source(pictures(tmp_path / "photos", "2020/North/DCIM/1.jpg"), deployments=stays)
    (media,) = source.media()
    facts = source.facts_of(media.image, media.facts.over(Facts(timestamp=moment)))
    assert (facts.deployment, facts.latitude, facts.timestamp) == (deployment, latitude, moment)
    assert source.facts_of(media.image, facts) == facts
    assert bool(source.notes) == (deployment is None)


def test_on_the_day_of_a_change_the_stay_that_was_set_up_last_is_taken(tmp_path):
    stays = table(tmp_path / "s.csv", "station,start,end\nA,2020-05-01,2020-05-31\nA,2020-05-31 12:00:00,2020-06-30\n")
    source = open_source(pictures(tmp_path / "photos", "A/1.jpg"), deployments=stays)
    taken = [source.facts_of("A/1.jpg", Facts(datetime(2020, 5, 31, hour))).deployment for hour in (11, 13)]
    assert taken == ["A 2020-05-01", "A 2020-05-31"]


def test_one_stay_is_taken_even_if_the_clock_was_wrong_and_that_is_told(tmp_path):
    source = open_source(pictures(tmp_path / "photos", "South/1.jpg"), deployments=table(tmp_path / "stays.csv", STAYS))
    (media,) = source.media()
    assert (media.facts.deployment, media.facts.longitude) == ("South", -60.5)
    assert source.facts_of(media.image, media.facts.over(Facts(datetime(1970, 1, 1)))).deployment == "South"
    assert source.notes == ("pictures taken outside the time of their deployment (a wrong clock?): 1, the first South/1.jpg",)


def test_what_matches_no_deployment_is_counted(tmp_path):
    source = open_source(pictures(tmp_path / "photos", "East/1.jpg", "East/2.jpg", "SOUTH/3.jpg"), deployments=table(tmp_path / "s.csv", "site\nSouth\n"))
    assert deployed(source) == {"East/1.jpg": None, "East/2.jpg": None, "SOUTH/3.jpg": "South"}
    assert source.notes == ("pictures that match no deployment: 2, the first East/1.jpg",)


def test_days_of_camtrapr_tables_are_read_as_a_day_beyond_the_twelfth_shows(tmp_path):
    text = "Station,Setup_date,Retrieval_date\nA,02/04/2009,14/05/2009\n"
    assert read_deployments(table(tmp_path / "s.csv", text))[0].start == datetime(2009, 4, 2)


def test_station_and_camera_together_are_told_apart_in_the_path(tmp_path):
    stays = table(tmp_path / "s.csv", "station;camera;lat;lon;start\nA;C1;1,5;10;2020-01-01\nA;C2;2,5;20;2020-01-01\n")
    source = open_source(pictures(tmp_path / "photos", "x/A/C2/1.jpg", "x/A/C1/2.jpg"), deployments=stays)
    assert deployed(source) == {"x/A/C1/2.jpg": "A/C1 2020-01-01", "x/A/C2/1.jpg": "A/C2 2020-01-01"}
    assert [one.facts.latitude for one in source.media()] == [1.5, 2.5]


def test_the_number_of_a_camera_alone_is_no_name(tmp_path):
    stays = table(tmp_path / "s.csv", "station,camera\nA,1\n")
    source = open_source(pictures(tmp_path / "photos", "A/1/x.jpg", "B/1/x.jpg"), deployments=stays)
    assert deployed(source) == {"A/1/x.jpg": "A", "B/1/x.jpg": None}


def test_a_list_refers_to_its_deployments_by_their_column(tmp_path):
    listed = table(tmp_path / "list.csv", "image,deployment_id\nNorth/a.jpg,d2\nb.jpg,d1\n")
    stays = table(tmp_path / "stays.csv", "deploymentID,locationName,latitude,longitude\nd1,North,1,1\nd2,South,2,2\n")
    assert [one.facts.latitude for one in open_source(listed, deployments=stays).media()] == [2.0, 1.0]


def test_the_archive_counts_as_a_folder(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "South.zip", "w") as file:
        file.writestr("DCIM/1.jpg", b"1")
    assert deployed(open_source(tmp_path / "South.zip")) == {"South.zip!DCIM/1.jpg": "South.zip!DCIM"}
    assert deployed(open_source(tmp_path / "South.zip", deployments="folder:1")) == {"South.zip!DCIM/1.jpg": "DCIM"}
    assert deployed(open_source(tmp_path / "South.zip", deployments=table(tmp_path / "s.csv", "site\nSouth\n"))) == {"South.zip!DCIM/1.jpg": "South"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("Station\nA\nA\nB\n", None, id="the same row twice is one"),
        pytest.param("Station,lat,lon\nA,1,1\nA,2,2\n", "A stands in several rows that cannot be told apart", id="two places, one name, no times"),
        pytest.param("genus,species\nPica,pica\n", "no column names deployments. It has genus, species", id="no names"),
        pytest.param("Station,start\nA,05/06/2020\n", "A has the time 05/06/2020, which cannot be read, or in two ways", id="a time of two readings"),
        pytest.param("Station\n", "tells of no deployment", id="no rows"),
        pytest.param("", "no column names deployments. It has nothing", id="nothing"),
    ],
)
def test_tables_that_do_not_do_say_why(tmp_path, text, said):
    path = table(tmp_path / "stays.csv", text)
    if said is None:
        assert [one.name for one in read_deployments(path)] == ["A", "B"]
        return
    with pytest.raises(SourceError, match=said):
        read_deployments(path)


def test_a_camtrap_dp_package_tells_deployments_of_other_pictures(tmp_path, shared):
    package = shared / "bursts" / "camtrap-dp-example"
    assert [one.name for one in read_deployments(package)] == ["00a2c20d", "29b7d356", "577b543a", "62c200a9"]
    source = open_source(pictures(tmp_path, "00a2c20d/1.jpg", "x/B_DL_val 5_beek kleine vijver/2.jpg"), deployments=package / "datapackage.json")
    assert deployed(source) == {"00a2c20d/1.jpg": "00a2c20d", "x/B_DL_val 5_beek kleine vijver/2.jpg": "29b7d356"}
    assert len(source.deployments) == 4


def test_a_table_that_is_not_there_says_what_is_taken(tmp_path):
    with pytest.raises(SourceError, match="Give folder, folder:N, none, a CSV, or a Camtrap DP package"):
        open_source(tmp_path, deployments=tmp_path / "nowhere.csv")
