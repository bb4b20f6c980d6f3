from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bioclip_search.cli import root
from bioclip_search.cli.export import FORMATS
from bioclip_search.errors import ExportError
from bioclip_search.standards import FORMATS as KNOWN
from tests.standards.runs import crop, picture, small_run
from tests.standards.test_camtrap_dp import FACTS, NORTH, seen


def test_the_command_knows_the_formats_that_there_are():
    assert sorted(KNOWN) == sorted(FORMATS)


def test_a_run_is_written_and_what_was_left_out_told(tmp_path):
    small_run(tmp_path / "run", [picture("1.jpg", crop()), picture("2.jpg", crop(category="person"))])
    out = tmp_path / "out.json"
    told = CliRunner().invoke(root, ["export", str(tmp_path / "run"), "--to", "megadetector", "--out", str(out), "--without-people"], catch_exceptions=False)
    assert told.exit_code == 0
    assert told.stdout == ""
    assert "pictures 1, observations 1" in told.stderr
    assert "left out: 1 pictures with people" in told.stderr
    assert len(json.loads(out.read_text())["images"]) == 1


def test_facts_places_and_zone_come_from_the_command_line(tmp_path):
    small_run(tmp_path / "run", [seen("1.jpg", crop(), timestamp=NORTH.start.replace(tzinfo=None))])
    (tmp_path / "facts.json").write_text(json.dumps(FACTS))
    (tmp_path / "places.csv").write_text("deployment,latitude,longitude\nnorth,-1.5,35.25\n")
    line = ["export", str(tmp_path / "run"), "--to", "camtrap-dp", "--out", str(tmp_path / "out"), "--project", str(tmp_path / "facts.json")]
    line += ["--deployments", str(tmp_path / "places.csv"), "--timezone", "+03:00"]
    told = CliRunner().invoke(root, line, catch_exceptions=False)
    assert told.exit_code == 0
    assert "2024-02-01T00:00:00+03:00" in (tmp_path / "out" / "media.csv").read_text()


@pytest.mark.parametrize("zone", ["Mars/Olympus", "+25:00", ""])
def test_a_zone_that_there_is_not_is_wrong_usage(tmp_path, zone):
    told = CliRunner().invoke(root, ["export", str(tmp_path), "--to", "csv", "--out", "x", "--timezone", zone])
    assert told.exit_code == 2
    assert "is no time zone" in told.stderr


def test_what_the_standard_requires_is_an_error_of_ours(tmp_path):
    small_run(tmp_path / "run", [seen("1.jpg", crop())])
    with pytest.raises(ExportError, match="samplingDesign"):
        CliRunner().invoke(root, ["export", str(tmp_path / "run"), "--to", "camtrap-dp", "--out", str(tmp_path / "out")], catch_exceptions=False)
