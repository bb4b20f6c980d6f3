from __future__ import annotations

from dataclasses import replace

from bioclip_search import places
from bioclip_search.calibration.record import record_of
from bioclip_search.catalogue import Catalogue
from bioclip_search.index import Index
from bioclip_search.portrait import LONGEST_WORDS, portrait


def test_the_small_index_is_told_as_it_is(small_index, taxonomy):
    index = Index(small_index)
    told = portrait(index, taxonomy, None, 0)
    assert (told.name, told.taxa, told.added, told.dim, told.vectors) == ("small", 9, 0, 32, "flat")
    assert dict(told.by_rank) == {"kingdom": 2, "phylum": 2, "class": 3, "order": 4, "family": 6, "genus": 7, "species": 8}
    assert told.size_mb > 0
    assert (told.fitted_on, told.promises) == (None, ())


def test_words_of_a_card_are_texts_of_a_bearable_length(small_index, taxonomy):
    index = Index(small_index)
    index.card = replace(index.card, about={"licence": "x" * 9999, "metrics": {"a": 1}, "note": " ", "limits": "birds"})
    assert portrait(index, taxonomy, None, 0).words == {"licence": "x" * LONGEST_WORDS, "limits": "birds"}


def test_the_starter_promises_less_names_the_more_of_them_shall_be_right():
    index = Index(places.shipped("index") / "starter")
    told = portrait(index, Catalogue(index).taxonomy, record_of(index), 1)
    assert {"licence", "description", "limits"} <= set(told.words)
    covered = [promise.coverage for promise in told.promises if promise.coverage is not None]
    assert covered
    assert all(0 < share <= 1 for share in covered)
    assert [promise.lowest for promise in told.promises if promise.lowest is not None] == sorted(
        (promise.lowest for promise in told.promises if promise.lowest is not None), reverse=True
    )
