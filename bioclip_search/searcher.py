"""The main job: pictures in, answers out, by one index and its encoder.

Composes the other rooms and holds no method of its own: how probabilities arise is left to `posterior`, at which
rank to answer to `fallback`, which taxa there are and which of them a filter keeps to `catalogue`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.catalogue import Catalogue, Restriction
from bioclip_search.crops import Blank, Crop, Cut, as_pictures, cut_crops
from bioclip_search.encoder import Encoder, same_space
from bioclip_search.errors import IndexMismatchError, NotCalibratedError, TableError
from bioclip_search.fallback import DEFAULT_THRESHOLD, Decision, Step, decide, decide_among, rule_in_words
from bioclip_search.index import Index, find_index
from bioclip_search.index.search import Near
from bioclip_search.intervals import LeafSet
from bioclip_search.names import Names
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.results import Alternative, Answer, Failure, Rung
from bioclip_search.stream import work_ahead
from bioclip_search.taxonomy import Taxon, Taxonomy

BATCH_CROPS = 32
"""Crops encoded and decided together; their scores take 4 bytes a crop and leaf (111 MB for 868,000 leaves)."""

BLANK_RULE = "rule 0: no organism"


class Searcher:
    """Identifies pictures against one index. Open it with `Searcher.open`."""

    def __init__(self, index: Index, encoder: Encoder, *, detector: Any = None, speed: str = "auto"):
        """Joins an index and the encoder that made it.

        Raises:
            IndexMismatchError: The encoder is not the one that the index was made with.
        """
        note = index.card.encoder
        if encoder.dim != note.dim:
            raise IndexMismatchError(f"The index {index.card.name} holds vectors of {note.dim} numbers, the encoder {encoder.name} makes {encoder.dim}.")
        if not same_space(encoder.fingerprint, note.fingerprint):
            raise IndexMismatchError(
                f"The index {index.card.name} was made with the encoder {note.fingerprint} ({note.source}, {note.preprocess}), not with {encoder.fingerprint} ({encoder.name}). Use that one, or build an index with this one."
            )
        self.index, self.encoder, self.detector, self.speed = index, encoder, detector, speed
        self.catalogue = Catalogue(index)

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
        trust_pickle: bool = False,
    ) -> Searcher:
        """Opens an index by name or path, with the encoder that it names.

        Args:
            encoder: An encoder at hand, instead of the one that the card names.
            detector: "none" takes each picture whole; else a name or path that `load_detector` takes.
            precision: auto, fp32, bf16 or int8 (extra `onnx`).
            speed: exact, balanced or fast; auto is balanced for an index large enough to gain by it.

        Raises:
            IndexFolderError: The index cannot be opened or does not fit the encoder.
            ModelError: The encoder or detector cannot be loaded.
        """
        from bioclip_search.detect import load_detector
        from bioclip_search.encoder.opening import open_encoder

        opened = Index(find_index(index))
        finder = load_detector(detector, device=device, trust_pickle=trust_pickle)
        if encoder is None:
            encoder = open_encoder(opened.encoder_source, device=device, precision=precision, preprocess=opened.card.encoder.preprocess)
        return cls(opened, encoder, detector=finder, speed=speed)

    @property
    def taxonomy(self) -> Taxonomy:
        return self.catalogue.taxonomy

    @property
    def names(self) -> Names:
        return self.catalogue.names

    def restrict(self, **filters: Any) -> Restriction:
        """The leaves that `within`, `checklist`, `exclude` and `country` leave in play; see `Catalogue.restrict`."""
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
        rank: str | None = None,
        threshold: float | None = None,
        target_accuracy: float | None = None,
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
            country: Only taxa that occur there (ISO 3166, two or three letters), for an index that knows where.
            rank: Answer at this rank, however unsure (rule 1).
            threshold: Probability that a taxon must reach (rule 2), 0 to 1.
            target_accuracy: The share of answers that shall be right; needs a calibrated index.
            top: How many runners-up an answer carries.
            language: Give vernacular names in this language (ISO 639-1) where the index has them, else its own.
            restriction: What `restrict` gave for these filters, where they were resolved already.
            workers: Threads that decode pictures ahead of the encoder.

        Raises:
            UnknownTaxonError: A clade or exclusion is not in the index.
            TableError: The filters leave no taxon, or none that has a vector, or a number is out of range.
            NotCalibratedError: A target accuracy was asked of an index that promises none.
        """
        restriction = restriction or self.restrict(within=within, checklist=checklist, exclude=exclude, country=country)
        leaves = restriction.leaves
        self.catalogue.stop_if_silent(leaves)
        ruling = self._ruling(rank, threshold, target_accuracy, top)
        batch: list[Cut] = []
        for of_one_picture in cut_crops(images, self.encoder, self.detector, workers):
            batch += of_one_picture
            if sum(isinstance(item, Crop) for item in batch) >= BATCH_CROPS or len(batch) >= 2 * BATCH_CROPS:
                yield from self._by_picture(batch, leaves, ruling, language)
                batch = []
        yield from self._by_picture(batch, leaves, ruling, language)

    def identify_vectors(self, vectors: np.ndarray, *, leaves: LeafSet | None = None, **ruling: Any) -> list[Decision]:
        """The decisions for unit rows (b, dim), without any picture; `ruling` as `fallback.decide` takes it."""
        catalogue, sharpness = self.catalogue, self._sharpness
        found = self.index.near(vectors, sharpness, among=catalogue.rows_of(leaves), silent=catalogue.silent_rows, speed=self.speed)

        def decided(near: Near) -> Decision:
            leaves, scores = catalogue.leaves_of(near)
            (probabilities,) = leaf_probabilities(scores[None], sharpness)
            if len(leaves) == len(self.taxonomy):
                return decide(probabilities, self.taxonomy.levels, **ruling)
            return decide_among(leaves, probabilities, self.taxonomy.levels, **ruling)

        return list(work_ahead(decided, found))  # numpy lets go of Python's lock

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """The cosine of unit rows with every leaf, whatever the speed: (b, n) float32, -inf for silent leaves."""
        return self.catalogue.scores(vectors)

    @property
    def _sharpness(self) -> float:
        calibration = self.index.card.calibration
        return self.index.card.encoder.logit_scale / (calibration.temperature if calibration else 1.0)

    def _ruling(self, rank: str | None, threshold: float | None, target_accuracy: float | None, top: int) -> dict[str, Any]:
        if threshold is not None and not 0 <= threshold <= 1:
            raise TableError(f"A threshold is a probability from 0 to 1, not {threshold}.")
        if target_accuracy is not None:
            threshold = self._calibrated_threshold(target_accuracy)
        depth = None if rank is None else self.taxonomy.ranks.index(self.taxonomy.level(rank).rank)
        return {"threshold": DEFAULT_THRESHOLD if threshold is None else threshold, "depth": depth, "rivals": top}

    def _calibrated_threshold(self, target: float) -> float:
        calibration = self.index.card.calibration
        if calibration is None or not calibration.thresholds:
            raise NotCalibratedError(f"The index {self.index.card.name} carries no calibration, so no accuracy can be promised. Use --threshold instead.")
        if str(target) not in calibration.thresholds:
            raise NotCalibratedError(f"The index {self.index.card.name} is calibrated for {', '.join(calibration.thresholds)}, not for {target}.")
        return calibration.thresholds[str(target)]

    def _by_picture(self, batch: Sequence[Cut], leaves: LeafSet | None, ruling: dict[str, Any], language: str | None) -> Iterator[list[Answer | Failure]]:
        """The results of a batch, one list per picture: a picture's crops stand together and share its number."""
        crops = [item for item in batch if isinstance(item, Crop)]
        vectors = self.encoder.encode_prepared([crop.prepared for crop in crops])  # (b, dim)
        decisions = iter(self.identify_vectors(vectors, leaves=leaves, **ruling) if crops else ())
        picture, results = None, []
        for item in batch:
            if results and item.picture != picture:
                yield results
                results = []
            picture = item.picture
            if isinstance(item, Crop):
                results.append(self._answer(item, next(decisions), ruling["threshold"], language))
            elif isinstance(item, Blank):
                results.append(self._blank(item))
            else:
                results.append(Failure(item.image, item.error))
        if results:
            yield results

    def _answer(self, crop: Crop, decision: Decision, threshold: float, language: str | None) -> Answer:
        chosen = self._taxon(decision.chosen) if decision.chosen else None
        return Answer(
            image=crop.image,
            box_xyxy=crop.box_xyxy,
            detector_confidence=crop.confidence,
            taxon=chosen.name if chosen else None,
            rank=chosen.rank if chosen else None,
            common_name=self._common_name(chosen, language) if chosen else None,
            probability=decision.chosen.probability if decision.chosen else 1.0,
            rule=rule_in_words(decision.rule, chosen.rank if chosen else None, threshold),
            lineage=self.taxonomy.lineage(chosen.start, down_to=chosen.rank) if chosen else {},
            ladder=tuple(Rung(taxon.rank, taxon.name, step.probability) for step in decision.ladder for taxon in [self._taxon(step)]),
            alternatives=tuple(
                Alternative(taxon.name, taxon.rank, step.probability, self._common_name(taxon, language))
                for step in decision.rivals
                for taxon in [self._taxon(step)]
            ),
            index=self.index.card.name,
            encoder=self.encoder.fingerprint,
        )

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
