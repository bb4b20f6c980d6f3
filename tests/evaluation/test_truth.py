from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bioclip_search.errors import TableError
from bioclip_search.evaluation.truth import read_truth, set_of_run
from tests.evaluation.test_labelled import write_tree
from tests.names.conftest import names, store  # noqa: F401  a store over the nine leaves, with synonyms


def truth_of(path, *rows):
    path.write_text("image,taxon\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return read_truth(path)


def test_a_picture_is_found_as_it_is_written_then_by_its_file_then_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    truth = truth_of(tmp_path / "truth.csv", "photos/a.jpg,Lion", "b.jpg,Lion", "elsewhere/c.jpg,Lion", "x/d.jpg,Lion", "y/d.jpg,Lion")
    asked = ["b.jpg", "a.jpg", "/gone/c.jpg", "/gone/d.jpg", "a.jpg", "z.jpg"]
    assert truth.rows_of(asked).tolist() == [1, 0, 2, -1, 0, -1]  # two pictures are called d.jpg
    assert truth.unused(truth.rows_of(asked)) == ["x/d.jpg", "y/d.jpg"]


def test_two_pictures_of_one_name_in_the_run_are_not_told_apart_by_it(tmp_path):
    truth = truth_of(tmp_path / "truth.csv", "a.jpg,Lion")
    assert truth.rows_of(["one/a.jpg", "two/a.jpg"]).tolist() == [-1, -1]
    assert truth.rows_of(["one/a.jpg", "a.jpg"]).tolist() == [-1, 0]  # the row is taken
    assert truth.rows_of([]).tolist() == []


def test_cameras_that_count_alike_are_told_apart_by_their_folders(tmp_path):
    truth = truth_of(tmp_path / "truth.csv", "site1/IMG_1.JPG,Lion", "site2/IMG_1.JPG,Blackbird", "site3/IMG_1.JPG,Lion")
    assert truth.rows_of(["/card/site2/IMG_1.JPG", r"D:\card\site1\IMG_1.JPG", "/card/site4/IMG_1.JPG"]).tolist() == [1, 0, -1]
    assert truth.rows_of(["site1/IMG_1.JPG", "site2/IMG_1.JPG", "site4/IMG_1.JPG"]).tolist() == [0, 1, -1]  # what is left of either is not one


def test_a_name_written_on_windows_is_a_name(tmp_path):
    assert truth_of(tmp_path / "truth.csv", "a.jpg,Lion").rows_of(["C:\\photos\\a.jpg"]).tolist() == [0]


def test_a_picture_of_two_taxa_has_no_one_truth_and_that_is_told(tmp_path):
    truth = truth_of(tmp_path / "truth.csv", "a.jpg,Lion", "a.jpg,Lion", "b.jpg,Lion", "b.jpg,Blackbird")
    assert truth.images == ["a.jpg"]
    assert truth.notes == ("1 picture has more than one taxon, so no one truth: b.jpg",)


def test_a_folder_of_taxa_is_a_truth(tmp_path):
    root = write_tree(tmp_path / "photos", "Panthera leo/a.jpg", "Turdus merula/b.jpg")
    truth = read_truth(root)
    assert truth.rows_of([str(root / "Turdus merula/b.jpg"), "b.jpg", "a.jpg"]).tolist() == [1, -1, 0]


def test_the_labels_of_a_truth_are_looked_up_in_the_index(tmp_path, names):  # noqa: F811
    truth, report = truth_of(tmp_path / "truth.csv", "a.jpg,Felis leo", "b.jpg,quux").resolved(names)
    assert truth.labels["species"].to_pylist() == ["Panthera leo", None]
    assert report.to_dict()["unmatched"] == ["quux"]
    assert truth.rows_of(["b.jpg"]).tolist() == [1]


def test_a_truth_that_names_no_picture_is_refused(tmp_path):
    with pytest.raises(TableError, match="no row says which picture it is"):
        truth_of(tmp_path / "truth.csv", ",Lion")


def write_run(path: Path, *records: dict) -> Path:
    marks = {"rule": "rule 2", "probability": 1.0, "encoder": "e", "taxon": "Panthera leo"}
    path.write_text("".join(json.dumps(marks | record) + "\n" for record in records), encoding="utf-8")
    return path


def test_a_run_and_its_truth_are_labelled_crops(tmp_path, names):  # noqa: F811
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    run = write_run(
        tmp_path / "run.jsonl",
        {"image": str(tmp_path / "a.png"), "box_xyxy": [20, 10, 40, 30]},
        {"image": str(tmp_path / "a.png"), "box_xyxy": None},
        {"image": "stranger.png", "box_xyxy": None},
        {"image": "b.png", "error": "no such file"},
    )
    (tmp_path / "truth.csv").write_text("image,taxon,split\na.png,Lion,val\nb.png,Blackbird,\nc.png,Lion,\n")
    found = set_of_run(run, tmp_path / "truth.csv")
    assert found.written.to_pylist() == ["Lion", "Lion", "Blackbird"]
    assert found.parts.tolist() == ["val", "val", "all"]
    crop, whole, gone = found.pictures(np.ones(3, bool))
    assert (crop.size, whole, gone) == ((22, 22), tmp_path / "a.png", Path("b.png"))
    assert found.notes == ("run: 1 picture was answered but has no truth", "run: 1 picture has a truth but no answer: c.png")


def test_a_run_and_a_truth_of_other_pictures_are_refused(tmp_path):
    run = write_run(tmp_path / "run.jsonl", {"image": "x.png"})
    (tmp_path / "truth.csv").write_text("image,taxon\na.png,Lion\n")
    with pytest.raises(TableError, match=r"have no picture in common: x.png and a.png, for example"):
        set_of_run(run, tmp_path / "truth.csv")
