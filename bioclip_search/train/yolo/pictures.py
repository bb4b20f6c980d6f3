"""Lays out the pictures that a detector learns from, those that watch it, and those that measure it at the end.

Looking into pictures, dealing them out and writing them as a YOLO data set is left to `boxed`.

Which picture is for what:

1. With sets to watch by (`--val`), the training is watched by all of their pictures, and learns from those of `--data` that are no test.
2. Where `--data` itself tells of train and val, it is as told; pictures of no part are left out, which is told.
3. Else a fifth of its pictures is kept back to watch, shared out by category, and no burst is parted. Silver pictures, whose boxes a
   detector drew, teach and are never kept back.
4. Pictures whose part is test are never looked at before the end. Without any, those that watched measure, which flatters a little:
   the best epoch was chosen by them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from bioclip_search.boxed.boxed_set import ORGANISM, BoxedSet, kept
from bioclip_search.boxed.examining import examine
from bioclip_search.boxed.report import said
from bioclip_search.boxed.splitting import NEVER_JUDGE, split_sets, with_whole_parts
from bioclip_search.boxed.writing_yolo import DATA_FILE, TEST, TRAIN, VAL, category_names_of, part_words, write_yolo
from bioclip_search.errors import TableError
from bioclip_search.swapping import whole_file

KEPT_BACK = 0.2
"""Share of the pictures that watch where nobody says which (rule 3): the customary fifth."""

FOLDER, HASH_FILE = "pictures", "pictures.sha256"


@dataclass(frozen=True, eq=False)
class LaidOut:
    """Sets whose `parts` are train, val, test or "" for each picture, and what there was to tell."""

    sets: tuple[BoxedSet, ...]
    categories: tuple[str, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    def of(self, part: str) -> list[BoxedSet]:
        """The pictures of one part, set by set; sets without any are left out."""
        return _some(self.sets, [boxed.parts == part for boxed in self.sets])

    @property
    def measuring(self) -> list[BoxedSet]:
        """Rule 4."""
        return self.of(TEST) or self.of(VAL)

    def counts(self) -> dict[str, dict[str, int]]:
        """Pictures and boxes of each part."""
        found = {part: self.of(part) for part in (TRAIN, VAL, TEST)}
        return {
            part: {"pictures": sum(map(len, sets)), "boxes": sum(len(several) for boxed in sets for several in boxed.boxes)} for part, sets in found.items()
        }


def lay_out(
    sets: Sequence[BoxedSet],
    watching: Sequence[BoxedSet] = (),
    *,
    categories: str = "own",
    seed: int = 0,
    mend: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> LaidOut:
    """The sets with a part for each picture by the rules above; corrupt pictures and boxes that do not fit are told in `notes`.

    Raises:
        TableError: No picture with a box is left to learn from or to watch, or the split parts a burst and is not to be mended.
    """
    sound, report = examine([*sets, *watching], progress)
    notes = list(report.lines())
    parts = [part_words(boxed.parts) for boxed in sound]
    if watching:  # rule 1
        parts = [np.where(of == TEST, TEST, TRAIN) for of in parts[: len(sets)]] + [np.full(len(of), VAL, object) for of in parts[len(sets) :]]
    laid = [replace(boxed, parts=of) for boxed, of in zip(sound, parts, strict=True)]
    if not any((of == VAL).any() for of in parts):  # rule 3
        laid, dealt = _held_back(laid, seed)
        notes += dealt
        notes.append(f"No picture is marked as val, so {sum(int((boxed.parts == VAL).sum()) for boxed in laid):,} are kept back to watch the training.")
    notes += _left_out(laid)
    laid, told = with_whole_parts(_some(laid, [boxed.parts != "" for boxed in laid]), mend=mend)
    names = tuple(category_names_of(laid)) if categories == "own" else (ORGANISM,)
    result = LaidOut(tuple(laid), names, _fingerprint(laid), (*notes, *told))
    for part, what in ((TRAIN, "learn from"), (VAL, "watch the training by")):
        if not result.counts()[part]["boxes"]:
            raise TableError(
                f"No picture with a box is left to {what}. Give more, or check the parts that the sets tell of (train, val, test).{_if_silver(laid)}"
            )
    return result


def written(laid: LaidOut, run: Path, categories: str) -> Path:
    """The folder of the pictures inside the run, in the layout of YOLO; one that an earlier call wrote of the same pictures is taken as it is.

    Raises:
        ExportError: It cannot be written.
    """
    folder, note = run / FOLDER, run / HASH_FILE
    wanted = sha256(f"{categories} {laid.fingerprint}".encode()).hexdigest()
    if note.is_file() and note.read_text(encoding="ascii", errors="replace") == wanted and (folder / DATA_FILE).is_file():
        return folder
    note.unlink(missing_ok=True)
    for torn in run.glob(".*.part"):  # an earlier call was killed while it wrote
        shutil.rmtree(torn, ignore_errors=True)
    write_yolo(laid.sets, folder, categories="one" if categories == "one" else "own", overwrite=True)
    with whole_file(note) as part:
        part.write_text(wanted, encoding="ascii")
    return folder


def _held_back(sets: Sequence[BoxedSet], seed: int) -> tuple[list[BoxedSet], list[str]]:
    """Rule 3, with every picture that is no test, and what there is to tell of silver ones."""
    tests = _some(sets, [boxed.parts == TEST for boxed in sets])
    free = _some(sets, [boxed.parts != TEST for boxed in sets])
    dealt = split_sets(free, (1 - KEPT_BACK, KEPT_BACK, 0.0), seed=seed)
    return [*dealt.sets, *tests], [note for note in dealt.notes if note.endswith(NEVER_JUDGE)]


def _if_silver(sets: Sequence[BoxedSet]) -> str:
    return " Silver pictures only teach: give some with boxes that people drew as well." if any(boxed.silver is not None for boxed in sets) else ""


def _left_out(sets: Sequence[BoxedSet]) -> list[str]:
    """Of pictures that are in no part while others are (rule 2)."""
    names = [name for boxed in sets for name, part in zip(boxed.names, boxed.parts.tolist(), strict=True) if not part]
    if not names:
        return []
    return [
        f"Left out {said(len(names), 'picture')} in no part called train, val or test (the first is {names[0]}). "
        "To learn from them, mark them as train, or give the pictures to watch by apart (--val)."
    ]


def _some(sets: Sequence[BoxedSet], wanted: Sequence[np.ndarray]) -> list[BoxedSet]:
    """The wanted pictures, set by set; sets without any are left out."""
    found = [kept(boxed, rows) for boxed, rows in zip(sets, wanted, strict=True)]
    return [boxed for boxed in found if len(boxed)]


def _fingerprint(sets: Sequence[BoxedSet]) -> str:
    """A hash over the bytes of the pictures, their boxes and their parts."""
    digest = sha256()
    for boxed in sets:
        for content, part, several in zip(boxed.contents.tolist(), boxed.parts.tolist(), boxed.boxes, strict=True):
            told = [[*box.box_xyxy, box.category, box.is_crowd] for box in several]
            digest.update(json.dumps([content, part, told]).encode())
    return digest.hexdigest()
