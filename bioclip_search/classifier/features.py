"""The examples as the encoder sees them: a vector a picture and look, with what must not be parted.

Vectors are kept on disk by `evaluation.picture_vectors`, so that no picture is looked at twice; which picture is of which class is
left to `examples`, dealing them out to folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bioclip_search.classifier.examples import Examples
from bioclip_search.classifier.views import VIEWS, look_at
from bioclip_search.encoder import Encoder
from bioclip_search.errors import TableError
from bioclip_search.evaluation.picture_vectors import Embed, EmbeddedSet, vectors_of
from bioclip_search.results import Failure
from bioclip_search.splits.together import as_one, groups_of, pictures_as_one
from bioclip_search.taxonomy import Taxon


@dataclass(frozen=True, eq=False)
class Look:
    """What one look shows of some of the pictures: (m,) their numbers, ascending, and (m, d) float32 unit rows."""

    name: str
    pictures: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True, eq=False)
class Features:
    """n pictures that can be read.

    Attributes:
        looks: The first is the picture itself, of every picture; a further one may lack some.
        of: (n,) int64, the class of each, below k.
        groups: (n,) int64; pictures of one number must not be parted.
        bursts: (n,) int64; pictures of one number were taken in one burst; (n,) different numbers where nothing is known.
        parts: (n,) str; as the sets tell.
        names: (n,) how each is spoken of.
        taxa: (k,) the classes.
    """

    looks: tuple[Look, ...]
    of: np.ndarray
    groups: np.ndarray
    bursts: np.ndarray
    parts: np.ndarray
    names: tuple[str, ...]
    taxa: tuple[Taxon, ...]
    failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        return len(self.of)

    @property
    def vectors(self) -> np.ndarray:
        """The pictures as they are, (n, d)."""
        return self.looks[0].vectors

    def taught(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The vectors of some pictures in all their looks, (m, d), and the number of the picture of each, (m,); `rows` is (n,) bool."""
        numbers = [look.pictures[rows[look.pictures]] for look in self.looks]
        vectors = [look.vectors[rows[look.pictures]] for look in self.looks]
        return np.concatenate(vectors), np.concatenate(numbers)

    def only(self, is_kept: np.ndarray) -> Features:
        """The pictures that are kept, (n,) bool."""
        new = np.cumsum(is_kept) - 1
        looks = tuple(Look(look.name, new[look.pictures[is_kept[look.pictures]]], look.vectors[is_kept[look.pictures]]) for look in self.looks)
        names = tuple(name for name, keep in zip(self.names, is_kept.tolist(), strict=True) if keep)
        groups, bursts = (np.unique(numbers[is_kept], return_inverse=True)[1].reshape(-1) for numbers in (self.groups, self.bursts))  # without gaps
        return replace(self, looks=looks, names=names, of=self.of[is_kept], parts=self.parts[is_kept], groups=groups, bursts=bursts)

    def of_classes(self, is_kept: np.ndarray) -> Features:
        """The pictures of the classes that are kept, (k,) bool, which are numbered anew."""
        number = np.where(is_kept, np.cumsum(is_kept) - 1, -1)
        found = self.only(is_kept[self.of])
        taxa = tuple(taxon for taxon, keep in zip(self.taxa, is_kept.tolist(), strict=True) if keep)
        return replace(found, of=number[found.of], taxa=taxa)

    def with_looks(self, names: Sequence[str]) -> Features:
        """The same with some of the looks only."""
        return replace(self, looks=tuple(look for look in self.looks if look.name in names))


def see(
    encoder: Encoder,
    examples: Examples,
    *,
    views: str = "none",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    home: Path | None = None,
    embed: Embed | None = None,
) -> Features:
    """The examples that can be read, embedded; of those that cannot, the reasons.

    Args:
        views: One of `VIEWS`.
        progress: Called with the pictures looked at, a look each, and in all.
        home: Where vectors are kept; the user's cache unless given.
        embed: Looks at pictures elsewhere, as `vectors_of` takes it.

    Raises:
        TableError: There are no such views, or no picture can be read.
    """
    if views not in VIEWS:
        raise TableError(f"There are no views {views!r}. Choose one of {', '.join(VIEWS)}.")
    wanted = [rows >= 0 for rows in examples.of]
    total = sum(int(rows.sum()) for rows in wanted) * len(VIEWS[views])
    looks: list[list[EmbeddedSet]] = []
    done = 0
    for look in VIEWS[views]:
        looks.append([])
        for labelled, rows in zip(examples.sets, wanted, strict=True):
            tick = None if progress is None else lambda count, _, before=done: progress(before + count, total)
            looks[-1].append(vectors_of(encoder, look_at(labelled, look, encoder.input_px), rows, workers=workers, progress=tick, home=home, embed=embed))
            done += int(rows.sum())
    return _features(examples, looks, VIEWS[views])


def _features(examples: Examples, looks: Sequence[Sequence[EmbeddedSet]], names: Sequence[str]) -> Features:
    plain, starts = looks[0], np.cumsum([0, *map(len, looks[0])])
    if not starts[-1]:
        raise TableError(f"None of {sum(int((rows >= 0).sum()) for rows in examples.of):,} pictures can be read: {_why(plain)}. Look at the files.")
    places = [_places(found, len(labelled), start) for found, labelled, start in zip(plain, examples.sets, starts.tolist(), strict=False)]
    vectors, sizes = np.concatenate([found.vectors for found in plain]), list(map(len, plain))
    told = [None if labelled.bursts is None else labelled.bursts[found.rows] for found, labelled in zip(plain, examples.sets, strict=True)]
    bursts = as_one(told, sizes)
    groups = groups_of(
        len(vectors),
        bursts=bursts,
        picture_of_row=pictures_as_one([found.picture_of_row for found in plain], sizes),
        contents=[vector.tobytes() for vector in vectors],  # equal vectors are of equal pictures
    )
    return Features(
        looks=tuple(Look(name, *_look(found, places)) for name, found in zip(names, looks, strict=True)),
        of=np.concatenate([rows[found.rows] for rows, found in zip(examples.of, plain, strict=True)]),
        groups=groups,
        bursts=groups_of(len(vectors), bursts=bursts),
        parts=np.concatenate([found.parts for found in plain]),
        names=tuple(name for found in plain for name in found.names),
        taxa=examples.taxa,
        failures=tuple(failure for found in plain for failure in found.failures),
    )


def _places(found: EmbeddedSet, rows: int, start: int) -> np.ndarray:
    """The number of the picture that each row of a set became, (rows,); -1 where it cannot be read."""
    places = np.full(rows, -1)
    places[found.rows] = start + np.arange(len(found))
    return places


def _look(found: Sequence[EmbeddedSet], places: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The pictures that one look shows, and their vectors; what only this look can read is left out."""
    numbers = np.concatenate([place[one.rows] for place, one in zip(places, found, strict=True)])
    vectors = np.concatenate([one.vectors for one in found])
    return numbers[numbers >= 0], vectors[numbers >= 0]


def _why(found: Sequence[EmbeddedSet]) -> str:
    first = next((failure for one in found for failure in one.failures), None)
    return f"{first.image}: {first.error}, for example" if first else "there are none"
