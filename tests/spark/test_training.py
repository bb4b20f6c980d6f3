"""`train classifier --engine spark` beside the same command on one machine: the same pictures, the same split, the same answers."""

from __future__ import annotations

import click
import numpy as np
import PIL.Image
import pytest
from pyarrow import csv as arrow_csv

from bioclip_search import places
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.heads.storing import head_of
from bioclip_search.index import Index
from tests.cli.test_cli import run
from tests.conftest import small_table

pytestmark = pytest.mark.spark

TOLERANCE = 0.05
"""Of a probability: where the strength is high, one machine stops before the end; see `test_classifying`."""

COLOURS = {"Panthera leo": (220, 160, 60), "Turdus merula": (30, 30, 40)}


def write_pictures(root, each=10):
    random = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for number in range(each):
            noisy = np.clip(np.array(colour) + random.normal(0, 60, (24, 24, 3)), 0, 255).astype(np.uint8)
            PIL.Image.fromarray(noisy).save(root / name / f"{number}.png")
    return root


@pytest.mark.slow
def test_the_same_classifier_is_learned(spark, model_folder, tmp_path, monkeypatch):
    arrow_csv.write_csv(small_table(), tmp_path / "taxa.csv")
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))
    run("index", "build", tmp_path / "taxa.csv", "--out", tmp_path / "tiny", "--encoder", model_folder, "--device", "cpu")
    pictures = write_pictures(tmp_path / "pictures")
    (pictures / "Turdus merula" / "0.png").write_bytes(b"no picture")
    heads, told = [], []
    for engine in ("spark", "local"):
        monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / engine))
        options = ("--head", "logistic", "--folds", 2, "--views", "none", "--device", "cpu", "--engine", engine)
        told.append(run("train", "classifier", pictures, "--index", tmp_path / "tiny", "--out", tmp_path / f"out-{engine}", *options))
        heads.append(head_of(Index(tmp_path / f"out-{engine}"))[0])
    assert told[0].stdout == told[1].stdout
    assert "0.png: left out" in told[0].stderr
    asked = open_encoder(model_folder, device="cpu").encode_images([PIL.Image.open(path) for path in sorted(pictures.rglob("[1-9].png"))])
    ours, theirs = (np.exp(head.scores(asked)) for head in heads)
    assert heads[0].taxa == heads[1].taxa
    assert np.array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
    assert np.abs(ours - theirs).max() <= TOLERANCE
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_options_of_spark_without_it_are_refused(tmp_path):
    with pytest.raises(click.UsageError, match="add --engine spark"):
        run("train", "classifier", tmp_path, "--out", tmp_path / "out", "--staging", tmp_path)
