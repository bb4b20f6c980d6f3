"""The main job: pictures in, answers out, by one index and its encoder.

Composes the other rooms and holds no method of its own: how probabilities arise is left to `posterior`, at which
rank to answer to `fallback`, which taxa there are and which of them a filter keeps to `catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bioclip_search.calibration.record import CalibrationRecord, record_of
from bioclip_search.catalogue import Catalogue, Restriction
from bioclip_search.crops import Blank, Crop, Cut, as_pictures, cut_crops
from bioclip_search.encoder import Encoder, same_space
from bioclip_search.errors import IndexMismatchError
from bioclip_search.fallback import Decision, Step, Weighing, decide, decide_among
from bioclip_search.index import Index, find_index
from bioclip_search.index.search import Near
from bioclip_search.intervals import LeafSet
from bioclip_search.names import Names
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.results import Alternative, Answer, Failure, Rung, WithoutPlace
from bioclip_search.ruling import beyond_calibration, ruling_for, unjudged
from bioclip_search.stream import work_ahead
from bioclip_search.taxonomy import Taxon, Taxonomy

if TYPE_CHECKING:
    from bioclip_search.geography.geofence import Geofence
    from bioclip_search.geography.occurrences import Occurrences

Decided = tuple[Decision, float, dict[str, Any]]
"""A decision, the cosine of the best match in play, and what the answer tells of the place."""

BATCH_CROPS = 32
"""Crops encoded and decided together; their scores take 4 bytes a crop and leaf (111 MB for 868,000 leaves)."""

BLANK_RULE = "rule 0: no organism"


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
        of_place = {"country": country, "region": region, "geofence": geofence, "occurrences": occurrences, "near": near, "month": month}
        restriction = restriction or self.restrict(within=within, checklist=checklist, exclude=exclude, **of_place)
        self.catalogue.stop_if_silent(restriction.leaves)
        ruling = self.ruling(rank=rank, threshold=threshold, target_accuracy=target_accuracy, min_rank=min_rank, max_rank=max_rank) | {"rivals": top}
        if restriction.wider is not None or (restriction.leaves is not None and restriction.place is None):
            ruling["rules"] = unjudged(ruling["rules"])
        batch: list[Cut] = []
        for of_one_picture in cut_crops(images, self.encoder, self.detector, workers):
            batch += of_one_picture
            if sum(isinstance(item, Crop) for item in batch) >= BATCH_CROPS or len(batch) >= 2 * BATCH_CROPS:
                yield from self._by_picture(batch, restriction, ruling, language)
                batch = []
        yield from self._by_picture(batch, restriction, ruling, language)

    def identify_vectors(self, vectors: np.ndarray, *, leaves: LeafSet | None = None, **ruling: Any) -> list[Decision]:
        """The decisions for unit rows (b, dim), without any picture; `ruling` as `ruling` gives it and `fallback.decide` takes it."""
        return [decision for decision, _ in self._decided(vectors, leaves, ruling)]

    def _decided(self, vectors: np.ndarray, leaves: LeafSet | None, ruling: dict[str, Any]) -> list[tuple[Decision, float]]:
        """The decision for each row, and its cosine with the best match."""
        catalogue, sharpness = self.catalogue, self._sharpness
        found = self.index.near(vectors, sharpness, among=catalogue.rows_of(leaves), silent=catalogue.silent_rows, speed=self.speed)

        def decided(near: Near) -> tuple[Decision, float]:
            leaves, scores = catalogue.leaves_of(near)
            best = float(scores.max(initial=-np.inf))
            (probabilities,) = leaf_probabilities(scores[None], sharpness)
            if len(leaves) == len(self.taxonomy):
                return decide(probabilities, self.taxonomy.levels, best_score=best, **ruling), best
            return decide_among(leaves, probabilities, self.taxonomy.levels, best_score=best, **ruling), best

        return list(work_ahead(decided, found))  # numpy lets go of Python's lock

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """The cosine of unit rows with every leaf, whatever the speed: (b, n) float32, -inf for silent leaves."""
        return self.catalogue.scores(vectors)

    def ruling(self, **asked: Any) -> dict[str, Any]:
        """The rules and the ranks that may be answered at, as `fallback.decide` takes them; see `ruling.ruling_for`."""
        return ruling_for(self.taxonomy, self.index.card.name, lambda: self.calibration, **asked)

    @property
    def _sharpness(self) -> float:
        return self.index.card.encoder.logit_scale / self.temperature

    def _by_picture(self, batch: Sequence[Cut], restriction: Restriction, ruling: dict[str, Any], language: str | None) -> Iterator[list[Answer | Failure]]:
        """The results of a batch, one list per picture: a picture's crops stand together and share its number."""
        crops = [item for item in batch if isinstance(item, Crop)]
        vectors = self.encoder.encode_prepared([crop.prepared for crop in crops])  # (b, dim)
        decide_all = self._decided_at_place if restriction.place is not None else self._decided_anywhere
        decisions = iter(decide_all(vectors, restriction, ruling, language) if crops else ())
        is_promised = isinstance(ruling["rules"], Weighing)
        picture, results = None, []
        for item in batch:
            if results and item.picture != picture:
                yield results
                results = []
            picture = item.picture
            if isinstance(item, Crop):
                decision, best, more = next(decisions)
                results.append(
                    self._answer(
                        item,
                        decision,
                        language,
                        beyond_calibration=beyond_calibration(self.calibration, self.taxonomy, restriction, best) if is_promised else (),
                        **more,
                    )
                )
            elif isinstance(item, Blank):
                results.append(self._blank(item))
            else:
                results.append(Failure(item.image, item.error))
        if results:
            yield results

    def _decided_anywhere(self, vectors: np.ndarray, restriction: Restriction, ruling: dict[str, Any], language: str | None) -> list[Decided]:
        return [(decision, best, {}) for decision, best in self._decided(vectors, restriction.leaves, ruling)]

    def _decided_at_place(self, vectors: np.ndarray, restriction: Restriction, ruling: dict[str, Any], language: str | None) -> list[Decided]:
        """As without a place, all leaves scored, and what the place changed."""
        from bioclip_search.geography.comparing import Comparison

        comparison = Comparison(self.taxonomy.levels, len(self.taxonomy), restriction.wider, restriction.place)

        def decided(row: np.ndarray) -> Decided:
            found = comparison.of(row, self._sharpness, narrowed=unjudged(ruling["rules"]), **ruling)
            removed = found.removed
            more = {
                "place": restriction.place.words,
                "out_of_range": found.out_of_range,
                "without_place": self._without_place(found.without),
                "removed": self._alternative(removed, language) if removed else None,
            }
            return found.decision, comparison.best_in_play(row), more

        return list(work_ahead(decided, self.catalogue.scores(vectors)))

    def _without_place(self, decision: Decision) -> WithoutPlace:
        if decision.chosen is None:
            return WithoutPlace(None, None, 1.0)
        taxon = self._taxon(decision.chosen)
        return WithoutPlace(taxon.name, taxon.rank, decision.chosen.probability, decision.chance)

    def _answer(self, crop: Crop, decision: Decision, language: str | None, **more: Any) -> Answer:
        chosen = self._taxon(decision.chosen) if decision.chosen else None
        return Answer(
            image=crop.image,
            box_xyxy=crop.box_xyxy,
            detector_confidence=crop.confidence,
            taxon=chosen.name if chosen else None,
            rank=chosen.rank if chosen else None,
            common_name=self._common_name(chosen, language) if chosen else None,
            probability=decision.chosen.probability if decision.chosen else 1.0,
            chance=decision.chance,
            rule=decision.why,
            lineage=self.taxonomy.lineage(chosen.start, down_to=chosen.rank) if chosen else {},
            ladder=tuple(Rung(taxon.rank, taxon.name, step.probability) for step in decision.ladder for taxon in [self._taxon(step)]),
            alternatives=tuple(self._alternative(step, language) for step in decision.rivals),
            index=self.index.card.name,
            encoder=self.encoder.fingerprint,
            **more,
        )

    def _alternative(self, step: Step, language: str | None) -> Alternative:
        taxon = self._taxon(step)
        return Alternative(taxon.name, taxon.rank, step.probability, self._common_name(taxon, language))

    def _blank(self, picture: Blank) -> Answer:
        return Answer(
            image=picture.image,
            rule=f"{BLANK_RULE}: {picture.reason}",
            probability=None,
            index=self.index.card.name,
            encoder=self.encoder.fingerprint,
        )

    def _common_name(self, taxon: Taxon, language: str | None) -> str | None:
        (spoken,) = self.names.vernacular([taxon], language) if language else (None,)
        return spoken or self.taxonomy.common_name(taxon)

    def _taxon(self, step: Step) -> Taxon:
        return self.taxonomy.taxon(self.taxonomy.ranks[step.depth], step.number)
