"""What a report is about: figures and marks, gathered from a measure, and the worst mistakes with a small picture of each.

Measures nothing anew; the mistakes are chosen by the heights that the marks hold. How it looks is left to `sections`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import isfile  # which a path too long to be one does not trouble, as it does Path.is_file
from typing import TYPE_CHECKING, Any

import numpy as np

from bioclip_search.errors import PictureError, TableError
from bioclip_search.evaluation.measures import Marks, summarise
from bioclip_search.evaluation.rows import join_rows
from bioclip_search.evaluation.score import Score
from bioclip_search.evaluation.sisters import Pair, mixed_up_pairs
from bioclip_search.images import open_picture
from bioclip_search.results import Rung

if TYPE_CHECKING:
    from PIL import Image

    from bioclip_search.evaluation.labelled import LabelledSet
    from bioclip_search.evaluation.run import RunEvaluation
    from bioclip_search.evaluation.truth import Truth
    from bioclip_search.evaluation.zero_shot import Evaluation
    from bioclip_search.searcher import Searcher

MOST_MISTAKES = 24
THUMBNAIL_PX, THUMBNAIL_BYTES = 320, 40_000
"""Longest side of a picture in the report, and the most that it may take: all together stay under 1 MB."""

QUALITIES = (80, 65, 45, 25)
ALL_SETS = "all pictures"


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: which picture, what it is and what it was called, how sure, and how far off; `thumbnail` is a JPEG."""

    picture: str
    truth: str
    truth_rank: str
    answer: str
    answer_rank: str
    probability: float
    height: int
    ladder: tuple[Rung, ...]
    thumbnail: bytes | None = field(default=None, repr=False)
    why_no_picture: str = ""


@dataclass(frozen=True)
class Subject:
    """All that the page tells.

    `whole` is everything of one list of labels together, `parts` its parts and `others` what was measured beside: other
    lists, and halves by seen and unseen taxa. `pictures` counts those of the whole, which may hold several crops. `notes` say what was left out; `stands_on` are pairs of words.
    """

    whole: Score
    parts: tuple[Score, ...]
    others: tuple[Score, ...]
    halves: tuple[Score, ...]
    ranks: tuple[str, ...]
    index: str
    taxa: int | None
    pairs: tuple[Pair, ...]
    mistakes: tuple[Mistake, ...]
    mistakes_in_all: int
    pictures: int
    notes: tuple[str, ...] = ()
    stands_on: tuple[tuple[str, str], ...] = ()
    is_run: bool = False


def subject_of_pictures(found: Evaluation, sets: Sequence[LabelledSet], searcher: Searcher) -> Subject:
    """The subject of `evaluate` on labelled pictures: of its lists of labels the largest is told at length.

    Raises:
        TableError: Nothing was measured.
    """
    by_name = {labelled.name: labelled for labelled in sets}

    def pictures(score: Score, rows: Sequence[int]) -> Iterator[Any]:
        labelled = by_name[score.set_name]
        wanted = np.zeros(len(labelled), bool)
        wanted[score.rows[list(rows)]] = True  # type: ignore[index]
        order = np.argsort(np.argsort(score.rows[list(rows)]))  # type: ignore[index]
        taken = list(labelled.pictures(wanted))  # at most as many as there are mistakes to show
        return (taken[place] for place in order.tolist())

    ruling = found.ruling.to_dict()
    rule = ", ".join(f"{name} {ruling[name]:.3g}" for name in ("threshold", "caution", "target") if name in ruling)
    stands_on = [
        ("Index", f"{found.index}, {len(searcher.taxonomy):,} taxa"),
        ("Encoder", found.encoder),
        ("Rule", f"{ruling['rule']}: {rule} (from {ruling['rules_from']})"),
    ]
    notes = [f"{count:,} pictures of part {part} were passed over" for part, count in found.skipped.items()]
    notes += [f"{found.nameless:,} {'picture bears' if found.nameless == 1 else 'pictures bear'} no label"] if found.nameless else []
    return _subject(found, found.labels.lines() if found.labels else [], notes, stands_on, len(searcher.taxonomy), pictures, False)


def subject_of_answers(found: RunEvaluation, truth: Truth, taxa: int | None = None) -> Subject:
    """The subject of `evaluate --truth`: pictures are looked for where the answers say they are, then where the truth does."""
    row_of = truth.rows_of([answer.image for answer in found.answers])

    def pictures(score: Score, rows: Sequence[int]) -> Iterator[Any]:
        for row in score.rows[list(rows)].tolist():  # type: ignore[index]
            answer = found.answers[row]
            there = truth.home / (truth.images[row_of[row]] or "")
            yield (there if isfile(there) and not isfile(answer.image) else answer.image), answer.box_xyxy

    stands_on = [("Index", found.index), ("Encoder", found.encoder)]
    if any("haurc" in score.metrics for score in found.scores):
        stands_on.append(("Curves", "from the ladder of each answer, climbed from its lowest rung"))
    return _subject(found, found.labels.lines(), found.notes, stands_on, taxa, pictures, True)


def _subject(
    found: Evaluation | RunEvaluation,
    labels: Sequence[str],
    notes: Sequence[str],
    stands_on: Sequence[tuple[str, str]],
    taxa: int | None,
    pictures: Callable[[Score, Sequence[int]], Iterable[Any]],
    is_run: bool,
) -> Subject:
    measured = [score for score in found.scores if score.marks is not None and len(score.marks)]
    if not measured:
        raise TableError("There is nothing to report: no picture could be measured.")
    told = max(measured, key=lambda score: score.metrics.get("candidates", 0)).labels
    parts = [score for score in measured if score.labels == told and not score.is_half]
    whole = parts[0] if len(parts) == 1 else _together(parts, found.ranks)
    unread = [f"{len(found.failures):,} {'picture' if len(found.failures) == 1 else 'pictures'} could not be read"] if found.failures else []
    return Subject(
        whole=whole,
        parts=tuple(parts),
        others=tuple(score for score in measured if score.labels != told and not score.is_half),
        halves=tuple(score for score in measured if score.labels == told and score.is_half),
        ranks=found.ranks,
        index=found.index,
        taxa=taxa,
        pairs=tuple(mixed_up_pairs(whole.marks.calls, found.ranks, found.names)) if whole.marks else (),
        mistakes=tuple(_mistakes(parts, found.ranks, found.names, pictures)),
        mistakes_in_all=sum(int((score.marks.height > 0).sum()) for score in parts if score.marks),
        pictures=len(whole.pictures) if whole.picture_of_row is None else len(np.unique(whole.picture_of_row)),
        notes=(*notes, *unread, *(line.strip() for line in labels)),
        stands_on=tuple(stands_on),
        is_run=is_run,
    )


def _together(parts: Sequence[Score], ranks: tuple[str, ...]) -> Score:
    """All parts as one; a picture is of one part."""
    marks: Marks = join_rows([score.marks for score in parts if score.marks])
    names = tuple(name for score in parts for name in score.pictures)
    crops = None
    if any(score.picture_of_row is not None for score in parts):
        own = [np.arange(len(score.pictures)) if score.picture_of_row is None else score.picture_of_row for score in parts]
        crops = np.unique([(number, row) for number, rows in enumerate(own) for row in rows.tolist()], axis=0, return_inverse=True)[1].ravel()
    return Score(ALL_SETS, "", parts[0].labels, summarise(marks, ranks, picture_of_row=crops), marks, names, picture_of_row=crops)


def _mistakes(
    parts: Sequence[Score], ranks: tuple[str, ...], names: Mapping[int, str], pictures: Callable[[Score, Sequence[int]], Iterable[Any]]
) -> list[Mistake]:
    """The worst mistakes first: by height, then by how sure the answer was; of each truth and answer the first alone."""
    chosen: list[tuple[int, int]] = []
    said = set()
    candidates = [
        (-int(score.marks.height[row]), -float(score.marks.probability[row]), number, row)
        for number, score in enumerate(parts)
        if score.marks
        for row in np.flatnonzero(score.marks.height > 0).tolist()
    ]
    for _, _, number, row in sorted(candidates):
        told = _words(parts[number], row, ranks, names)
        key = (told.truth, told.answer)
        if key not in said:
            said.add(key)
            chosen.append((number, row))
        if len(chosen) == MOST_MISTAKES:
            break
    found: dict[tuple[int, int], Mistake] = {}
    for number, score in enumerate(parts):
        rows = [row for of, row in chosen if of == number]
        for row, picture in zip(rows, pictures(score, rows) if rows else (), strict=True):
            thumbnail, reason = _thumbnail(picture)
            found[number, row] = _words(score, row, ranks, names, thumbnail, reason)
    return [found[place] for place in chosen]


def _words(score: Score, row: int, ranks: tuple[str, ...], names: Mapping[int, str], thumbnail: bytes | None = None, reason: str = "") -> Mistake:
    marks: Marks = score.marks  # type: ignore[assignment]
    truth, called, depth = marks.calls.truth[row], marks.calls.called[row], int(marks.depth[row])
    lowest = int(np.flatnonzero(truth >= 0)[-1])
    ladder = [Rung(rank, names[int(code)], float(chance)) for rank, code, chance in zip(ranks, called, marks.chances[row], strict=True) if code >= 0]
    return Mistake(
        picture=score.pictures[row],
        truth=names[int(truth[lowest])],
        truth_rank=ranks[lowest],
        answer=names.get(int(called[depth]), "?"),
        answer_rank=ranks[depth],
        probability=float(marks.probability[row]),
        height=int(marks.height[row]),
        ladder=tuple(ladder),
        thumbnail=thumbnail,
        why_no_picture=reason,
    )


def _thumbnail(picture: Any) -> tuple[bytes | None, str]:
    """A small JPEG of a picture, or of a picture with a box around what was answered about; or the reason why there is none."""
    source, box = picture if isinstance(picture, tuple) else (picture, None)
    try:
        opened = open_picture(source)
    except PictureError as error:
        return None, str(error)
    if box is not None:
        _draw_box(opened, box)
    small = opened.convert("RGB")
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    for quality in QUALITIES:
        out = io.BytesIO()
        small.save(out, format="JPEG", quality=quality, optimize=True)
        if out.tell() <= THUMBNAIL_BYTES:
            return out.getvalue(), ""
    return None, "it cannot be made small enough"


def _draw_box(picture: Image.Image, box_xyxy: Sequence[float]) -> None:
    from PIL import ImageDraw

    width = max(2, round(max(picture.size) / 150))
    left, top, right, bottom = box_xyxy
    corners = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
    ImageDraw.Draw(picture).rectangle(corners, outline="#E69F00", width=width)
