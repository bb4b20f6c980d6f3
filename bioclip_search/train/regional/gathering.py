"""Which labelled pictures are taught, which choose among the weights, and which are asked at the end.

What labels mean is left to `evaluation.labels`, what belongs together to `evaluation.burst_names`, dealing out to `splits`.

1. A split that the labels give, of all sets together, is heeded if it has a part train and another: train is taught. Of the others val
   chooses and the rest is asked; where only one other part is there, its bursts are halved.
2. Of sets without one, bursts are dealt: `SHARES` of every taxon; frames of a burst that stands in another set as well go where that does.
3. Of other taxa nothing is taught; the pictures that their labels do not call train (all of them, if there are no others) are
   halved into those that choose and those that are asked.
4. Pictures without a label count nowhere.
5. Of files with the same bytes, in whatever set, those of a later part count nowhere: train comes before val, and val before test. (Pictures
   that lie within a table are not compared.)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bioclip_search.errors import TableError
from bioclip_search.evaluation.burst_names import bursts_of, groups_in, groups_in_sets, whole_parts, with_bursts
from bioclip_search.evaluation.few_shot import Classes, classes_of
from bioclip_search.evaluation.labelled import NO_SPLIT, TRAIN, LabelledSet
from bioclip_search.splits.folds import NO_CLASS, stratified_parts

CHOOSE, ASK, NOWHERE = "val", "test", ""
PARTS = (TRAIN, CHOOSE, ASK)

SHARES = (0.7, 0.15, 0.15)
"""Of the pictures of every taxon: taught, choosing, asked."""

LEAST_TAUGHT = 2
"""Taxa that must be taught, for a picture is told from those of others."""

TOLD = 10
"""Taxa that a note names."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """Sets whose `parts` are `PARTS` and `NOWHERE`, and what is worth telling.

    Attributes:
        region: Those that are taught; `others` those of other taxa, by which is seen what is lost.
    """

    region: tuple[LabelledSet, ...]
    others: tuple[LabelledSet, ...]
    notes: tuple[str, ...]

    def count(self, part: str) -> int:
        """How many pictures of the region are in a part."""
        return sum(int((labelled.parts == part).sum()) for labelled in self.region)


def gather(region: Sequence[LabelledSet], others: Sequence[LabelledSet], ranks: Sequence[str], *, mend: bool = False, seed: int = 0) -> Gathered:
    """The sets with the part of every picture.

    Args:
        mend: Put a burst that a given split parts whole into one part.

    Raises:
        TableError: A split parts a burst and is not to be mended, or there are too few labelled pictures or taxa.
    """
    taught, notes = _of_region(region, ranks, mend, seed)
    asked = [_of_others(labelled, ranks, seed) for labelled in others]
    sets, told = _without_copies([*taught, *asked])
    gathered = Gathered(tuple(sets[: len(taught)]), tuple(sets[len(taught) :]), (*notes, *told))
    _stop_if_too_few(gathered, ranks)
    return gathered


def _of_region(sets: Sequence[LabelledSet], ranks: Sequence[str], mend: bool, seed: int) -> tuple[list[LabelledSet], list[str]]:
    """Rules 1, 2 and 4."""
    known, is_split = with_bursts(sets), _are_split(sets)
    if any(is_split):
        heeded = iter(whole_parts([one for one, has_parts in zip(known, is_split, strict=True) if has_parts], mend=mend))
        known = [next(heeded) if has_parts else one for one, has_parts in zip(known, is_split, strict=True)]
    notes = [note for one, before in zip(known, sets, strict=True) for note in one.notes if note not in before.notes]
    classes = [classes_of(one, ranks) for one in known]
    dealt = _dealt(known, classes, np.repeat(is_split, [len(one) for one in known]), seed)
    found = []
    for one, of_set, parts in zip(known, classes, np.split(dealt, np.cumsum([len(one) for one in known])[:-1]), strict=True):
        if nameless := int((of_set.of < 0).sum()):
            notes.append(f"{one.name}: {nameless:,} {'picture has' if nameless == 1 else 'pictures have'} no label that names a taxon, and count nowhere")
        found.append(replace(one, parts=np.where(of_set.of < 0, NOWHERE, parts)))
    return found, [*notes, *_few(found, classes)]


def _are_split(sets: Sequence[LabelledSet]) -> list[bool]:
    """Which sets have parts that are heeded: all that tell of some, if they tell of train and of another."""
    given = [set(labelled.parts.tolist()) for labelled in sets]
    tells = [parts != {NO_SPLIT} for parts in given]
    in_all = set().union(*(parts for parts, has_parts in zip(given, tells, strict=True) if has_parts))
    return [has_parts and TRAIN in in_all and len(in_all) > 1 for has_parts in tells]


def _dealt(known: Sequence[LabelledSet], classes: Sequence[Classes], is_heeded: np.ndarray, seed: int) -> np.ndarray:
    """Rules 1 and 2: the part of each picture of all sets, (n,) object, of which these are heeded, (n,) bool."""
    number = {name: place for place, name in enumerate(dict.fromkeys(name for one in classes for name in one.names))}
    of = np.concatenate([np.array([number[name] for name in one.names] + [NO_CLASS])[one.of] for one in classes])
    groups, parts = groups_in_sets(known), np.concatenate([one.parts for one in known])
    free, heeded = np.flatnonzero(~is_heeded), np.flatnonzero(is_heeded)
    found = np.empty(len(of), object)
    if len(free):
        found[free] = np.array(PARTS, object)[stratified_parts(of[free], groups[free], SHARES, seed)]
    if len(heeded):
        found[heeded] = _heeded(parts[heeded], of[heeded], groups[heeded], seed)
        part_of = dict(zip(groups[heeded].tolist(), found[heeded].tolist(), strict=True))
        found[free] = [part_of.get(group, part) for group, part in zip(groups[free].tolist(), found[free].tolist(), strict=True)]
    return found


def _heeded(parts: np.ndarray, of: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """The parts of a split as ours: what is called otherwise than train and val is asked; one other part alone is halved."""
    others = set(parts.tolist()) - {TRAIN}
    if len(others) > 1 and CHOOSE in others:
        return np.where(np.isin(parts, (TRAIN, CHOOSE)), parts, ASK)
    found, rows = parts.copy(), np.flatnonzero(parts != TRAIN)
    found[rows] = np.array((CHOOSE, ASK), object)[stratified_parts(of[rows], groups[rows], (0.5, 0.5), seed)]
    return found


def _of_others(labelled: LabelledSet, ranks: Sequence[str], seed: int) -> LabelledSet:
    """Rule 3."""
    classes, known = classes_of(labelled, ranks), replace(labelled, bursts=bursts_of(labelled))
    is_kept_back = labelled.parts != TRAIN
    rows = np.flatnonzero((is_kept_back if is_kept_back.any() else ~is_kept_back) & (classes.of >= 0))
    parts = np.full(len(labelled), NOWHERE, object)
    parts[rows] = np.array((CHOOSE, ASK), object)[stratified_parts(classes.of[rows], groups_in(known)[rows], (0.5, 0.5), seed)]
    return replace(known, parts=parts)


def _without_copies(sets: Sequence[LabelledSet]) -> tuple[list[LabelledSet], list[str]]:
    """Rule 5, and how many pictures it takes."""
    contents = _contents([[None] * len(labelled) if labelled.paths is None else labelled.paths() for labelled in sets])
    earliest: dict[bytes, int] = {}
    for labelled, held in zip(sets, contents, strict=True):
        for part, content in zip(labelled.parts.tolist(), held, strict=True):
            if content is not None and part in PARTS:
                earliest[content] = min(PARTS.index(part), earliest.get(content, len(PARTS)))
    kept, taken = [], 0
    for labelled, held in zip(sets, contents, strict=True):
        pairs = zip(labelled.parts.tolist(), held, strict=True)
        is_late = np.array([content is not None and part in PARTS and PARTS.index(part) > earliest[content] for part, content in pairs], bool)
        kept.append(replace(labelled, parts=np.where(is_late, NOWHERE, labelled.parts)))
        taken += int(is_late.sum())
    told = (
        "1 picture is a copy of one that teaches or chooses, and is" if taken == 1 else f"{taken:,} pictures are copies of some that teach or choose, and are"
    )
    return kept, [f"{told} left out"] if taken else []


def _contents(paths: Sequence[Sequence[Path | None]]) -> list[list[bytes | None]]:
    """What each file holds, as a hash; None where there is none, or no other row tells of one as large."""
    told = [path for of_set in paths for path in of_set if path is not None]
    sizes = {path: _size(path) for path in set(told)}
    alike = Counter(sizes[path] for path in told)
    hashes = {path: _hash(path) for path, size in sizes.items() if size and alike[size] > 1}
    return [[hashes.get(path) for path in of_set] for of_set in paths]


def _size(path: Path) -> int:
    """In bytes; 0 of what cannot be read, which is told where its pixels are wanted."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _hash(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def _few(sets: Sequence[LabelledSet], classes: Sequence[Classes]) -> list[str]:
    """Says of which taxa nothing is asked, or nothing taught."""
    sizes: Counter[str] = Counter()
    in_part: dict[str, Counter[str]] = {part: Counter() for part in (*PARTS, NOWHERE)}
    for labelled, of_set in zip(sets, classes, strict=True):
        sizes.update(dict(zip(of_set.names, of_set.sizes.tolist(), strict=True)))
        for part, number in zip(labelled.parts.tolist(), of_set.of.tolist(), strict=True):
            if number >= 0:
                in_part[part][of_set.names[number]] += 1
    notes, prefix = [], f"{sets[0].name}: " if len(sets) == 1 else ""
    for part, words in ((ASK, "are taught and not asked, for they have too few pictures or bursts"), (TRAIN, "are asked and not taught")):
        missing = [name for name in sizes if not in_part[part][name]]
        if missing:
            told = ", ".join(f"{name} ({sizes[name]})" for name in missing[:TOLD])
            notes.append(f"{prefix}{len(missing):,} taxa {words}: {told}" + (f" and {len(missing) - TOLD:,} more" if len(missing) > TOLD else ""))
    return notes


def _stop_if_too_few(gathered: Gathered, ranks: Sequence[str]) -> None:
    """Raises: TableError: nothing is labelled, fewer than two taxa would be taught, or nothing is left to choose by or to ask."""
    labels = [classes_of(labelled, ranks) for labelled in gathered.region]
    if not any(len(classes.names) for classes in labels):
        rows = sum(map(len, gathered.region))
        raise TableError(
            f"None of the {rows:,} pictures has a label that names a taxon. Expected a column species (or another rank, or scientific_name) "
            "with a name in it, or a folder for each taxon."
        )
    taught = {name for classes, one in zip(labels, gathered.region, strict=True) for name in np.array(classes.names)[np.unique(classes.of[one.parts == TRAIN])]}
    if len(taught) < LEAST_TAUGHT:
        raise TableError(
            f"An encoder learns to tell taxa apart, so pictures of at least {LEAST_TAUGHT} are needed, and there are those of {', '.join(taught) or 'none'}."
        )
    for part, words in ((CHOOSE, "to choose the best weights by"), (ASK, "to be asked at the end")):
        if not gathered.count(part):
            raise TableError(
                f"Of {sum(map(len, gathered.region)):,} labelled pictures none is left {words}: bursts stay whole, and all of them are taught. "
                "Give pictures of more bursts, some ten for each taxon."
            )
