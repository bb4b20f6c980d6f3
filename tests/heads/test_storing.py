"""A head in the folder of an index: sealed, opened again the same, and refused where anything about it is odd."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from bioclip_search.addition import add_taxa
from bioclip_search.calibration.record import CalibrationRecord, Origin
from bioclip_search.catalogue import Catalogue
from bioclip_search.check import FAULT, check_index
from bioclip_search.errors import IndexDamagedError, IndexFolderError, IndexMismatchError, ModelError
from bioclip_search.heads.blending import Blend
from bioclip_search.heads.head import Head
from bioclip_search.heads.storing import HEAD_FILE, METADATA, attach_head, head_of, reach_of
from bioclip_search.index import Card, Index
from bioclip_search.index.card import FORMAT_VERSION, FORMAT_WITH_HEAD, SEAL, _seal, change_card, note_file
from bioclip_search.runs.settings import settings_of
from bioclip_search.searcher import Searcher
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.trim import trim_index

BLEND = Blend(0.7, 0.4, 1.3, "thirty toys")


def head_for(taxonomy: Taxonomy, dim: int = 32, seed: int = 0) -> Head:
    """A head of three classes: the lion, the genus Turdus, and the birds' namesake Oenanthe among plants."""
    leaves = taxonomy.leaves["species"].to_pylist()
    lineages = [
        taxonomy.lineage(leaves.index("Panthera leo")),
        taxonomy.lineage(leaves.index("Turdus merula"), down_to="genus"),
        taxonomy.lineage(leaves.index("Oenanthe crocata"), down_to="genus"),
    ]
    random = np.random.default_rng(seed)
    arrays = {"mean": random.normal(size=dim), "weight": 3 * random.normal(size=(3, dim)), "bias": random.normal(size=3)}
    return Head("logistic", {name: array.astype(np.float32) for name, array in arrays.items()}).named(lineages, pictures=30)


@pytest.fixture
def with_head(small_index, taxonomy, tmp_path) -> Index:
    return attach_head(Index(small_index), tmp_path / "mine", head_for(taxonomy), BLEND)


def test_a_head_comes_back_as_it_was_kept(with_head, taxonomy):
    head, gone = head_of(Index(with_head.folder))
    assert head.fingerprint == head_for(taxonomy).fingerprint
    assert head.taxa == head_for(taxonomy).taxa
    assert head.about == {"pictures": 30}
    assert gone == ()
    taught = Catalogue(with_head).taught
    assert (taught.blend.weight, taught.blend.bias) == (0.7, 0.4)
    vectors = np.random.default_rng(1).normal(size=(4, 32)).astype(np.float32)
    assert taught.head.scores(vectors).tobytes() == head_for(taxonomy).scores(vectors).tobytes()


def test_a_gate_is_kept_with_the_head_and_one_without_stays_as_it_was(small_index, taxonomy, with_head, tmp_path):
    """A file without `centres` and `gate`, as those from before there were gates, is answered from as ever; the card is of the same format."""
    head = head_for(taxonomy)
    centres = np.eye(3, 32, dtype=np.float32)
    gated = replace(head, arrays={**head.arrays, "centres": centres, "gate": np.array([20.0, 0.6], np.float32)})
    kept = attach_head(Index(small_index), tmp_path / "gated", gated, BLEND)
    vectors = np.concatenate([centres, -centres])
    assert sorted(load_file(with_head.folder / HEAD_FILE)) == ["bias", "mean", "weight"]
    assert head_of(kept)[0].scores(vectors).tobytes() == gated.scores(vectors).tobytes()
    assert kept.card.head.fingerprint == gated.fingerprint != head.fingerprint
    names_alone, without, with_gate = (Catalogue(index).scores(vectors) for index in (Index(small_index), with_head, kept))
    leaves = Catalogue(kept).taught.reach.leaves
    assert with_gate[:3] == pytest.approx(without[:3], abs=1e-3)  # nearness 1: let through by .9997
    assert (with_gate[3:, leaves] < names_alone[3:, leaves]).all()  # nearness 0 at most: no taxon of the head gains
    assert np.delete(with_gate, leaves, axis=1) == pytest.approx(np.delete(names_alone, leaves, axis=1))
    assert json.loads((kept.folder / "card.json").read_text())["format_version"] == FORMAT_WITH_HEAD


def test_the_card_tells_of_the_head_in_a_format_that_older_programs_refuse(with_head, small_index):
    """A program that knows format 1 alone stops at the version; an index without a head stays in that format, with no word of heads."""
    told = json.loads((with_head.folder / "card.json").read_text())
    assert told["format_version"] == FORMAT_WITH_HEAD == "2"
    assert told["head"]["kind"] == "logistic"
    assert told["head"]["classes"] == 3
    bare = json.loads((small_index / "card.json").read_text())
    assert bare["format_version"] == FORMAT_VERSION == "1"
    assert "head" not in bare


def test_a_card_that_says_it_has_a_head_in_the_old_format_is_refused(with_head):
    path = with_head.folder / "card.json"
    told = json.loads(path.read_text())
    told.pop(SEAL)
    told["format_version"] = "1"
    path.write_text(json.dumps({**told, SEAL: _seal(told)}))
    with pytest.raises(IndexDamagedError, match="format 1, and a head"):
        Card.read(with_head.folder)


def test_of_the_calibration_a_temperature_is_left(with_head, encoder):
    assert with_head.card.calibration.evidence is None
    assert with_head.card.calibration.temperature == 1.3
    assert "thirty toys" in with_head.card.calibration.fitted_on
    assert Searcher(with_head, encoder).temperature == 1.3


def test_another_head_takes_the_place_of_the_first(with_head, taxonomy, tmp_path):
    other = attach_head(with_head, tmp_path / "other", head_for(taxonomy, seed=5), BLEND)
    assert other.card.head.fingerprint != with_head.card.head.fingerprint
    assert sorted(path.name for path in other.folder.glob("head-*")) == [HEAD_FILE]


def test_a_changed_byte_of_the_head_is_found(with_head):
    path = with_head.folder / HEAD_FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IndexDamagedError, match="was changed after the index was made"):
        Index(with_head.folder)
    assert any(finding.severity == FAULT for finding in check_index(with_head.folder))


def test_a_sound_index_with_a_head_has_no_fault(with_head):
    assert not [finding for finding in check_index(with_head.folder) if finding.severity == FAULT]


def rewritten(index: Index, change, **changes) -> Index:
    """The index with its head's file made anew after a change, and the card vouching for it."""
    path = index.folder / HEAD_FILE
    arrays = load_file(path)
    with safe_open(path, framework="numpy") as file:
        told = json.loads(file.metadata()[METADATA])
    change(arrays, told)
    save_file(arrays, path, {METADATA: json.dumps(told)})
    change_card(index.folder, files={**index.card.files, HEAD_FILE: note_file(path)}, **changes)
    return Index(index.folder)


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        pytest.param(lambda arrays, told: arrays.update(bias=np.array([np.nan, 0, 0], np.float32)), IndexDamagedError, "no number", id="NaN"),
        pytest.param(lambda arrays, told: arrays.update(bias=np.zeros(4, np.float32)), IndexDamagedError, "weight of a head is k×w", id="another shape"),
        pytest.param(lambda arrays, told: arrays.update(bias=np.zeros(3, np.float64)), IndexDamagedError, "not float32", id="another type"),
        pytest.param(lambda arrays, told: arrays.update(more=np.zeros(3, np.float32)), IndexDamagedError, "it holds more", id="an array too many"),
        pytest.param(lambda arrays, told: arrays.pop("mean"), IndexDamagedError, "has the arrays", id="an array short"),
        pytest.param(lambda arrays, told: arrays.update(mean=np.ones(32, np.float32)), IndexMismatchError, "card names another", id="other numbers"),
        pytest.param(lambda arrays, told: told.update(format=9), IndexDamagedError, "nothing of a head in format 1", id="another format"),
        pytest.param(lambda arrays, told: told.update(kind="tree"), IndexDamagedError, "not 'tree'", id="another kind"),
        pytest.param(lambda arrays, told: told.update(taxa=[1, 2, 3]), IndexDamagedError, "is no head", id="taxa that are none"),
        pytest.param(lambda arrays, told: told.pop("gone"), IndexDamagedError, "gone", id="a part of the header short"),
        pytest.param(lambda arrays, told: told.update(encoder="another+fp32"), IndexMismatchError, "encoder another", id="another encoder"),
        pytest.param(lambda arrays, told: told["taxa"][0].update(species="Panthera nova"), IndexMismatchError, "card names another", id="a renamed taxon"),
    ],
)
def test_an_odd_head_is_refused(with_head, change, error, told):
    index = rewritten(with_head, change)
    with pytest.raises(error, match=told):
        Catalogue(index).taught  # noqa: B018


def test_a_file_that_is_no_safetensors_is_refused(with_head):
    path = with_head.folder / HEAD_FILE
    path.write_bytes(b"\x80\x04not a head")
    change_card(with_head.folder, files={**with_head.card.files, HEAD_FILE: note_file(path)})
    with pytest.raises(IndexDamagedError, match="is no head"):
        Catalogue(Index(with_head.folder)).taught  # noqa: B018


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../head-1.safetensors"},
        {"file": "head-1.pkl"},
        {"weight": float("nan")},
        {"weight": -1.0},
        {"bias": 1e9},
        {"classes": 1},
        {"classes": "3"},
        {"kind": 7},
    ],
    ids=str,
)
def test_an_odd_note_on_the_card_is_refused(with_head, changes):
    replace(with_head.card, head=replace(with_head.card.head, **changes)).write(with_head.folder)
    with pytest.raises(IndexDamagedError, match="lacks what a card must say"):
        Card.read(with_head.folder)


def test_a_class_that_is_no_taxon_of_the_index_is_refused(small_index, taxonomy, tmp_path):
    head = head_for(taxonomy)
    stranger = head.named([{**head.taxa[0], "species": "Panthera nova"}, *head.taxa[1:]])
    with pytest.raises(IndexMismatchError, match=r"1 of the 3 classes of the head are no taxa of the index, the first is Animalia > .* > Panthera nova"):
        attach_head(Index(small_index), tmp_path / "mine", stranger, BLEND)
    assert not (tmp_path / "mine").exists()


def test_a_head_of_another_length_without_names_or_in_a_place_that_is_taken_is_refused(small_index, taxonomy, tmp_path):
    with pytest.raises(ModelError, match="vectors of 16 numbers, the index small has 32"):
        attach_head(Index(small_index), tmp_path / "mine", head_for(taxonomy, dim=16), BLEND)
    with pytest.raises(ModelError, match="have no names"):
        attach_head(Index(small_index), tmp_path / "mine", replace(head_for(taxonomy), taxa=()), BLEND)
    (tmp_path / "taken").mkdir()
    with pytest.raises(IndexFolderError, match="exists already"):
        attach_head(Index(small_index), tmp_path / "taken", head_for(taxonomy), BLEND)


def test_a_taxon_is_its_path_and_not_its_name(taxonomy):
    """Oenanthe is a genus of birds and one of plants."""
    leaves = taxonomy.leaves["species"].to_pylist()
    plant = leaves.index("Oenanthe crocata")
    assert reach_of([taxonomy.lineage(plant, down_to="genus")], taxonomy).leaves.tolist() == [plant]


def test_a_class_of_a_whole_rank_holds_all_its_leaves(taxonomy):
    cats = {"kingdom": "Animalia", "phylum": "Chordata", "class": "Mammalia", "order": "Carnivora", "family": "Felidae"}
    found = reach_of([cats], taxonomy).leaves.tolist()
    assert found == [leaf for leaf, family in enumerate(taxonomy.leaves["family"].to_pylist()) if family == "Felidae"]


def test_a_calibration_belongs_to_the_head_that_it_was_fitted_with(with_head, small_index):
    bare = Index(small_index).card
    origin = Origin(bare.name, bare.taxonomy.content_hash, bare.encoder.fingerprint, bare.taxonomy.ranks, "fifty toys")
    without = CalibrationRecord(1.0, None, None, origin)
    of_head = replace(without, origin=replace(origin, head=with_head.card.head.mark))
    without.stop_if_foreign(bare)
    of_head.stop_if_foreign(with_head.card)
    with pytest.raises(IndexMismatchError, match="fitted with no head, the index mine has the head"):
        without.stop_if_foreign(with_head.card)
    with pytest.raises(IndexMismatchError, match="the index small has no head"):
        of_head.stop_if_foreign(bare)


def test_an_added_species_leaves_the_head_in_its_place(with_head, encoder):
    before = list(head_of(with_head)[0].taxa)
    grown = add_taxa(with_head, pa.table({"scientific_name": ["Panthera onca"]}), encoder).index
    catalogue = Catalogue(grown)
    assert grown.card.head == with_head.card.head
    found = catalogue.taught.reach.intervals[:, 0].tolist()
    assert [catalogue.taxonomy.lineage(leaf, down_to=list(lineage)[-1]) for leaf, lineage in zip(found, before, strict=True)] == before


def test_a_trimmed_index_keeps_the_head_and_the_answers_within_its_taxa(with_head, encoder, tmp_path):
    small = trim_index(with_head, tmp_path / "animals", within="Animalia")
    assert small.card.head.mark == with_head.card.head.mark
    assert head_of(small)[1] == (2,)
    vectors = np.random.default_rng(1).normal(size=(5, 32)).astype(np.float32)
    whole, part = Catalogue(with_head), Catalogue(small)
    kept = whole.restrict(within="Animalia").leaves.numbers
    assert part.scores(vectors) == pytest.approx(whole.scores(vectors)[:, kept], abs=1e-6)
    assert not [finding for finding in check_index(small.folder) if finding.severity == FAULT]


def test_a_trimmed_index_without_any_class_has_no_head_and_says_so(with_head, tmp_path):
    told = []
    small = trim_index(with_head, tmp_path / "fish", within="Cyprinidae", say=told.append)
    assert small.card.head is None
    assert "The head was left behind, for none of its 3 classes is among the taxa kept." in told
    assert not list(small.folder.glob("head-*"))


def test_the_settings_of_a_run_tell_the_head_and_how_far_it_is_believed(with_head, small_index, encoder, tmp_path):
    bare, taught = (settings_of(Searcher(index, encoder), None, {})["index"] for index in (Index(small_index), with_head))
    assert "head" not in bare
    assert taught["head"] == with_head.card.head.mark
    shutil.copytree(with_head.folder, tmp_path / "bolder")
    change_card(tmp_path / "bolder", head=replace(with_head.card.head, weight=0.9))
    assert settings_of(Searcher(Index(tmp_path / "bolder"), encoder), None, {})["index"]["head"] != taught["head"]
