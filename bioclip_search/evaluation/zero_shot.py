"""How often an index and its encoder are right about labelled pictures that they are only told the names for.

Composes other rooms: the pictures come from `labelled`, the names from `candidates`, the answers from `posterior` and
`fallback` through `marking`, what is right from `verdicts`, the figures from `measures`. Every picture is embedded once, whatever it is
compared with; of each some 300 bytes of marks are kept, so memory is all but flat in the number of pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from bioclip_search.errors import NotCalibratedError, TableError
from bioclip_search.evaluation.candidates import INDEX, MIXED, OWN, Candidates, are_listed, candidates_of_index, candidates_of_labels, taxa_of
from bioclip_search.evaluation.labelled import TRAIN, LabelledSet
from bioclip_search.evaluation.labels import UNMATCHED, LabelReport
from bioclip_search.evaluation.marking import Ruling, mark
from bioclip_search.evaluation.measures import PRIMARY_METRIC, Marks, summarise
from bioclip_search.evaluation.picture_vectors import embedded
from bioclip_search.evaluation.rows import join_rows
from bioclip_search.evaluation.score import Group, Score, details_of, flat_metrics, grouped
from bioclip_search.evaluation.verdicts import Lineages
from bioclip_search.fallback import Climbing
from bioclip_search.prompts import TextRecipe
from bioclip_search.results import Failure
from bioclip_search.ruling import unjudged
from bioclip_search.searcher import Searcher
from bioclip_search.text_vectors import TextVectors

DEFAULT_TARGET = 0.9
"""Share of the fallback's answers that shall be right, where the index is calibrated."""

EVERY_PART = "all"


@dataclass(frozen=True)
class Evaluation:
    """All figures, and what they stand on.

    `skipped` counts the rows of parts that were not asked for, `unlabelled` those that name no taxon. `names` are the words
    of the numbers that the marks of the scores hold.
    """

    scores: tuple[Score, ...]
    failures: tuple[Failure, ...]
    skipped: dict[str, int]
    unlabelled: int
    index: str
    encoder: str
    ruling: Ruling
    ranks: tuple[str, ...]
    names: dict[int, str] = field(default_factory=dict, repr=False)
    labels: LabelReport | None = field(default=None, repr=False)

    @property
    def nameless(self) -> int:
        """The unlabelled rows that name nothing at all; the names that mean nothing are told by `labels`."""
        return self.unlabelled - (self.labels.pictures[UNMATCHED] if self.labels else 0)

    def metrics(self) -> dict[str, float]:
        """Every figure under "set/part/labels/name"; the names are those of `measures.summarise`."""
        return flat_metrics(self.scores)

    def to_dict(self) -> dict[str, Any]:
        """All of it as `evaluate --out` writes it; only JSON types."""
        stands_on = {"index": self.index, "encoder": self.encoder, **self.ruling.to_dict(), "skipped": self.skipped, "unlabelled": self.unlabelled}
        stands_on |= self.labels.to_dict() if self.labels else {}
        told = {"primary_metric": PRIMARY_METRIC, "failures": [failure.to_dict() for failure in self.failures], "metrics": self.metrics()}
        return {**stands_on, **told, **details_of(self.scores, self.ranks, self.names)}


def evaluate(
    searcher: Searcher,
    sets: Sequence[LabelledSet],
    *,
    labels: Sequence[Any] = (OWN,),
    distractors: Any = None,
    parts: Collection[str] | None = None,
    seen: Any = None,
    resolved: LabelReport | None = None,
    target_accuracy: float = DEFAULT_TARGET,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The figures of every part of every set with every list of labels, in that order.

    Args:
        labels: Any of "own" (the labels of the set, measured or not), "index" (all its taxa), and tables of taxa.
        distractors: A table of taxa; adds the list "mixed": the labels of all sets and these.
        parts: Which parts are measured; by default all but what was trained on, with "all" that too.
        seen: A table of taxa, as those that an encoder was trained on; every part is then also told in two, "PART seen" and
            "PART unseen", by whether the label is among them.
        resolved: What became of the labels when they were looked up, to be told beside the figures.
        target_accuracy: The fallback uses the rules that keep it, else the default ones.
        progress: Called with the pictures done and the pictures in all.

    Raises:
        TableError: There is nothing to measure, or a table of taxa cannot be used.
    """
    ruling = ruling_of(searcher, target_accuracy)
    wanted = [wanted_rows(labelled, parts) for labelled in sets]
    unlabelled, skipped = _left_out(sets, wanted)
    total = sum(int(mask.sum()) for mask in wanted)
    if not total:
        raise TableError(_nothing_left(unlabelled, skipped))
    numbers: dict[str, int] = {}
    lists = _candidate_lists(searcher, sets, labels, distractors, numbers)
    known = None if seen is None else taxa_of(seen, searcher.taxonomy.ranks)
    scores, failures, done = [], [], 0

    def tick(pictures: int) -> None:
        nonlocal done
        done += pictures
        if progress:
            progress(done, total)

    for labelled, mask, candidates in zip(sets, wanted, lists, strict=True):
        truths = Lineages.of(labelled.taxa, searcher.taxonomy.ranks, numbers)
        is_seen = None if known is None else are_listed(truths, known, searcher.taxonomy.ranks, numbers)
        of_set, unread = _measure_set(searcher, labelled, mask, truths, candidates, ruling, is_seen, workers, tick)
        scores, failures = scores + of_set, failures + unread
    return Evaluation(
        scores=tuple(scores),
        failures=tuple(failures),
        skipped=skipped,
        unlabelled=unlabelled,
        index=searcher.index.card.name,
        encoder=searcher.encoder.fingerprint,
        ruling=ruling,
        ranks=searcher.taxonomy.ranks,
        names={number: name for name, number in numbers.items()},
        labels=resolved,
    )


def ruling_of(searcher: Searcher, target_accuracy: float = DEFAULT_TARGET) -> Ruling:
    """The rules that keep the target accuracy; the default ones where the index promises nothing for it."""
    scale = searcher.index.card.encoder.logit_scale
    try:
        rules = searcher.ruling(target_accuracy=target_accuracy)["rules"]
    except NotCalibratedError:
        return Ruling(scale, searcher.temperature, Climbing(), f"the default, for the index promises nothing at {target_accuracy:g}")
    return Ruling(scale, searcher.temperature, rules, f"the calibration, for a target of {target_accuracy:g}")


def wanted_rows(labelled: LabelledSet, parts: Collection[str] | None) -> np.ndarray:
    """The rows to measure, (n,) bool: of the parts asked for, and labelled at all."""
    in_part = labelled.parts != TRAIN if parts is None else np.isin(labelled.parts, list(parts)) | (EVERY_PART in parts)
    return in_part & ~_is_unlabelled(labelled)


def _candidate_lists(
    searcher: Searcher, sets: Sequence[LabelledSet], labels: Sequence[Any], distractors: Any, numbers: dict[str, int]
) -> list[list[Candidates]]:
    """For each set the lists that its pictures are compared with; lists that sets share are made once."""
    card, ranks = searcher.index.card, searcher.taxonomy.ranks
    texts = TextVectors(searcher.encoder, TextRecipe.from_card(card.recipe))
    shared = []
    for name in labels:
        if name == INDEX:
            shared.append(candidates_of_index(searcher, numbers))
        elif name != OWN:
            shared.append(candidates_of_labels(_list_name(name), [taxa_of(name, ranks)], texts, ranks, numbers))
    if distractors is not None:
        shared.append(candidates_of_labels(MIXED, [*(labelled.taxa for labelled in sets), taxa_of(distractors, ranks)], texts, ranks, numbers))
    own = [[candidates_of_labels(OWN, [labelled.taxa], texts, ranks, numbers)] if OWN in labels else [] for labelled in sets]
    if not shared and OWN not in labels:
        raise TableError("There is no list of labels to compare with. Give own, index, or a table of taxa.")
    return [mine + shared for mine in own]


def _measure_set(
    searcher: Searcher,
    labelled: LabelledSet,
    wanted: np.ndarray,
    truths: Lineages,
    lists: Sequence[Candidates],
    ruling: Ruling,
    is_seen: np.ndarray | None,
    workers: int | None,
    tick: Callable[[int], None],
) -> tuple[list[Score], list[Failure]]:
    """The scores of every part and list, and the pictures that cannot be read; `tick` is told the size of each batch."""
    failures, read = [], []
    marks: list[list[Marks]] = [[] for _ in lists]
    narrowed = replace(ruling, rules=unjudged(ruling.rules))  # the judge was taught among all taxa of the index
    for batch in embedded(searcher.encoder, labelled, wanted, workers):
        failures += batch.failures
        if len(batch.rows):
            read.append(batch.rows)
            for candidates, of_list in zip(lists, marks, strict=True):
                of_list.append(mark(candidates.scores(batch.vectors), truths.take(batch.rows), candidates, ruling if candidates.name == INDEX else narrowed))
        tick(len(batch.rows) + len(batch.failures))
    rows = np.concatenate(read) if read else np.empty(0, np.int64)
    groups = grouped(labelled.parts[rows], None if is_seen is None else is_seen[rows])
    joined = [join_rows(of_list) for of_list in marks] if read else []
    return [_score(labelled, group, rows, candidates, of_list) for group in groups for candidates, of_list in zip(lists, joined, strict=True)], failures


def _score(labelled: LabelledSet, group: Group, rows: np.ndarray, candidates: Candidates, marks: Marks) -> Score:
    of_group, own = marks.take(group.members), rows[group.members]
    crops = None if labelled.picture_of_row is None else labelled.picture_of_row[own]
    figures = {"candidates": len(candidates), **summarise(of_group, candidates.taxonomy.ranks, picture_of_row=crops)}
    names = tuple(labelled.names[row] for row in own.tolist())
    return Score(labelled.name, group.name, candidates.name, figures, of_group, names, own, group.is_half, crops)


def _is_unlabelled(labelled: LabelledSet) -> np.ndarray:
    ranks = [name for name in labelled.taxa.column_names if name != "common_name"]
    return np.all([np.asarray(pc.is_null(labelled.taxa[rank])) for rank in ranks], axis=0)


def _left_out(sets: Sequence[LabelledSet], wanted: Sequence[np.ndarray]) -> tuple[int, dict[str, int]]:
    """How many rows name no taxon, and how many of each part were not asked for."""
    unlabelled = [_is_unlabelled(labelled) for labelled in sets]
    parts = Counter(chain.from_iterable(s.parts[~mask & ~empty] for s, mask, empty in zip(sets, wanted, unlabelled, strict=True)))
    return int(sum(empty.sum() for empty in unlabelled)), dict(sorted(parts.items()))


def _nothing_left(unlabelled: int, skipped: dict[str, int]) -> str:
    told = [f"{count:,} in part {part}" for part, count in skipped.items()] + [f"{unlabelled:,} that name no taxon"] * bool(unlabelled)
    hint = " Name the part with --part; all takes even those trained on." if skipped else ""
    return f"No labelled picture is left to measure (passed over: {', '.join(told) or 'none at all'}).{hint}"


def _list_name(source: Any) -> str:
    return Path(source).stem if isinstance(source, str | Path) else "checklist"
