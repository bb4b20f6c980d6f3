"""Named taxa against named labels; the numbers are those of the rules in `verdicts`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.evaluation.verdicts import RIGHT, UNDECIDED, WRONG, Lineages, is_at_label_rank, is_label, judge_answers, judge_at_rank
from bioclip_search.prompts import RANKS

LION = "Animalia Chordata Mammalia Carnivora Felidae Panthera Panthera_leo Lion"
LEOPARD = "Animalia Chordata Mammalia Carnivora Felidae Panthera Panthera_uncia Snow_leopard"
CATS = "Animalia Chordata Mammalia Carnivora Felidae - - Cats"
SNAIL = "Animalia Mollusca Gastropoda - - - - Snail"
SLUG = "Animalia Mollusca Gastropoda - - - - Slug"
GASTROPODA = "Animalia Mollusca Gastropoda - - - - -"
HELIX = "Animalia Mollusca Gastropoda Stylommatophora Helicidae Helix Helix_pomatia Roman_snail"
WHEATEAR = "Animalia Chordata Aves Passeriformes Muscicapidae Oenanthe - Wheatears"
DROPWORT = "Plantae Tracheophyta Magnoliopsida Apiales Apiaceae Oenanthe - Water-dropworts"
OENANTHE = "- - - - - Oenanthe - -"
NO_FAMILY = "Animalia Chordata Mammalia Carnivora - Panthera Panthera_leo -"


def lineages(*lines: str, numbers: dict[str, int]) -> Lineages:
    rows = [[None if word == "-" else word.replace("_", " ") for word in line.split()] for line in lines]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return Lineages.of(pa.table(columns, names=[*RANKS, "common_name"]), RANKS, numbers)


def pair(answer: str, truth: str) -> tuple[Lineages, Lineages]:
    numbers: dict[str, int] = {}
    return lineages(answer, numbers=numbers), lineages(truth, numbers=numbers)


@pytest.mark.parametrize(
    ("answer", "rank", "truth", "verdict"),
    [
        pytest.param(LION, "species", LION, RIGHT, id="rule 1: the species"),
        pytest.param(LEOPARD, "species", LION, WRONG, id="rule 1: another species"),
        pytest.param(LEOPARD, "genus", LION, RIGHT, id="rule 1: its genus"),
        pytest.param(WHEATEAR, "genus", DROPWORT, WRONG, id="rule 1: the bird is not the plant"),
        pytest.param(WHEATEAR, "genus", OENANTHE, RIGHT, id="rule 1: a label without a kingdom"),
        pytest.param(LION, "species", CATS, RIGHT, id="rule 2: a species within the label's family"),
        pytest.param(LION, "genus", CATS, RIGHT, id="rule 2: a genus within the label's family"),
        pytest.param(LION, "species", SNAIL, WRONG, id="rule 2: a species outside the label"),
        pytest.param(LION, "kingdom", SNAIL, RIGHT, id="rule 1: an ancestor of the label"),
        pytest.param(LION, "family", NO_FAMILY, UNDECIDED, id="rule 3: the label passes the rank over"),
    ],
)
def test_an_answer_is_judged_at_its_rank(answer, rank, truth, verdict):
    answers, truths = pair(answer, truth)
    assert judge_answers(answers, np.array([RANKS.index(rank)]), truths).tolist() == [verdict]


@pytest.mark.parametrize(
    ("answer", "truth", "same", "at_rank"),
    [
        pytest.param(SNAIL, SNAIL, True, True, id="the label"),
        pytest.param(SLUG, SNAIL, False, False, id="a slug is no snail"),
        pytest.param(GASTROPODA, SNAIL, True, True, id="a name that is missing contradicts nothing"),
        pytest.param(HELIX, SNAIL, False, True, id="within the label, not the label itself"),
        pytest.param(GASTROPODA, HELIX, False, False, id="above the label"),
        pytest.param(LION.replace("Lion", "African_lion"), LION, True, True, id="two names of one species are synonyms"),
        pytest.param(WHEATEAR, DROPWORT, False, False, id="the bird is not the plant"),
        pytest.param(NO_FAMILY, LION, True, True, id="a lineage that is filled in less is the same species"),
    ],
)
def test_the_label_itself_and_what_lies_within_it(answer, truth, same, at_rank):
    answers, truths = pair(answer, truth)
    assert is_label(answers, truths).tolist() == [same]
    assert is_at_label_rank(answers, truths).tolist() == [at_rank]


def test_at_one_rank_labels_that_stop_above_it_do_not_count():
    numbers: dict[str, int] = {}
    truths = lineages(LION, CATS, SNAIL, NO_FAMILY, numbers=numbers)
    answers = lineages(LEOPARD, LEOPARD, LEOPARD, LEOPARD, numbers=numbers)
    assert judge_at_rank(answers, truths, RANKS.index("genus")).tolist() == [RIGHT, UNDECIDED, UNDECIDED, RIGHT]
    assert judge_at_rank(answers, truths, RANKS.index("family")).tolist() == [RIGHT, RIGHT, UNDECIDED, UNDECIDED]


def test_nothing_is_judged_of_nothing():
    numbers: dict[str, int] = {}
    none = lineages(LION, numbers=numbers).take([])
    assert is_label(none, none).shape == judge_at_rank(none, none, 0).shape == (0,)
