"""Evolves the recipe of a training: each try changes the settings of a good one before it a little; the best is told at the end.

A try itself is `train.learn`; each is written down in a journal before the next begins, so that a killed evolution goes on.

The method and the ranges are those of ultralytics' own tuner (ultralytics/engine/tuner.py; https://docs.ultralytics.com/guides/hyperparameter-tuning),
which starts a process for every try and draws anew in every run; here the try of a number is drawn from the seed and the tries before it:

1. The first try has the usual settings.
2. A parent is drawn from the best `PARENTS` tries, the better the likelier.
3. Each of its settings is changed with a chance of a half, by a normal draw of `SPREAD` of its range (times its gain), and kept in its range.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.errors import ModelError
from bioclip_search.train.yolo.settings import RECIPE

JOURNAL = "evolution.jsonl"

PARENTS = 9
SPREAD = 0.2

SPACE: dict[str, tuple[float, float]] = {
    **{"lr0": (1e-5, 1e-2), "lrf": (0.01, 1.0), "momentum": (0.7, 0.98), "weight_decay": (0.0, 0.001), "warmup_epochs": (0.0, 5.0)},
    **{"warmup_momentum": (0.0, 0.95), "box": (1.0, 20.0), "cls": (0.1, 4.0), "cls_pw": (0.0, 1.0), "dfl": (0.4, 12.0)},
    **{"hsv_h": (0.0, 0.1), "hsv_s": (0.0, 0.9), "hsv_v": (0.0, 0.9), "degrees": (0.0, 45.0), "translate": (0.0, 0.9), "scale": (0.0, 0.95)},
    **{"shear": (0.0, 10.0), "perspective": (0.0, 0.001), "flipud": (0.0, 1.0), "fliplr": (0.0, 1.0), "bgr": (0.0, 1.0), "mosaic": (0.0, 1.0)},
    **{"mixup": (0.0, 1.0), "cutmix": (0.0, 1.0), "close_mosaic": (0.0, 10.0)},
}
"""What is evolved, and from where to where; settings for outlines are left out, since boxes have none."""

GAINS = {"momentum": 0.3}
WHOLE = ("close_mosaic",)
DIGITS = 5

Try = dict[str, Any]


def evolve(
    n: int, usual: Mapping[str, float], run: Path, seed: int, key: str, attempt: Callable[[int, dict[str, float]], float], tell: Callable[[str], None]
) -> dict[str, float]:
    """The best recipe of n tries; of equal ones the first.

    Args:
        usual: The settings of the first try.
        run: The folder of the journal.
        key: What the tries depend on besides their recipe; a journal of another is refused.
        attempt: Given the number of a try, from 1, and its recipe, how good it became, in [0, 1].

    Raises:
        ModelError: The journal cannot be read, or belongs to other settings.
    """
    tries = read_tries(run / JOURNAL, key)
    if tries:
        tell(f"Goes on with the evolution: {len(tries)} of {n} tries are done.")
    while len(tries) < n:
        number = len(tries) + 1
        recipe = next_recipe(tries, usual, seed)
        fitness = attempt(number, recipe)
        tries.append({"key": key, "try": number, "fitness": round(float(fitness), DIGITS), "recipe": recipe})
        with (run / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(json.dumps(tries[-1]) + "\n")
        best = best_of(tries)
        tell(f"try {number} of {n}  mAP {tries[-1]['fitness']:.3f}  best so far {best['fitness']:.3f} (try {best['try']})")
    return dict(best_of(tries[:n])["recipe"])


def next_recipe(tries: Sequence[Try], usual: Mapping[str, float], seed: int) -> dict[str, float]:
    """The settings of the next try, by the rules above."""
    start = {name: float(usual[name]) for name in SPACE}
    if not tries:  # rule 1
        return start
    random = np.random.default_rng([seed, len(tries)])
    best = sorted(tries, key=lambda one: -one["fitness"])[:PARENTS]
    fitness = np.array([one["fitness"] for one in best])
    weights = fitness - fitness.min() + 1e-6
    parent = start | best[int(random.choice(len(best), p=weights / weights.sum()))]["recipe"]  # rule 2
    changed = random.random(len(SPACE)) < 0.5
    draws = random.standard_normal(len(SPACE)) * SPREAD
    return {  # rule 3
        name: _within(name, parent[name] + (high - low) * draw * GAINS.get(name, 1.0) if is_changed else parent[name])
        for (name, (low, high)), is_changed, draw in zip(SPACE.items(), changed, draws, strict=True)
    }


def best_of(tries: Sequence[Try]) -> Try:
    """The try with the best figure, of equal ones the first."""
    return max(tries, key=lambda one: (one["fitness"], -one["try"]))


def read_tries(path: Path, key: str) -> list[Try]:
    """The tries that are written down; a last line that a kill cut off is taken back from the file.

    Raises:
        ModelError: A line is none of ours, or of other settings.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
        path.write_text("".join(lines), encoding="utf-8")
    tries = []
    for number, line in enumerate(lines, start=1):
        try:
            one = json.loads(line)
            is_ours = (
                one["try"] == number
                and set(one["recipe"]) <= set(RECIPE)
                and all(isinstance(value, int | float) for value in (one["fitness"], *one["recipe"].values()))
            )
        except (ValueError, KeyError, TypeError):
            is_ours = False
        if not is_ours:
            raise ModelError(f"{path}, line {number}: is no try of an evolution. Begin anew with --overwrite.")
        if one["key"] != key:
            raise ModelError(f"{path} was made with other settings or pictures; restore them, or begin anew with --overwrite.")
        tries.append(one)
    return tries


def _within(name: str, value: float) -> float:
    low, high = SPACE[name]
    kept = min(max(round(value, DIGITS), low), high)
    return float(round(kept) if name in WHOLE else kept)
