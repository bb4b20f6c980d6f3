from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioclip_search import nearness, places
from bioclip_search.build import build_from_vectors
from bioclip_search.catalogue import Catalogue
from bioclip_search.index import Index
from bioclip_search.nearness import means_of, near_taxa
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.taxonomy import Taxonomy


def built(folder, encoder, families, vectors):
    """An index of a species a row, each of its family."""
    table = pa.table({"family": families, "species": [f"Genus s{number}" for number in range(len(families))]})
    full = np.zeros((len(families), encoder.dim), np.float32)
    full[:, : vectors.shape[1]] = vectors
    return Catalogue(build_from_vectors(folder, Taxonomy.from_table(table), full, encoder, recipe=TextRecipe(templates=BARE_TEMPLATE)))


def near(catalogue, name):
    return [(found.taxon.name, round(found.score, 5)) for found in near_taxa(catalogue, catalogue.names.the_one(name))]


def test_near_species_are_told_by_the_cosine_of_their_vectors(small_index):
    """Checked against all cosines, made one by one; the family that is a leaf is of no species."""
    small = Catalogue(Index(small_index))
    vectors = small.index.vectors.rows(0, 9)
    lion = small.names.the_one("Panthera leo")
    cosines = {small.taxonomy.lineage(leaf).get("species"): float(vectors[leaf] @ vectors[lion.start]) for leaf in range(9) if leaf != lion.start}
    cosines.pop(None)
    expected = sorted(cosines, key=cosines.get, reverse=True)
    found = near_taxa(small, lion)
    assert [one.taxon.name for one in found] == expected
    assert found[0].score == pytest.approx(cosines[expected[0]], abs=1e-6)


def test_near_families_are_told_by_their_means_without_what_all_have_in_common(tmp_path, encoder):
    """The vectors (1, 0), (0, 1), (0, 1), (-1, 0), (0, -1): their mean is (0, 0.2).

    Means without it: A (0.5, 0.5) - it = (0.5, 0.3), B (0, 0.8), C (-0.5, -0.7). A·B = 0.24, of lengths 0.58310 and 0.8: 0.51450;
    A·C = -0.46, of 0.58310 and 0.86023: -0.91707.
    """
    catalogue = built(tmp_path / "five", encoder, list("AABCC"), np.array([(1, 0), (0, 1), (0, 1), (-1, 0), (0, -1)], np.float32))
    assert near(catalogue, "A") == [("B", 0.5145), ("C", -0.91707)]


def test_silent_taxa_are_near_to_nothing_and_count_in_no_mean(tmp_path, encoder):
    vectors = np.array([(1, 0), (0, 0), (0, 1), (0, 0)], np.float32)
    catalogue = built(tmp_path / "four", encoder, list("AABC"), vectors)
    assert [name for name, _ in near(catalogue, "A")] == ["B"]
    assert near(catalogue, "C") == []
    means = means_of(catalogue, "family")
    assert means.voiced.tolist() == [1, 1, 0]
    assert means.length.tolist() == [1, 1, 0]


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=30),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 3, 8, 1 << 13]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_means_are_those_of_a_plain_loop_whatever_the_blocks(tmp_path_factory, encoder, monkeypatch, families, seed, block):
    monkeypatch.setattr(nearness, "BLOCK_LEAVES", block)
    families = [f"F{number}" for number in sorted(families)]
    vectors = np.random.default_rng(seed).standard_normal((len(families), 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    catalogue = built(tmp_path_factory.mktemp("index") / "some", encoder, families, vectors)
    means = means_of(catalogue, "family")
    if means.is_plain:
        return
    leaves = catalogue.taxonomy.leaves["family"].to_pylist()
    rows = catalogue.index.vectors.rows(0, len(leaves))
    expected = [rows[[name == family for name in leaves]].mean(axis=0) for family in sorted(set(leaves))]
    np.testing.assert_allclose(means.length, np.linalg.norm(expected, axis=1), atol=1e-5)
    np.testing.assert_allclose(means.toward, np.array(expected) @ rows.mean(axis=0), atol=1e-5)


def test_to_the_starter_cats_are_nearest_to_other_carnivores():
    catalogue = Catalogue(Index(places.shipped("index") / "starter"))
    assert {name for name, _ in near(catalogue, "Felidae")[:3]} == {"Mustelidae", "Canidae", "Procyonidae"}
