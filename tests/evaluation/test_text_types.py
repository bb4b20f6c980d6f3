from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bioclip_search.errors import TableError
from bioclip_search.evaluation.text_types import compare_text_types
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TEXT_TYPES, TextRecipe, describe
from tests.conftest import ColourEncoder, small_table
from tests.evaluation.test_few_shot import embedded_set

ROWS = small_table().to_pylist()


def pictures_of(text_type: str, rows=ROWS, encoder=None):
    """A picture of each taxon whose vector is that of its words as this type has them; an encoder knows words by heart only."""
    encoder = encoder or ColourEncoder()
    return embedded_set(encoder.encode_texts([describe(row, text_type) for row in rows]), rows)


@pytest.mark.parametrize("text_type", TEXT_TYPES)
def test_the_type_that_the_pictures_were_made_with_is_always_right_and_the_others_by_luck(text_type, tmp_path):
    figures = compare_text_types(ColourEncoder(), pictures_of(text_type), RANKS, recipe=TextRecipe("taxon_com", BARE_TEMPLATE), home=tmp_path)
    assert figures[f"{text_type}_top1"] == 1.0
    assert figures[f"{text_type}_species"] == figures[f"{text_type}_kingdom"] == 1.0
    assert all(figures[f"{other}_top1"] < 0.8 for other in TEXT_TYPES if other != text_type)
    assert (figures["n"], figures["candidates"], figures["common_names"]) == (9, 9, 1.0)


def test_the_gain_is_over_the_type_of_the_recipe_picture_by_picture(tmp_path):
    figures = compare_text_types(ColourEncoder(), pictures_of("sci"), RANKS, recipe=TextRecipe("taxon_com", BARE_TEMPLATE), types=("sci",), home=tmp_path)
    every = compare_text_types(ColourEncoder(), pictures_of("sci"), RANKS, recipe=TextRecipe("taxon_com", BARE_TEMPLATE), home=tmp_path)
    assert figures["sci_gain"] == pytest.approx(1 - every["taxon_com_top1"], abs=1e-3)
    assert every["taxon_com_gain"] == every["taxon_com_gain_low"] == every["taxon_com_gain_high"] == 0
    assert "com_top1" not in figures


def test_distractors_are_chosen_among_and_labels_of_pictures_that_are_not_measured_too(tmp_path):
    some = pictures_of("sci", ROWS[:3])
    recipe = TextRecipe("sci", BARE_TEMPLATE)
    alone = compare_text_types(ColourEncoder(), some, RANKS, recipe=recipe, home=tmp_path)
    among = compare_text_types(ColourEncoder(), some, RANKS, recipe=recipe, distractors=small_table(), home=tmp_path)
    unmeasured = compare_text_types(ColourEncoder(), replace(some, labels=small_table()), RANKS, recipe=recipe, home=tmp_path)
    assert (alone["candidates"], among["candidates"], unmeasured["candidates"]) == (3, 9, 9)
    assert among["sci_top1"] == unmeasured["sci_top1"] == 1.0


def test_a_name_without_vernacular_name_is_called_by_its_scientific_name_and_that_is_told(tmp_path):
    rows = [row | {"common_name": None} if number % 3 == 0 else row for number, row in enumerate(ROWS)]
    figures = compare_text_types(ColourEncoder(), pictures_of("com", rows), RANKS, recipe=TextRecipe("com", BARE_TEMPLATE), home=tmp_path)
    assert figures["common_names"] == pytest.approx(6 / 9, abs=1e-4)
    assert figures["com_top1"] == 1.0


def test_pictures_without_a_label_are_left_out_and_one_class_can_only_be_right(tmp_path):
    rows = [ROWS[0], ROWS[0], dict.fromkeys(ROWS[0])]
    random = np.random.default_rng(0).standard_normal((3, ColourEncoder.dim))
    figures = compare_text_types(ColourEncoder(), embedded_set(random, rows), RANKS, recipe=TextRecipe("sci", BARE_TEMPLATE), home=tmp_path)
    assert (figures["n"], figures["candidates"], figures["com_top1"]) == (2, 1, 1.0)


def test_what_cannot_be_asked_is_told(tmp_path):
    recipe = TextRecipe("sci", BARE_TEMPLATE)
    with pytest.raises(TableError, match="its vectors have 4 numbers, those of colours 32"):
        compare_text_types(ColourEncoder(), embedded_set(np.eye(4)[:1], ROWS[:1]), RANKS, recipe=recipe, home=tmp_path)
    with pytest.raises(TableError, match="no picture is labelled"):
        compare_text_types(ColourEncoder(), embedded_set(np.ones((1, 32)), [{}]), RANKS, recipe=recipe, home=tmp_path)
    with pytest.raises(TableError, match="Unknown text type 'latin'"):
        compare_text_types(ColourEncoder(), pictures_of("sci"), RANKS, recipe=recipe, types=("latin",), home=tmp_path)
