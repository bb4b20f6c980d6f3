from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.candidates import OWN, Candidates, label_tree, leaves_of_labels
from bioclip_search.evaluation.picture_vectors import EmbeddedSet, labels_with_vectors
from bioclip_search.evaluation.prototype_ladder import LeftOut, prototype_ladder
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.prompts import RANKS
from tests.evaluation.test_few_shot import embedded_set


def taxon(family: int, genus: int, species: int) -> dict[str, str]:
    names = {"kingdom": "Animalia", "family": f"Family{family}", "genus": f"Genus{family}{genus}"}
    return names | {"species": f"{names['genus']} species{species}"}


def nested(spread: float, seed: int = 0):
    """Three families of three genera of three species; of the first species of each genus one picture, of the others four."""
    random = np.random.default_rng(seed)
    vectors, rows = [], []
    for family in range(3):
        of_family = random.standard_normal(24)
        for genus in range(3):
            of_genus = of_family + 0.6 * random.standard_normal(24)
            for species in range(3):
                of_species = of_genus + 0.5 * random.standard_normal(24)
                for _ in range(1 if species == 0 else 4):
                    vectors.append(of_species + spread * random.standard_normal(24))
                    rows.append(taxon(family, genus, species))
    return embedded_set(vectors, rows)


def left_out(embedded) -> LeftOut:
    tree = label_tree(embedded.taxa, RANKS)
    return LeftOut(embedded.vectors, leaves_of_labels(embedded.taxa, tree), tree)


def slowly(embedded, picture: int) -> tuple[np.ndarray, np.ndarray]:
    """What `LeftOut.cosines` gives for one picture, written down as the rules say it."""
    vectors, rows = embedded.vectors.astype(np.float64), embedded.taxa.to_pylist()
    moved = np.stack([vectors[i] - np.delete(vectors, i, axis=0).mean(axis=0) for i in range(len(vectors))])
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    leaves = label_tree(embedded.taxa, RANKS).leaves.to_pylist()

    def cosine(rank: str, name: str) -> float | None:
        others = [moved[i] for i, row in enumerate(rows) if row[rank] == name and i != picture]
        if not others:
            return None
        mean = np.mean(others, axis=0)
        return float(moved[picture] @ mean / np.linalg.norm(mean))

    own, above = [], []
    for leaf in leaves:
        lowest = [rank for rank in RANKS if leaf[rank]][-1]
        found = cosine(lowest, leaf[lowest])
        own.append(-np.inf if found is None else found)
        above.append(sum(cosine(rank, leaf[rank]) or 0.0 for rank in RANKS if leaf[rank] and rank != lowest))
    return np.array(own), np.array(above)


def test_the_cosines_are_those_of_prototypes_made_without_the_picture():
    embedded = nested(0.5)
    found = left_out(embedded)
    for picture in (0, 1, 5, 40, len(embedded) - 1):
        for fast, slow in zip(found.cosines(np.array([picture])), slowly(embedded, picture), strict=True):
            np.testing.assert_allclose(fast[0], slow, atol=1e-6)


def test_labels_above_species_are_leaves_with_prototypes_of_their_own():
    rows = [taxon(0, 0, 1)] * 2 + [{"kingdom": "Animalia", "family": "Family0"}] * 2 + [{"kingdom": "Animalia", "family": "Family1"}] * 2
    embedded = embedded_set(np.random.default_rng(1).standard_normal((6, 8)), rows)
    own, above = left_out(embedded).cosines(np.array([2]))
    slow_own, slow_above = slowly(embedded, 2)
    tree = label_tree(embedded.taxa, RANKS)
    at_family = [leaf for leaf in range(3) if tree.leaves["species"][leaf].as_py() is None]
    # Subtle: the leaf at Family0 has the pictures labelled so, not those of the species within it
    assert own[0, at_family[0]] == pytest.approx(left_out(embedded).vectors[2] @ left_out(embedded).vectors[3], abs=1e-6)
    np.testing.assert_allclose(above[0], slow_above, atol=1e-6)
    assert slow_own.shape == own[0].shape


def test_a_taxon_that_no_other_picture_is_of_is_no_possible_truth():
    embedded = nested(0.5)
    found = left_out(embedded)
    numbers: dict[str, int] = {}
    candidates = Candidates(OWN, found.taxonomy, Lineages.of(found.taxonomy.leaves, RANKS, numbers), lambda vectors: vectors)
    intervals = found.intervals(candidates, Lineages.of(embedded.taxa, RANKS, numbers))
    species, genus = RANKS.index("species"), RANKS.index("genus")
    single = found.pictures[found.leaves] == 1
    assert single.sum() == 9
    assert (intervals[single, species] == 0).all()
    assert (intervals[~single, species, 1] > 0).all()
    assert (intervals[:, genus, 1] > 0).all()


def test_of_a_species_with_one_picture_the_genus_is_found_and_never_the_species():
    figures = prototype_ladder(nested(0.1), RANKS).metrics
    assert (figures["n"], figures["leaves"]) == (81, 27)
    assert figures["family_right"] == figures["genus_right"] == 1.0
    assert figures["species_possible"] == pytest.approx(72 / 81, abs=1e-4)
    assert figures["species_right"] == figures["species_possible"]
    assert figures["genus_answered_95"] == 1.0
    assert figures["species_answered_80"] > figures["species_answered_95"] > 0.3  # the single ones must be the unsure ones
    assert not any(name.startswith(("order", "class", "phylum")) for name in figures)


def test_noise_is_told_as_noise():
    figures = prototype_ladder(nested(40), RANKS).metrics
    assert figures["family_right_low"] < 1 / 3 < figures["family_right_high"] + 0.15
    assert figures["genus_answered_95"] < 0.2


def test_the_numbers_are_fitted_on_the_other_half_and_the_same_each_time():
    one, two = prototype_ladder(nested(0.8), RANKS), prototype_ladder(nested(0.8), RANKS)
    assert one.metrics == two.metrics
    assert len(one.fits) == 2
    assert all(fit.above == 0 for fit in prototype_ladder(nested(0.8), RANKS, use_above=False).fits)


def test_curves_end_with_every_picture_answered_and_settings_promise_only_what_the_pictures_show():
    found = prototype_ladder(nested(0.3), RANKS)
    for rank in ("family", "genus", "species"):
        assert found.curves[rank][-1]["answered"] == 1.0
        assert found.curves[rank][-1]["accuracy"] == pytest.approx(found.metrics[f"{rank}_right"], abs=1e-4)
    assert found.settings[0.8].right >= 0.8 * found.settings[0.8].answers
    assert set(found.settings) == {0.8, 0.9, 0.95}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param([taxon(0, 0, 1)] * 3, "3 labelled pictures are too few", id="too few"),
        pytest.param([{}] * 6, "0 labelled pictures are too few", id="no labels"),
        pytest.param([{"species": f"Genus{i} species"} for i in range(5)], "no two pictures are of one taxon", id="all different"),
    ],
)
def test_what_cannot_be_measured_is_told(rows, message):
    with pytest.raises(TableError, match=message):
        prototype_ladder(embedded_set(np.random.default_rng(0).standard_normal((len(rows), 4)), rows), RANKS)


def test_pictures_without_a_label_are_left_out_and_one_class_is_always_right():
    rows = [taxon(0, 0, 1)] * 5 + [{}] * 2
    figures = prototype_ladder(embedded_set(np.random.default_rng(0).standard_normal((7, 4)), rows), RANKS).metrics
    assert figures["n"] == 5
    assert figures["species_right"] == 1.0


@pytest.mark.slow
def test_real_pictures_of_bioclip_2_are_answered_at_the_rank_that_is_left_to_them(shared):
    labels, vectors = labels_with_vectors(shared / "embeddings/bioclip2_images_1k.parquet", RANKS)
    found = prototype_ladder(EmbeddedSet(labels.name, vectors, labels.taxa, labels.parts, labels.names, labels.taxa), RANKS)
    assert found.metrics["n"] == 909  # 121 rows have no label
    assert found.metrics["species_right"] <= found.metrics["species_possible"] == pytest.approx(0.14, abs=0.01)  # nearly all species have one picture
    right = [found.metrics[f"{rank}_right"] for rank in RANKS]
    assert right == sorted(right, reverse=True)
    assert right[0] > 0.9
    assert found.settings[0.9].right >= 0.9 * found.settings[0.9].answers
    assert found.settings[0.9].coverage > 0.6
