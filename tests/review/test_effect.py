"""What decisions would teach the index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.index import Index
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.review.decisions import ReviewDecision, append
from bioclip_search.review.effect import effect
from bioclip_search.searcher import Searcher
from tests.review.test_choosing import NINE
from tests.standards.runs import answer, crop, picture, small_run


@pytest.fixture
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


def reviewed(folder, taxonomy, encoder, count: int, **told):
    """A run whose crops look like one leaf each, as the encoder sees them; half of them were named a lion, and people said what they are."""
    (texts,) = zip(*TextRecipe(templates=BARE_TEMPLATE).texts(taxonomy.leaves.to_pylist()), strict=True)
    noise = np.random.default_rng(5).normal(0, 0.02, (count, encoder.dim))
    leaves = np.arange(count) % len(texts)
    vectors = encoder.encode_texts([texts[leaf] for leaf in leaves]) + noise
    chances = [0.95 if number % 2 else 0.5 for number in range(count)]
    crops = [replace(crop(0, probability=chance), embedding=vector.astype(np.float16)) for chance, vector in zip(chances, vectors, strict=True)]
    run = small_run(folder, [picture(f"{number}.jpg", one) for number, one in enumerate(crops)], dim=encoder.dim, rows_a_part=500, **told)
    taken = []
    for leaf, one in zip(leaves.tolist(), run.pictures(), strict=True):
        lineage = taxonomy.lineage(leaf)
        rank = list(lineage)[-1]
        taken.append(ReviewDecision(one.media_id, 0, "corrected", "Ana", NINE, lineage[rank], rank, lineage))
    append(run.folder, taken)
    return run


def test_enough_decisions_tell_what_a_calibration_would_spare(tmp_path, taxonomy, encoder, searcher):
    found = effect(reviewed(tmp_path / "run", taxonomy, encoder, 180), 0.8, lambda: searcher)
    assert (found.decided, found.spared, found.why) == (180, 90, "")
    assert 0 < found.right < 90  # a lion is one leaf of nine
    assert found.after.coverage == pytest.approx(1)
    assert found.after.right == found.after.answers
    assert found.run.crops == 180


def test_too_few_decisions_say_how_many_it_takes(tmp_path, taxonomy, encoder, searcher):
    found = effect(reviewed(tmp_path / "few", taxonomy, encoder, 9), 0.8, lambda: searcher)
    assert (found.after, found.decided) == (None, 9)
    assert "There are 9 labelled pictures to learn from" in found.why
    found = effect(reviewed(tmp_path / "some", taxonomy, encoder, 40), 0.95, lambda: searcher)
    assert "Calibrate on at least" in found.why


def test_before_anybody_decided_no_index_is_opened(tmp_path):
    run = small_run(tmp_path / "run", [picture("a.jpg", crop(0, answer=answer()))])
    found = effect(run, 0.9, lambda: pytest.fail("the index was opened"))
    assert (found.decided, found.spared, found.after) == (0, 0, None)
    assert "nobody decided on a taxon yet" in found.why


def test_another_encoder_teaches_nothing(tmp_path, taxonomy, encoder, searcher):
    run = reviewed(tmp_path / "run", taxonomy, encoder, 20, note={"settings": {"encoder": {"name": "other", "fingerprint": "other", "dim": 32}, "index": {}}})
    assert "no vectors of the encoder of the index" in effect(run, 0.9, lambda: searcher).why
