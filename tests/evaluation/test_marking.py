from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.evaluation.candidates import Candidates, label_tree
from bioclip_search.evaluation.curves import Sweep
from bioclip_search.evaluation.marking import Ruling, mark
from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG, Lineages
from bioclip_search.fallback import Climbing, Weighing
from bioclip_search.prompts import RANKS
from tests.conftest import small_table

SPECIES = [name or "" for name in small_table()["species"].to_pylist()]


def test_summed_probabilities_and_the_answer_worked_by_hand():
    """Leaves, in order: Felis catus .3, Panthera leo .25, Panthera uncia .2, Vulpes vulpes .25.

    Best match: the cat. Summed: Panthera .45 against Felis .3; Felidae .75. At a threshold of .7 the answer is Felidae.
    """
    table = small_table().filter(pa.array([name in {"Felis catus", "Panthera leo", "Panthera uncia", "Vulpes vulpes"} for name in SPECIES]))
    tree, numbers = label_tree(table, RANKS), {}
    assert tree.leaves["species"].to_pylist() == ["Vulpes vulpes", "Felis catus", "Panthera leo", "Panthera uncia"]
    candidates = Candidates("own", tree, Lineages.of(tree.leaves, RANKS, numbers), lambda vectors: vectors)
    scores = np.log(np.array([[0.25, 0.3, 0.25, 0.2]] * 3, np.float32))
    wanted = [SPECIES.index("Panthera leo"), SPECIES.index("Felis catus"), SPECIES.index("Vulpes vulpes")]
    truths = Lineages.of(small_table(), RANKS, numbers).take(wanted)
    marks = mark(scores, truths, candidates, Ruling(1.0, 1.0, Climbing(0.7), "a test"))
    family, genus, species = (RANKS.index(rank) for rank in ("family", "genus", "species"))
    assert marks.matches.top1.tolist() == [False, True, False]
    assert marks.matches.top5.tolist() == [True, True, True]
    assert marks.matches.verdicts[:, species].tolist() == [WRONG, RIGHT, WRONG]
    assert marks.calls.verdicts[:, genus].tolist() == [RIGHT, WRONG, WRONG]  # Panthera
    assert marks.calls.verdicts[:, family].tolist() == [RIGHT, RIGHT, WRONG]
    assert marks.depth.tolist() == [family] * 3
    assert marks.answer.tolist() == [RIGHT, RIGHT, WRONG]
    assert marks.probability.tolist() == pytest.approx([0.75] * 3)
    assert marks.information.tolist() == pytest.approx([1 - np.log2(3) / np.log2(4)] * 3)  # three of the four leaves are cats
    assert marks.height.tolist() == [0, 0, 3]  # the fox is of their order
    assert marks.matches.height.tolist() == [2, 0, 3]  # of the cat
    assert marks.chances[0, family:].tolist() == pytest.approx([0.75, 0.45, 0.3])
    # the cat below every threshold; the cat .3, Felis .3, Felidae .75, Carnivora 1 and so on: then the same again by the most probable of each rank
    assert marks.attempts.reach[0].tolist() == pytest.approx([1e-6, 0.3, 0.3, 0.75, 1, 1, 1, 1, 0.3, 0.45, 0.75, 1, 1, 1, 1])
    assert marks.attempts.verdicts[0, :5].tolist() == [WRONG, WRONG, WRONG, RIGHT, RIGHT]


def test_no_answer_is_neither_right_nor_wrong():
    tree, numbers = label_tree(small_table(), RANKS), {}
    candidates = Candidates("own", tree, Lineages.of(tree.leaves, RANKS, numbers), lambda vectors: vectors)
    truths = Lineages.of(small_table(), RANKS, numbers).take([0])
    marks = mark(np.zeros((1, 9), np.float32), truths, candidates, Ruling(1.0, 1.0, Climbing(0.99), "a test"))
    assert (marks.depth.tolist(), marks.answer.tolist(), marks.height.tolist(), marks.information.tolist()) == ([-1], [UNDECIDED], [-1], [0])


def test_scores_that_are_nan_are_refused():
    tree, numbers = label_tree(small_table(), RANKS), {}
    candidates = Candidates("own", tree, Lineages.of(tree.leaves, RANKS, numbers), lambda vectors: vectors)
    truths = Lineages.of(small_table(), RANKS, numbers).take([0])
    with pytest.raises(ValueError, match="hold NaN"):
        mark(np.array([[np.nan] + [0.1] * 8], np.float32), truths, candidates, Ruling(1.0, 1.0, Climbing(0.5), "a test"))


def test_weighing_chooses_among_the_most_probable_taxa_of_all_ranks_and_is_swept_by_its_caution():
    """The four leaves of above; of the ranks above family all are certain and tell nothing.

    Species cat .3 × 1, genus Panthera .45 × (1 - 1 / 2) = .225, family Felidae .75 × .2075 = .156: careless is the cat.
    At caution .9 they weigh .3, .45 × .95 = .4275, .75 × (.1 × .2075 + .9) = .6906 and every rank above 1 × .9: the lowest of these, the order.
    """
    table = small_table().filter(pa.array([name in {"Felis catus", "Panthera leo", "Panthera uncia", "Vulpes vulpes"} for name in SPECIES]))
    tree, numbers = label_tree(table, RANKS), {}
    candidates = Candidates("own", tree, Lineages.of(tree.leaves, RANKS, numbers), lambda vectors: vectors)
    truths = Lineages.of(small_table(), RANKS, numbers).take([SPECIES.index("Felis catus")])
    scores = np.log(np.array([[0.25, 0.3, 0.25, 0.2]], np.float32))
    bold = mark(scores.copy(), truths, candidates, Ruling(1.0, 1.0, Weighing(0.0, 0.9), "a test"))
    shy = mark(scores.copy(), truths, candidates, Ruling(1.0, 1.0, Weighing(0.9, 0.9), "a test"))
    assert (bold.depth.tolist(), bold.answer.tolist()) == ([RANKS.index("species")], [RIGHT])
    assert (shy.depth.tolist(), shy.answer.tolist(), shy.information.tolist()) == ([RANKS.index("order")], [RIGHT], [0.0])
    reach = bold.attempts.reach[0]
    assert reach[reach > 0].tolist() == sorted(reach[reach > 0].tolist())
    assert bold.attempts.depths[0][reach > 0][0] == RANKS.index("species")
    assert bold.attempts.reach.tolist() == shy.attempts.reach.tolist()


def test_every_curve_ends_at_the_most_probable_species_so_that_areas_span_the_same_coverage():
    """Most probable of all is the carrot family, a leaf above species; of the species the lion."""
    tree, numbers = label_tree(small_table(), RANKS), {}
    candidates = Candidates("own", tree, Lineages.of(tree.leaves, RANKS, numbers), lambda vectors: vectors)
    truths = Lineages.of(small_table(), RANKS, numbers).take([0, 8])
    chances = np.full(9, 0.1)
    chances[[row["species"] == "Panthera leo" for row in tree.leaves.to_pylist()]] = 0.14
    chances[[row["genus"] is None for row in tree.leaves.to_pylist()]] = 0.16
    scores = np.log(chances.astype(np.float32))
    for rules in (Climbing(0.9), Weighing(0.5, 0.9)):
        marks = mark(np.stack([scores, scores]), truths, candidates, Ruling(1.0, 1.0, rules, "a test"))
        points = Sweep(marks.attempts).points(np.ones((1, 2)))
        assert points.coverage[0, -1] == 1
        assert points.risk[0, -1] == 0.5  # the carrot is no lion
