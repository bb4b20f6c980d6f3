"""Finds the sequences of a whole run, fuses each into one answer, and keeps both beside the run.

The methods are left to `fusion`, the grouping to `sequences`, the files to `folder`. The crops of a sequence are gathered while the run
is read in its order; where it is not in the order of time, what does not fit is left for a further reading, so memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bioclip_search.bursts.folder import SequenceAnswer, frame_of, write_sequences
from bioclip_search.bursts.fusion import BATCH_CROPS, EMBEDDINGS, METHODS, VOTE, agreement_of, fused_answers, vote, weights_of
from bioclip_search.bursts.sequences import GAP_S, Grouping, find_sequences
from bioclip_search.errors import RunError
from bioclip_search.question import Asked
from bioclip_search.results import Answer

if TYPE_CHECKING:
    from bioclip_search.question import Question
    from bioclip_search.runs.folder import Run
    from bioclip_search.runs.record import TaggedCrop, TaggedPicture
    from bioclip_search.searcher import Searcher

DEFAULT_METHOD = EMBEDDINGS
"""Told most at a target of 0.9, which it kept: 621 bursts of 3 to 5 frames made of pictures kept back from the starter (`bench_bursts`), right
of answered and mean information: embeddings .901 and .267, average .898 and .238, the surest crop .888 and .237, probabilities .959
and .200, vote .953 and .179. Its gain over the surest crop is .029 (.015 to .044). Of the species alone probabilities named most: .328
of them, embeddings .311, the surest crop .292, vote .222. Of 183 bursts of two species it told something true of one in .95 of its answers,
probabilities in .99; so a burst gets one answer and the share of crops that agree with it, and each crop keeps its own."""

HELD_CROPS = 8192
"""Crops whose sequences are not complete yet, at most: with their answers some 50 MB. A single longer sequence is held all the same."""


@dataclass(frozen=True)
class FusionReport:
    """What became of a run: its sequences, those of several pictures, those with an answer of several crops, and what to tell."""

    sequences: int
    bursts: int
    fused: int
    notes: tuple[str, ...] = ()


@dataclass(eq=False)
class _Open:
    """A sequence that is being gathered."""

    left: int
    image: str = ""
    answers: list[Answer] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    confidences: list[float | None] = field(default_factory=list)
    areas: list[float | None] = field(default_factory=list)


def fuse(
    run: Run,
    searcher: Searcher,
    question: Question | None = None,
    *,
    method: str = DEFAULT_METHOD,
    gap_s: float = GAP_S,
    set_aside: Collection[tuple[str, int]] = frozenset(),
    held_crops: int = HELD_CROPS,
    progress: Callable[[int, int], None] | None = None,
) -> FusionReport:
    """Writes `sequences.parquet` and `members.parquet` of a run, in place of those that are there.

    Args:
        question: What the crops of the run were asked; by default everything, by the default rules.
        method: One of `fusion.METHODS`.
        gap_s: Seconds between two pictures of one sequence, at most.
        set_aside: Crops (media id, number) that are not fused, as `detectors.repeats` finds them.
        held_crops: After how many crops of incomplete sequences no further sequence is begun in this reading of the run.
        progress: Called with the sequences done and the sequences in all.

    Raises:
        RunError: The method or the gap is none, the run keeps no embeddings, of another encoder, or it cannot be read or written.
    """
    if method not in METHODS:
        raise RunError(f"There is no way to fuse called {method!r}; there are {', '.join(METHODS)}.")
    if method != VOTE and run.dim is None:
        raise RunError(f"{run.folder}: keeps no embeddings, so its crops can only vote. Fuse by {VOTE!r}, or tag again with embeddings.")
    if method != VOTE and run.dim != searcher.encoder.dim:
        raise RunError(f"{run.folder}: its embeddings have {run.dim} numbers, the encoder {searcher.encoder.name} makes {searcher.encoder.dim}.")
    grouping = find_sequences(run, gap_s)
    work = _Fusing(run, grouping, question or searcher.question(), method, searcher.encoder.input_px, set_aside, held_crops)
    write_sequences(run.folder, grouping, _ticked(work.answers(), len(grouping), progress))
    return FusionReport(len(grouping), int((grouping.sizes > 1).sum()), work.fused, grouping.notes)


def _ticked(answers: Iterator[SequenceAnswer], total: int, progress: Callable[[int, int], None] | None) -> Iterator[SequenceAnswer]:
    for done, answer in enumerate(answers, start=1):
        yield answer
        if progress:
            progress(done, total)


class _Fusing:
    """One way through a run."""

    def __init__(self, run: Run, grouping: Grouping, question: Question, method: str, input_px: int, set_aside: Collection[tuple[str, int]], held: int):
        self._run, self._grouping, self._question, self._method = run, grouping, question, method
        self._input_px, self._set_aside, self._held = input_px, set_aside, held
        self.fused = 0

    def answers(self) -> Iterator[SequenceAnswer]:
        """One for each sequence, in the order in which they are complete."""
        ready: list[tuple[int, _Open]] = []
        for number, gathered in self._gathered():
            ready.append((number, gathered))
            if len(ready) >= BATCH_CROPS:
                yield from self._fused(ready)
                ready = []
        yield from self._fused(ready)

    def _gathered(self) -> Iterator[tuple[int, _Open]]:
        """The sequences with their crops. Those that found no room in one reading of the run are gathered in the next."""
        of, sizes = self._grouping.of, self._grouping.sizes
        is_done = np.zeros(len(self._grouping), bool)
        while not is_done.all():
            open_: dict[int, _Open] = {}
            held, missed = 0, is_done.copy()
            for place, picture in enumerate(self._run.pictures(embeddings=self._method != VOTE)):
                number = int(of[place])
                if missed[number]:
                    continue
                if number not in open_:
                    if held >= self._held:
                        missed[number] = True
                        continue
                    open_[number] = _Open(int(sizes[number]), picture.image)
                held += self._take_up(open_[number], picture)
                if not open_[number].left:
                    is_done[number] = True
                    held -= len(open_[number].answers)
                    yield number, open_.pop(number)
            if open_:
                raise RunError(f"{self._run.folder}: its rows changed while they were read. Find the sequences again when the run is finished.")

    def _take_up(self, sequence: _Open, picture: TaggedPicture) -> int:
        """Adds the crops of a picture; gives how many."""
        sequence.left -= 1
        crops = [crop for crop in picture.crops if self._counts(crop, picture)]
        for crop in crops:
            sequence.answers.append(crop.answer)
            sequence.vectors.append(crop.embedding)
            sequence.confidences.append(crop.confidence)
            sequence.areas.append(_area(crop, picture))
        return len(crops)

    def _counts(self, crop: TaggedCrop, picture: TaggedPicture) -> bool:
        is_there = crop.answer is not None and (self._method == VOTE or crop.embedding is not None)
        return is_there and (not self._set_aside or (picture.media_id, crop.number) not in self._set_aside)

    def _fused(self, ready: list[tuple[int, _Open]]) -> Iterator[SequenceAnswer]:
        told = [number for number, (_, gathered) in enumerate(ready) if gathered.answers]
        subjects = [Asked(ready[number][1].image) for number in told]
        if self._method == VOTE:
            found = [vote(ready[number][1].answers, subject) for number, subject in zip(told, subjects, strict=True)]
        else:
            found = fused_answers(self._question, self._method, [self._burst(ready[number][1]) for number in told], subjects)
        answer_of = dict(zip(told, found, strict=True))
        for place, (number, gathered) in enumerate(ready):
            frame, answer = frame_of(self._grouping, number), answer_of.get(place)
            self.fused += len(gathered.answers) > 1
            agreement = agreement_of(answer, gathered.answers)
            method = self._method if answer is not None else None
            yield replace(frame, crops=len(gathered.answers), method=method, agreement=agreement, answer=answer)

    def _burst(self, gathered: _Open) -> tuple[np.ndarray, np.ndarray]:
        """The vectors as unit rows, which they are but nearly in half precision, and the weights."""
        vectors = np.stack(gathered.vectors).astype(np.float32)  # (n, dim)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors, weights_of(gathered.confidences, gathered.areas, self._input_px)


def _area(crop: TaggedCrop, picture: TaggedPicture) -> float | None:
    """The pixels of a crop; None where nothing is known."""
    if crop.box_xyxy is None:
        return None if picture.size_wh is None else float(picture.size_wh[0] * picture.size_wh[1])
    left, top, right, bottom = crop.box_xyxy
    return (right - left) * (bottom - top)
