"""Says whether an answer is right, given a label that may stop above species.

Pure numpy over numbered names; which answer was given is left to `marking`, what is counted to `measures`.

The rules, for an answer at some rank:

1. The label names a taxon of that rank: right if it is the same one. Two taxa are the same if their names are, unless
   their kingdoms are known and differ (*Oenanthe* is a bird and a plant).
2. The label stops above that rank: right if the answer lies within the label's taxon, for the label says no more.
3. The label passes the rank over (a species whose family was not filled in): undecided, not counted.

An answer is the label itself if both stop at the same taxon and, above the lowest rank, their vernacular names do not
contradict each other: snail and slug are both Gastropoda, while two vernacular names of one species are synonyms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.tables import text_column

RIGHT, WRONG, UNDECIDED = np.int8(1), np.int8(0), np.int8(-1)


@dataclass(frozen=True, eq=False)
class Lineages:
    """Lineages as numbers that can be compared: equal where the names are, -1 where there is none."""

    codes: np.ndarray  # (n, ranks) int32
    vernacular: np.ndarray  # (n,) int32

    @classmethod
    def of(cls, table: pa.Table, ranks: Sequence[str], numbers: dict[str, int]) -> Lineages:
        """The lineages of a table's rows; `numbers` is shared by all that shall be compared, and grows."""
        codes = np.stack([_numbered(table[rank], numbers) for rank in ranks], axis=1)  # (n, ranks)
        vernacular = pc.utf8_lower(text_column(table, "common_name"))
        return cls(codes, _numbered(vernacular, numbers))

    @cached_property
    def lowest(self) -> np.ndarray:
        """The number of the lowest rank that each names, (n,) int64; 0 where it names none."""
        named = self.codes >= 0
        return np.where(named.any(axis=1), named.shape[1] - 1 - np.argmax(named[:, ::-1], axis=1), 0)

    @property
    def lowest_codes(self) -> np.ndarray:
        """The name at that rank, (n,) int32."""
        return self.at(self.lowest)

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray | Sequence[int]) -> Lineages:
        return Lineages(self.codes[rows], self.vernacular[rows])

    def at(self, depth: int | np.ndarray) -> np.ndarray:
        """The name of each at a rank, or of each at its own: (n,) int32."""
        return self.codes[np.arange(len(self)), depth]


def judge_at_rank(answers: Lineages, truths: Lineages, depth: int) -> np.ndarray:
    """Each answer at one rank, (n,) int8: undecided where the label names no taxon of it, else by rule 1."""
    return np.where(truths.at(depth) >= 0, _same_taxon(answers, truths, depth), UNDECIDED).astype(np.int8)


def judge_answers(answers: Lineages, depths: np.ndarray, truths: Lineages) -> np.ndarray:
    """Each answer at the rank that it was given at, `depths` (n,), by rules 1 to 3: (n,) int8."""
    is_named = truths.at(depths) >= 0
    within = np.where(depths > truths.lowest, _same_taxon(answers, truths, truths.lowest), UNDECIDED)
    return np.where(is_named, _same_taxon(answers, truths, depths), within).astype(np.int8)


def is_label(answers: Lineages, truths: Lineages) -> np.ndarray:
    """Whether each answer is the label itself, (n,) bool."""
    return (answers.lowest == truths.lowest) & _same_taxon(answers, truths, truths.lowest) & ~_contradicts(answers, truths)


def is_at_label_rank(answers: Lineages, truths: Lineages) -> np.ndarray:
    """Whether each answer is the label itself or lies within it (rule 2), (n,) bool."""
    return _same_taxon(answers, truths, truths.lowest) & ~((answers.lowest == truths.lowest) & _contradicts(answers, truths))


def _same_taxon(answers: Lineages, truths: Lineages, depth: int | np.ndarray) -> np.ndarray:
    kingdom, wanted = answers.codes[:, 0], truths.codes[:, 0]
    is_possible = (kingdom == wanted) | (kingdom < 0) | (wanted < 0)
    return (answers.at(depth) == truths.at(depth)) & (truths.at(depth) >= 0) & is_possible


def _contradicts(answers: Lineages, truths: Lineages) -> np.ndarray:
    """Whether two labels at one taxon above the lowest rank bear different vernacular names."""
    is_higher = truths.lowest < truths.codes.shape[1] - 1
    return is_higher & (answers.vernacular >= 0) & (truths.vernacular >= 0) & (answers.vernacular != truths.vernacular)


def _numbered(column: pa.ChunkedArray, numbers: dict[str, int]) -> np.ndarray:
    """(n,) int32; numbers are given in order of first sight."""
    encoded = column.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    number_of = np.array([*(numbers.setdefault(name, len(numbers)) for name in encoded.dictionary.to_pylist()), -1], np.int32)
    return number_of[np.asarray(pc.fill_null(encoded.indices, len(encoded.dictionary)))]
