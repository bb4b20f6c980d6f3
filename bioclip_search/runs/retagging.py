"""Decides a run anew from the vectors it kept: another index of the same encoder, another region or target, no picture opened.

Also takes in what was exported before. Looking at pictures is left to `tagging`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bioclip_search.encoder import same_space
from bioclip_search.errors import RunError
from bioclip_search.media import Deployment
from bioclip_search.runs.closing import Closing, close_run, tallied
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.runs.settings import settings_of
from bioclip_search.runs.tagging import BATCH_PICTURES, Progress, as_json, begin, written
from bioclip_search.stream import in_blocks


def retag(
    before: Run, out: Path, deciding: Deciding, *, is_resumed: bool = False, closing_with: Closing | None = None, progress: Progress | None = None
) -> Run:
    """A run with the boxes and vectors of the one before, and new answers.

    Raises:
        RunError: The one before kept no vectors, is not finished, is the folder `out` itself, or was made with another encoder.
    """
    stop_if_unfit(before, out, deciding)
    settings = _settings(before.note["settings"], deciding)
    note = begin(out, settings, dict(before.note["source"]) | {"from": str(before.folder.absolute())}, is_resumed)
    total = before.note["counts"].get("pictures")
    with written(out, note, before.dim) as journal:
        done = journal.pictures()
        for block in in_blocks((one for one in before.pictures(embeddings=True) if not journal.has(one.media_id)), BATCH_PICTURES):
            journal.add(deciding.answered(block))
            done += len(block)
            if progress:
                progress(done, total)
        journal.flush()
        note["counts"], note["failures"] = tallied(journal)
    return close_run(out, note, deciding, closing_with)


def stop_if_unfit(before: Run, out: Path, deciding: Deciding) -> None:
    """Makes sure that the vectors of a run can be asked about.

    Raises:
        RunError: As `retag`.
    """
    if before.folder.resolve() == out.resolve():
        raise RunError(f"{out}: a run cannot be decided anew in its own folder, for nothing that was answered is overwritten. Choose another for --out.")
    if not before.note.get("is_finished"):
        raise RunError(f"{before.folder}: is not finished. Go on with it first: bioclip-search tag SOURCE --out {before.folder} --resume.")
    if before.dim is None:
        raise RunError(f"{before.folder}: keeps no vectors, so nothing can be decided anew without the pictures. Tag them again.")
    made_by, encoder = before.note["settings"]["encoder"], deciding.searcher.encoder
    if not same_space(made_by["fingerprint"], encoder.fingerprint):
        raise RunError(
            f"{before.folder}: its vectors come from the encoder {made_by['name']} ({made_by['fingerprint']}), the index "
            f"{deciding.searcher.index.card.name} needs those of {encoder.name} ({encoder.fingerprint}). Tag the pictures again with this index."
        )


def _settings(before: Mapping[str, Any], deciding: Deciding) -> dict[str, Any]:
    """Those of the run before in what was looked at, ours in what is asked."""
    ours = settings_of(deciding.searcher, None, deciding.told)
    return dict(before) | {name: ours[name] for name in ("index", "question")}


def take_in(pictures: Iterable[TaggedPicture], out: Path, *, settings: dict[str, Any], source: dict[str, Any], deployments: Sequence[Deployment] = ()) -> Run:
    """A run of answers that were given before, as they are: no picture is opened, nothing is decided, no vectors are kept.

    Raises:
        RunError: There is something in the folder, or it cannot be written.
    """
    note = begin(out, settings, source | {"deployments": [as_json(stay) for stay in deployments]}, is_resumed=False)
    with written(out, note, None) as journal:
        for block in in_blocks(_numbered(pictures), BATCH_PICTURES):
            journal.add(block)
        journal.flush()
        note["counts"], note["failures"] = tallied(journal)
    return close_run(out, note, None, Closing(repeats=False))


def _numbered(pictures: Iterable[TaggedPicture]) -> Iterator[TaggedPicture]:
    """The pictures with their crops counted from 0."""
    for picture in pictures:
        yield replace(picture, crops=tuple(replace(crop, number=number) for number, crop in enumerate(picture.crops)))
