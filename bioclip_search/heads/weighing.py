"""Finds how far a head is to be believed beside the text, on pictures that did not teach it.

Pure numpy; what w, b and the temperature do is told in `blending`, how pictures are kept back in `kept_back`.

1. The loss of a picture is -log P of the leaves of its class, by the head that was taught without it.
2. Pictures of classes that the head was taught say how far to believe it. They would let b grow without end, for all of them are of taught
   taxa; so the pictures are asked a second time, by heads that were not taught their class: then the class is one of all the others of
   the index. These count `STRANGERS` of the whole, as many as are taken to be met.
3. w/T and b/T with the least mean loss are found by Newton's method; the sum is convex in them where each class is one leaf. The temperature T of
   all logits stays as it was, for one that suits the pictures given would flatten what the text says of all others: with it a head of plants
   that the starter cannot name by text left it not one of its monkeys. Where nothing but the taught classes can be asked, 1/T is found too.
4. Of all w with which the loss is no more than one standard error above that, the smallest is taken (the rule of Breiman and others,
   "Classification and Regression Trees", 1984): where pictures are few, the text keeps the word. The error is that of the difference, over
   groups of pictures that belong together. Where that w is 0, b is 0 and T is as it was: the answers are those without a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bioclip_search.errors import TableError
from bioclip_search.heads.atoms import Atoms, atoms_of, joined
from bioclip_search.heads.blending import Blend, lifts
from bioclip_search.heads.reach import Reach

STRANGERS = 0.3
"""Share of pictures that are taken to show a taxon of the index that was not taught. It is a bargain: of 98 wild species that the starter never
saw, three pictures each, the text alone named .003 right, with .1 or .3 strangers .40 and .39; of the monkeys it knows .83 alone, then .31 and .52,
all by heads without a `gate`."""

MOST_PICTURES = 1000
"""Pictures after which the weights do not change any more."""

BLOCK_PICTURES = 32
STEPS, ENOUGH = 50, 1e-7
"""Newton's method ends after so many steps, or when one gains less than this of the mean loss."""

SHRINKAGE = np.array([3.0, 0.01, 0.01])
"""Weights of the squared distances of 1/T (in parts of what it was), w/T and b/T from those of the text alone, beside the summed losses: the
first as for the temperature of a calibration, the others only so that they are found where pictures do not tell."""

PARTS_OF_WEIGHT = np.arange(20) / 20
"""Of the best w, tried for rule 4."""


@dataclass(frozen=True)
class Weighed:
    """The blend, that with the least loss, and the mean losses of the text alone, of the blend and of the best one."""

    blend: Blend
    best: Blend
    loss_of_text: float
    loss: float
    least_loss: float


def weigh_head(
    cosines: Callable[[np.ndarray], np.ndarray],
    scores: np.ndarray,
    of: np.ndarray,
    reach: Reach,
    logit_scale: float,
    *,
    stranger_scores: np.ndarray | None = None,
    strangers: float = STRANGERS,
    groups: np.ndarray | None = None,
    temperature: float = 1.0,
    keeps_temperature: bool = True,
    is_cautious: bool = True,
    seed: int = 0,
) -> Weighed:
    """How far to believe a head.

    Args:
        cosines: From the numbers of some pictures, (b,), to their cosines with all leaves, (b, n) float32.
        scores: (n, k) what heads say that were not taught these pictures; NaN for classes that such a head lacks.
        of: (n,) int, the class of each picture.
        stranger_scores: (n, k) what heads say that were not taught the picture's class, which is NaN; b is 0 without them.
        groups: (n,) int, pictures that belong together; each for itself unless given.
        temperature: What the logits of the text are divided by so far.
        keeps_temperature: Leave it so; a temperature that suits the pictures given would flatten what the text says of all others.
        is_cautious: Rule 4; without it the blend is the best one.

    Raises:
        TableError: No picture can be asked: none is of a class of the tree that a head was taught without it.
    """
    groups = np.arange(len(of)) if groups is None else groups
    order = np.random.default_rng(seed).permutation(len(of))
    parts, shares, whose = [], [], []
    for told, share in ((scores, 1 - strangers if stranger_scores is not None else 1.0), (stranger_scores, strangers)):
        if told is not None and share > 0:
            part, rows = _asked(cosines, told, of, reach, logit_scale, order, is_stranger=told is stranger_scores)
            parts, shares, whose = [*parts, part], [*shares, np.full(len(rows), share / max(len(rows), 1))], [*whose, groups[rows]]
    weights = np.concatenate(shares)
    if not len(weights) or not len(parts[0]):
        raise TableError("No picture can be kept back: every class has one picture or none in the index. Give two pictures or more of some taxa.")
    weights /= weights.sum()
    problem = Problem(joined(parts), weights, np.array([1 / temperature, 0.0, 0.0]))
    free = np.array([not keeps_temperature, True, len(parts) > 1 and len(parts[1]) > 0])
    return _weighed(problem, np.concatenate(whose), free, is_cautious=is_cautious)


def _asked(
    cosines: Callable[[np.ndarray], np.ndarray], scores: np.ndarray, of: np.ndarray, reach: Reach, logit_scale: float, order: np.ndarray, *, is_stranger: bool
) -> tuple[Atoms, np.ndarray]:
    """The pictures that can be asked, some at most, in the order given."""
    own = scores[np.arange(len(of)), of]
    is_held = reach.intervals[of, 1] > reach.intervals[of, 0]
    can = is_held & (np.isnan(own) if is_stranger else ~np.isnan(own)) & ~np.isnan(scores).all(axis=1)
    rows = order[can[order]][:MOST_PICTURES]
    blocks = [rows[first : first + BLOCK_PICTURES] for first in range(0, len(rows), BLOCK_PICTURES)]
    parts = [atoms_of(cosines(block), reach.of(lifts(scores[block])), reach.leaves, reach.intervals[of[block]], logit_scale) for block in blocks]
    kept = np.concatenate([part.pictures for part in parts]) if parts else np.empty(0, bool)
    return joined(parts), rows[kept]


def _weighed(problem: Problem, groups: np.ndarray, free: np.ndarray, *, is_cautious: bool) -> Weighed:
    """Args: free: (3,) bool, which of 1/T, w/T and b/T may move."""
    atoms, weights, text = problem.atoms, problem.weights, problem.origin
    alone = float(weights @ atoms.losses(text))
    best = problem.least(np.eye(3)[:, free], text, base=text * ~free)
    if best[1] <= 0:  # the head misleads: it is not heard
        silent = blend_of(text, text)
        return Weighed(silent, silent, alone, alone, alone)
    losses = atoms.losses(best)
    chosen, of_chosen = best, losses
    for part in PARTS_OF_WEIGHT.tolist() if is_cautious else ():
        tried = problem.least(*_tied(part * best[1] / best[0], best, text, free)) if part else text
        of_tried = atoms.losses(tried)
        if weights @ (of_tried - losses) <= standard_error(of_tried - losses, weights, groups):
            chosen, of_chosen = tried, of_tried
            break
    return Weighed(blend_of(chosen, text), blend_of(best, text), alone, float(weights @ of_chosen), float(weights @ losses))


def _tied(weight: float, near: np.ndarray, text: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ways that the numbers may go while w is this, where to begin, and what stays."""
    with_weight = np.array([1.0, weight, 0.0])
    ways = [way for way, may in ((with_weight, free[0]), (np.array([0.0, 0.0, 1.0]), free[2])) if may]
    return np.stack(ways, axis=1) if ways else np.empty((3, 0)), near, np.zeros(3) if free[0] else text[0] * with_weight


def blend_of(numbers: np.ndarray, text: np.ndarray) -> Blend:
    """The blend that 1/T, w/T and b/T make; that of the text alone where w is not above 0."""
    if numbers[1] <= 0:
        return Blend(0.0, 0.0, float(1 / text[0]))
    per, weight, bias = numbers.tolist()
    return Blend(round(weight / per, 4), round(bias / per, 4), round(1 / per, 4))


def standard_error(values: np.ndarray, weights: np.ndarray, groups: np.ndarray) -> float:
    """Of the weighted mean of values, (n,), where those of a group come together; 0 for one group.

    With equal weights and each for itself it is the usual one: values 1, 2 and 3 lie 1 apart, so 1 / sqrt(3).

    >>> round(standard_error(np.array([1.0, 2.0, 3.0]), np.full(3, 1 / 3), np.arange(3)), 4)
    0.5774
    """
    _, number = np.unique(groups, return_inverse=True)
    count = int(number.max(initial=-1)) + 1
    if count < 2:
        return 0.0
    of_group = np.bincount(number, weights * (values - weights @ values), minlength=count)
    return float(np.sqrt((of_group**2).sum() * count / (count - 1)))


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be made small: the weighted loss, and the distance from the text alone."""

    atoms: Atoms
    weights: np.ndarray
    origin: np.ndarray

    @property
    def _pull(self) -> np.ndarray:
        return SHRINKAGE / np.array([self.origin[0] ** 2, 1.0, 1.0]) / len(self.atoms)

    def value(self, numbers: np.ndarray) -> float:
        return float(self.weights @ self.atoms.losses(numbers) + self._pull @ (numbers - self.origin) ** 2)

    def least(self, ways: np.ndarray, near: np.ndarray, base: np.ndarray | None = None) -> np.ndarray:
        """The numbers with the least value that can be reached along some ways, (3, f), from a base (nought); begins near some others."""
        base = np.zeros(3) if base is None else base
        if not ways.shape[1]:
            return base
        starts = [base + ways @ np.linalg.lstsq(ways, one - base, rcond=None)[0] for one in (near, self.origin)]
        now = starts[0] if starts[0][0] > 0 else starts[1]
        value = self.value(now)
        for _ in range(STEPS):
            slope, bend = self.atoms.slopes(now, self.weights)
            slope, bend = slope + 2 * self._pull * (now - self.origin), bend + np.diag(2 * self._pull)
            step = -ways @ np.linalg.solve(ways.T @ bend @ ways, ways.T @ slope)
            now, gain = self._along(now, step, value)
            value -= gain
            if gain < ENOUGH:
                break
        return now

    def _along(self, now: np.ndarray, step: np.ndarray, value: float) -> tuple[np.ndarray, float]:
        """The first of ever shorter steps that gains, and what it gains."""
        size = 1.0
        while size > ENOUGH:
            tried = now + size * step
            gain = value - self.value(tried) if tried[0] > 0 else 0.0
            if gain > 0:
                return tried, gain
            size /= 2
        return now, 0.0
