"""Holds the sentences a run trains with, and which of them are true, false or undecided for which label.

The wording is left to `prompts`, the tokens to `tokenizer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from bioclip_search.prompts import BARE_TEMPLATE, ONE_TEMPLATE, RANKS, TEXT_TYPES, describe
from bioclip_search.train.taxa import Node, Taxon, lineage_nodes, taxon_above

TEMPLATES = (*BARE_TEMPLATE, *ONE_TEMPLATE)
VERNACULAR_TYPES = ("com", "sci_com", "taxon_com")
COARSE_TYPES = ("sci", "taxon")
"""How a higher taxon is put into words: its vernacular name is in no table, so only the scientific ones."""

USUAL_TYPE, USUAL_SHARE = "taxon_com", 0.6
"""The text type that indexes are built with, and how often it is drawn for names without pictures; else any of the five."""

Tokenizer = Callable[[Sequence[str]], torch.Tensor]


@dataclass(frozen=True)
class TextBank:
    """Every sentence that may be drawn, tokenised, with its truth for every label.

    Attributes:
        tokens: (m, c) int64.
        is_true: (l, m) bool; the sentence names the label itself or a taxon that contains it.
        is_open: (l, m) bool; true, or nobody knows: a taxon below a label that stops above species.
        own: (l, 5, 2) int64, sentence of each label by text type and template.
        coarse: For each label, the sentences of the taxa above it: (k, 2) int64 by template; k may be 0.
    """

    sentences: tuple[str, ...]
    tokens: torch.Tensor
    is_true: torch.Tensor
    is_open: torch.Tensor
    own: torch.Tensor
    coarse: tuple[torch.Tensor, ...]


def distinct_labels(taxa: Sequence[Taxon]) -> tuple[list[Taxon], np.ndarray]:
    """The different taxa in order of first sight, and (n,) int64, which of them each given one is.

    Two labels with one lineage and two vernacular names are two labels: snail and slug are both Gastropoda.
    """
    number: dict[tuple[str | None, ...], int] = {}
    inverse = [number.setdefault(tuple(taxon[key] for key in (*RANKS, "common_name")), len(number)) for taxon in taxa]
    labels = [dict(zip((*RANKS, "common_name"), key, strict=True)) for key in number]
    return labels, np.asarray(inverse, np.int64)


def build_text_bank(labels: Sequence[Taxon], tokenize: Tokenizer) -> TextBank:
    """The sentences of all labels and of all taxa above them; a sentence that two labels share stands once."""
    writer = _Writer()
    own = [[writer.add(label, kind) for kind in TEXT_TYPES] for label in labels]
    coarse = [[writer.add(taxon_above(label, rank), kind) for rank, _ in lineage_nodes(label)[:-1] for kind in COARSE_TYPES] for label in labels]
    is_true, is_open = _truth(labels, writer.meanings)
    return TextBank(
        sentences=tuple(writer.sentences),
        tokens=tokenize(writer.sentences),  # (m, c)
        is_true=torch.from_numpy(is_true),
        is_open=torch.from_numpy(is_open),
        own=torch.tensor(own),  # (l, 5, 2)
        coarse=tuple(torch.tensor(ids, dtype=torch.int64).reshape(-1, len(TEMPLATES)) for ids in coarse),
    )


def draw_sentences(bank: TextBank, label_ids: torch.Tensor, coarse_share: float, template_share: float, generator: torch.Generator) -> torch.Tensor:
    """One sentence for each label, (b,) int64: its own in a random text type, or now and then a taxon above it."""
    random = torch.rand(len(label_ids), 3, generator=generator).tolist()
    drawn = []
    for label, (coarse, kind, template) in zip(label_ids.tolist(), random, strict=True):
        choices = bank.coarse[label] if coarse < coarse_share and len(bank.coarse[label]) else bank.own[label]
        drawn.append(choices[int(kind * len(choices)), int(template < template_share)])
    return torch.stack(drawn)


def draw_wording(taxa: Sequence[Taxon], generator: torch.Generator) -> list[str]:
    """Each taxon in words, most often of the usual type."""
    random = torch.rand(len(taxa), 2, generator=generator).tolist()
    return [
        describe(taxon, USUAL_TYPE if usual < USUAL_SHARE else TEXT_TYPES[int(kind * len(TEXT_TYPES))])
        for taxon, (usual, kind) in zip(taxa, random, strict=True)
    ]


@dataclass(frozen=True)
class _Meaning:
    """What a sentence says: a taxon, and the vernacular name if the sentence shows one."""

    nodes: tuple[Node, ...]
    common_name: str | None


class _Writer:
    """Collects sentences, each once for each meaning."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.meanings: list[_Meaning] = []
        self._number: dict[tuple[str, _Meaning], int] = {}

    def add(self, taxon: Taxon, kind: str) -> list[int]:
        shown = taxon["common_name"] if kind in VERNACULAR_TYPES else None
        meaning = _Meaning(tuple(lineage_nodes(taxon)), shown)
        return [self._add(template.replace("{}", describe(taxon, kind)), meaning) for template in TEMPLATES]

    def _add(self, sentence: str, meaning: _Meaning) -> int:
        key = (sentence, meaning)
        if key not in self._number:
            self._number[key] = len(self.sentences)
            self.sentences.append(sentence)
            self.meanings.append(meaning)
        return self._number[key]


def _truth(labels: Sequence[Taxon], meanings: Sequence[_Meaning]) -> tuple[np.ndarray, np.ndarray]:
    """For each label and sentence, (l, m) bool twice: is it true, and is it not known to be false.

    1. A sentence that names a taxon alone is true of all labels within that taxon.
    2. A sentence with a vernacular name is true only of labels at that very taxon: with any name if it is a species
       (names of one species are synonyms), with the same name if it is higher (not every snail is a slug).
    3. A sentence about a taxon within the label, or a vernacular name above it, is open. All others are false.
    """
    within: dict[Node, list[int]] = {}
    ends_at: dict[Node, list[int]] = {}
    for i, label in enumerate(labels):
        nodes = lineage_nodes(label)
        ends_at.setdefault(nodes[-1], []).append(i)
        for node in nodes:
            within.setdefault(node, []).append(i)
    is_true = np.zeros((len(labels), len(meanings)), bool)
    is_open = np.zeros((len(labels), len(meanings)), bool)
    for j, meaning in enumerate(meanings):
        node = meaning.nodes[-1]
        here = ends_at.get(node, [])
        same = [i for i in here if node[0] == "species" or labels[i]["common_name"] == meaning.common_name]
        is_true[same if meaning.common_name else within[node], j] = True
        is_open[within[node], j] = True
        for above in meaning.nodes[:-1]:
            is_open[ends_at.get(above, []), j] = True
        if meaning.common_name:
            is_open[[i for i in here if i not in same], j] = False
    return is_true, is_open
