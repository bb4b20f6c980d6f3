from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.evaluation.candidates import candidates_of_index, candidates_of_labels, label_tree
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.index import Index
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.searcher import Searcher
from bioclip_search.text_vectors import TextVectors
from tests.conftest import ColourEncoder, small_table

RECIPE = TextRecipe(templates=BARE_TEMPLATE)


def table(*lines: str) -> pa.Table:
    rows = [[None if word == "-" else word.replace("_", " ") for word in line.split()] for line in lines]
    return pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], names=[*RANKS, "common_name"])


SNAIL = "Animalia Mollusca Gastropoda - - - - Snail"
SLUG = "Animalia Mollusca Gastropoda - - - - Slug"
HELIX = "Animalia Mollusca Gastropoda - Helicidae Helix Helix_pomatia Roman_snail"


class CountingEncoder(ColourEncoder):
    """Remembers how many texts it was asked for; words with "silent" give a zero vector."""

    asked = 0

    def encode_texts(self, texts):
        self.asked += len(texts)
        return super().encode_texts(texts) * np.array([["silent" not in text] for text in texts])


def test_labels_at_one_higher_taxon_are_two_if_their_vernacular_names_differ():
    tree = label_tree(table(SNAIL, SLUG, SNAIL, HELIX), RANKS)
    assert tree.leaves["common_name"].to_pylist() == ["Slug", "Snail", "Roman snail"]
    assert [(level.rank, level.start.tolist(), level.stop.tolist()) for level in tree.levels if level.rank in {"class", "family"}] == [
        ("class", [0], [3]),
        ("family", [2], [3]),
    ]


def test_vernacular_names_of_one_species_are_one_label_and_the_first_lineage_stands():
    tree = label_tree(table(HELIX, HELIX.replace("Roman_snail", "Burgundy_snail"), HELIX.replace("Helicidae", "-")), RANKS)
    assert tree.leaves.to_pylist() == table(HELIX).to_pylist()


def test_the_same_binomial_in_two_kingdoms_is_two_labels_and_an_empty_row_none():
    plant = HELIX.replace("Animalia Mollusca Gastropoda", "Plantae - -")
    assert len(label_tree(table(HELIX, plant, "- - - - - - - Thing"), RANKS)) == 2


def test_a_list_holds_a_label_by_its_taxon_and_vernacular_name(tmp_path):
    numbers: dict[str, int] = {}
    texts = TextVectors(CountingEncoder(), RECIPE, tmp_path)
    candidates = candidates_of_labels("own", [table(SNAIL, HELIX)], texts, RANKS, numbers)
    asked = Lineages.of(table(SNAIL, SLUG, HELIX, HELIX.replace("Helix_pomatia", "Helix_lucorum")), RANKS, numbers)
    assert candidates.hold(asked).tolist() == [True, False, True, False]
    assert candidates.hold(asked.take([])).tolist() == []


def test_a_text_is_encoded_once_however_many_lists_it_stands_in(tmp_path):
    encoder = CountingEncoder()
    texts, numbers = TextVectors(encoder, RECIPE, tmp_path), {}
    one = candidates_of_labels("own", [table(SNAIL, HELIX)], texts, RANKS, numbers)
    two = candidates_of_labels("mixed", [table(SNAIL, HELIX), table(SLUG)], texts, RANKS, numbers)
    assert (encoder.asked, len(one), len(two)) == (3, 2, 3)
    query = encoder.encode_texts(["Animalia Mollusca Gastropoda with common name Snail"])
    assert one.scores(query)[0, 0] == pytest.approx(1)
    assert two.scores(query)[0, 1] == pytest.approx(1)  # after the slug


def test_a_text_without_a_vector_can_never_be_an_answer(tmp_path):
    candidates = candidates_of_labels("own", [table(SNAIL.replace("Snail", "silent"), HELIX)], TextVectors(CountingEncoder(), RECIPE, tmp_path), RANKS, {})
    assert np.isneginf(candidates.scores(np.ones((1, 32), np.float32))[0]).tolist() == [True, False]


def test_the_index_gives_the_same_list_as_its_own_table(small_index, encoder, tmp_path):
    numbers: dict[str, int] = {}
    of_index = candidates_of_index(Searcher(Index(small_index), encoder), numbers)
    of_table = candidates_of_labels("own", [small_table()], TextVectors(encoder, RECIPE, tmp_path), RANKS, numbers)
    queries = encoder.encode_texts(encoder.texts[:4])
    np.testing.assert_allclose(of_index.scores(queries), of_table.scores(queries), atol=1e-6)
    np.testing.assert_array_equal(of_index.lineages.codes, of_table.lineages.codes)


def test_the_leaves_of_a_labels_taxa_are_found_at_every_rank(tmp_path):
    numbers: dict[str, int] = {}
    plant = "Plantae - - - - Helix Helix_pomatia -"
    candidates = candidates_of_labels("own", [table(SNAIL, SLUG, HELIX, plant)], TextVectors(CountingEncoder(), RECIPE, tmp_path), RANKS, numbers)
    truths = Lineages.of(table(HELIX.replace("Helix_pomatia", "Helix_lucorum"), plant, SLUG), RANKS, numbers)
    found = candidates.intervals(truths).tolist()
    # leaves: slug 0, snail 1, the snail's Helix 2, the plant's 3; no phylum, class, order or family of the plant
    assert found[0] == [[0, 3], [0, 3], [0, 3], [0, 0], [2, 3], [2, 3], [0, 0]]
    assert found[1] == [[3, 4], [0, 0], [0, 0], [0, 0], [0, 0], [3, 4], [3, 4]]
    assert found[2] == [[0, 3], [0, 3], [0, 3], [0, 0], [0, 0], [0, 0], [0, 0]]
