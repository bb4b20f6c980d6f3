"""Chooses the rank at which an answer is sure enough, and says by which rule.

Pure numpy over the intervals of a tree; names and pictures are left to `searcher`.

The rules, first match wins:

1. A rank was asked for: its most probable taxon, whatever the probability.
2. Climbing: from the most probable leaf upwards, the first taxon whose probability reaches the threshold
   (Goren et al., "Hierarchical Selective Classification", NeurIPS 2024, section 4).
3. The most probable leaf stands alone, outside of what is sure: the lowest taxon that reaches the threshold all the
   same. (One mushroom may beat every single bird, and yet "bird" be nearly certain.)
4. No answer: not even the most probable taxon of the highest rank reaches the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bioclip_search.intervals import Level
from bioclip_search.posterior import prefix_mass, roll_up

DEFAULT_THRESHOLD = 0.65
"""Probability that a taxon must reach, where no calibration says better: SpeciesNet's for its roll-up."""

BLOCK_TAXA = 256
"""Taxa of which only the highest is looked at first when runners-up are sought."""

RULE_WORDS = {
    1: "rule 1: the most probable {rank}, as asked",
    2: "rule 2: {rank}, the lowest rank above the best match to reach {threshold:.2f}",
    3: "rule 3: {rank}, the lowest to reach {threshold:.2f}, though the best single match lies outside it",
    4: "rule 4: no answer, no taxon reached {threshold:.2f}",
}


@dataclass(frozen=True)
class Step:
    """A taxon, by the number of its rank (0 is the highest) and its own among the taxa of that rank."""

    depth: int
    number: int
    probability: float


@dataclass(frozen=True)
class Decision:
    """The chosen taxon (None: no answer), the rule that chose it, the ladder through it and the runners-up."""

    chosen: Step | None
    rule: int
    ladder: tuple[Step, ...]
    rivals: tuple[Step, ...]


def decide(probabilities: np.ndarray, levels: Sequence[Level], *, threshold: float = DEFAULT_THRESHOLD, depth: int | None = None, rivals: int = 5) -> Decision:
    """Applies the rules to one row of leaf probabilities, (n,) summing to one.

    Of equally probable taxa the first in depth-first order wins. Rivals are the next most probable taxa of the
    chosen rank, or of the lowest rank where there is no answer.

    Args:
        depth: The number of the rank that rule 1 answers at; None leaves the choice to the other rules.
    """
    prefix = prefix_mass(probabilities)
    masses = [roll_up(prefix, level.start, level.stop) for level in levels]
    if depth is not None:
        chosen, rule = _most_probable(masses, depth), 1
    else:
        tried = _attempts(int(np.argmax(probabilities)), masses, levels)
        rule, chosen = next(((rule, step) for rule, step in tried if step.probability >= threshold), (4, None))
    return Decision(chosen, rule, _ladder(chosen, masses, levels), _rivals(chosen, masses, rivals))


def decide_among(leaves: np.ndarray, probabilities: np.ndarray, levels: Sequence[Level], **ruling: Any) -> Decision:
    """`decide` where only some leaves have a probability to speak of: theirs, (k,), beside their numbers, (k,) ascending."""
    parts = [level.among(leaves) for level in levels]
    decision = decide(probabilities, [level for level, _ in parts], **ruling)

    def renumbered(step: Step) -> Step:
        return replace(step, number=int(parts[step.depth][1][step.number]))

    return Decision(
        chosen=renumbered(decision.chosen) if decision.chosen else None,
        rule=decision.rule,
        ladder=tuple(map(renumbered, decision.ladder)),
        rivals=tuple(map(renumbered, decision.rivals)),
    )


def attempts(probabilities: np.ndarray, levels: Sequence[Level]) -> list[Step]:
    """All that rules 2 and 3 try, in order: `decide` takes the first that reaches the threshold, whatever that is."""
    prefix = prefix_mass(probabilities)
    masses = [roll_up(prefix, level.start, level.stop) for level in levels]
    return [step for _, step in _attempts(int(np.argmax(probabilities)), masses, levels)]


def rule_in_words(rule: int, rank: str | None, threshold: float) -> str:
    """What the user reads beside an answer; `rank` is that of the answer, None without one."""
    if rule == 1 and rank is None:
        return "rule 1: no taxon in play has the rank asked for"
    return RULE_WORDS[rule].format(rank=rank, threshold=threshold)


def _attempts(leaf: int, masses: Sequence[np.ndarray], levels: Sequence[Level]) -> Iterator[tuple[int, Step]]:
    """What rules 2 and 3 try, in order, each with its rule."""
    for depth in reversed(range(len(levels))):
        number = levels[depth].holding(leaf)
        if number is not None:
            yield 2, _step(masses, depth, number)
    for depth in reversed(range(len(masses))):
        step = _most_probable(masses, depth)
        if step is not None:
            yield 3, step


def _most_probable(masses: Sequence[np.ndarray], depth: int) -> Step | None:
    """The best taxon of one rank, None where no leaf in play has that rank."""
    if not len(masses[depth]):
        return None
    step = _step(masses, depth, int(np.argmax(masses[depth])))
    return step if step.probability > 0 else None


def _step(masses: Sequence[np.ndarray], depth: int, number: int) -> Step:
    """Subtle: probabilities of float32 sum to one only nearly, and no taxon shall be more than certain."""
    return Step(depth, number, min(1.0, float(masses[depth][number])))


def _ladder(chosen: Step | None, masses: Sequence[np.ndarray], levels: Sequence[Level]) -> tuple[Step, ...]:
    """The ancestors of the chosen taxon, itself, and below it the most probable descendant at each rank.

    Without an answer every rung is the most probable taxon of its rank.
    """
    steps = []
    for depth, (level, mass) in enumerate(zip(levels, masses, strict=True)):
        if chosen is None:
            first, last = 0, len(level)
        else:
            own = levels[chosen.depth]
            start, stop = own.start[chosen.number], own.stop[chosen.number]
            if depth <= chosen.depth:
                number = level.holding(int(start))
                first, last = (0, 0) if number is None else (number, number + 1)
            else:
                first, last = np.searchsorted(level.start, (start, stop))
        if first < last:
            steps.append(_step(masses, depth, int(first + np.argmax(mass[first:last]))))
    return tuple(steps)


def _rivals(chosen: Step | None, masses: Sequence[np.ndarray], count: int) -> tuple[Step, ...]:
    depth = chosen.depth if chosen else len(masses) - 1
    mass = masses[depth]
    others = [int(number) for number in _highest(mass, count + 1) if chosen is None or number != chosen.number]
    return tuple(_step(masses, depth, number) for number in others[:count])


def _highest(mass: np.ndarray, count: int) -> np.ndarray:
    """The numbers of the highest masses above zero, best first, of equal ones the first; at least `count` where there are so many.

    No mass among them can be lower than the count-th highest of the blocks' maxima, so few are left to sort.
    """
    blocks = np.maximum.reduceat(mass, np.arange(0, len(mass), BLOCK_TAXA)) if len(mass) else mass
    floor = np.partition(blocks, -count)[-count] if count <= len(blocks) else 0.0
    candidates = np.flatnonzero((mass >= floor) & (mass > 0))
    return candidates[np.argsort(-mass[candidates], kind="stable")]
