from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bioclip_search.cli import root
from bioclip_search.index import Card
from bioclip_search.index.card import AddedNote, HeadNote, SpeedNote, change_card


@pytest.fixture
def copy(small_index, tmp_path):
    return shutil.copytree(small_index, tmp_path / "copy")


def told(*arguments: str) -> list[str]:
    return CliRunner().invoke(root, list(map(str, arguments)), catch_exceptions=False).stdout.splitlines()


def test_info_begins_with_what_a_person_wants_to_know(copy):
    assert told("index", "info", copy)[:3] == [
        "small: 9 taxa",
        "--speed makes no difference: every taxon is compared with the picture",
        "--target-accuracy: no accuracy can be promised before `bioclip-search calibrate`",
    ]


def test_info_tells_of_taxa_that_were_added_and_how_far_each_speed_is_from_exact(small_index):
    card = replace(
        Card.read(small_index), added=AddedNote("added-1", 2), speeds={"fast": SpeedNote("sketch-8", 128, 0.1, 1.0, 0.9731, 0.0123, 0.0625)}, files={}
    )
    from bioclip_search.cli.index.show import _in_words

    assert list(_in_words(card)) == [
        "small: 11 taxa, 2 of them added to those it was built with",
        "--speed fast: finds 97.3% of the ten nearest taxa, with probabilities up to 1.23% off; 6% of queries are searched exactly",
    ]


def test_info_tells_of_a_head_and_how_far_it_is_believed(small_index):
    from bioclip_search.cli.index.show import _in_words

    card = replace(Card.read(small_index), head=HeadNote("head-1.safetensors", "ridge", 12, "c0ffee", 0.7, -0.25, "sixty pictures"))
    assert "head: ridge, 12 taxa taught by pictures, weight 0.7 and bias -0.25 beside the text; weighed on sixty pictures" in list(_in_words(card))


def test_a_name_given_to_a_new_index_is_asked_for_again_when_it_is_taken(copy, tmp_path):
    change_card(copy, name="mine")
    result = CliRunner().invoke(root, ["index", "trim", str(copy), "--out", str(copy)])
    assert "exists already. Give another name" in str(result.exception)
