"""A promise that was made without a place does not hold for one, and the answer says so."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.calibration.fitting import calibrate
from bioclip_search.calibration.record import keep
from bioclip_search.index import Index
from bioclip_search.results import WithoutPlace, remarks
from bioclip_search.searcher import Searcher


def test_records_of_a_place_lie_beyond_the_calibration(own_index, encoder, labelled, tmp_path):
    keep(Index(own_index), calibrate(Searcher(Index(own_index), encoder), labelled))
    searcher = Searcher(Index(own_index), encoder)
    (tmp_path / "seen.csv").write_text("species,country\nVulpes vulpes,NO\n")
    picture = next(iter(labelled[0].pictures(np.arange(81) == 3)))
    (answer,) = searcher.identify(picture, target_accuracy=0.9, occurrences=tmp_path / "seen.csv", country="NOR")
    assert answer.rule.startswith("rule 5: ")
    assert answer.beyond_calibration == ("fitted without a place, and here the records of NOR count",)
    assert remarks(answer)[-1] == "Beyond the calibration: fitted without a place, and here the records of NOR count"
    (tmp_path / "fence.json").write_text('{"aves;;;;": {"block": {"PER": []}}}')
    (unfenced,) = searcher.identify(picture, target_accuracy=0.9, geofence=tmp_path / "fence.json", country="NOR")
    (anywhere,) = searcher.identify(picture, target_accuracy=0.9)
    assert anywhere.beyond_calibration == ()
    assert unfenced.beyond_calibration == ()  # nothing is shut out there, so the promise holds
    assert (unfenced.taxon, unfenced.chance) == (anywhere.taxon, pytest.approx(anywhere.chance, abs=1e-5))
    assert answer.chance is None  # the judge was not taught what records of a place make sure
    assert anywhere.chance is not None
    assert answer.without_place == WithoutPlace(
        anywhere.taxon, anywhere.rank, pytest.approx(anywhere.probability, abs=1e-5), pytest.approx(anywhere.chance, abs=1e-5)
    )
