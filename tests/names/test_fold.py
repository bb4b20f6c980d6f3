from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.names.fold import fold, fold_scientific, key, sound, word_endings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("PANTHERA leo", "Panthera Leo", id="case"),
        pytest.param("Ménétries", "Menetries", id="accents"),
        pytest.param("Cettia diphone", "Cettia  diphone ", id="white space"),
        pytest.param("Swainson’s Thrush", "Swainson's thrush", id="apostrophes"),
        pytest.param("water-dropwort", "water dropwort", id="a hyphen and a space"),
        pytest.param("Œnanthe", "Oenanthe", id="a ligature"),
        pytest.param("rød glente", "rod glente", id="a letter with a stroke"),
        pytest.param("Straße", "strasse", id="sharp s"),
        pytest.param("Чёрный дрозд", "черныи дрозд", id="Cyrillic"),
        pytest.param("ＡＢＣ", "abc", id="wide letters"),
    ],
)
def test_spellings_of_one_name_fold_alike(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [pytest.param("ハト", "バト", id="kana with another sound"), pytest.param("กา", "กิ", id="Thai vowels")])
def test_what_tells_words_apart_is_kept(one, other):
    assert fold(one) != fold(other)


@given(st.text())
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)
    assert fold_scientific(fold_scientific(text)) == fold_scientific(text)
    assert " " not in key(fold(text))


@given(st.text())
def test_every_text_has_a_sound(text):
    assert isinstance(sound(fold(text)), str)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("caeruleus", "coeruleus", id="ae and oe"),
        pytest.param("sylvestris", "silvestris", id="y and i"),
        pytest.param("philippinensis", "filipinensis", id="ph and f"),
        pytest.param("rhododendron", "rododendron", id="a silent h"),
    ],
)
def test_words_that_sound_alike_have_one_sound(one, other):
    assert sound(one) == sound(other)


@pytest.mark.parametrize(("one", "other"), [("alba", "album"), ("smithii", "smithi"), ("vulgaris", "vulgare"), ("niger", "nigra")])
def test_endings_of_epithets_are_passed_over_where_they_follow_the_genus(one, other):
    assert sound(f"aus {one}") == sound(f"aus {other}")


def test_the_ending_of_a_name_of_one_word_is_heard():
    assert sound("alba") != sound("album")


def test_only_scripts_without_spaces_have_words_within_words():
    assert word_endings("snow leopard") == ""
    assert word_endings("леопард") == ""
    assert word_endings("雪豹") == "豹"
