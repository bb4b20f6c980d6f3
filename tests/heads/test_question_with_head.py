"""An index with a head answers by both, the same as brute force over all leaves, whatever the filter and the speed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.build import build_from_vectors
from bioclip_search.catalogue import Catalogue
from bioclip_search.heads.blending import Blend
from bioclip_search.heads.fitting import fit_head
from bioclip_search.heads.storing import attach_head
from bioclip_search.index import Index, sketching
from bioclip_search.index.search import FEW_ROWS
from bioclip_search.question import Asked
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from tests.conftest import ColourEncoder, picture_of
from tests.heads.test_storing import BLEND, head_for

FAMILIES, IN_FAMILY, DIM = 250, 100, 32
"""25,000 leaves: more than are always scored at once."""


@pytest.fixture
def searcher(small_index, taxonomy, encoder, tmp_path) -> Searcher:
    return Searcher(attach_head(Index(small_index), tmp_path / "mine", head_for(taxonomy), BLEND), encoder)


def brute_force(searcher: Searcher, vectors: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """Rule 1 of `blending` by a loop: the probability of each of some leaves, (b, k) float64."""
    taught, scale = searcher.catalogue.taught, searcher.index.card.encoder.logit_scale
    texts, rows = searcher.index.rows_at(np.arange(searcher.index.card.count)), searcher.taxonomy.row_of_leaf
    found = []
    for vector, told in zip(vectors, taught.head.scores(vectors), strict=True):
        logits = scale * (texts[rows] @ vector).astype(np.float64)
        for (start, stop), log_p in zip(taught.reach.intervals.tolist(), told, strict=True):
            logits[start:stop] += taught.blend.weight * (log_p + np.log(len(told))) + taught.blend.bias
        mass = np.exp((logits[leaves] - logits[leaves].max()) / searcher.temperature)
        found.append(mass / mass.sum())
    return np.array(found)


def vectors_near(searcher: Searcher, count: int = 6, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, searcher.encoder.dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    "filters", [{}, {"within": "Animalia"}, {"exclude": "Panthera"}, {"checklist": ["Felidae", "Oenanthe crocata"]}, {"within": "Cyprinidae"}], ids=str
)
def test_probabilities_are_those_of_brute_force_under_every_filter(searcher, filters):
    question, vectors = searcher.question(**filters), vectors_near(searcher)
    kept = np.arange(9) if question.restriction.leaves is None else question.restriction.leaves.numbers
    for vector, expected in zip(vectors, brute_force(searcher, vectors, kept), strict=True):
        leaves, found = question.probabilities(vector)
        assert leaves.tolist() == kept.tolist()
        assert found == pytest.approx(expected, abs=1e-5)


def test_the_answer_within_a_clade_is_that_without_it_given_that_it_lies_there(searcher):
    vectors, kept = vectors_near(searcher), searcher.restrict(within="Animalia").leaves.numbers
    whole = brute_force(searcher, vectors, np.arange(9))[:, kept]
    assert brute_force(searcher, vectors, kept) == pytest.approx(whole / whole.sum(axis=1, keepdims=True))


def test_answers_of_vectors_and_of_scores_agree(searcher):
    vectors, question = vectors_near(searcher), searcher.question(rank="species")
    subjects = [Asked(str(number)) for number in range(len(vectors))]
    by_vectors = question.answers(vectors, subjects)
    by_scores = question.answers_of_scores(searcher.scores(vectors), subjects)
    assert [answer.taxon for answer in by_vectors] == [answer.taxon for answer in by_scores]
    assert [answer.probability for answer in by_vectors] == pytest.approx([answer.probability for answer in by_scores], abs=1e-5)


def test_identify_hears_the_head_without_another_word(small_index, taxonomy, encoder, tmp_path):
    """A head that is all for the lion, believed beyond measure, makes a lion of the cat."""
    head = head_for(taxonomy)
    sure = type(head)("logistic", {**head.arrays, "weight": head.arrays["weight"] * 0, "bias": np.array([9, 0, 0], np.float32)}, head.taxa)
    index = attach_head(Index(small_index), tmp_path / "lions", sure, Blend(5.0, 20.0))
    cat = taxonomy.leaves["species"].to_pylist().index("Felis catus")
    assert Searcher(Index(small_index), encoder).identify(picture_of(cat))[0].taxon == "Felis catus"
    assert Searcher.open(index.folder, encoder=encoder).identify(picture_of(cat))[0].taxon == "Panthera leo"
    assert Searcher.open(index.folder, encoder=encoder).identify(picture_of(cat), exclude="Panthera")[0].taxon == "Felis catus"


def test_a_head_without_weight_and_bias_answers_as_the_index_did_bit_for_bit(small_index, taxonomy, encoder, tmp_path):
    bare = Searcher(Index(small_index), encoder)
    silent = Searcher(attach_head(Index(small_index), tmp_path / "silent", head_for(taxonomy), Blend(0.0, 0.0)), encoder)
    vectors = vectors_near(bare)
    assert silent.scores(vectors).tobytes() == bare.scores(vectors).tobytes()
    for vector in vectors:
        assert silent.question().probabilities(vector)[1].tobytes() == bare.question().probabilities(vector)[1].tobytes()


def test_cosines_stay_cosines(searcher, small_index):
    vectors = vectors_near(searcher)
    assert searcher.catalogue.cosines(vectors).tobytes() == Catalogue(Index(small_index)).scores(vectors).tobytes()
    assert not np.array_equal(searcher.scores(vectors), searcher.catalogue.cosines(vectors))


class Far(ColourEncoder):
    logit_scale = 60.0


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Searcher:
    """25,000 leaves in families that lie together, with a sketch; the head was taught 40 species and two families."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(FAMILIES, DIM))
    vectors = (centres[:, None] + 0.5 * random.normal(size=(FAMILIES, IN_FAMILY, DIM))).reshape(-1, DIM)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = [(f"Familia{f:03}", f"Familia{f:03} s{s:03}") for f in range(FAMILIES) for s in range(IN_FAMILY)]
    table = pa.table({"family": [family for family, _ in names], "species": [species for _, species in names]})
    taxonomy, encoder = Taxonomy.from_table(table, ("family", "species")), Far()
    before = sketching.FROM_NUMBERS, sketching.DIRECTIONS
    sketching.FROM_NUMBERS, sketching.DIRECTIONS = 1, (4, 8, 16)  # so that few rows get a sketch too
    try:
        index = build_from_vectors(tmp_path_factory.mktemp("large") / "large", taxonomy, vectors, encoder)
    finally:
        sketching.FROM_NUMBERS, sketching.DIRECTIONS = before
    taught = random.choice(20_000, 40, replace=False)
    of = np.repeat(np.arange(42), 5)
    lineages = [taxonomy.lineage(int(leaf)) for leaf in taught] + [{"family": "Familia240"}, {"family": "Familia249"}]
    near = np.concatenate([vectors[taught], vectors[[24_000, 24_900]]])[of] + 0.2 * random.normal(size=(len(of), DIM))
    head = fit_head("prototypes", (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32), of, 42).named(lineages)
    return Searcher(attach_head(index, tmp_path_factory.mktemp("taught") / "taught", head, Blend(1.5, -1.0)), encoder)


@pytest.mark.parametrize("speed", ["exact", "balanced", "fast"])
def test_among_many_leaves_the_few_that_matter_tell_the_same_as_all(large, speed):
    """The head takes the best match by text back by 1.5 · log p - 1, so leaves that were far below it may come to the top."""
    assert len(large.taxonomy) > FEW_ROWS
    assert large.index.card.speeds
    large.speed = speed
    vectors = vectors_near(large, 12)
    vectors[:6] = large.index.rows_at(large.taxonomy.row_of_leaf[large.catalogue.taught.reach.intervals[:6, 0]])
    allowed = 2e-3 if speed == "exact" else 2e-2
    for vector, expected in zip(vectors, brute_force(large, vectors, np.arange(25_000)), strict=True):
        leaves, found = large.question().probabilities(vector)
        whole = np.zeros(25_000)
        whole[leaves] = found
        assert set(large.catalogue.taught.reach.leaves.tolist()) <= set(leaves.tolist())
        assert np.abs(whole - expected).max() < allowed
        families = whole.reshape(FAMILIES, -1).sum(axis=1), expected.reshape(FAMILIES, -1).sum(axis=1)
        assert np.abs(families[0] - families[1]).max() < allowed


def test_a_filter_within_taught_taxa_alone_leaves_nothing_else_to_search(large):
    large.speed = "auto"
    vectors = vectors_near(large, 3)
    question = large.question(within="Familia240")
    for vector, expected in zip(vectors, brute_force(large, vectors, np.arange(24_000, 24_100)), strict=True):
        leaves, found = question.probabilities(vector)
        assert leaves.tolist() == list(range(24_000, 24_100))
        assert found == pytest.approx(expected, abs=1e-5)


def test_where_very_many_leaves_were_taught_all_are_scored(large, tmp_path):
    """Every family a class: 25,000 taught leaves."""
    random = np.random.default_rng(1)
    head = fit_head("prototypes", large.index.rows_at(np.arange(0, 25_000, 50)), np.arange(500) // 2, 250).named(
        [{"family": f"Familia{f:03}"} for f in range(250)]
    )
    searcher = Searcher(attach_head(large.index, tmp_path / "all", head, Blend(0.5, 0.2)), large.encoder)
    vectors = random.normal(size=(2, DIM))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    for vector, expected in zip(vectors, brute_force(searcher, vectors, np.arange(25_000)), strict=True):
        assert searcher.question().probabilities(vector)[1] == pytest.approx(expected, abs=1e-4)
