"""Names alone, pictures alone, and both, asked the same queries."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.encoder import Encoder
from bioclip_search.evaluation.few_shot import classes_of, few_shot
from bioclip_search.evaluation.few_shot_blend import names_of
from bioclip_search.evaluation.picture_vectors import EmbeddedSet
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.text_vectors import TextVectors
from tests.conftest import ColourEncoder

SPECIES, FAMILIES, DIM = 12, 4, 32


def pictures(encoder: Encoder, by_name: float, by_look: float, each: int = 8, seed: int = 0, unknown: int = 0) -> EmbeddedSet:
    """Twelve species of four families: a picture is noise, the vector of its name, and a look that the family and the species have of their own.

    Pictures of the first species, so many as are `unknown`, show the name of another species in the place of their own.
    """
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(SPECIES), each)
    lineages = [("Animalia", "Chordata", "Aves", f"Ordo{s % FAMILIES}", f"Familia{s % FAMILIES}", f"Genus{s}", f"Genus{s} minor") for s in range(SPECIES)]
    rows = [dict(zip(RANKS, lineages[s], strict=True)) | {"common_name": None} for s in of.tolist()]
    taxa = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in (*RANKS, "common_name")})
    names = np.array([encoder.encode_texts(list(sentences))[0] for sentences in TextRecipe(templates=BARE_TEMPLATE).texts(rows)])
    looks = random.normal(size=(SPECIES, DIM)) + random.normal(size=(FAMILIES, DIM))[np.arange(SPECIES) % FAMILIES]
    names = np.where((of < unknown)[:, None], names[(of + 5) % SPECIES * each], names)
    vectors = by_name * names + by_look * looks[of] / np.sqrt(2 * DIM) + random.normal(size=(len(of), DIM)) / np.sqrt(DIM)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return EmbeddedSet("toys", vectors, taxa, np.full(len(of), "-", object), tuple(map(str, range(len(of)))), taxa)


def measured(embedded: EmbeddedSet, encoder: Encoder, **asked) -> dict[str, float]:
    texts = TextVectors(encoder, TextRecipe(templates=BARE_TEMPLATE))
    names = names_of(embedded, classes_of(embedded, RANKS), RANKS, texts, encoder.logit_scale)
    return few_shot(embedded, RANKS, besides=names.tellers(), **asked).metrics


@pytest.fixture
def reader() -> ColourEncoder:
    return ColourEncoder()


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize(
    ("by_name", "by_look"), [pytest.param(0.0, 1.5, id="names say nothing"), pytest.param(0.8, 0.0, id="looks say nothing"), pytest.param(0.5, 0.8, id="both")]
)
def test_the_blend_is_not_worse_than_the_better_of_both(reader, by_name, by_look, k):
    found = measured(pictures(reader, by_name, by_look), reader, shots=(k,))
    better = max(found[f"simpleshot_{k}"], found[f"zero_shot_{k}"])
    assert better > 0.4
    assert found[f"blend_{k}"] >= better - (found[f"blend_{k}_high"] - found[f"blend_{k}"])
    assert found[f"blend_{k}_gain"] == pytest.approx(found[f"blend_{k}"] - better, abs=2e-4)


@pytest.mark.parametrize("unknown", [SPECIES // 2, SPECIES])
def test_names_that_the_encoder_does_not_know_take_nothing_from_the_pictures(reader, unknown):
    """With one weight for all names the blend of the first was .006 below pictures alone."""
    found = measured(pictures(reader, 0.5, 0.5, each=16, unknown=unknown), reader, shots=(5,))
    assert found["zero_shot_5"] < 0.5 * found["simpleshot_5"]
    assert found["blend_5"] >= found["simpleshot_5"]


def test_names_alone_need_no_pictures_and_are_asked_the_same_queries(reader):
    """The nearest name of each picture by a plain loop; were the names in another order than the classes, few would be right."""
    embedded = pictures(reader, 0.8, 0.5)
    names = names_of(embedded, classes_of(embedded, RANKS), RANKS, TextVectors(reader, TextRecipe(templates=BARE_TEMPLATE)), 20.0)
    everything = np.arange(len(embedded))
    found = names.by_names(everything[:0], everything, np.arange(SPECIES))
    plain = [max(range(SPECIES), key=lambda c: names.cosines[row, c]) for row in everything]
    assert found.tolist() == plain
    of = classes_of(embedded, RANKS).of
    assert np.mean(found == of) > 0.8


def test_simple_shot_is_the_same_whoever_else_is_asked(reader):
    embedded = pictures(reader, 0.5, 0.8)
    alone, besides = few_shot(embedded, RANKS, shots=(1, 5)).metrics, measured(embedded, reader, shots=(1, 5))
    assert {name: besides[name] for name in alone} == alone


def test_every_draw_has_a_blend_of_its_own(reader):
    embedded = pictures(reader, 0.5, 0.8)
    names = names_of(embedded, classes_of(embedded, RANKS), RANKS, TextVectors(reader, TextRecipe(templates=BARE_TEMPLATE)), 20.0)
    few_shot(embedded, RANKS, shots=(1, 5), repeats=3, besides=names.tellers())
    assert len(names.blends) == 6
    assert len({blend.weight for blend in names.blends}) > 1
