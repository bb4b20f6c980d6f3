"""The main job: pictures in, answers out, by one index and its encoder.

Composes the other rooms and holds no method of its own: how probabilities arise is left to `posterior`, at which
rank to answer to `fallback`, which leaves a filter keeps to `names` and `intervals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bioclip_search.crops import Blank, Crop, Cut, as_pictures, cut_crops
from bioclip_search.encoder import Encoder, same_space
from bioclip_search.errors import IndexMismatchError, NotCalibratedError, TableError
from bioclip_search.fallback import DEFAULT_THRESHOLD, Decision, Step, decide, rule_in_words
from bioclip_search.index import Index, find_index
from bioclip_search.intervals import LeafSet
from bioclip_search.names import Names, Unknown
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.results import Alternative, Answer, Failure, Rung
from bioclip_search.stream import work_ahead
from bioclip_search.tables import read_names
from bioclip_search.taxonomy import Taxon, Taxonomy

BATCH_CROPS = 32
"""Crops encoded and decided together; their scores take 4 bytes a crop and leaf (111 MB for 868,000 leaves)."""


BLANK_RULE = "rule 0: no organism"


@dataclass(frozen=True)
class Restriction:
    """The leaves that clade, checklist and exclusion leave in play, and the names that were not found."""

    leaves: LeafSet | None
    unknown: tuple[Unknown, ...] = ()


class Searcher:
    """Identifies pictures against one index. Open it with `Searcher.open`."""

    def __init__(self, index: Index, encoder: Encoder, *, detector: Any = None):
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
        self.index, self.encoder, self.detector = index, encoder, detector

    @classmethod
    def open(
        cls,
        index: str | Path = "starter",
        *,
        encoder: Encoder | None = None,
        detector: str = "none",
        device: str = "auto",
        precision: str = "auto",
        trust_pickle: bool = False,
    ) -> Searcher:
        """Opens an index by name or path, with the encoder that it names.

        Args:
            encoder: An encoder at hand, instead of the one that the card names.
            detector: "none" takes each picture whole; else a name or path that `load_detector` takes.
            precision: auto, fp32, bf16 or int8 (extra `onnx`).

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
        return cls(opened, encoder, detector=finder)

    @cached_property
    def taxonomy(self) -> Taxonomy:
        from pyarrow import parquet

        ranks = self.index.card.taxonomy.ranks
        leaves = parquet.read_table(self.index.taxa_path, read_dictionary=list(ranks), memory_map=True)
        return Taxonomy(leaves.unify_dictionaries().combine_chunks(), ranks)

    @cached_property
    def names(self) -> Names:
        return Names(self.index.names_path, self.taxonomy, self.taxonomy.leaf_of_row)

    @cached_property
    def silent_leaves(self) -> LeafSet:
        """The leaves whose text gave a zero vector; they can never be an answer."""
        return LeafSet.from_mask(np.asarray(self.taxonomy.leaves["zero_vector"].combine_chunks()))

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
        within: str | None = None,
        checklist: str | Path | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        rank: str | None = None,
        threshold: float | None = None,
        target_accuracy: float | None = None,
        top: int = 5,
        language: str | None = None,
        workers: int | None = None,
    ) -> Iterator[list[Answer | Failure]]:
        """The answers of one picture after the other, as they come; memory is flat in the number of pictures.

        Args:
            within: Only taxa of this clade, by any name: "Aves", "birds of prey", "Plantae > Oenanthe".
            checklist: Only these taxa and all below them: a file of names or a list.
            exclude: Not these taxa, nor any below them.
            rank: Answer at this rank, however unsure (rule 1).
            threshold: Probability that a taxon must reach (rule 2), 0 to 1.
            target_accuracy: The share of answers that shall be right; needs a calibrated index.
            top: How many runners-up an answer carries.
            language: Give vernacular names in this language (ISO 639-1) where the index has them, else its own.
            workers: Threads that decode pictures ahead of the encoder.

        Raises:
            UnknownTaxonError: A clade or exclusion is not in the index.
            TableError: The filters leave no taxon, or a number is out of range.
            NotCalibratedError: A target accuracy was asked of an index that promises none.
        """
        leaves = self.restrict(within=within, checklist=checklist, exclude=exclude).leaves
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
        scores = self.index.vectors.scores(vectors, among=leaves)  # (b, leaves)
        for start, stop in self.silent_leaves.ranges.tolist():
            scores[:, start:stop] = -np.inf
        calibration = self.index.card.calibration
        temperature = calibration.temperature if calibration else 1.0

        def decided(row: np.ndarray) -> Decision:
            (probabilities,) = leaf_probabilities(row[None], self.index.card.encoder.logit_scale, temperature)
            return decide(probabilities, self.taxonomy.levels, **ruling)

        return list(work_ahead(decided, scores))  # numpy lets go of Python's lock

    def restrict(
        self,
        *,
        within: str | None = None,
        checklist: str | Path | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
    ) -> Restriction:
        """The leaves that all the filters leave in play, and the names of the checklist that are unknown.

        Raises:
            UnknownTaxonError: The clade, an exclusion, or every name of the checklist is not in the index.
            TableError: Nothing is left in play.
        """
        if within is None and checklist is None and exclude is None:
            return Restriction(None)
        leaves, unknown = LeafSet.whole(len(self.taxonomy)), []
        if within is not None:
            clade = self.names.the_one(within)
            leaves &= LeafSet.of([(clade.start, clade.stop)], leaves.size)
        if checklist is not None:
            listed, unknown = self.names.resolve(read_names(checklist))
            leaves &= listed
        for name in [exclude] if isinstance(exclude, str) else exclude or []:
            taxon = self.names.the_one(name)
            leaves = leaves.minus(LeafSet.of([(taxon.start, taxon.stop)], leaves.size))
        if not len(leaves):
            reasons = "; ".join(str(name) for name in unknown[:5])
            raise TableError(f"The filters leave no taxon of the index {self.index.card.name}. {reasons or 'Widen the clade or the checklist.'}")
        return Restriction(leaves, tuple(unknown))

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
