"""The set of boxes in a reviewed run: the boxes of its detector, as far as people said what they are.

What was decided is left to `review.decisions`, the run to `runs`, looking into the pictures to `examining`.

What is taken, for every picture the first that holds:

1. A picture of a video, and one that could not be read, is left out.
2. One that people said is blank as a whole has no box, and so has one whose boxes they all said are blank.
3. One with a box of an organism that nobody decided about, or could not tell, is left out: a model would learn from a guess.
4. In all others the boxes whose organism people accepted or corrected are taken, with that name; the rest show no organism.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox, checked_box, pictures_at, told_column
from bioclip_search.boxed.report import said
from bioclip_search.bursts.folder import read_sequences
from bioclip_search.detect import is_wildlife
from bioclip_search.errors import RunError
from bioclip_search.evaluation.labelled import NO_SPLIT
from bioclip_search.review.decisions import ACCEPTED, BLANK, CORRECTED, UNSURE, WHOLE, ReviewDecision, standing_decisions
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import TaggedPicture

UNDECIDED = "{name}: left out {pictures}, for nobody decided about all boxes there yet"

Decisions = Mapping[tuple[str, int], ReviewDecision]


def read_run_boxes(folder: Path) -> BoxedSet:
    """The set of a run, by the rules above; its bursts are those of the run, or found by place and time.

    Raises:
        RunError: It is no run, or nobody decided about all boxes of any picture.
    """
    run = Run.open(folder)
    decisions, sequences, name = standing_decisions(folder), read_sequences(folder), run.folder.absolute().name
    touched = {media for media, _ in decisions}
    taken: list[tuple[TaggedPicture, tuple[TrueBox, ...]]] = []
    undecided = 0
    for picture in run.pictures() if decisions else ():
        if picture.error is not None or picture.frame_number is not None:
            continue
        boxes = _boxes(picture, decisions) if picture.media_id in touched else None
        undecided += boxes is None
        if boxes is not None:
            taken.append((picture, boxes))
    if not taken:
        raise RunError(
            f"{folder}: nobody decided about all boxes of any picture yet, so it teaches no detector. Decide first: bioclip-search review {folder} --help"
        )
    facts, images = [picture.facts for picture, _ in taken], [picture.image for picture, _ in taken]
    return BoxedSet(
        name=name,
        boxes=tuple(boxes for _, boxes in taken),
        parts=np.array([NO_SPLIT] * len(taken), object),
        names=tuple(f"{name}/{image}" for image in images),
        pictures=partial(pictures_at, [run.find(image) or Path(image) for image in images]),
        bursts=told_column(sequences.of(picture.media_id) for picture, _ in taken),
        deployments=told_column(one.deployment for one in facts),
        taken=told_column(one.timestamp for one in facts),
        sizes_wh=np.array([picture.size_wh or (0, 0) for picture, _ in taken], np.int64).reshape(-1, 2),
        notes=(UNDECIDED.format(name=name, pictures=said(undecided, "picture")),) if undecided else (),
    )


def _boxes(picture: TaggedPicture, decisions: Decisions) -> tuple[TrueBox, ...] | None:
    """The boxes that are taken of a picture; None where the picture is left out."""
    on_all = decisions.get((picture.media_id, WHOLE))
    if on_all is not None and on_all.verdict == BLANK and not any((picture.media_id, crop.number) in decisions for crop in picture.crops):
        return ()
    found = []
    for crop in picture.crops:
        decision = decisions.get((picture.media_id, crop.number))
        if decision is None and len(picture.crops) == 1:
            decision = on_all
        if decision is None and not is_wildlife(crop.category or ""):
            continue
        if decision is None or decision.verdict == UNSURE:
            return None
        if decision.verdict in (ACCEPTED, CORRECTED):
            box = checked_box(crop.box_xyxy) if crop.box_xyxy else None
            if box is None:
                return None  # the whole picture was asked about, so nobody knows where the organism is
            found.append(TrueBox(box, str(decision.taxon)))
    return tuple(found)
