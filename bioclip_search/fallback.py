"""Chooses the rank at which an answer is sure enough, and says by which rule and why.

Pure numpy over the intervals of a tree; names and pictures are left to `searcher`, fitting numbers to `calibration`.

The rules, of those that are asked for the first match:

1. A rank was asked for: its most probable taxon, whatever the probability.
2. Climbing: from the most probable leaf upwards, the first taxon whose probability reaches the threshold
   (Goren et al., "Hierarchical Selective Classification", NeurIPS 2024, section 4).
3. The most probable leaf stands alone, outside of what is sure: the lowest taxon that reaches the threshold all the
   same. (One mushroom may beat every single bird, and yet "bird" be nearly certain.)
4. No answer: not even the most probable taxon of the highest rank reaches the threshold.
5. Weighing: of the most probable taxa of all ranks the one with the largest chance × ((1 - c) × information + c), where
   the chance of being right is the probability or what a judge makes of it, the information of a taxon says how much of
   the tree it rules out, and the caution c how much being right counts beside it (Deng et al., "Hedging Your Bets",
   CVPR 2012, there with c = lambda / (1 + lambda)). Of equal ones the lowest.
6. No answer: no taxon is worth c × target. Of all ways to answer, these two tell most for a share of right answers
   that reaches the target, if the chances hold: c is the price of that share, and silence costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from bioclip_search.intervals import Level
from bioclip_search.posterior import prefix_mass, roll_up

DEFAULT_THRESHOLD = 0.65
"""Probability that a taxon must reach, where no calibration says better: SpeciesNet's for its roll-up."""

BLOCK_TAXA = 256
"""Taxa of which only the highest is looked at first when runners-up are sought."""


@dataclass(frozen=True)
class Step:
    """A taxon, by the number of its rank (0 is the highest) and its own among the taxa of that rank."""

    depth: int
    number: int
    probability: float


@dataclass(frozen=True)
class Decision:
    """The chosen taxon (None: no answer), the rule that chose it and its words, the ladder through it and the runners-up.

    `chance` is that of being right, where a judge was asked; None without one or without an answer.
    """

    chosen: Step | None
    rule: int
    why: str
    ladder: tuple[Step, ...]
    rivals: tuple[Step, ...]
    chance: float | None = None


class Choice(NamedTuple):
    """What rules come to: the taxon, the number of the rule, its words, and the chance of being right if a judge was asked."""

    step: Step | None
    rule: int
    words: str
    chance: float | None = None


class Rules(Protocol):
    """A way to choose: one of `AtRank`, `Climbing` and `Weighing`."""

    def choose(self, row: Row, depths: Sequence[int]) -> Choice:
        """The choice for one picture; `depths` are the ranks that may be answered at, highest first."""


@dataclass(frozen=True)
class AtRank:
    """Rule 1: the most probable taxon of the rank with this number."""

    depth: int

    def choose(self, row: Row, depths: Sequence[int]) -> Choice:
        step = row.best(self.depth)
        return Choice(
            step, 1, f"the most probable {row.rank(self.depth)}, as asked" if step else f"no taxon in play has the rank asked for, {row.rank(self.depth)}"
        )


@dataclass(frozen=True)
class Climbing:
    """Rules 2 to 4: the lowest taxon that reaches the threshold, seen from the most probable leaf."""

    threshold: float = DEFAULT_THRESHOLD

    def choose(self, row: Row, depths: Sequence[int]) -> Choice:
        before = None
        for rule, step in row.attempts(depths):
            if step.probability >= self.threshold:
                return Choice(step, rule, self._words(row, rule, step, before))
            before = step
        return Choice(None, 4, f"no answer, for no taxon reached {self.threshold:.2f}")

    def _words(self, row: Row, rule: int, step: Step, before: Step | None) -> str:
        rank = row.rank(step.depth)
        if rule == 3:
            return f"{rank}, the lowest to reach {self.threshold:.2f}, though the best single match lies outside it"
        if before is None:
            return f"{rank}, for it reached {self.threshold:.2f}"
        return f"{rank}, for the {row.rank(before.depth)} of the best match did not reach {self.threshold:.2f}"


class Judge(Protocol):
    """Says how likely the most probable taxon of each rank is the right one; see `calibration.judge`."""

    def __call__(self, probability: np.ndarray, information: np.ndarray, best_score: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Weighing:
    """Rules 5 and 6: the most telling taxon for its risk.

    Attributes:
        caution: c of rule 5, from 0 (a guess costs nothing) to 1 (only being right counts).
        target: The share of answers that shall be right.
        judge: What the chance of each taxon is asked of; None takes the probability for it.
    """

    caution: float
    target: float
    judge: Judge | None = None

    def choose(self, row: Row, depths: Sequence[int]) -> Choice:
        steps, chances, weights = self._weighed(row)
        open_to = [depth for depth in depths if steps[depth]]
        if not open_to:
            return Choice(None, 6, "no answer, for no taxon in play has a rank that may be answered at")
        chosen = int(weigh(chances[open_to], weights[open_to], self.caution * self.target))
        if chosen < 0:
            return Choice(None, 6, f"no answer, for no {row.rank(open_to[0])} reached {self.caution * self.target / weights[open_to[0]]:.2f}")
        depth, below = open_to[chosen], open_to[chosen + 1 :]
        if below:
            needed = chances[depth] * weights[depth] / weights[below[0]]
            words = f"for no {row.rank(below[0])} reached {needed:.2f}" if needed <= 1 else f"for the most probable {row.rank(below[0])} would tell less"
        else:
            others = [chances[other] * weights[other] for other in open_to[:chosen]]
            words = f"for it reached {max(self.caution * self.target, *others, 0.0) / weights[depth]:.2f}"
        return Choice(steps[depth], 5, f"{row.rank(depth)}, {words}", float(chances[depth]) if self.judge else None)

    def _weighed(self, row: Row) -> tuple[list[Step | None], np.ndarray, np.ndarray]:
        """Of every rank the most probable taxon, its chance of being right, and what that chance weighs: (ranks,) each."""
        steps = [row.best(depth) for depth in range(len(row.masses))]
        probability = np.array([step.probability if step else 0.0 for step in steps])
        telling = np.array([row.information(step) if step else 1.0 for step in steps])
        chances = self.judge(probability[None], telling[None], np.array([row.best_score]))[0] if self.judge else probability
        return steps, chances, weights_of(telling, self.caution)


def weigh(chances: np.ndarray, weights: np.ndarray, least: float) -> np.ndarray:
    """Which taxon rule 5 takes: its place along the last axis, -1 where none is worth `least`.

    Of equal ones the lowest wins: a genus with one species here says no more than that species, and is no surer.

    Args:
        chances: (…, k) of being right, highest rank first; 0 where there is no taxon.
        weights: (…, k), as `weights_of` gives them.

    A species of .5 and its family of .9, which rules out half: at caution .5 they weigh .5 × 1 and .9 × .75.

    >>> chances, telling = np.array([0.9, 0.5]), np.array([0.5, 1.0])
    >>> [int(weigh(chances, weights_of(telling, caution), caution * 0.95)) for caution in (0.0, 0.5, 0.99)]
    [1, 0, -1]
    """
    worth = chances * weights
    best = worth.max(axis=-1, initial=0.0)
    lowest = worth.shape[-1] - 1 - worth[..., ::-1].argmax(axis=-1)
    return np.where((best > 0) & (best >= least), lowest, -1)


def weights_of(information: np.ndarray, caution: float) -> np.ndarray:
    """What the chance of a taxon counts in rule 5: between what it tells (caution 0) and 1 (caution 1)."""
    return (1 - caution) * information + caution


def information(leaves: np.ndarray | int, leaves_in_all: int) -> np.ndarray:
    """How much it tells that an organism is one of so many leaves: 1 for a single leaf, 0 for the whole tree (Deng et al. 2012).

    >>> information(np.array([1, 8, 64]), 64).tolist()
    [1.0, 0.5, 0.0]
    """
    return 1 - np.log2(leaves) / np.log2(max(leaves_in_all, 2))


def decide(
    probabilities: np.ndarray,
    levels: Sequence[Level],
    rules: Rules | None = None,
    *,
    depths: Sequence[int] | None = None,
    sizes: Sequence[np.ndarray] | None = None,
    leaves_in_all: int | None = None,
    best_score: float = 0.0,
    rivals: int = 5,
) -> Decision:
    """Applies the rules, by default `Climbing`, to one row of leaf probabilities, (n,) summing to one.

    Of equally probable taxa the first in depth-first order wins. Rivals are the next most probable taxa of the
    chosen rank, or of the lowest rank that may be answered at where there is no answer.

    Args:
        depths: The numbers of the ranks that may be answered at, highest first; by default all.
        sizes: Of each level how many leaves of the whole tree each taxon holds, where `levels` hold only some of them;
            `leaves_in_all` is then the size of that tree.
        best_score: The cosine with the best match, for a judge.
    """
    row = Row(probabilities, levels, sizes, leaves_in_all, best_score)
    depths = range(len(levels)) if depths is None else depths
    chosen, rule, words, chance = (rules or Climbing()).choose(row, depths)
    others = row.rivals(chosen, depths[-1] if len(depths) else len(levels) - 1, rivals)
    return Decision(chosen, rule, f"rule {rule}: {words}", row.ladder(chosen), others, chance)


def decide_among(leaves: np.ndarray, probabilities: np.ndarray, levels: Sequence[Level], rules: Rules | None = None, **ruling: Any) -> Decision:
    """`decide` where only some leaves have a probability to speak of: theirs, (k,), beside their numbers, (k,) ascending."""
    parts = [level.among(leaves) for level in levels]
    sizes = [(level.stop - level.start)[numbers] for level, (_, numbers) in zip(levels, parts, strict=True)]
    whole = int(max(level.stop[-1] for level in levels if len(level)))
    decision = decide(probabilities, [level for level, _ in parts], rules, sizes=sizes, leaves_in_all=whole, **ruling)

    def renumbered(step: Step) -> Step:
        return replace(step, number=int(parts[step.depth][1][step.number]))

    return replace(
        decision,
        chosen=renumbered(decision.chosen) if decision.chosen else None,
        ladder=tuple(map(renumbered, decision.ladder)),
        rivals=tuple(map(renumbered, decision.rivals)),
    )


class Row:
    """The probability of every taxon for one picture: what the rules look at.

    Attributes:
        masses: Of each level the probability of its taxa, (m,) float64.
        best_score: The cosine with the best match.
    """

    def __init__(
        self,
        probabilities: np.ndarray,
        levels: Sequence[Level],
        sizes: Sequence[np.ndarray] | None = None,
        leaves_in_all: int | None = None,
        best_score: float = 0.0,
    ):
        self.best_score = best_score
        prefix = prefix_mass(probabilities)
        self.masses = [roll_up(prefix, level.start, level.stop) for level in levels]
        self._levels, self._sizes = levels, sizes
        self._leaves_in_all = leaves_in_all or len(probabilities)
        self._leaf = int(np.argmax(probabilities))

    def rank(self, depth: int) -> str:
        return self._levels[depth].rank

    def best(self, depth: int) -> Step | None:
        """The most probable taxon of one rank, None where no leaf in play has that rank."""
        if not len(self.masses[depth]):
            return None
        step = self._step(depth, int(np.argmax(self.masses[depth])))
        return step if step.probability > 0 else None

    def information(self, step: Step) -> float:
        """How much the taxon tells, from 0 to 1."""
        return float(information(self.size(step), self._leaves_in_all))

    def size(self, step: Step) -> int:
        """How many leaves of the tree the taxon holds."""
        level = self._levels[step.depth]
        return int(level.stop[step.number] - level.start[step.number] if self._sizes is None else self._sizes[step.depth][step.number])

    def attempts(self, depths: Sequence[int]) -> Iterator[tuple[int, Step]]:
        """What rules 2 and 3 try, in order, each with its rule."""
        for depth in reversed(depths):
            number = self._levels[depth].holding(self._leaf)
            if number is not None:
                yield 2, self._step(depth, number)
        for depth in reversed(depths):
            if step := self.best(depth):
                yield 3, step

    def ladder(self, chosen: Step | None) -> tuple[Step, ...]:
        """The ancestors of the chosen taxon, itself, and below it the most probable descendant at each rank.

        Without an answer every rung is the most probable taxon of its rank.
        """
        steps = []
        for depth, (level, mass) in enumerate(zip(self._levels, self.masses, strict=True)):
            if chosen is None:
                first, last = 0, len(level)
            else:
                own = self._levels[chosen.depth]
                start, stop = own.start[chosen.number], own.stop[chosen.number]
                if depth <= chosen.depth:
                    number = level.holding(int(start))
                    first, last = (0, 0) if number is None else (number, number + 1)
                else:
                    first, last = np.searchsorted(level.start, (start, stop))
            if first < last:
                steps.append(self._step(depth, int(first + np.argmax(mass[first:last]))))
        return tuple(steps)

    def rivals(self, chosen: Step | None, depth: int, count: int) -> tuple[Step, ...]:
        """The next most probable taxa of the chosen rank; of the rank with this number where there is no answer."""
        depth = chosen.depth if chosen else depth
        others = [int(number) for number in _highest(self.masses[depth], count + 1) if chosen is None or number != chosen.number]
        return tuple(self._step(depth, number) for number in others[:count])

    def _step(self, depth: int, number: int) -> Step:
        """Subtle: probabilities of float32 sum to one only nearly, and no taxon shall be more than certain."""
        return Step(depth, number, min(1.0, float(self.masses[depth][number])))


def _highest(mass: np.ndarray, count: int) -> np.ndarray:
    """The numbers of the highest masses above zero, best first, of equal ones the first; at least `count` where there are so many.

    No mass among them can be lower than the count-th highest of the blocks' maxima, so few are left to sort.
    """
    blocks = np.maximum.reduceat(mass, np.arange(0, len(mass), BLOCK_TAXA)) if len(mass) else mass
    floor = np.partition(blocks, -count)[-count] if count <= len(blocks) else 0.0
    candidates = np.flatnonzero((mass >= floor) & (mass > 0))
    return candidates[np.argsort(-mass[candidates], kind="stable")]
