"""Tags a whole collection: every box of every picture, as a stream, into a folder that survives whatever stops it.

The stages are `sources`, `decoding`, `looking`, `deciding` and `journal`; this joins them and closes the run. A second decision
without the pictures is left to `retagging`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bioclip_search.crops import DETECTOR_CONFIDENCE
from bioclip_search.decoding.pool import Decoders
from bioclip_search.decoding.videos import FrameChoice, frames
from bioclip_search.detect import Detector
from bioclip_search.errors import BioclipSearchError, MissingExtraError, RunError
from bioclip_search.media import Deployment, Media, Video, media_id
from bioclip_search.runs.closing import Closing, close_run, tallied
from bioclip_search.runs.deciding import Deciding
from bioclip_search.runs.folder import NOTE_FILE, Run, is_free, read_note, write_note
from bioclip_search.runs.journal import Journal
from bioclip_search.runs.looking import Look, Looking
from bioclip_search.runs.settings import settings_hash, settings_of, stop_if_elsewhere, stop_if_other, versions
from bioclip_search.sources import Source

BATCH_PICTURES, BATCH_LOOKS = 16, 128
"""A batch is kept when it has so many pictures, or so many crops. A kill costs the batches that are not kept yet: one or two for each core."""

Progress = Callable[[int, int | None], None]
"""Called with the pictures gone through so far (a video counts as one), and how many there are, once that is known."""


@dataclass(frozen=True)
class Equipment:
    """What a collection is tagged with.

    Attributes:
        min_confidence: Boxes below are not looked at.
        choice: Which frames of videos are.
        workers: Processes that decode; None takes one a core.
        limits: "timeout_s", the longest that a picture may take to decode, and "memory_mb", the most memory for it; see `Decoders`.
    """

    deciding: Deciding
    detector: Detector | None
    min_confidence: float = DETECTOR_CONFIDENCE
    choice: FrameChoice = field(default_factory=FrameChoice)
    workers: int | None = None
    limits: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """What decides the rows; see `settings`."""
        looking = {"min_confidence": self.min_confidence, "frames": asdict(self.choice)}
        return settings_of(self.deciding.searcher, self.detector, self.deciding.told, **looking)


def tag_source(
    source: Source,
    out: Path,
    equipment: Equipment,
    *,
    place: str,
    is_resumed: bool = False,
    retries_failed: bool = False,
    closing_with: Closing | None = None,
    progress: Progress | None = None,
) -> Run:
    """Tags the collection into the folder `out`, or goes on where that was stopped, and gives the run.

    Args:
        place: What the user called the collection.
        retries_failed: Pictures that failed before are looked at once more.
        closing_with: What is done with all rows in the end.

    Raises:
        RunError: There is a run already and `is_resumed` was not said, it was made with other settings or of another collection, or it cannot
            be written.
        ModelError: The detector or the encoder fails.
    """
    note = begin(out, equipment.settings(), {"place": place, "kind": source.kind, "root": source.root and str(source.root.absolute())}, is_resumed)
    note["source"]["deployments"] = [as_json(stay) for stay in source.deployments]
    deciding = equipment.deciding
    with written(out, note, deciding.searcher.encoder.dim) as journal, Decoders(equipment.workers, **equipment.limits) as decoders:
        if retries_failed:
            journal.release_failed()
        tag_into(journal, source, equipment, decoders, progress)
        journal.flush()
        note["counts"], note["failures"] = tallied(journal)
    note["source"]["notes"] = list(source.notes)
    return close_run(out, note, deciding, closing_with)


def tag_into(journal: Journal, source: Source, equipment: Equipment, decoders: Decoders, progress: Progress | None = None) -> None:
    """Tags what the journal does not have yet of the source, batch by batch."""
    looking = Looking(decoders, equipment.deciding.searcher.encoder, equipment.detector, equipment.min_confidence, source.facts_of)
    stream = Stream(source, equipment.choice, decoders, journal, progress)
    with closing(looking.looks(stream.media(), journal)) as looks, closing(equipment.deciding.encoded(_batches(looks))) as batches:
        for batch, vectors in batches:
            pictures = equipment.deciding.tagged(batch, vectors, journal)
            journal.add(pictures)
            looking.forget(pictures)
            stream.told(pictures)


def begin(out: Path, settings: dict[str, Any], source: dict[str, Any], is_resumed: bool) -> dict[str, Any]:
    """The note of the run that is to be written into `out`, a new one or that of the run that is gone on with.

    Raises:
        RunError: The folder holds something else, or a run that may not be gone on with.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        is_there = not is_free(out)
    except OSError as error:
        raise RunError(f"{out}: cannot be the folder of a run ({error.strerror or error}). Choose another place.") from error
    if not is_there:
        return {
            "source": source,
            "settings": settings,
            "settings_hash": settings_hash(settings),
            "versions": versions(),
            "begun": now,
            "counts": {},
            "is_finished": False,
        }
    if not (out / NOTE_FILE).is_file():
        raise RunError(f"{out}: holds other files and no run. Choose an empty or new folder.")
    note = read_note(out)
    if not is_resumed:
        state = (
            "is finished; with --resume, what is new in the collection is added to it" if note.get("is_finished") else "was stopped; --resume goes on with it"
        )
        raise RunError(f"{out}: holds a run already, which {state}. Or choose another folder.")
    stop_if_other(out, note["settings"], settings)
    stop_if_elsewhere(out, note["source"], source)
    return note | {"source": source, "versions": versions(), "resumed": [*note.get("resumed", []), now], "is_finished": False}


@contextmanager
def written(out: Path, note: dict[str, Any], dim: int | None) -> Iterator[Journal]:
    """The journal of the run that `begin` gave the note of; the folder is this process's until it is closed.

    Raises:
        RunError: The folder cannot be written, another process writes it, or it holds rows that no note tells of.
    """
    with Journal(out, dim) as journal:
        if "resumed" not in note and journal.pictures():
            raise RunError(f"{out}: holds the rows of a run whose {NOTE_FILE} is gone. Choose an empty or new folder.")
        write_note(out, note)
        yield journal


class Stream:
    """The media of a source that are not done yet, videos as frames, and how far it is."""

    def __init__(self, source: Source, choice: FrameChoice, decoders: Decoders, journal: Journal, progress: Progress | None):
        self.source, self.choice, self.decoders, self.journal, self.progress = source, choice, decoders, journal, progress
        self._gone_through, self._total = 0, None
        self._videos: dict[str, str] = {}
        """Of videos whose last frame is on its way: that frame's id and the video's."""
        if progress:
            threading.Thread(target=self._count, daemon=True).start()

    def media(self) -> Iterator[Media]:
        for one in self.source.media():
            if not self.journal.has(media_id(one.image)):
                yield from self._frames(one) if isinstance(one, Video) else (one,)
            self._gone_through += 1
            if self.progress:
                self.progress(self._gone_through, self._total)

    def told(self, pictures: Iterable[Any]) -> None:
        """Told that these pictures are in the journal: videos of which they are the last frame need not be opened again."""
        for picture in pictures:
            if video := self._videos.pop(picture.media_id, None):
                self.journal.mark(video)

    def _frames(self, video: Video) -> Iterator[Media]:
        last = None
        for frame in self._chosen(video):
            if not self.journal.has(frame.media_id):
                last = frame.media_id
                yield frame
        if last is None:
            self.journal.mark(media_id(video.image))
        else:
            self._videos[last] = media_id(video.image)

    def _chosen(self, video: Video) -> Iterator[Media]:
        """Subtle: without PyAV a video fails by itself, for thousands of pictures may stand beside it."""
        try:
            yield from frames(video, self.choice, self.decoders)
        except MissingExtraError as error:
            yield Media(video.image, video.file, facts=video.facts, error=str(error))

    def _count(self) -> None:
        with suppress(BioclipSearchError, OSError):  # whoever goes through the pictures meets it, too, and tells it
            self._total = self.source.count()


def _batches(looks: Iterable[Look]) -> Iterator[list[Look]]:
    """The looks in batches whose bounds depend on nothing but what came since the last one."""
    batch: list[Look] = []
    crops = 0
    for look in looks:
        batch.append(look)
        crops += len(look.prepared)
        if len(batch) >= BATCH_PICTURES or crops >= BATCH_LOOKS:
            yield batch
            batch, crops = [], 0
    if batch:
        yield batch


def as_json(stay: Deployment) -> dict[str, Any]:
    """A deployment as `run.json` tells of it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(stay).items()}
