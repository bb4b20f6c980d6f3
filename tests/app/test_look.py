from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="streamlit is not installed (extra `app`)")


@pytest.fixture
def look(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "app"))
    import look

    yield look
    sys.modules.pop("look", None)


@pytest.mark.parametrize(
    ("chance", "told"),
    [
        (1.0, "almost certain · >99 %"),
        (0.9901, "almost certain · >99 %"),
        (0.99, "very likely · 99 %"),
        (0.93, "very likely · 93 %"),
        (0.896, "very likely · 90 %"),
        (0.894, "likely · 89 %"),
        (0.66, "likely · 66 %"),
        (0.5, "as likely as not · 50 %"),
        (0.2, "unlikely · 20 %"),
        (0.05, "very unlikely · 5 %"),
        (0.0, "very unlikely · <1 %"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_a_chance_is_told_in_words_that_fit_its_number(look, chance, told):
    assert look.chance_in_words(chance).replace("\N{NO-BREAK SPACE}", " ") == told


def test_the_vernacular_name_comes_first_and_only_genera_and_below_are_slanted(look):
    assert look.named("Panthera uncia", "species", "snow leopard") == "Snow leopard · *Panthera uncia*"
    assert look.named("Felidae", "family", "cats") == "Cats · Felidae"
    assert look.named("Panthera", "genus") == "*Panthera*"
    assert look.named("Aves", "class", "aves") == "Aves"


def test_names_from_outside_stay_text(look):
    told = look.named("<script>alert(1)</script>", "species", "a *bold*\n# [name](javascript:x) :red[x]")
    assert told == r"A \*bold\* \# \[name\]\(javascript\:x\) \:red\[x\] · *\<script\>alert\(1\)\<\/script\>*"


def test_an_error_keeps_its_words_and_loses_its_markup(look):
    told = look.sentence("- x.jpg: <b>no</b> `picture` (0 bytes)\n# of $any$ kind, run bioclip-search doctor.")
    assert told == r"\- x.jpg\: \<b\>no\</b\> \`picture\` (0 bytes) \# of \$any\$ kind, run bioclip-search doctor."
