"""An index with a head is calibrated by its own answers, and the calibration belongs to the two of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.calibration.fitting import calibrate
from bioclip_search.calibration.record import CalibrationRecord, keep, record_of
from bioclip_search.errors import IndexMismatchError
from bioclip_search.evaluation.verdicts import RIGHT, WRONG
from bioclip_search.heads.blending import Blend
from bioclip_search.heads.head import Head
from bioclip_search.heads.storing import attach_head
from bioclip_search.index import Index
from bioclip_search.searcher import Searcher


def headed(index: Index, out, taxonomy, blend: Blend) -> Index:
    """With a head that takes everything for a lion."""
    species = taxonomy.leaves["species"].to_pylist()
    lineages = [taxonomy.lineage(species.index(name)) for name in ("Panthera leo", "Felis catus")]
    arrays = {"mean": np.zeros(32), "weight": np.zeros((2, 32)), "bias": np.array([9.0, 0.0])}
    return attach_head(index, out, Head("logistic", {name: array.astype(np.float32) for name, array in arrays.items()}).named(lineages), blend)


def test_what_is_calibrated_are_the_answers_with_the_head(own_index, encoder, labelled, taxonomy, tmp_path):
    """Every picture is taken for a lion: right are those of lions alone, where the bare index is right of all but the leaf above species."""
    bare = calibrate(Searcher(Index(own_index), encoder), labelled)
    lions = calibrate(Searcher(headed(Index(own_index), tmp_path / "lions", taxonomy, Blend(5.0, 30.0)), encoder), labelled)
    assert (bare.evidence.verdicts[:, -1] == WRONG).mean() < 0.2
    assert (lions.evidence.verdicts[:, -1] == WRONG).mean() > 0.5
    assert (lions.evidence.verdicts[:, 0] == RIGHT).mean() > 0.5  # most of the others are animals, too


def test_the_calibration_of_an_index_with_a_head_is_kept_read_and_refused_elsewhere(own_index, encoder, labelled, taxonomy, tmp_path):
    index = headed(Index(own_index), tmp_path / "lions", taxonomy, Blend(0.5, 0.1))
    record = calibrate(Searcher(index, encoder), labelled)
    assert record.origin.head == index.card.head.mark
    kept = keep(index, record)
    assert record_of(kept).origin == record.origin
    assert Searcher(kept, encoder).identify(next(iter(labelled[0].pictures(np.arange(81) == 3))), target_accuracy=0.9)[0].rule.startswith("rule 5: ")
    record.write(tmp_path / "mine.parquet")
    read = CalibrationRecord.read(tmp_path / "mine.parquet")
    with pytest.raises(IndexMismatchError, match="fitted with the head .*, the index small has no head"):
        Searcher(Index(own_index), encoder, calibration=read)
    with pytest.raises(IndexMismatchError, match="fitted with no head"):
        keep(kept, replace(record, origin=replace(record.origin, head=None)))


def test_an_index_that_gets_a_head_promises_nothing_before_it_is_calibrated(own_index, encoder, labelled, taxonomy, tmp_path):
    promising = keep(Index(own_index), calibrate(Searcher(Index(own_index), encoder), labelled))
    assert record_of(promising) is not None
    index = headed(promising, tmp_path / "lions", taxonomy, Blend(0.5, 0.1))
    assert record_of(index) is None
    assert not list(index.folder.glob("calibration-*"))
