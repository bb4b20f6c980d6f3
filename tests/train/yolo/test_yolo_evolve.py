"""The evolution of settings, without any training: drawn from seed and tries, kept in its ranges, and better where there is something to find."""

import json

import pytest

from bioclip_search.errors import ModelError
from bioclip_search.train.yolo.evolve import JOURNAL, SPACE, evolve, next_recipe
from bioclip_search.train.yolo.settings import RECIPE

USUAL = {name: (low + high) / 2 for name, (low, high) in SPACE.items()}


def nearness(number, recipe):
    """A landscape with its top at three quarters of every range."""
    away = [abs((recipe[name] - low) / (high - low) - 0.75) for name, (low, high) in SPACE.items()]
    return 1 - sum(away) / len(away)


def quiet(line):
    pass


def test_the_first_try_has_the_usual_settings_and_the_best_of_many_is_better(tmp_path):
    best = evolve(60, USUAL, tmp_path, 0, "k", nearness, quiet)
    tries = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
    assert tries[0]["recipe"] == USUAL
    assert tries[0]["fitness"] == 0.75  # a quarter away in every range
    assert nearness(0, best) > 0.80


def test_every_setting_stays_in_its_range_and_about_half_of_them_change():
    tries = [{"try": 1, "fitness": 0.5, "recipe": USUAL}]
    shares = []
    for seed in range(50):
        recipe = next_recipe(tries, USUAL, seed)
        assert all(low <= recipe[name] <= high for name, (low, high) in SPACE.items())
        assert recipe["close_mosaic"] == round(recipe["close_mosaic"])
        shares.append(sum(recipe[name] != USUAL[name] for name in SPACE) / len(SPACE))
    assert 0.4 < sum(shares) / len(shares) < 0.6
    assert set(SPACE) <= set(RECIPE)


def test_a_stopped_evolution_goes_on_with_the_draws_of_an_unbroken_one(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    whole = evolve(8, USUAL, tmp_path / "one", 7, "k", nearness, quiet)
    evolve(3, USUAL, tmp_path / "other", 7, "k", nearness, quiet)
    with (tmp_path / "other" / JOURNAL).open("a") as file:
        file.write('{"key": "k", "try": 4, "fit')  # the plug is pulled while it writes
    asked = []
    assert evolve(8, USUAL, tmp_path / "other", 7, "k", lambda n, recipe: asked.append(n) or nearness(n, recipe), quiet) == whole
    assert asked == [4, 5, 6, 7, 8]
    assert (tmp_path / "one" / JOURNAL).read_text() == (tmp_path / "other" / JOURNAL).read_text()


@pytest.mark.parametrize(
    "line", ["no json", '{"try": 1}', '{"key": "k", "try": 2, "fitness": 0.1, "recipe": {}}', '{"key": "k", "try": 1, "fitness": 0.1, "recipe": {"data": 1}}']
)
def test_a_journal_that_is_not_ours_is_refused(tmp_path, line):
    (tmp_path / JOURNAL).write_text(line + "\n")
    with pytest.raises(ModelError, match="line 1: is no try"):
        evolve(2, USUAL, tmp_path, 0, "k", nearness, quiet)


def test_a_journal_of_other_settings_is_refused(tmp_path):
    evolve(1, USUAL, tmp_path, 0, "k", nearness, quiet)
    with pytest.raises(ModelError, match="other settings"):
        evolve(2, USUAL, tmp_path, 0, "another", nearness, quiet)
