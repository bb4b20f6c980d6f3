"""How good answers are that were given before: those of a run beside a table of truth, measured as pictures are.

Reading the answers is left to `answers`, the truth to `truth`, what names mean to `labels`; the marks are made by
`marking` and the figures by `measures`, as for pictures that an index sees now.

Answers are places in a tree, so they are measured against the index that gave them. Their ladder is what would be
answered at other thresholds: from its lowest rung upwards, the first that is probable enough. A table of answers tells no
ladder, so what stands on it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import IndexMismatchError, TableError
from bioclip_search.evaluation.answers import one_per_picture
from bioclip_search.evaluation.candidates import INDEX, Candidates, are_listed, taxa_of
from bioclip_search.evaluation.labelled import NO_SPLIT
from bioclip_search.evaluation.labels import LabelReport
from bioclip_search.evaluation.marking import Taxa, marks_of
from bioclip_search.evaluation.measures import Marks, summarise
from bioclip_search.evaluation.score import Score, details_of, flat_metrics, grouped
from bioclip_search.evaluation.truth import NO_ROW, Truth
from bioclip_search.evaluation.verdicts import UNDECIDED, Lineages
from bioclip_search.results import Answer, Failure, shown_chance

PRIMARY_METRIC = "answer_accuracy"

OF_LADDERS = ("rolled_", "ece_", "haurc", "information_at_")
"""Beginnings of the names of figures that need the most probable taxon of every rank."""

NO_LADDERS = (
    "These answers tell no ladder, so the curves and the most probable taxon of each rank are left out; `identify --format jsonl` writes answers that do"
)


@dataclass(frozen=True)
class RunEvaluation:
    """All figures of a run, and what they stand on.

    `answers` are those measured, in order; `counts` say what was left out and why. `names` are the words of the numbers
    that the marks hold.
    """

    scores: tuple[Score, ...]
    failures: tuple[Failure, ...]
    counts: dict[str, int]
    notes: tuple[str, ...]
    labels: LabelReport
    index: str
    encoder: str
    ranks: tuple[str, ...]
    answers: tuple[Answer, ...] = field(repr=False)
    names: dict[int, str] = field(default_factory=dict, repr=False)

    def metrics(self) -> dict[str, float]:
        """Every figure under "set/part/labels/name"; the names are those of `measures.summarise`."""
        return flat_metrics(self.scores)

    def to_dict(self) -> dict[str, Any]:
        """All of it as `evaluate --out` writes it; only JSON types."""
        stands_on = {"index": self.index, "encoder": self.encoder, **self.counts, **self.labels.to_dict(), "primary_metric": PRIMARY_METRIC}
        told = {"failures": [failure.to_dict() for failure in self.failures], "metrics": self.metrics()}
        return {**stands_on, **told, **details_of(self.scores, self.ranks, self.names)}


def evaluate_run(
    records: Iterable[Answer | Failure], truth: Truth, catalogue: Catalogue, *, name: str = "run", every_crop: bool = False, seen: Any = None
) -> RunEvaluation:
    """The figures of a run, of each part that the truth tells.

    Args:
        truth: Its labels looked up already or not; they are looked up in the index all the same.
        catalogue: The index that gave the answers.
        every_crop: Every crop counts, with its picture's truth, though the pictures are drawn for the intervals; else one answer
            stands for a picture, as `answers.one_per_picture` chooses it.
        seen: A table of taxa; every part is then also told in two, by whether the label is among them.

    Raises:
        TableError: No picture has both an answer and a truth.
        IndexMismatchError: An answer names a taxon that the index does not hold, or the answers are of several indexes.
    """
    answers, failures = _sorted_out(records)
    known, report = truth.resolved(catalogue.names)
    ranks = catalogue.taxonomy.ranks
    pairs = _paired(answers, failures, known, ranks, every_crop)
    numbers: dict[str, int] = {}
    truths = Lineages.of(pairs.truths, ranks, numbers)
    tree = Candidates(INDEX, catalogue.taxonomy, Lineages.of(catalogue.taxonomy.leaves, ranks, numbers), _no_scores)
    marks = _marks(pairs.answers, truths, tree, numbers)
    is_seen = None if seen is None else are_listed(truths, taxa_of(seen, ranks), ranks, numbers)
    without_ladders = [] if _tell_ladders(pairs.answers, ranks) else [NO_LADDERS]
    return RunEvaluation(
        scores=_scores(name, pairs.answers, marks, pairs.truths["split"].to_pylist(), is_seen, ranks),
        failures=tuple(failures),
        counts=pairs.counts,
        notes=(*known.notes, *pairs.notes, *without_ladders),
        labels=report,
        index=pairs.answers[0].index,
        encoder=pairs.answers[0].encoder,
        ranks=ranks,
        answers=tuple(pairs.answers),
        names={number: word for word, number in numbers.items()},
    )


@dataclass(frozen=True, eq=False)
class Pairs:
    """The answers that are measured, (n,), the rows of truth beside them, and how much has no partner, counted and in words."""

    answers: list[Answer]
    truths: pa.Table
    counts: dict[str, int]
    notes: list[str]


def _paired(answers: Sequence[Answer], failures: Sequence[Failure], known: Truth, ranks: Sequence[str], every_crop: bool) -> Pairs:
    """Raises: TableError: nothing has a partner."""
    chosen = list(answers) if every_crop else one_per_picture(answers)
    rows = known.rows_of([answer.image for answer in chosen])
    labels = known.labels.select([*ranks, "common_name", "split"])
    is_labelled = _are_labelled(labels, ranks)
    counted = (rows != NO_ROW) & is_labelled[rows]
    if not counted.any():
        raise TableError(_nothing_in_common(chosen, known))
    measured = [answer for answer, is_counted in zip(chosen, counted.tolist(), strict=True) if is_counted]
    without = list(dict.fromkeys(answer.image for answer, row in zip(chosen, rows.tolist(), strict=True) if row == NO_ROW))
    unused = known.unused(known.rows_of([record.image for record in (*answers, *failures)]))
    counts = {
        "pictures": len({answer.image for answer in measured}),
        "other_crops": len(answers) - len(chosen),
        "unread": len(failures),
        "without_truth": len(without),
        "without_answer": len(unused),
        "unlabelled": int(((rows != NO_ROW) & ~is_labelled[rows]).sum()),
    }
    return Pairs(measured, labels.take(pa.array(rows[counted])), counts, _told(counts, unused, without))


def _sorted_out(records: Iterable[Answer | Failure]) -> tuple[list[Answer], list[Failure]]:
    answers: list[Answer] = []
    failures: list[Failure] = []
    for record in records:
        if isinstance(record, Failure):
            failures.append(record)
        else:
            answers.append(record)
    indexes = sorted({answer.index for answer in answers})
    if len(indexes) > 1:
        raise IndexMismatchError(f"The answers are of {len(indexes)} indexes ({', '.join(indexes)}). Measure those of each by themselves.")
    return answers, failures


def _marks(answers: Sequence[Answer], truths: Lineages, tree: Candidates, numbers: dict[str, int]) -> Marks:
    """The marks of answers, from where their taxa stand in the tree."""
    ranks = tree.taxonomy.ranks
    shape = (len(answers), len(ranks))
    names: list[list[str | None]] = [[None] * len(ranks) for _ in answers]
    chances = np.zeros(shape)
    depth = np.full(len(answers), -1)
    for i, answer in enumerate(answers):
        for rung in answer.ladder:
            place = _depth(rung.rank, ranks, answer)
            names[i][place], chances[i, place] = rung.taxon, rung.probability
        if answer.taxon and answer.rank:
            depth[i] = _depth(answer.rank, ranks, answer)
            names[i][depth[i]] = answer.taxon
            chances[i, depth[i]] = answer.probability or 0.0
    rungs = _located(names, chances, answers, tree, numbers)
    places = np.maximum(depth, 0)[:, None]
    chosen = Taxa(*(np.take_along_axis(array, places, axis=1) for array in (rungs.leaves, rungs.below, rungs.depths, rungs.probabilities)))
    none = (depth < 0)[:, None]
    chosen = Taxa(
        np.where(none, -1, chosen.leaves), np.where(none, 0, chosen.below), np.where(none, -1, chosen.depths), np.where(none, 0, chosen.probabilities)
    )
    upwards = Taxa(*(array[:, ::-1] for array in (rungs.leaves, rungs.below, rungs.depths, rungs.probabilities)))
    attempts = upwards.as_attempts(truths, tree.lineages, len(tree))
    marks = marks_of(rungs, chosen, attempts, truths, tree, missing=UNDECIDED)
    return replace(marks, probability=np.array([shown_chance(answer) if answer.taxon else 1.0 for answer in answers], float))


def _located(names: list[list[str | None]], chances: np.ndarray, answers: Sequence[Answer], tree: Candidates, numbers: dict[str, int]) -> Taxa:
    """The taxa of the rungs, (n, ranks), by name and, where there is an answer, by its kingdom.

    Raises:
        IndexMismatchError: The tree has no such taxon.
    """
    ranks = tree.taxonomy.ranks
    columns = {rank: pa.array([row[place] for row in names], pa.string()) for place, rank in enumerate(ranks)}
    kingdoms = pa.array([row[0] or answer.lineage.get(ranks[0]) for row, answer in zip(names, answers, strict=True)], pa.string())
    table = pa.table({**columns, ranks[0]: kingdoms, "common_name": pa.nulls(len(names), pa.string())})
    silent = np.array([answer.taxon is None for answer in answers], bool)
    intervals = _intervals(Lineages.of(table, ranks, numbers).codes, silent, tree)  # (n, ranks, 2)
    is_told = np.array([[name is not None for name in row] for row in names], bool).reshape(chances.shape)
    below = np.where(is_told, intervals[:, :, 1] - intervals[:, :, 0], 0)
    lost = is_told & (below == 0)
    if lost.any():
        row, place = np.argwhere(lost)[0].tolist()
        raise IndexMismatchError(
            f"{answers[row].image} was answered with the {ranks[place]} {names[row][place]}, which the index {answers[row].index} does not hold (it may have changed since). Name the index that gave the answers with --index."
        )
    depths = np.tile(np.arange(len(ranks)), (len(names), 1))
    return Taxa(np.where(is_told, intervals[:, :, 0], -1), below, np.where(is_told, depths, -1), np.where(is_told, chances, 0.0))


def _intervals(codes: np.ndarray, silent: np.ndarray, tree: Candidates) -> np.ndarray:
    """The leaves of each rung, (n, ranks, 2); 0, 0 where the tree has no such taxon. Each different taxon is looked up once.

    Subtle: without an answer every rung is the most probable of its rank, and need not be of the first one's kingdom.

    Args:
        codes: (n, ranks) numbers of the names; `silent` (n,) bool, where there is no answer.
    """
    ranks, blocks, places = codes.shape[1], [], []
    for rank in range(ranks):
        kingdom = np.where(silent & (rank > 0), -1, codes[:, 0])
        taxa, place = np.unique(np.stack([kingdom, codes[:, rank]], axis=1), axis=0, return_inverse=True)
        rows = np.full((len(taxa), ranks), -1, codes.dtype)
        rows[:, 0], rows[:, rank] = taxa[:, 0], taxa[:, 1]
        blocks.append(rows)
        places.append(place.ravel())
    lineages = np.concatenate(blocks)
    found = tree.intervals(Lineages(lineages, np.full(len(lineages), -1, codes.dtype)))  # (m, ranks, 2)
    firsts = np.cumsum([0, *(len(rows) for rows in blocks)])
    return np.stack([found[firsts[rank] + places[rank], rank] for rank in range(ranks)], axis=1)


def _scores(
    name: str, answers: Sequence[Answer], marks: Marks, splits: Sequence[str | None], is_seen: np.ndarray | None, ranks: tuple[str, ...]
) -> tuple[Score, ...]:
    images = [answer.image for answer in answers]
    picture_of_row = np.unique(images, return_inverse=True)[1] if len(set(images)) < len(images) else None
    left_out = () if _tell_ladders(answers, ranks) else OF_LADDERS
    scores = []
    for group in grouped(np.array([split or NO_SPLIT for split in splits], object), is_seen):
        rows = np.flatnonzero(group.members)
        crops = None if picture_of_row is None else picture_of_row[rows]
        of_group = marks.take(rows)
        figures = {key: value for key, value in summarise(of_group, ranks, picture_of_row=crops).items() if not key.startswith(left_out)}
        scores.append(Score(name, group.name, "as answered", figures, of_group, tuple(images[row] for row in rows.tolist()), rows, group.is_half, crops))
    return tuple(scores)


def _tell_ladders(answers: Sequence[Answer], ranks: Sequence[str]) -> bool:
    """Whether any answer tells of more ranks than its own."""
    return len(ranks) == 1 or any(len(answer.ladder) > 1 for answer in answers)


def _are_labelled(labels: pa.Table, ranks: Sequence[str]) -> np.ndarray:
    """Whether each label names a taxon, (rows,) bool."""
    return np.any([np.asarray(labels[rank].is_valid()) for rank in ranks], axis=0)


def _depth(rank: str, ranks: Sequence[str], answer: Answer) -> int:
    if rank not in ranks:
        raise IndexMismatchError(f"{answer.image} was answered at the rank {rank}, which the index does not have; it has {', '.join(ranks)}.")
    return ranks.index(rank)


def _nothing_in_common(answers: Sequence[Answer], truth: Truth) -> str:
    shown = (answers[0].image if answers else "no picture", next((image for image in truth.images if image), "no picture"))
    return f"No picture has both an answer and a truth that names a taxon: the answers are of {shown[0]!r} and so on, the truth is of {shown[1]!r} and so on. Paths or file names must be the same."


def _told(counts: dict[str, int], unused: Sequence[str], without: Sequence[str]) -> list[str]:
    notes = []
    if counts["without_truth"]:
        notes.append(f"{_pictures(counts['without_truth'])} answered but not in the truth, so not measured: {_some(without)}")
    if counts["without_answer"]:
        notes.append(f"{_pictures(counts['without_answer'])} in the truth but not answered: {_some(unused)}")
    if counts["unlabelled"]:
        notes.append(f"{_pictures(counts['unlabelled'])} with a truth that names no taxon that could be found, so not measured")
    if counts["other_crops"]:
        notes.append(f"{counts['other_crops']:,} further crops of the same pictures were left out; --every-crop counts them all")
    return notes


def _pictures(count: int) -> str:
    return f"{count:,} {'picture' if count == 1 else 'pictures'}"


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def _no_scores(vectors: np.ndarray) -> np.ndarray:
    raise NotImplementedError("The answers of a run are not compared with vectors.")
