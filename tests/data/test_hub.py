"""Named data sets out of a folder in the layout of the hub; nothing is fetched."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.data.hub import labelled_set_of
from bioclip_search.data.manifest import read_manifest
from bioclip_search.errors import MissingExtraError, TableError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.picture_vectors import vectors_of
from tests.cli.test_cli import run
from tests.evaluation.test_labelled import png
from tests.evaluation.test_picture_vectors import CountingEncoder

pytest.importorskip("datasets")

MANIFEST = """
what = "cats"
hub = "{hub}"
split = "{split}"
licence = "CC0-1.0"
citation = "Cat et al."
[columns]
image = "image"
"""
LABELS = ["001.Snow_leopard", "002.Red_fox"]


def write_set(folder, columns='scientific_name = "sciName"', split="train", hub="cats", **further):
    """A data set of six pictures in two files, and its manifest; `further` columns of three texts stand in both."""
    (folder / "cats/data").mkdir(parents=True)
    features = {"image": {"_type": "Image"}, "sciName": {"dtype": "string", "_type": "Value"}, "label": {"names": LABELS, "_type": "ClassLabel"}}
    for number in range(2):
        rows = range(3 * number, 3 * number + 3)
        table = pa.table(
            {
                "image": pa.array([{"bytes": png(row), "path": f"{row}.png"} for row in rows]),
                "sciName": ["Panthera leo", "Vulpes vulpes", None],
                "label": [0, 1, None],
                **further,
            }
        )
        features |= {name: {"dtype": "string", "_type": "Value"} for name in further}
        kept = {name: told for name, told in features.items() if name in table.column_names}
        metadata = {"huggingface": json.dumps({"info": {"features": kept}})}
        parquet.write_table(table.replace_schema_metadata(metadata), folder / f"cats/data/train-0000{number}-of-00002.parquet")
    (folder / "felines.toml").write_text(MANIFEST.format(hub=hub, split=split) + columns + "\n", encoding="utf-8")
    return folder / "felines.toml"


def test_a_set_is_read_with_its_labels_and_its_pictures_come_as_they_are_asked_for(tmp_path):
    (found,) = find_sets([write_set(tmp_path, 'scientific_name = "sciName"\nsource_id = "sciName"')])
    assert (found.name, len(found), set(found.parts)) == ("felines", 6, {"test"})
    assert found.written.to_pylist() == ["Panthera leo", "Vulpes vulpes", None] * 2
    assert found.taxa["genus"].to_pylist() == ["Panthera", "Vulpes", None] * 2
    assert found.names[:3] == ("felines/Panthera leo", "felines/Vulpes vulpes", "felines/row 3")
    assert list(found.pictures(np.array([False, True, False, False, True, False]))) == [png(1), png(4)]
    assert list(found.pictures(np.zeros(6, bool))) == []
    assert found.notes == ("felines: CC0-1.0",)


def test_bursts_are_told_by_columns_that_the_manifest_need_not_name(tmp_path):
    """By the minute at one station: rows 1, 2, 4 and 5 are one burst, rows 3 and 6 another station's."""
    taken = {"location": ["A", "A", "B"], "datetime": ["2020-05-30 04:57:37", "2020-05-30 04:57:40", "2020-05-30 04:57:41"]}
    found = labelled_set_of(read_manifest(write_set(tmp_path, **taken)))
    assert [found.bursts[row] == found.bursts[0] for row in range(6)] == [True, True, False, True, True, False]
    assert found.bursts[2] == found.bursts[5]


def test_numbered_classes_get_their_names_as_a_person_writes_them(tmp_path):
    (found,) = find_sets([write_set(tmp_path, 'label = ["klass", "label"]')])
    assert found.written.to_pylist() == ["Snow leopard", "Red fox", None] * 2


def test_vectors_of_a_copy_are_kept_until_a_file_changes(tmp_path):
    manifest, encoder = write_set(tmp_path), CountingEncoder()
    for _ in range(2):
        (found,) = find_sets([manifest])
        assert len(vectors_of(encoder, found, np.ones(6, bool), home=tmp_path / "cache")) == 6
    assert encoder.shown == 6
    os.utime(next((tmp_path / "cats/data").glob("*.parquet")), ns=(1, 1))
    vectors_of(encoder, find_sets([manifest])[0], np.ones(6, bool), home=tmp_path / "cache")
    assert encoder.shown == 12


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # datasets leaves the table open
def test_a_folder_of_pictures_with_a_table_is_read_too(tmp_path):
    (tmp_path / "cats/test").mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"cats/test/{number}.png").write_bytes(png(number))
    (tmp_path / "cats/test/metadata.csv").write_text("file_name,sciName\n0.png,Felis catus\n1.png,Lynx lynx\n2.png,\n")
    (tmp_path / "felines.toml").write_text(MANIFEST.format(hub="cats", split="test") + 'species = "sciName"\n')
    (found,) = find_sets([tmp_path / "felines.toml"])
    assert found.taxa["species"].to_pylist() == ["Felis catus", "Lynx lynx", None]
    assert list(found.pictures(np.array([True, False, True]))) == [png(0), png(2)]
    gc.collect()


def test_columns_that_are_not_as_the_manifest_says_are_told(tmp_path):
    with pytest.raises(TableError, match=r"has the columns image, sciName, label, where its manifest tells image: image; species: binomial"):
        find_sets([write_set(tmp_path, 'species = "binomial"')])


def test_a_split_that_is_not_there_is_told_with_what_to_do(tmp_path):
    with pytest.raises(TableError, match=r"felines \(cats\) cannot be had: .*Bad split: test.*hf download cats"):
        labelled_set_of(read_manifest(write_set(tmp_path, split="test")))


def test_pictures_that_are_gone_when_they_are_asked_for_are_told_with_what_to_do(tmp_path):
    found = labelled_set_of(read_manifest(write_set(tmp_path)))
    for file in (tmp_path / "cats/data").iterdir():
        file.unlink()
    with pytest.raises(TableError, match=r"felines \(cats\) cannot be had: .*hf download cats"):
        next(found.pictures(np.ones(6, bool)))


def test_pictures_of_other_sets_stand_before_named_ones(tmp_path):
    manifest = write_set(tmp_path)
    (tmp_path / "list.csv").write_text("path,species\na.png,Felis catus\n")
    assert [found.name for found in find_sets([manifest, tmp_path / "list.csv"])] == ["list", "felines"]


def test_without_datasets_the_line_that_installs_it_is_told(tmp_path, monkeypatch):
    manifest = write_set(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bioclip-search\[data\]'"):
        find_sets([manifest])


def test_offline_what_is_not_here_is_not_fetched_and_the_steps_by_hand_are_told(tmp_path):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "BIOCLIP_SEARCH_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "bioclip_search", "evaluate", "few-shot", "rare-species"]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, encoding="utf-8")
    assert told.returncode == 1
    assert "Error: The data set rare-species (imageomics/rare-species) cannot be had" in told.stderr
    assert "HF_HUB_OFFLINE is set, so nothing is fetched." in told.stderr
    assert "hf download imageomics/rare-species --repo-type dataset --local-dir rare-species" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_named_set_is_measured_like_any_other(tmp_path):
    manifest = write_set(tmp_path)
    record = json.loads(run("evaluate", "few-shot", manifest, "--shots", 1, "--no-probe", "--format", "jsonl").stdout)
    assert (record["set"], record["pictures"], record["simpleshot_1_classes"]) == ("felines", 4, 2)
