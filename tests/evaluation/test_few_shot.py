from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.few_shot import at_rank, classes_of, few_shot, simple_shot
from bioclip_search.evaluation.picture_vectors import EmbeddedSet
from bioclip_search.prompts import RANKS


def embedded_set(vectors, rows) -> EmbeddedSet:
    """Vectors brought to length one, and a row of ranks and common_name for each."""
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    taxa = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in (*RANKS, "common_name")})
    return EmbeddedSet("set", vectors, taxa, np.full(len(rows), "all", object), tuple(f"set/{row}" for row in range(len(rows))), taxa)


def clouds(classes: int, each: int, spread: float, seed: int = 0, dim: int = 16) -> EmbeddedSet:
    """Species of two genera, each a cloud around its own centre."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((classes, dim))
    vectors = np.repeat(centres, each, axis=0) + spread * random.standard_normal((classes * each, dim))
    rows = [{"kingdom": "Animalia", "genus": f"Genus{i % 2}", "species": f"Genus{i % 2} species{i}"} for i in range(classes) for _ in range(each)]
    return embedded_set(vectors, rows)


def by_hand(support, of, queries):
    """SimpleShot as BioCLIP writes it: distances of every query to every mean."""
    mean = support.mean(axis=0)

    def moved(rows):
        return (rows - mean) / np.linalg.norm(rows - mean, axis=1, keepdims=True)

    centres = np.stack([moved(support)[of == number].mean(axis=0) for number in range(of.max() + 1)])
    return np.linalg.norm(moved(queries)[:, None] - centres[None], axis=2).argmin(axis=1)


def test_simple_shot_worked_by_hand():
    # The mean of (1, 0) and (0, 1) is (.5, .5); moved and brought to length one they are (r, -r) and (-r, r), r = sqrt(.5).
    # (.8, .6) moves to (.3, .1), so lies on the side of the first; (.6, .8) on that of the second.
    support = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert simple_shot(support, np.array([0, 1]), np.array([[0.8, 0.6], [0.6, 0.8]])).tolist() == [0, 1]


@pytest.mark.parametrize("k", [1, 3])
def test_simple_shot_is_that_of_bioclip(k):
    random = np.random.default_rng(k)
    support, queries = random.standard_normal((7 * k, 12)), random.standard_normal((50, 12))
    of = np.repeat(np.arange(7), k)
    np.testing.assert_array_equal(simple_shot(support, of, queries), by_hand(support, of, queries))


def test_clouds_apart_are_told_apart_and_noise_is_not():
    apart = few_shot(clouds(6, 10, spread=0.05), RANKS).metrics
    assert apart["simpleshot_1"] == apart["simpleshot_5"] == 1.0
    assert (apart["simpleshot_1_classes"], apart["simpleshot_1_asked"], apart["simpleshot_5_asked"]) == (6, 54, 30)
    noise = few_shot(clouds(6, 10, spread=50), RANKS).metrics
    assert noise["simpleshot_5"] < 0.35  # a sixth is luck
    assert noise["simpleshot_5_low"] <= noise["simpleshot_5"] <= noise["simpleshot_5_high"]
    assert noise["simpleshot_5_draws_low"] <= noise["simpleshot_5"] <= noise["simpleshot_5_draws_high"]


def test_more_shots_help_and_the_genus_is_right_at_least_as_often_as_the_species():
    figures = few_shot(clouds(8, 12, spread=1.2, seed=3), RANKS).metrics
    assert figures["simpleshot_1"] < figures["simpleshot_5"] <= figures["simpleshot_5_genus"]
    assert figures["simpleshot_5_species"] == figures["simpleshot_5"]
    assert figures["simpleshot_5_kingdom"] == 1.0
    assert "simpleshot_5_family" not in figures  # no label names one


def test_the_figures_are_the_same_each_time_and_others_with_another_seed():
    found = clouds(5, 8, spread=1.5)
    assert few_shot(found, RANKS) == few_shot(found, RANKS)
    assert few_shot(found, RANKS).metrics != few_shot(found, RANKS, seed=1).metrics


def test_by_classes_each_counts_alike_however_many_of_its_pictures_are_asked():
    """One who always names the first of two classes is right for all 8 pictures of it that are asked and none of the 2 of the other: 8/10, and 1/2."""
    embedded = clouds(2, 9, 0.1)
    few = embedded.take(np.r_[np.arange(9), np.arange(9, 12)])
    found = few_shot(few, RANKS, shots=(1,), besides={"first": lambda taught, queries, classes: np.zeros(len(queries), int)}).metrics
    assert (found["first_1"], found["first_1_macro"]) == (0.8, 0.5)
    assert found["first_1_macro_low"] <= 0.5 <= found["first_1_macro_high"]


def test_a_single_draw_has_no_interval_over_draws():
    figures = few_shot(clouds(3, 4, spread=1), RANKS, shots=(1,), repeats=1).metrics
    assert "simpleshot_1_draws_low" not in figures
    assert "simpleshot_1_low" in figures


def test_classes_with_too_few_pictures_are_left_out_and_told():
    cats = [{"species": "Felis catus"}] * 3 + [{"species": "Lynx lynx"}] * 3 + [{"species": "Puma concolor"}] + [{}] * 2
    found = few_shot(embedded_set(np.random.default_rng(0).standard_normal((9, 4)), cats), RANKS, shots=(1, 5))
    assert found.too_few == {1: ("Puma concolor",), 5: ("Felis catus", "Lynx lynx", "Puma concolor")}
    assert found.metrics["simpleshot_1_asked"] == 4
    assert not any(name.startswith("simpleshot_5") for name in found.metrics)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        pytest.param([{"species": "Felis catus"}] * 4, {}, "1 classes with 4 pictures.*at least two classes of 2 pictures", id="one class"),
        pytest.param([{}] * 3, {}, "0 classes with 0 pictures", id="no labels"),
        pytest.param([{"species": f"Felis {name}"} for name in "abc"], {}, "3 classes with 3 pictures", id="one picture each"),
        pytest.param([{"species": "Felis catus"}] * 4, {"shots": (0,)}, "Shots and repeats are at least 1, not 0, 5", id="no shots"),
    ],
)
def test_what_cannot_be_asked_is_told(rows, options, message):
    with pytest.raises(TableError, match=message):
        few_shot(embedded_set(np.eye(len(rows)) + 0.1, rows), RANKS, **options)


def test_two_labels_at_one_higher_taxon_are_two_classes_and_vernacular_names_of_a_species_are_synonyms():
    rows = [
        {"class": "Gastropoda", "common_name": "Snail"},
        {"class": "Gastropoda", "common_name": "Slug"},
        {"species": "Felis catus", "common_name": "Cat"},
        {"species": "Felis catus", "common_name": "House cat"},
        {},
    ]
    classes = classes_of(embedded_set(np.eye(5), rows), RANKS)
    assert set(classes.names) == {"Gastropoda (Snail)", "Gastropoda (Slug)", "Felis catus"}
    assert classes.of[2] == classes.of[3]
    assert classes.of[0] != classes.of[1]
    assert classes.of[4] == -1
    assert sorted(classes.sizes.tolist()) == [1, 1, 2]


def test_pictures_that_are_all_alike_give_figures_without_a_warning():
    figures = few_shot(embedded_set(np.ones((6, 3)), [{"species": "Felis catus"}] * 3 + [{"species": "Lynx lynx"}] * 3), RANKS, shots=(1,)).metrics
    assert figures["simpleshot_1"] == 0.5  # all are called the first class


def test_a_picture_of_a_burst_that_taught_is_not_asked():
    """Noise in two bursts of three nearly equal pictures for each of twenty classes: only the burst that was taught can be told, by two of five."""
    random = np.random.default_rng(2)
    vectors = np.repeat(random.standard_normal((40, 16)), 3, axis=0) + 0.01 * random.standard_normal((120, 16))
    embedded = embedded_set(vectors, [{"species": f"Felis nr{row // 6}"} for row in range(120)])
    bursts = np.array([f"burst {row // 3}" for row in range(120)], object)
    known, unknown = few_shot(embedded, RANKS, shots=[1]).metrics, few_shot(replace(embedded, bursts=bursts), RANKS, shots=[1]).metrics
    assert known["simpleshot_1"] >= 0.4
    assert unknown["simpleshot_1"] < 0.15  # 0.05 is luck
    assert (known["simpleshot_1_asked"], unknown["simpleshot_1_asked"]) == (100, 60)


def test_a_class_of_one_burst_more_than_shots_is_asked_by_that_burst_alone():
    embedded = clouds(2, 6, spread=0.1)
    bursts = np.array([f"burst {row // 3}" for row in range(12)], object)  # two bursts a class
    found = few_shot(replace(embedded, bursts=bursts), RANKS, shots=[1, 2])
    assert found.metrics["simpleshot_1_asked"] == 6
    assert len(found.too_few[2]) == 2
    assert "simpleshot_2" not in found.metrics


def test_at_a_rank_the_taxa_of_that_rank_are_the_classes():
    """Four species of two genera are two classes; nothing below is left to tell them apart."""
    embedded = at_rank(clouds(4, 6, spread=0.1), RANKS, "genus")
    assert sorted(classes_of(embedded, RANKS).names) == ["Genus0", "Genus1"]
    assert classes_of(embedded, RANKS).sizes.tolist() == [12, 12]
    assert len(at_rank(clouds(4, 6, spread=0.1), RANKS, "species")) == 24


def test_a_rank_that_there_is_not_or_that_no_label_names_is_refused():
    with pytest.raises(TableError, match="There is no rank 'tribe'; there are kingdom"):
        at_rank(clouds(4, 6, spread=0.1), RANKS, "tribe")
    with pytest.raises(TableError, match="no label names a family"):
        at_rank(clouds(4, 6, spread=0.1), RANKS, "family")
