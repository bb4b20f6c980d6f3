"""The main job: pictures in, answers out, by one index and its encoder.

Composes the other rooms and holds no method of its own: what is asked, and how a vector is answered, is left to `question`,
which taxa there are and which of them a filter keeps to `catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bioclip_search.calibration.record import CalibrationRecord, record_of
from bioclip_search.catalogue import Catalogue, Restriction
from bioclip_search.crops import Blank, Crop, Cut, as_pictures, cut_crops
from bioclip_search.encoder import Encoder, same_space
from bioclip_search.errors import IndexMismatchError
from bioclip_search.fallback import Decision
from bioclip_search.index import Index, find_index
from bioclip_search.intervals import LeafSet
from bioclip_search.names import Names
from bioclip_search.question import Question, decisions
from bioclip_search.results import Answer, Failure
from bioclip_search.ruling import ruling_for, unjudged
from bioclip_search.taxonomy import Taxonomy

if TYPE_CHECKING:
    from bioclip_search.geography.geofence import Geofence
    from bioclip_search.geography.occurrences import Occurrences

BATCH_CROPS = 32
"""Crops encoded and decided together; their scores take 4 bytes a crop and leaf (111 MB for 868,000 leaves)."""

BLANK_RULE = "rule 0: no organism"

RULES = ("rank", "threshold", "target_accuracy", "min_rank", "max_rank")


class Searcher:
    """Identifies pictures against one index. Open it with `Searcher.open`."""

    def __init__(self, index: Index, encoder: Encoder, *, detector: Any = None, speed: str = "auto", calibration: CalibrationRecord | None = None):
        """Joins an index and the encoder that made it.

        Args:
            calibration: One fitted on pictures of another kind than the one that the index carries.

        Raises:
            IndexMismatchError: The encoder is not the one that the index was made with, or the calibration another index's.
        """
        note = index.card.encoder
        if encoder.dim != note.dim:
            raise IndexMismatchError(f"The index {index.card.name} holds vectors of {note.dim} numbers, the encoder {encoder.name} makes {encoder.dim}.")
        if not same_space(encoder.fingerprint, note.fingerprint):
            raise IndexMismatchError(
                f"The index {index.card.name} was made with the encoder {note.fingerprint} ({note.source}, {note.preprocess}), not with {encoder.fingerprint} ({encoder.name}). Use that one, or build an index with this one."
            )
        if calibration is not None:
            calibration.stop_if_foreign(index.card)
        self.index, self.encoder, self.detector, self.speed = index, encoder, detector, speed
        self.catalogue = Catalogue(index)
        self._calibration = calibration

    @classmethod
    def open(
        cls,
        index: str | Path = "starter",
        *,
        encoder: Encoder | None = None,
        detector: str = "none",
        device: str = "auto",
        precision: str = "auto",
        speed: str = "auto",
        calibration: str | Path | None = None,
        trust_pickle: bool = False,
    ) -> Searcher:
        """Opens an index by name or path, with the encoder that it names.

        Args:
            encoder: An encoder at hand, instead of the one that the card names.
            detector: "none" takes each picture whole; else a name or path that `load_detector` takes.
            precision: auto, fp32, bf16 or int8 (extra `onnx`).
            speed: exact, balanced or fast; auto is balanced for an index large enough to gain by it.
            calibration: A file that `calibrate` wrote, instead of the calibration that the index carries.

        Raises:
            IndexFolderError: The index cannot be opened or does not fit the encoder, or the calibration does not fit the index.
            TableError: The calibration cannot be read.
            ModelError: The encoder or detector cannot be loaded.
        """
        from bioclip_search.detect import load_detector
        from bioclip_search.encoder.opening import open_encoder

        opened = Index(find_index(index))
        finder = load_detector(detector, device=device, trust_pickle=trust_pickle)
        if encoder is None:
            encoder = open_encoder(opened.encoder_source, device=device, precision=precision, preprocess=opened.card.encoder.preprocess)
        record = None if calibration is None else CalibrationRecord.read(Path(calibration))
        return cls(opened, encoder, detector=finder, speed=speed, calibration=record)

    @property
    def taxonomy(self) -> Taxonomy:
        return self.catalogue.taxonomy

    @property
    def names(self) -> Names:
        return self.catalogue.names

    @cached_property
    def calibration(self) -> CalibrationRecord | None:
        """The calibration in use: the one given, else that of the index; None where there is none that can promise anything."""
        return self._calibration or record_of(self.index)

    @property
    def temperature(self) -> float:
        """What the logits are divided by; 1 where nothing was fitted."""
        note = self._calibration or self.index.card.calibration
        return note.temperature if note else 1.0

    def restrict(self, **filters: Any) -> Restriction:
        """The leaves that the filters leave in play, and what is known of the place; see `Catalogue.restrict`."""
        return self.catalogue.restrict(**filters)

    def identify(self, images: Any, *, progress: Callable[[int], None] | None = None, **question: Any) -> list[Answer | Failure]:
        """One answer per crop of every picture, in order, and a `Failure` for each picture that cannot be read.

        Takes one picture or an iterable of them (paths, bytes, PIL images, uint8 arrays), and the filters and
        rules of `identify_stream`, which does the same without keeping all answers.

        Args:
            progress: Called with the number of pictures done so far.
        """
        answers = []
        for done, several in enumerate(self.identify_stream(as_pictures(images), **question), start=1):
            answers += several
            if progress:
                progress(done)
        return answers

    def identify_stream(
        self,
        images: Iterable[Any],
        *,
        within: str | Sequence[str] | None = None,
        checklist: str | Path | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        country: str | None = None,
        region: str | None = None,
        geofence: str | Path | Sequence[str | Path] | Geofence | None = None,
        occurrences: str | Path | Occurrences | None = None,
        near: str | tuple[float, float] | None = None,
        month: int | None = None,
        rank: str | None = None,
        threshold: float | None = None,
        target_accuracy: float | None = None,
        min_rank: str | None = None,
        max_rank: str | None = None,
        top: int = 5,
        language: str | None = None,
        restriction: Restriction | None = None,
        workers: int | None = None,
    ) -> Iterator[list[Answer | Failure]]:
        """The answers of one picture after the other, as they come; memory is flat in the number of pictures.

        Args:
            within: Only taxa of this clade, or of any of several, by any name: "Aves", "birds of prey", "Plantae > Oenanthe".
            checklist: Only these taxa and all below them: a file of names or a list.
            exclude: Not these taxa, nor any below them.
            country, region, geofence: Only taxa that may occur there; see `Catalogue.restrict`.
            occurrences, near, month: How likely each taxon is there, by records; see `Catalogue.restrict`.
            rank: Answer at this rank, however unsure (rule 1).
            threshold: Probability that a taxon must reach (rule 2), 0 to 1.
            target_accuracy: The share of answers that shall be right (rule 5); needs a calibrated index.
            min_rank: Never answer below this rank; `max_rank`: never above that one.
            top: How many runners-up an answer carries.
            language: Give vernacular names in this language (ISO 639-1) where the index has them, else its own.
            restriction: What `restrict` gave for these filters, where they were resolved already.
            workers: Threads that decode pictures ahead of the encoder.

        Raises:
            UnknownTaxonError: A clade or exclusion is not in the index.
            TableError: The filters leave no taxon, or none that has a vector, or a number is out of range.
            NotCalibratedError: A target accuracy was asked of an index that promises none.
        """
        question = self.question(
            within=within,
            checklist=checklist,
            exclude=exclude,
            country=country,
            region=region,
            geofence=geofence,
            occurrences=occurrences,
            near=near,
            month=month,
            rank=rank,
            threshold=threshold,
            target_accuracy=target_accuracy,
            min_rank=min_rank,
            max_rank=max_rank,
            top=top,
            language=language,
            restriction=restriction,
        )
        batch: list[Cut] = []
        for of_one_picture in cut_crops(images, self.encoder, self.detector, workers):
            batch += of_one_picture
            if sum(isinstance(item, Crop) for item in batch) >= BATCH_CROPS or len(batch) >= 2 * BATCH_CROPS:
                yield from self._by_picture(batch, question)
                batch = []
        yield from self._by_picture(batch, question)

    def question(self, *, top: int = 5, language: str | None = None, restriction: Restriction | None = None, **asked: Any) -> Question:
        """The filters and rules of `identify_stream`, resolved once, to answer any vectors by.

        Raises:
            UnknownTaxonError, TableError, NotCalibratedError: As `identify_stream`.
        """
        rules = {name: asked.pop(name) for name in RULES if name in asked}
        restriction = restriction or self.restrict(**asked)
        self.catalogue.stop_if_silent(restriction.leaves)
        ruling = self.ruling(**rules) | {"rivals": top}
        if restriction.wider is not None or (restriction.leaves is not None and restriction.place is None):
            ruling["rules"] = unjudged(ruling["rules"])
        return Question(self.catalogue, restriction, ruling, self._sharpness, self.speed, language, self.calibration, self.encoder.fingerprint)

    def identify_vectors(self, vectors: np.ndarray, *, leaves: LeafSet | None = None, **ruling: Any) -> list[Decision]:
        """The decisions for unit rows (b, dim), without any picture; `ruling` as `ruling` gives it and `fallback.decide` takes it."""
        return [decision for decision, _ in decisions(self.catalogue, vectors, leaves, ruling, self._sharpness, self.speed)]

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """What unit rows have with every leaf, whatever the speed: (b, n) float32, -inf for silent leaves; see `Catalogue.scores`."""
        return self.catalogue.scores(vectors)

    def ruling(self, **asked: Any) -> dict[str, Any]:
        """The rules and the ranks that may be answered at, as `fallback.decide` takes them; see `ruling.ruling_for`."""
        return ruling_for(self.taxonomy, self.index.card.name, lambda: self.calibration, **asked)

    @property
    def _sharpness(self) -> float:
        return self.index.card.encoder.logit_scale / self.temperature

    def _by_picture(self, batch: Sequence[Cut], question: Question) -> Iterator[list[Answer | Failure]]:
        """The results of a batch, one list per picture: a picture's crops stand together and share its number."""
        crops = [item for item in batch if isinstance(item, Crop)]
        vectors = self.encoder.encode_prepared([crop.prepared for crop in crops])  # (b, dim)
        answers = iter(question.answers(vectors, crops))
        for _, of_one in groupby(batch, key=lambda item: item.picture):
            yield [
                next(answers) if isinstance(item, Crop) else self.blank(item) if isinstance(item, Blank) else Failure(item.image, item.error) for item in of_one
            ]

    def blank(self, picture: Blank) -> Answer:
        """What is said of a picture in which the detector saw no organism."""
        return Answer(
            image=picture.image,
            rule=f"{BLANK_RULE}: {picture.reason}",
            probability=None,
            index=self.index.card.name,
            encoder=self.encoder.fingerprint,
        )
