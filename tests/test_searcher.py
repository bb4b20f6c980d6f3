from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest

from bioclip_search.build import build_from_vectors
from bioclip_search.detect import Detection
from bioclip_search.errors import IndexMismatchError, NotCalibratedError, TableError, UnknownTaxonError
from bioclip_search.fallback import AtRank
from bioclip_search.index import Index
from bioclip_search.names import write_names
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from bioclip_search.results import Answer, Failure
from bioclip_search.searcher import BATCH_CROPS, Searcher
from bioclip_search.taxonomy import Taxonomy
from tests.conftest import ColourEncoder, picture_of


@pytest.fixture
def searcher(small_index, encoder):
    return Searcher(Index(small_index), encoder)


@pytest.fixture
def leaf(taxonomy):
    species = taxonomy.leaves["species"].to_pylist()
    return lambda name: species.index(name)


def test_a_picture_gets_its_name_with_rank_chance_rule_and_ladder(searcher, leaf):
    (answer,) = searcher.identify(picture_of(leaf("Panthera uncia")))
    assert (answer.taxon, answer.rank, answer.common_name) == ("Panthera uncia", "species", "Snow leopard")
    assert answer.probability > 0.65
    assert answer.rule.startswith("rule 2: species")
    assert answer.lineage["family"] == "Felidae"
    assert [rung.rank for rung in answer.ladder] == ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    probabilities = [rung.probability for rung in answer.ladder]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(other.rank == "species" for other in answer.alternatives)
    assert answer.index == "small"


def test_the_same_answers_come_after_saving_and_loading(searcher, small_index, encoder, leaf):
    pictures = [picture_of(number) for number in range(9)]
    assert Searcher(Index(small_index), encoder).identify(pictures) == searcher.identify(pictures)


def test_a_leaf_above_species_is_an_answer_of_its_own_rank(searcher, taxonomy):
    number = taxonomy.leaves["common_name"].to_pylist().index("Carrot family")
    (answer,) = searcher.identify(picture_of(number))
    assert (answer.taxon, answer.rank, answer.common_name) == ("Apiaceae", "family", "Carrot family")


def test_within_a_clade_only_its_taxa_compete(searcher, leaf):
    (answer,) = searcher.identify(picture_of(leaf("Panthera uncia")), within="Aves", rank="species")
    assert answer.lineage["class"] == "Aves"
    assert sum(rung.probability for rung in answer.ladder if rung.rank == "class") == pytest.approx(1)


def test_filters_compose(searcher, tmp_path):
    (tmp_path / "list.txt").write_text("Felidae\nRed fox\nTurdus merula\n", encoding="utf-8")
    leaves = searcher.restrict(within="Mammalia", checklist=tmp_path / "list.txt", exclude="Panthera").leaves
    assert sorted(searcher.taxonomy.leaves["species"].take(np.flatnonzero(leaves.mask)).to_pylist()) == ["Felis catus", "Vulpes vulpes"]


def test_unknown_names_of_a_checklist_are_told_and_the_rest_is_used(searcher):
    restriction = searcher.restrict(checklist=["Felis cattus", "Vulpes vulpes"])
    assert [(name.name, name.nearest[0]) for name in restriction.unknown] == [("Felis cattus", "Felis catus")]
    assert len(restriction.leaves) == 1


@pytest.mark.parametrize(
    ("filters", "error", "message"),
    [
        pytest.param({"within": "Avess"}, UnknownTaxonError, "did you mean Aves", id="misspelt clade"),
        pytest.param({"within": "Oenanthe"}, UnknownTaxonError, "names 2 taxa", id="homonym"),
        pytest.param({"within": "Aves", "exclude": ["Aves"]}, TableError, "leave no taxon", id="nothing left"),
        pytest.param({"checklist": ["Yeti"]}, TableError, "leave no taxon.*'Yeti' is not in this index", id="no name known"),
        pytest.param({"checklist": []}, TableError, "holds no name", id="empty checklist"),
        pytest.param({"rank": "tribe"}, TableError, "Unknown rank 'tribe'", id="unknown rank"),
        pytest.param({"threshold": 1.5}, TableError, "from 0 to 1", id="no probability"),
        pytest.param({"target_accuracy": 0.9}, NotCalibratedError, "carries no calibration", id="uncalibrated"),
        pytest.param({"target_accuracy": 1.0}, TableError, "between 0 and 1", id="a promise of certainty"),
        pytest.param({"max_rank": "genus", "min_rank": "family"}, TableError, "no rank is left to answer at", id="ranks that cross"),
        pytest.param({"min_rank": "tribe"}, TableError, "Unknown rank 'tribe'", id="a lowest rank that is none"),
        pytest.param({"threshold": 0.0, "target_accuracy": 0.9}, TableError, "Give either a threshold", id="two ways to be sure"),
        pytest.param({"rank": "genus", "target_accuracy": 0.9}, TableError, "so --target-accuracy would not count", id="a promise beside a rank"),
        pytest.param({"rank": "genus", "threshold": 0.0}, TableError, "so --threshold would not count", id="a threshold beside a rank"),
        pytest.param({"rank": "genus", "max_rank": "family"}, TableError, "so --min-rank or --max-rank would not count", id="limits beside a rank"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(searcher, filters, error, message):
    with pytest.raises(error, match=message):
        searcher.identify(picture_of(0), **filters)


def test_broken_pictures_are_records_and_the_order_is_kept(searcher, tmp_path):
    paths = []
    for number in range(3 * BATCH_CROPS + 5):
        path = tmp_path / f"{number:03}.png"
        path.write_bytes(b"broken") if number % 10 == 0 else picture_of(number % 9).save(path)
        paths.append(path)
    results = searcher.identify(paths)
    assert [result.image for result in results] == [str(path) for path in paths]
    assert [isinstance(result, Failure) for result in results] == [number % 10 == 0 for number in range(len(paths))]


def test_only_broken_pictures_give_only_failures(searcher):
    assert [type(result) for result in searcher.identify([b"", b"x"])] == [Failure, Failure]
    assert searcher.identify([]) == []


def test_pictures_may_be_paths_bytes_arrays_or_pil(searcher, tmp_path):
    picture = picture_of(3)
    picture.save(tmp_path / "p.png")
    forms = [tmp_path / "p.png", str(tmp_path / "p.png"), (tmp_path / "p.png").read_bytes(), np.asarray(picture), picture]
    assert len({answer.taxon for answer in searcher.identify(forms)}) == 1
    assert all(len(searcher.identify(form)) == 1 for form in forms)


def test_a_zero_vector_is_never_an_answer(tmp_path, taxonomy, encoder):
    vectors = encoder.encode_texts(encoder.texts)
    vectors[2] = 0
    index = build_from_vectors(tmp_path / "zero", Taxonomy.from_table(taxonomy.leaves), vectors, encoder, recipe=TextRecipe(templates=BARE_TEMPLATE))
    far = -vectors.sum(axis=0)  # every other cosine is below zero
    (decision,) = Searcher(index, encoder).identify_vectors((far / np.linalg.norm(far))[None].astype(np.float32), rules=AtRank(6), rivals=9)
    assert all(step.number != 2 for step in (decision.chosen, *decision.rivals))


def test_another_encoder_or_dimension_stops_always(small_index):
    other, short = ColourEncoder(), ColourEncoder()
    other.fingerprint, short.dim = "ffff+fp32", 16
    with pytest.raises(IndexMismatchError, match="was made with the encoder c0104e"):
        Searcher(Index(small_index), other)
    with pytest.raises(IndexMismatchError, match="vectors of 32 numbers.*makes 16"):
        Searcher(Index(small_index), short)


def test_a_numeric_variant_of_the_same_encoder_is_welcome(small_index, encoder):
    variant = ColourEncoder(encoder.texts)
    variant.fingerprint = "c0104e+int8"
    assert Searcher(Index(small_index), variant).identify(picture_of(0))[0].encoder == "c0104e+int8"


class HalvesDetector:
    """Finds an animal in the left half, a person in the right one, and nothing in small pictures."""

    name = "halves"

    def detect(self, pictures, min_confidence):
        return [
            [] if picture.width < 20 else [
                Detection((0, 0, picture.width / 2, picture.height), 0.9, "animal"),
                Detection((picture.width / 2, 0, picture.width, picture.height), 0.8, "person"),
            ]
            for picture in pictures
        ]  # fmt: skip


def test_each_organism_that_a_detector_finds_is_a_crop_and_persons_are_none(small_index, encoder, leaf):
    picture = PIL.Image.new("RGB", (40, 10), (leaf("Vulpes vulpes"), 0, 0))
    (answer,) = Searcher(Index(small_index), encoder, detector=HalvesDetector()).identify(picture)
    assert (answer.taxon, answer.detector_confidence, answer.box_xyxy) == ("Vulpes vulpes", 0.9, (0, 0, 20, 10))


def test_a_picture_without_organism_is_blank_not_broken(small_index, encoder):
    results = Searcher(Index(small_index), encoder, detector=HalvesDetector()).identify([picture_of(0), b"broken"])
    assert isinstance(results[0], Answer)
    assert (results[0].taxon, results[0].probability, results[0].rule) == (None, None, "rule 0: no organism: halves saw none at confidence 0.2")
    assert isinstance(results[1], Failure)


def test_vernacular_names_come_in_the_language_that_is_asked_for_where_there_are_some(small_index, encoder, taxonomy, leaf, tmp_path):
    columns = {"row": [0, 1], "rank": ["species"] * 2, "name": ["Löwe", "Irbis"], "kind": ["vernacular"] * 2, "language": ["de", "de"]}
    folder = Path(shutil.copytree(small_index, tmp_path / "index"))
    write_names(folder / "names.sqlite", taxonomy, pa.table(columns))
    searcher = Searcher(Index(folder, verify=False), encoder)
    german, english = (searcher.identify(picture_of(leaf("Panthera leo")), rank="species", top=8, language=language)[0] for language in ("de", None))
    assert (german.common_name, english.common_name) == ("Löwe", "Lion")
    assert {"Irbis", "Blackbird"} <= {other.common_name for other in german.alternatives}
    assert "Snow leopard" in {other.common_name for other in english.alternatives}
