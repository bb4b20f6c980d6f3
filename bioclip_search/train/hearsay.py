"""Species that a teacher knows and no training picture shows, imagined from pictures of their relatives.

A classifier's last layer says where in the space of its features each of its classes lies: for classes of equal spread
S the weights are w = S⁻¹ m + constant (linear discriminant analysis, Fisher 1936), so that S (w_k - w_j) leads from the
mean of class j to that of class k. A picture of j, moved so, stands for a picture of k: its light, pose and background
are real, its species is known by hearsay. That is how the names of the teacher's species reach the text tower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from bioclip_search.errors import ModelError
from bioclip_search.train.config import EncoderConfig, TeacherConfig
from bioclip_search.train.pictures import TRAIN, UNSEEN, LabelledPicture
from bioclip_search.train.taxa import Taxon
from bioclip_search.train.teachers import class_taxa, classifier_weights, species_of

MIN_HOSTS = 50
"""Pictures below which the spread of their features says too little."""


@dataclass(frozen=True, eq=False)
class Hearsay:
    """One teacher's species as pictures that can be drawn.

    Attributes:
        taxa: The k species.
        classes: (k,) int64, their numbers among all c classes.
        rows: (h,) int64, the training pictures that may be moved.
        own: (h,) int64, the class of each.
        shifts: (c, f) float16, where each class lies from the mean of all.
    """

    taxa: tuple[Taxon, ...]
    classes: torch.Tensor
    rows: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    own: torch.Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    shifts: torch.Tensor = field(default_factory=lambda: torch.zeros(0, 0))

    def __len__(self) -> int:
        return len(self.taxa)

    def hosts_of(self, chance: torch.Tensor) -> torch.Tensor:
        """(m,) int64, one host for each number in [0, 1)."""
        return (chance * len(self.rows)).long().clamp(max=len(self.rows) - 1)

    def transform(self, features: torch.Tensor, hosts: torch.Tensor, species: torch.Tensor) -> torch.Tensor:
        """The features (m, f) of these hosts moved to these species; never below nought, as after a rectifier."""
        return (features + self.shifts[self.classes[species]].float() - self.shifts[self.own[hosts]].float()).clamp(min=0)


def hearsay_pictures(config: EncoderConfig, pictures: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    """A picture without bytes for each species of each teacher with `hearsay`, in that order; none of a species kept back."""
    teachers = [teacher for teacher in config.teachers if teacher.hearsay]
    known, kept_back = species_of(config) if teachers else {}, _kept_back(pictures)
    return [
        LabelledPicture(b"", taxon, taxon["species"] or "", teacher.name, TRAIN)
        for teacher in teachers
        for _, taxon in _species(config, teacher, known)
        if taxon["species"] not in kept_back
    ]


def listen(config: EncoderConfig, pictures: Sequence[LabelledPicture], features: torch.Tensor) -> tuple[Hearsay, ...]:
    """The hearsay of each teacher that has any.

    Args:
        pictures: All pictures, those kept back included; the teacher must be a part of the tower that saw them.
        features: (n, f) float16, what that tower saw of those to be taught, unchanged.

    Raises:
        ModelError: A teacher's classifier does not fit the tower, or too few pictures lie within its taxon.
    """
    teachers = [teacher for teacher in config.teachers if teacher.hearsay]
    known, kept_back = species_of(config) if teachers else {}, _kept_back(pictures)
    taught = [picture for picture in pictures if picture.part == TRAIN and picture.data]
    return tuple(_listen_to(config, teacher, _species(config, teacher, known), taught, kept_back, features.float().numpy()) for teacher in teachers)


def _listen_to(
    config: EncoderConfig,
    teacher: TeacherConfig,
    species: list[tuple[int, Taxon]],
    taught: Sequence[LabelledPicture],
    kept_back: set[str | None],
    features: np.ndarray,
) -> Hearsay:
    weight, bias = (entry.numpy() for entry in classifier_weights(Path(config.data_root) / teacher.file))  # (c, g), (c,)
    tower = slice(teacher.tower * weight.shape[1], (teacher.tower + 1) * weight.shape[1])
    rows = np.array([i for i, picture in enumerate(taught) if teacher.within in picture.taxon.values() and picture.set_name not in teacher.not_from])
    if tower.stop > features.shape[1]:
        raise ModelError(f"Teacher {teacher.name}: the picture tower has no part number {teacher.tower} of {weight.shape[1]} features.")
    if len(rows) < MIN_HOSTS:
        raise ModelError(f"Teacher {teacher.name}: {len(rows)} training pictures lie within {teacher.within!r}, expected at least {MIN_HOSTS}.")
    seen = features[rows]  # (h, f)
    number = {taxon["species"]: i for i, taxon in species}
    told = [(i, taxon) for i, taxon in species if taxon["species"] not in kept_back]
    named = np.array([number.get(taught[i].taxon["species"], -1) for i in rows])
    shifts = _shifts(seen, seen[:, tower], weight)  # (c, f)
    shifts *= _best_length(seen[:, tower] - seen[:, tower].mean(axis=0), shifts[:, tower], named)
    own = np.where(named >= 0, named, (seen[:, tower] @ weight.T + bias).argmax(axis=1))
    return Hearsay(
        taxa=tuple(taxon for _, taxon in told),
        classes=torch.tensor([i for i, _ in told]),
        rows=torch.from_numpy(rows),
        own=torch.from_numpy(own),
        shifts=torch.from_numpy(shifts).half(),
    )


def _shifts(seen: np.ndarray, own: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(c, f): how all features (h, f) go along with the teacher's (h, g), times the weights of each class (c, g)."""
    covariance = (seen - seen.mean(axis=0)).T @ (own - own.mean(axis=0)) / len(seen)  # (f, g)
    return (weight - weight.mean(axis=0)) @ covariance.T


def _best_length(actual: np.ndarray, shifts: np.ndarray, named: np.ndarray) -> float:
    """The factor that brings the shifts (c, g) nearest to the pictures (h, g) whose class is known; 1 if none is."""
    known = named >= 0
    expected = shifts[named[known]]
    return float((actual[known] * expected).sum() / (expected**2).sum()) if known.any() else 1.0


def _kept_back(pictures: Sequence[LabelledPicture]) -> set[str | None]:
    return {picture.taxon["species"] for picture in pictures if picture.part == UNSEEN}


def _species(config: EncoderConfig, teacher: TeacherConfig, known: Mapping[str, Taxon]) -> list[tuple[int, Taxon]]:
    """The teacher's classes that are species within its taxon, with their numbers."""
    taxa = class_taxa(Path(config.data_root) / teacher.labels, known)
    return [(i, taxon) for i, taxon in enumerate(taxa) if taxon and taxon["species"] and teacher.within in taxon.values()]
