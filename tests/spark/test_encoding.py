"""Names and labelled pictures encoded by tasks of Spark: the same vectors, the same index, the same failures as on one machine."""

from __future__ import annotations

import hashlib
import json

import click
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv

from bioclip_search import places
from bioclip_search import text_vectors as module
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.errors import SparkError
from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.picture_vectors import vectors_of
from bioclip_search.prompts import TextRecipe
from bioclip_search.taxonomy import Taxonomy
from tests.cli.test_cli import run
from tests.conftest import small_table

pytestmark = pytest.mark.spark

SAME = 2e-6
"""Of a number of a unit vector: the workers' processes may use other threads than this one."""


@pytest.fixture
def small_blocks(monkeypatch):
    """Nine names become three blocks, and so three tasks."""
    monkeypatch.setattr(module, "SHARD_SENTENCES", 4)


def hashes(folder):
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_an_index_that_spark_built_is_the_one_that_this_machine_builds(spark, small_blocks, model_folder, tmp_path, monkeypatch):
    arrow_csv.write_csv(small_table(), tmp_path / "taxa.csv")
    built = []
    for engine in (("--engine", "spark"), ("--engine", "local")):
        monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / engine[1]))
        out = tmp_path / engine[1] / "named" / "tiny"
        told = run("index", "build", tmp_path / "taxa.csv", "--out", out, "--encoder", model_folder, "--device", "cpu", *engine)
        assert "9 names encoded" in told.stderr
        built.append(out)
    spark_made, local_made = built
    of_spark, of_local = hashes(spark_made), hashes(local_made)
    assert set(of_spark) == set(of_local)
    assert of_spark["taxa.parquet"] == of_local["taxa.parquet"]
    from bioclip_search.index import Index

    ours, theirs = (Index(folder).vectors.rows(0, 9) for folder in built)
    assert np.abs(ours - theirs).max() <= SAME
    assert json.loads((spark_made / "card.json").read_bytes())["encoder"] == json.loads((local_made / "card.json").read_bytes())["encoder"]
    assert sorted(path.name for path in spark_made.parent.iterdir()) == ["tiny"], "nothing is left of what was on its way"


def test_what_one_machine_has_encoded_is_not_encoded_again_on_spark_nor_the_other_way_round(spark, small_blocks, model_folder, tmp_path):
    from bioclip_search.spark.encoders import EncoderThere
    from bioclip_search.spark.texts import encoding_on

    encoder = open_encoder(model_folder, device="cpu")
    there = EncoderThere.of(model_folder, encoder, device="cpu")
    leaves = Taxonomy.from_table(small_table()).leaves
    recipe, lines = TextRecipe(), []
    module.TextVectors(encoder, recipe, tmp_path).of(leaves.slice(0, 4))
    mixed = module.TextVectors(encoder, recipe, tmp_path, encode=encoding_on(spark, there, tmp_path / "staging")).of(leaves, say=lines.append)
    assert lines[0] == "9 names, 5 of them to encode"
    again = module.TextVectors(encoder, recipe, tmp_path).of(leaves, say=lines.append)
    assert lines[-1] == "9 names, 0 of them to encode"
    assert np.array_equal(mixed[np.arange(9)], again[np.arange(9)])


def test_two_builds_of_one_name_do_not_meet_in_the_staging_folder_they_share(spark, model_folder, tmp_path):
    """One is begun, the other made from its beginning to its end, and the first goes on."""
    from bioclip_search.spark.encoders import EncoderThere
    from bioclip_search.spark.plan import folder_below
    from bioclip_search.spark.texts import encoding_on

    there = EncoderThere.of(model_folder, open_encoder(model_folder, device="cpu"), device="cpu")
    north, south = (encoding_on(spark, there, folder_below(tmp_path / "staging", tmp_path / place / "birds")) for place in ("north", "south"))
    names = [[["Felis catus"]], [["Lynx lynx"]]]
    first = north(names)
    begun = next(first)
    whole = list(south(names))
    assert [np.abs(one - other).max() <= SAME for one, other in zip([begun, *first], whole, strict=True)] == [True, True]
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_task_that_outlives_its_driver_writes_nothing_into_the_work_of_the_next(spark, model_folder, tmp_path):
    from bioclip_search.spark.encoders import EncoderThere
    from bioclip_search.spark.pieces import piece_path
    from bioclip_search.spark.texts import encoding_on, write_vectors

    encode = encoding_on(spark, EncoderThere.of(model_folder, open_encoder(model_folder, device="cpu"), device="cpu"), tmp_path / "staging")
    names = [[["Felis catus"]], [["Lynx lynx"]]]
    first = encode(names)
    whole = [next(first), next(first)]
    (plan,) = (tmp_path / "staging").rglob("plan.parquet")
    first.close()

    def blocks():
        yield names[0]
        if plan.parent.is_dir():  # of the driver that is gone, whose task ends only now
            write_vectors(np.zeros_like(whole[1]), piece_path(plan.parent, 1))
        yield names[1]

    assert [np.abs(one - other).max() <= SAME for one, other in zip(encode(blocks()), whole, strict=True)] == [True, True]


def test_pictures_are_seen_as_on_one_machine_and_broken_ones_are_told(spark, photos, model_folder, tmp_path):
    from bioclip_search.spark.encoders import EncoderThere
    from bioclip_search.spark.features import looking_on

    encoder = open_encoder(model_folder, device="cpu")
    files = sorted(photos.rglob("*.jpg"))
    boxes = ["0 0 40 40" if number % 10 == 0 else None for number in range(len(files))]
    table = pa.table({"path": [str(path) for path in files], "label": ["Felis catus"] * len(files), "box": pa.array(boxes, pa.string())})
    arrow_csv.write_csv(table, tmp_path / "cats.csv")
    (labelled,) = find_sets([tmp_path / "cats.csv"])
    wanted = np.arange(len(files)) % 7 != 0
    look = looking_on(spark, EncoderThere.of(model_folder, encoder, device="cpu"), tmp_path / "staging")
    there = vectors_of(encoder, labelled, wanted, home=tmp_path / "there", embed=look)
    here = vectors_of(encoder, labelled, wanted, home=tmp_path / "here")
    assert np.array_equal(there.rows, here.rows)
    assert there.failures == here.failures
    assert len(here.failures) == 2
    assert np.abs(there.vectors - here.vectors).max() <= SAME
    assert not (tmp_path / "staging").exists()
    kept = vectors_of(encoder, labelled, wanted, home=tmp_path / "there")
    assert np.array_equal(kept.vectors, there.vectors)


@pytest.mark.slow
def test_a_worker_with_another_encoder_stops(spark, model_folder, tmp_path):
    from bioclip_search.spark.encoders import EncoderThere
    from bioclip_search.spark.texts import encoding_on

    there = EncoderThere(str(model_folder), "another", device="cpu")
    with pytest.raises(SparkError, match=r"A worker has another encoder under the name .*not another"):
        next(encoding_on(spark, there, tmp_path / "staging")([[["Felis catus"]]]))


def test_settings_that_the_open_session_does_not_have_are_told(spark):
    from bioclip_search.spark.session import open_session, spark_session

    with pytest.raises(SparkError, match=r"open already, and was started without spark.executor.memory=9g \(it has none of its own\).*spark.stop"):
        open_session(conf={"spark.executor.memory": "9g"})
    asked = {"spark.default.parallelism": "3", "spark.ui.enabled": "False", "spark.sql.shuffle.partitions": 2}
    with pytest.raises(SparkError, match=r"without spark.default.parallelism=3 \(it has 2\)\. Settings"), spark_session(conf=asked):
        pass
    assert open_session(conf={**asked, "spark.default.parallelism": 2}) is spark


def test_options_of_spark_without_it_and_spark_without_work_are_refused(tmp_path):
    (tmp_path / "taxa.csv").write_text("kingdom,species\nAnimalia,Felis catus\n")
    with pytest.raises(click.UsageError, match="add --engine spark"):
        run("index", "build", tmp_path / "taxa.csv", "--out", tmp_path / "out", "--master", "local[2]")
    with pytest.raises(click.UsageError, match="no work for Spark"):
        run("index", "build", tmp_path / "taxa.csv", "--out", tmp_path / "out", "--engine", "spark", "--from-vectors", tmp_path / "a.npy")
