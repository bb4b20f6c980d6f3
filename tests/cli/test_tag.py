"""What a person sees who tags a collection, with the starter and its detector."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage.data import chelsea

from bioclip_search.bursts.fusion import METHODS
from bioclip_search.cli import root
from bioclip_search.cli.tag import tag
from bioclip_search.errors import RunError, SourceError


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        found = CliRunner().invoke(root, [*words], standalone_mode=False)
        if found.exception is not None:
            raise found.exception
        return found

    return run


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos" / "spring"
    folder.mkdir(parents=True)
    Image.fromarray(chelsea()).save(folder / "cat.jpg")
    Image.new("RGB", (300, 200), (90, 120, 60)).save(folder / "grass.png")
    return tmp_path / "photos"


def test_a_folder_becomes_a_run_and_a_summary(run, photos):
    found = run("tag", "photos", "--out", "run")
    assert found.return_value == 0
    first, *_, last = found.stdout.splitlines()
    assert first.startswith("2 pictures: ")
    assert last == "Kept in run. Next: bioclip-search review run, or bioclip-search export run --to csv --out answers.csv"
    table = pd.read_parquet("run/rows")
    assert sorted(table["image"].unique()) == ["spring/cat.jpg", "spring/grass.png"]
    assert table["deployment"].unique().tolist() == ["spring"]


def test_without_a_detector_each_picture_is_one_crop_and_can_be_decided_anew_when_it_is_gone(run, photos):
    run("tag", "photos", "--out", "run", "--detector", "none")
    shutil.rmtree(photos)
    run("tag", "--from", "run", "--out", "plants", "--within", "Plantae", "--rank", "kingdom")
    assert pd.read_parquet("plants/rows")["taxon"].tolist() == ["Plantae", "Plantae"]
    note = json.loads(Path("plants/run.json").read_text(encoding="utf-8"))
    assert note["settings"]["question"] == {"rank": "kingdom", "top": 5, "within": "Plantae"}


def test_a_broken_picture_is_told_and_the_end_is_an_error(run, photos):
    (photos / "broken.jpg").write_bytes(b"no picture")
    found = run("tag", "photos", "--out", "run", "--detector", "none")
    assert found.return_value == 1
    assert "broken.jpg: is no picture of a known kind" in found.stderr
    assert "1 picture could not be read; all others were tagged." in found.stderr
    assert found.stdout.startswith("3 pictures: 2 organisms, 1 failed")


def test_a_run_is_not_overwritten_and_resume_adds_what_is_new(run, photos):
    run("tag", "photos", "--out", "run", "--detector", "none")
    with pytest.raises(RunError, match="holds a run already"):
        run("tag", "photos", "--out", "run", "--detector", "none")
    Image.new("RGB", (64, 64), (200, 120, 60)).save(photos / "new.png")
    assert run("tag", "photos", "--out", "run", "--detector", "none", "--resume").stdout.startswith("3 pictures: 3 organisms")


def test_what_is_unknown_in_a_checklist_is_told(run, photos, tmp_path):
    (tmp_path / "list.txt").write_text("Felis catus\nNonsense nonsense\n")
    found = run("tag", "photos", "--out", "run", "--detector", "none", "--checklist", "list.txt", "--rank", "species")
    assert "Note: Checklist: 'Nonsense nonsense' is not in this index.\n" in found.stderr
    assert pd.read_parquet("run/rows")["taxon"].tolist() == ["Felis catus", "Felis catus"]


def test_a_collection_that_is_not_there_is_an_error_before_anything_is_written(run, tmp_path):
    with pytest.raises(SourceError, match="nowhere"):
        run("tag", "nowhere", "--out", "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--out", "run"), id="nothing to tag"),
        pytest.param(("photos", "--from", "other", "--out", "run"), id="two things to tag"),
    ],
)
def test_either_a_collection_or_a_run_is_tagged(run, photos, words):
    with pytest.raises(RunError, match="Give either a collection of pictures or, by --from, an earlier run"):
        run("tag", *words)


def test_a_picture_that_failed_is_tried_again(run, photos):
    grass = photos / "spring" / "grass.png"
    whole = grass.read_bytes()
    grass.write_bytes(b"")
    assert run("tag", "photos", "--out", "run", "--detector", "none").return_value == 1
    grass.write_bytes(whole)
    found = run("tag", "photos", "--out", "run", "--detector", "none", "--retry-failed")
    assert (found.return_value, found.stdout.splitlines()[0]) == (0, "2 pictures: 2 organisms")


def test_options_that_say_nothing_without_pictures_are_told(run):
    with pytest.raises(click.UsageError, match=r"so these say nothing: --detector, --every\. Leave them out"):
        run("tag", "--from", "run", "--out", "other", "--detector", "none", "--every", "5")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("--every", "5", "--per-second", "1"), "not both", id="two choices of frames"),
        pytest.param(("--per-second", "nan"), "'nan' is no number", id="frames that are no number"),
        pytest.param(("--gap", "nan"), "'nan' is no number", id="a pause that is no number"),
        pytest.param(("--detector-confidence", "nan"), "'nan' is no number", id="a confidence that is no number"),
        pytest.param(("--decode-timeout", "inf"), "'inf' is no number", id="a time without an end"),
    ],
)
def test_what_cannot_be_meant_is_an_error_before_anything_is_written(run, photos, tmp_path, words, told):
    with pytest.raises((RunError, click.UsageError), match=told):
        run("tag", "photos", "--out", "run", *words)
    assert not (tmp_path / "run").exists()


def test_every_way_to_fuse_can_be_chosen():
    fusion = next(option for option in tag.params if option.name == "fusion")
    assert set(fusion.type.choices) == {*METHODS, "none"}


def test_where_nothing_is_found_it_is_said(run, photos):
    found = run("tag", "photos/*.tif", "--out", "run", "--detector", "none")
    assert "No picture was found in photos/*.tif. Check the path or the pattern." in found.stderr
