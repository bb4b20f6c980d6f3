from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.calibration.fitting import calibrate
from bioclip_search.calibration.record import keep, record_of
from bioclip_search.errors import NotCalibratedError, TableError
from bioclip_search.evaluation.verdicts import WRONG
from bioclip_search.fallback import Weighing
from bioclip_search.index import Index
from bioclip_search.searcher import Searcher


def test_an_index_is_calibrated_over_all_its_taxa(own_index, encoder, labelled):
    """All answers are right and sure, which no temperature changes; of 80 pictures 32 teach, and 48 show what may be promised; a copy does neither."""
    ticks: list[tuple[int, int]] = []
    record = calibrate(Searcher(Index(own_index), encoder), labelled, progress=lambda *told: ticks.append(told))
    assert ticks[-1] == (81, 81)
    assert record.temperature == pytest.approx(1, rel=0.05)
    assert len(record.evidence) == 48
    assert record.evidence.leaves_in_all == 9
    setting = record.evidence.setting(0.9)
    assert setting.right == setting.answers == 48
    with pytest.raises(NotCalibratedError, match="it might be promised"):  # 48 of 48 is not enough for 99 %
        record.evidence.setting(0.99)
    with pytest.raises(TableError, match="10 are the least"):
        calibrate(Searcher(Index(own_index), encoder), labelled, parts=["train"])


def test_an_index_answers_by_the_calibration_that_it_keeps(own_index, encoder, labelled):
    index = keep(Index(own_index), record := calibrate(Searcher(Index(own_index), encoder), labelled))
    searcher = Searcher(index, encoder)
    assert searcher.temperature == record.temperature == record_of(index).temperature
    (answer,) = searcher.identify(next(iter(labelled[0].pictures(np.arange(81) == 3))), target_accuracy=0.9)
    assert answer.rule.startswith("rule 5: ")
    assert answer.beyond_calibration == ()
    assert isinstance(searcher.ruling(target_accuracy=0.9)["rules"], Weighing)
    (within,) = searcher.identify(next(iter(labelled[0].pictures(np.arange(81) == 3))), target_accuracy=0.9, within=answer.lineage["kingdom"])
    assert "of which the filters leave" in within.beyond_calibration[0]
    assert answer.chance is not None
    assert within.chance is None  # the judge was not taught what is sure within a clade


def test_a_second_calibration_takes_the_place_of_the_first(own_index, encoder, labelled):
    record = calibrate(Searcher(Index(own_index), encoder), labelled)
    keep(keep(Index(own_index), record), record)
    assert [path.name for path in own_index.glob("calibration-*")] == ["calibration-2.parquet"]
    assert Index(own_index).card.calibration.evidence == "calibration-2.parquet"


def test_species_taken_out_meanwhile_are_never_answered_and_teach_caution(own_index, encoder, labelled):
    searcher = Searcher(Index(own_index), encoder)
    plain, wary = calibrate(searcher, labelled), calibrate(searcher, labelled, strangers=0.5)
    assert (wary.evidence.verdicts[:, -1] == WRONG).sum() > (plain.evidence.verdicts[:, -1] == WRONG).sum() + 10
    assert wary.evidence.chance[:, -1].mean() < plain.evidence.chance[:, -1].mean()
    assert "50% of the species taken out meanwhile" in wary.origin.fitted_on
    with pytest.raises(TableError, match="of which 5% cannot be taken out"):
        calibrate(searcher, labelled, strangers=0.05)
