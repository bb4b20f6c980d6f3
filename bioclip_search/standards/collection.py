"""The view of a run that all formats are written from: its pictures, each with the answers that stand and the burst it belongs to.

A person's decision stands over the machine's answer, which is kept beside it. How decisions, bursts and repeats are made
and stored is left to `review`, `bursts` and `detectors.repeats`; what a format makes of them to the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from bioclip_search.media import Deployment
from bioclip_search.names.languages import three_letters
from bioclip_search.results import Answer
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import BLANK, FAILED, IDENTIFIED, PERSON, VEHICLE, TaggedCrop, TaggedPicture
from bioclip_search.standards.options import ExportOptions
from bioclip_search.standards.report import Tally

if TYPE_CHECKING:
    from bioclip_search.bursts import Sequences
    from bioclip_search.review import ReviewDecision

WHOLE = -1
"""The number of the crop under which a decision on the whole picture is kept."""

ACCEPTED, CORRECTED, UNSURE = "accepted", "corrected", "unsure"
"""Verdicts of a person; the others, blank, person and vehicle, are what then stands."""


ENGLISH = "eng"

LOCAL = "local-dir:"
"""How the name of an encoder begins that is a folder on somebody's disk, which is nobody else's business."""

FINGERPRINT_SHOWN = 12
"""Digits by which such an encoder is told instead."""


@dataclass(frozen=True)
class Standing:
    """What is held to be there.

    Attributes:
        status: One of `runs.record.STATUSES`; identified also where nobody was sure enough to name it: `taxon` is then None.
        probability: The machine's; None where a person decided.
        machine: Who answered, where it was another program, whose answer was read from an export.
        verdict: What a person did; None where none has looked, as are `who` and `when`.
    """

    status: str
    taxon: str | None = None
    rank: str | None = None
    common_name: str | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)
    probability: float | None = None
    machine: str | None = None
    verdict: str | None = None
    who: str | None = None
    when: datetime | None = None
    note: str | None = None

    @property
    def is_decided(self) -> bool:
        """Whether a person decided it."""
        return self.verdict is not None


@dataclass(frozen=True)
class SeenCrop:
    """A box (or the whole picture), what stands for it, and whether it was set aside because nothing there moves.

    A box that a person decided about is not set aside; one in a picture that a person decided about as a whole may be.
    """

    crop: TaggedCrop
    stands: Standing
    is_repeat: bool = False


@dataclass(frozen=True)
class SeenPicture:
    """A picture with what stands for each of its crops.

    Attributes:
        whole: What a person said of the whole picture; None where nobody did.
        sequence: The id of its burst.
    """

    picture: TaggedPicture
    crops: tuple[SeenCrop, ...] = ()
    whole: Standing | None = None
    sequence: str | None = None

    @property
    def status(self) -> str:
        """Of the picture as a whole: what a person said of it, else that of its first crop, or why it has none."""
        if self.picture.error is not None:
            return FAILED
        if self.whole is not None and self.whole.verdict != ACCEPTED:
            return self.whole.status
        return self.crops[0].stands.status if self.crops else BLANK

    @property
    def observed(self) -> Iterator[tuple[SeenCrop | None, Standing]]:
        """What was seen in it, with its box where it has one; one blank or none at all where nothing was.

        A box that a person called blank is none. A picture that failed has nothing.
        """
        if self.picture.error is not None:
            return
        kept = [(crop, crop.stands) for crop in self.crops if crop.stands.status != BLANK]
        if kept:
            yield from kept
        elif self.whole is not None and self.whole.status != BLANK:
            yield None, self.whole
        else:
            yield None, next((one for one in (self.whole, *(crop.stands for crop in self.crops)) if one is not None), Standing(BLANK))

    def share(self, box_xyxy: tuple[float, float, float, float]) -> tuple[float, float, float, float] | None:
        """A box as (left, top, width, height) in shares of the picture, within it; None where the picture's size is unknown."""
        if self.picture.size_wh is None:
            return None
        width, height = self.picture.size_wh
        left, top, right, bottom = (min(max(side / size, 0.0), 1.0) for side, size in zip(box_xyxy, (width, height, width, height), strict=True))
        return left, top, right - left, bottom - top


@dataclass(frozen=True)
class Collection:
    """A run and what was found out about it afterwards; open it with `Collection.open`."""

    run: Run
    decisions: Mapping[tuple[str, int], ReviewDecision] = field(default_factory=dict)
    repeats: frozenset[tuple[str, int]] = frozenset()
    sequences: Sequences | None = None

    @classmethod
    def open(cls, run: Run) -> Collection:
        """With the decisions, bursts and repeats that stand in the run's folder; a file that is not there holds none."""
        decisions: Mapping[tuple[str, int], ReviewDecision] = {}
        repeats: frozenset[tuple[str, int]] = frozenset()
        sequences = None
        if (run.folder / "decisions.jsonl").exists():
            from bioclip_search.review import standing_decisions

            decisions = standing_decisions(run.folder)
        if (run.folder / "repeats.parquet").exists():
            from bioclip_search.detectors.repeats import read_repeats

            repeats = read_repeats(run.folder)
        if (run.folder / "sequences.parquet").exists():
            from bioclip_search.bursts import read_sequences

            sequences = read_sequences(run.folder)
        return cls(run, decisions, repeats, sequences)

    def pictures(self, options: ExportOptions | None = None, tally: Tally | None = None) -> Iterator[SeenPicture]:
        """The pictures in the order of the source, less what the options leave out, which the tally is told; with a tally, progress is, too."""
        options = options or ExportOptions()
        progress, tally = options.progress if tally is not None else None, tally or Tally()
        total = self.run.note["counts"].get("pictures", 0)
        for done, picture in enumerate(self.run.pictures(), 1):
            if progress:
                progress(done, max(done, total))
            seen = self.seen(picture)
            if options.without_people and PERSON in (seen.status, *(crop.stands.status for crop in seen.crops)):
                tally.leave_out("pictures with people")
                continue
            moving = tuple(crop for crop in seen.crops if not crop.is_repeat)
            if len(moving) < len(seen.crops) and options.without_repeats:
                tally.leave_out("boxes where nothing moves", len(seen.crops) - len(moving))
                seen = replace(seen, crops=moving)
            elif len(moving) < len(seen.crops):
                tally.note("Boxes that were set aside because nothing there moves are in it; --without-repeats leaves them out.")
            yield seen

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """Those that the run's source told of."""
        return tuple(_deployment(told) for told in self.run.note["source"].get("deployments") or ())

    def places(self, options: ExportOptions) -> dict[str, Deployment]:
        """The deployments by name: what the options tell of each, and where they are silent what the run tells."""
        found = {one.name: one for one in self.deployments}
        for one in options.deployments:
            found[one.name] = _over(one, found.get(one.name) or one)
        return found

    @property
    def machine(self) -> str:
        """Who answered, in words: this program, the encoder and the index."""
        settings, versions = self.run.note["settings"], self.run.note.get("versions") or {}
        encoder, index = _name(settings.get("encoder")), _name(settings.get("index"))
        if encoder is None or encoder.startswith(LOCAL):
            encoder = str(settings["encoder"].get("fingerprint") or "")[:FINGERPRINT_SHOWN]
        named = ", ".join(f"{part} {name}" for part, name in (("index", index), ("encoder", encoder)) if name)
        return " ".join(filter(None, ["bioclip-search", versions.get("bioclip-search"), f"({named})" if named else None]))

    @property
    def detector(self) -> str | None:
        """The name of the detector; None where there was none."""
        return _name(self.run.note["settings"].get("detector"))

    def language(self, options: ExportOptions) -> str:
        """That of the common names, by ISO 639-3: the options', else the one that the run was asked to answer in, else English."""
        asked = (self.run.note["settings"].get("question") or {}).get("language")
        return three_letters(options.language or asked or ENGLISH)

    @property
    def finished(self) -> datetime | None:
        """When the machine had answered the last picture, with its zone; None where the run does not tell."""
        told = self.run.note.get("finished")
        return datetime.fromisoformat(told) if isinstance(told, str) else None

    def seen(self, picture: TaggedPicture) -> SeenPicture:
        """The picture with what stands for each of its crops."""
        name = picture.media_id
        on_all = self.decisions.get((name, WHOLE))
        crops = []
        for crop in picture.crops:
            own = self.decisions.get((name, crop.number))
            is_repeat = own is None and (name, crop.number) in self.repeats
            crops.append(SeenCrop(crop, _standing(crop, _later(own, on_all), on_all), is_repeat))
        whole = None if on_all is None else _decided(on_all, Standing(picture.status))
        return SeenPicture(picture, tuple(crops), whole, self.sequences.of(name) if self.sequences else None)


def machine_standing(crop: TaggedCrop) -> Standing:
    """What the machine says of a crop."""
    return Standing(crop.status, probability=crop.confidence) if crop.answer is None else machine_standing_of(crop.answer)


def machine_standing_of(told: Answer) -> Standing:
    """What the machine's answer says, of a crop or of a burst."""
    probability = None if told.taxon is None else told.probability
    return Standing(IDENTIFIED, told.taxon, told.rank, told.common_name, dict(told.lineage), probability, None if told.index else told.encoder or None)


def place_of(picture: TaggedPicture, places: Mapping[str, Deployment]) -> tuple[float, float] | None:
    """Latitude and longitude of the picture, else of its deployment; None where neither is known."""
    for told in (picture.facts, places.get(picture.facts.deployment or "")):
        if told is not None and told.latitude is not None and told.longitude is not None:
            return told.latitude, told.longitude
    return None


def with_zone(stamp: datetime, zone: tzinfo | None) -> datetime | None:
    """The time with its own zone, else the one given; None where there is neither."""
    return stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=zone) if zone is not None else None


def _over(one: Deployment, other: Deployment) -> Deployment:
    """A latitude and its longitude come from one of the two."""
    places = one if one.latitude is not None or one.longitude is not None else other
    return Deployment(one.name, places.latitude, places.longitude, one.start or other.start, one.end or other.end, one.place or other.place)


def _later(one: ReviewDecision | None, other: ReviewDecision | None) -> ReviewDecision | None:
    """Of a decision on a box and one on its picture the later; of two at once that on the box."""
    if one is None or other is None:
        return one or other
    return other if other.when > one.when else one


def _standing(crop: TaggedCrop, decision: ReviewDecision | None, on_all: ReviewDecision | None) -> Standing:
    """A taxon said of the whole picture is not meant for the people and vehicles in it."""
    machine = machine_standing(crop)
    if decision is None or (decision is on_all and decision.verdict in (CORRECTED, UNSURE) and machine.status in (PERSON, VEHICLE)):
        return machine
    return _decided(decision, machine)


def _decided(decision: ReviewDecision, machine: Standing) -> Standing:
    by = {"verdict": decision.verdict, "who": decision.who, "when": decision.when, "note": decision.note, "probability": None, "machine": None}
    if decision.verdict == ACCEPTED:
        return replace(machine, **by)
    if decision.verdict == CORRECTED:
        lineage = {rank: taxon for rank, taxon in (decision.lineage or {}).items() if taxon}
        common = machine.common_name if decision.taxon == machine.taxon else None
        return Standing(IDENTIFIED, decision.taxon, decision.rank, common, lineage, **by)
    return Standing(IDENTIFIED if decision.verdict == UNSURE else decision.verdict, **by)


def _name(told: Any) -> str | None:
    """The name in a part of the settings; "none" is no detector's name."""
    name = told.get("name") if isinstance(told, Mapping) else told
    return name if isinstance(name, str) and name not in ("", "none") else None


def _deployment(told: Mapping[str, Any]) -> Deployment:
    times = {name: datetime.fromisoformat(told[name]) if told.get(name) else None for name in ("start", "end")}
    return Deployment(str(told["name"]), told.get("latitude"), told.get("longitude"), place=told.get("place"), **times)
