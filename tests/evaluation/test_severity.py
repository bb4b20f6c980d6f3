from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.evaluation.severity import heights_of
from bioclip_search.evaluation.verdicts import Lineages, judge_answers
from bioclip_search.prompts import RANKS
from tests.conftest import small_table

NAMES = [name or "Apiaceae" for name in small_table()["species"].to_pylist()]


def height(answer: str, truth: str, rank: str = "species") -> int:
    lineages = Lineages.of(small_table(), RANKS, {})
    answers, truths = lineages.take([NAMES.index(answer)]), lineages.take([NAMES.index(truth)])
    depths = np.array([RANKS.index(rank)])
    return int(heights_of(answers, depths, truths, judge_answers(answers, depths, truths))[0])


@pytest.mark.parametrize(
    ("answer", "rank", "truth", "expected"),
    [
        ("Panthera leo", "species", "Panthera leo", 0),
        ("Panthera uncia", "species", "Panthera leo", 1),  # the genus is right
        ("Felis catus", "species", "Panthera leo", 2),  # the family is
        ("Vulpes vulpes", "species", "Panthera leo", 3),  # the order is
        ("Turdus merula", "species", "Panthera leo", 5),  # the phylum is: the class of birds is another
        ("Oenanthe crocata", "species", "Oenanthe oenanthe", 7),  # a plant and a bird that share the name of their genus
        ("Felis catus", "genus", "Panthera leo", 2),  # an answer at genus, in the right family
        ("Felis catus", "family", "Panthera leo", 0),
        ("Cyprinus carpio", "species", "Panthera leo", 5),  # the fish has no class: it is passed over
        ("Oenanthe crocata", "species", "Apiaceae", 0),  # within the label
        ("Vulpes vulpes", "species", "Apiaceae", 7),
    ],
)
def test_the_height_of_a_mistake_is_that_of_the_lowest_taxon_shared(answer, rank, truth, expected):
    assert height(answer, truth, rank) == expected


def test_an_answer_that_the_label_cannot_decide_has_no_height():
    assert height("Turdus merula", "Cyprinus carpio", "class") == -1
