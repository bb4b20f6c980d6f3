from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.calibration.evidence import Evidence
from bioclip_search.calibration.judge import teach_judge
from bioclip_search.calibration.record import METADATA, CalibrationRecord, Origin, keep, record_of
from bioclip_search.errors import IndexDamagedError, IndexMismatchError, TableError
from bioclip_search.evaluation.verdicts import UNDECIDED
from bioclip_search.index import Index
from bioclip_search.repair import repair_index
from bioclip_search.searcher import Searcher
from tests.calibration.test_evidence import doubtful_species


def record_for(index: Index) -> CalibrationRecord:
    """Fifty pictures whose family and species alone were looked at."""
    card, toys = index.card, doubtful_species(50)
    probability, leaves, verdicts = (np.full((50, len(card.taxonomy.ranks)), nothing) for nothing in (0.0, 1, UNDECIDED))
    for depth, rank in enumerate(("family", "species")):
        place = card.taxonomy.ranks.index(rank)
        probability[:, place], leaves[:, place], verdicts[:, place] = toys.probability[:, depth], toys.leaves[:, depth], toys.verdicts[:, depth]
    evidence = Evidence(probability, leaves, verdicts, toys.best_score, toys.leaves_in_all)
    judge = teach_judge(evidence.probability, evidence.information, evidence.best_score, evidence.verdicts)
    origin = Origin(card.name, card.taxonomy.content_hash, card.encoder.fingerprint, card.taxonomy.ranks, "fifty toys")
    return CalibrationRecord(1.25, judge, evidence.judged(judge), origin)


def test_what_is_read_is_what_was_written(own_index, tmp_path):
    record = record_for(Index(own_index))
    record.write(tmp_path / "c.parquet")
    again = CalibrationRecord.read(tmp_path / "c.parquet")
    assert (again.temperature, again.origin, again.evidence.leaves_in_all) == (1.25, record.origin, 256)
    assert np.array_equal(again.evidence.verdicts, record.evidence.verdicts)
    assert np.array_equal(again.evidence.leaves, record.evidence.leaves)
    assert again.evidence.probability == pytest.approx(record.evidence.probability, abs=1e-6)
    assert again.evidence.chance == pytest.approx(record.evidence.chance, abs=1e-5)
    assert again.judge.weights.tolist() == record.judge.weights.tolist()
    assert again.rules(0.6).caution == record.rules(0.6).caution


def test_a_calibration_of_another_index_or_encoder_is_refused(own_index, encoder, tmp_path):
    index = Index(own_index)
    record = record_for(index)
    for name, words in (("taxonomy", "fitted on other taxa"), ("encoder", "fitted with the encoder")):
        foreign = replace(record, origin=replace(record.origin, **{name: "another+fp32"}))
        with pytest.raises(IndexMismatchError, match=words):
            keep(index, foreign)
        with pytest.raises(IndexMismatchError, match=words):
            Searcher(index, encoder, calibration=foreign)


def test_a_calibration_over_other_ranks_is_refused(own_index):
    index = Index(own_index)
    record = record_for(index)
    with pytest.raises(IndexMismatchError, match="fitted on other taxa"):
        keep(index, replace(record, origin=replace(record.origin, ranks=record.origin.ranks[::-1])))


def test_a_calibration_in_a_file_goes_before_that_of_the_index(own_index, encoder):
    index = keep(Index(own_index), record_for(Index(own_index)))
    sharper = replace(record_for(index), temperature=0.5)
    assert Searcher(index, encoder).temperature == 1.25
    assert Searcher(index, encoder, calibration=sharper).temperature == 0.5
    assert Searcher(index, encoder, calibration=sharper).calibration is sharper


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda table: table.drop_columns(["verdicts_species"]), id="a column is missing"),
        pytest.param(lambda table: table.replace_schema_metadata(None), id="it says nothing of itself"),
        pytest.param(lambda table: table.slice(0, 0), id="no pictures"),
        pytest.param(lambda table: retold(table, judge={"weights": [[1.0]], "mean": [0.0], "spread": [1.0]}), id="a judge of another tree"),
        pytest.param(lambda table: retold(table, temperature=0), id="no temperature"),
        pytest.param(lambda table: retold(table, temperature=1e-300), id="a temperature that overflows"),
        pytest.param(lambda table: retold(table, leaves_in_all=float("inf")), id="a tree without end"),
        pytest.param(lambda table: retold(table, judge=giant(table)), id="a judge of giant numbers"),
        pytest.param(lambda table: table.replace_schema_metadata({METADATA: "[" * 100_000}), id="deeply nested"),
        pytest.param(lambda table: table.replace_schema_metadata({METADATA: "[]"}), id="a list"),
        pytest.param(lambda table: put(table, "probability_species", pa.array([np.nan] * 50, pa.float32())), id="NaN"),
        pytest.param(lambda table: put(table, "leaves_species", pa.array([0] * 50, pa.int32())), id="a taxon without leaves"),
        pytest.param(lambda table: put(table, "verdicts_species", pa.array([7] * 50, pa.int8())), id="an unknown verdict"),
    ],
)
def test_a_spoilt_file_is_told(own_index, tmp_path, spoil):
    path = tmp_path / "c.parquet"
    record_for(Index(own_index)).write(path)
    table = parquet.read_table(path)
    parquet.write_table(spoil(table), path)
    with pytest.raises(TableError, match="is no calibration"):
        CalibrationRecord.read(path)


def retold(table: pa.Table, **changes: object) -> pa.Table:
    told = json.loads(table.schema.metadata[METADATA]) | changes
    return table.replace_schema_metadata({METADATA: json.dumps(told)})


def giant(table: pa.Table) -> dict:
    judge = json.loads(table.schema.metadata[METADATA])["judge"]
    return judge | {"weights": (np.ones_like(judge["weights"]) * 1e308).tolist()}


def put(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def test_no_file_and_no_parquet_are_told(tmp_path):
    with pytest.raises(TableError, match="no such file"):
        CalibrationRecord.read(tmp_path / "c.parquet")
    (tmp_path / "c.parquet").write_text("hello")
    with pytest.raises(TableError, match="is no calibration"):
        CalibrationRecord.read(tmp_path / "c.parquet")


def test_an_index_that_was_calibrated_anew_after_it_was_opened_says_so(own_index, encoder):
    keep(Index(own_index), record_for(Index(own_index)))
    searcher = Searcher(Index(own_index), encoder)
    keep(Index(own_index), record_for(Index(own_index)))
    with pytest.raises(IndexMismatchError, match="was calibrated anew after it was opened. Open it again"):
        searcher.identify([], target_accuracy=0.6)


def test_a_calibration_that_is_lost_is_left_out_by_a_repair(own_index, encoder):
    index = keep(Index(own_index), record_for(Index(own_index)))
    (own_index / index.card.calibration.evidence).unlink()
    (told,) = repair_index(own_index, encoder=encoder)
    assert told.startswith("calibration-1.parquet: is damaged, so no accuracy can be promised any more")
    mended = Index(own_index)
    assert record_of(mended) is None
    assert mended.card.calibration.temperature == 1.25
    assert record_of(keep(mended, record_for(mended))) is not None


def test_the_card_vouches_for_the_file(own_index):
    index = keep(Index(own_index), record_for(Index(own_index)))
    assert record_of(index).temperature == 1.25
    path = own_index / index.card.calibration.evidence
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IndexDamagedError):
        Index(own_index)
