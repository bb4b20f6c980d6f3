"""Own words against own pictures as one table: how well each word fits each picture, and which fits it best.

Pure; the vectors of words and pictures are made by `labelling` and `seeing`, colours are the app's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bioclip_search.encoder import Encoder, encode_recipe
from bioclip_search.errors import TableError
from bioclip_search.labelling import check_labels
from bioclip_search.posterior import leaf_probabilities
from bioclip_search.prompts import OPENAI_80_TEMPLATES, TextRecipe
from bioclip_search.standards.csv_table import safe

MOST_LABELS, LONGEST_LABEL = 40, 200
"""Words that are compared at a time, and letters of one: more columns cannot be read, and each is eighty texts to encode."""


@dataclass(frozen=True, eq=False)
class Heat:
    """The probabilities, (pictures, labels) float32; each row sums to one."""

    pictures: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: np.ndarray

    def best(self, row: int) -> int:
        """The number of the label that fits a picture best; of equals the first."""
        return int(np.argmax(self.probabilities[row]))

    def to_csv(self) -> str:
        """A row a picture: its name, the best label, and the probability of each, safe to open in a spreadsheet."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(_safe(["image", "best", *self.labels]))
        for number, (name, row) in enumerate(zip(self.pictures, self.probabilities.tolist(), strict=True)):
            writer.writerow([*_safe([name, self.labels[self.best(number)]]), *(f"{value:.6f}" for value in row)])
        return out.getvalue()


def labels_in(text: str) -> list[str]:
    """The words of a text with one label a line, each once, in their order; empty for an empty text.

    >>> labels_in("red fox\\n\\n roe deer \\nred fox")
    ['red fox', 'roe deer']

    Raises:
        TableError: There are too many, or one is too long.
    """
    labels = list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))
    if len(labels) > MOST_LABELS:
        raise TableError(f"There are {len(labels):,} labels; up to {MOST_LABELS} are compared at a time. Leave some out, or use `bioclip-search label`.")
    long = next((label for label in labels if len(label) > LONGEST_LABEL), None)
    if long is not None:
        raise TableError(f"The label {long[:40]!r}… has {len(long):,} letters; up to {LONGEST_LABEL} are taken. Put each label on a line of its own.")
    return labels


def label_vector(encoder: Encoder, label: str, templates: Sequence[str] = OPENAI_80_TEMPLATES) -> np.ndarray:
    """The unit vector of a label, (d,) float32: the mean over the sentences that `label` of the command line takes, too."""
    return encode_recipe(encoder, [TextRecipe(templates=tuple(templates)).sentences(label)])[0]


def heat(pictures: Sequence[str], seen: np.ndarray, labels: Sequence[str], texts: np.ndarray, logit_scale: float) -> Heat:
    """The table.

    Args:
        seen: (p, d) float32 unit rows, one a picture.
        texts: (l, d) float32 unit rows, one a label.

    Raises:
        TableError: There is no label, or one stands twice.
    """
    labels = check_labels(labels)
    return Heat(tuple(pictures), tuple(labels), leaf_probabilities(seen @ texts.T, logit_scale) if len(seen) else np.empty((0, len(labels)), np.float32))


def _safe(cells: Sequence[str]) -> list[str]:
    return list(safe(dict(enumerate(cells))).values())
