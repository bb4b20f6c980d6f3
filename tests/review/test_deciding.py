"""A table that a person filled in: which rows are taken, as what, and what is said of the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import RunError, TableError
from bioclip_search.media import media_id
from bioclip_search.review import standing_decisions
from bioclip_search.review.deciding import decide
from tests.standards.runs import answer, crop, picture, small_run

WHEN = datetime(2024, 5, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def names(small_index):
    return Catalogue.open(small_index).names


@pytest.fixture
def run(tmp_path):
    pictures = [
        picture("lion.jpg", crop(0, species="Panthera leo")),
        picture("two.jpg", crop(0), crop(1, species="Vulpes vulpes")),
        picture("a/blank.jpg"),
        picture("silent.jpg", crop(0, answer=answer(rank=None))),
        picture("person.jpg", crop(0, category="person")),
        picture("clip.mp4", crop(0), frame_number=0),
        picture("clip.mp4", crop(0), frame_number=30),
    ]
    return small_run(tmp_path / "run", pictures)


def one(run, names, **row):
    """The one decision of a row, or the reason against it."""
    found = decide(run.folder, [row], "Ana", names=names, when=WHEN)
    return found.errors[0].reason if found.errors else found.decisions[0]


def test_accepting_takes_the_machines_answer(run, names):
    taken = one(run, names, image="lion.jpg", verdict="Accepted")
    assert (taken.verdict, taken.taxon, taken.rank, taken.crop, taken.who, taken.when) == ("accepted", "Panthera leo", "species", 0, "Ana", WHEN)
    assert list(taken.lineage.values()) == ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera", "Panthera leo"]
    assert standing_decisions(run.folder) == {(media_id("lion.jpg"), 0): taken}


@pytest.mark.parametrize("name", ["Panthera uncia", "snow leopard", "panthera UNCIA", "Animalia > Panthera uncia"])
def test_a_taxon_may_be_written_by_any_of_its_names(run, names, name):
    taken = one(run, names, image="lion.jpg", taxon=name)
    assert (taken.verdict, taken.taxon, taken.rank) == ("corrected", "Panthera uncia", "species")
    assert taken.lineage["family"] == "Felidae"


def test_the_machines_own_taxon_without_a_verdict_is_accepted(run, names):
    assert one(run, names, image="lion.jpg", taxon="lion").verdict == "accepted"


def test_a_higher_taxon_is_a_correction(run, names):
    taken = one(run, names, image="lion.jpg", taxon="Panthera sp.")
    assert (taken.verdict, taken.taxon, taken.rank) == ("corrected", "Panthera", "genus")


@pytest.mark.parametrize("verdict", ["blank", "person", "vehicle", "unsure"])
def test_other_verdicts_name_nothing(run, names, verdict):
    taken = one(run, names, image="lion.jpg", verdict=verdict)
    assert (taken.verdict, taken.taxon, dict(taken.lineage), taken.crop) == (verdict, None, {}, 0)


def test_without_a_crop_the_whole_picture_is_meant_where_that_can_be(run, names):
    assert one(run, names, image="a/blank.jpg", taxon="Panthera leo").crop == -1
    assert one(run, names, image="two.jpg", verdict="blank").crop == -1
    assert one(run, names, image="two.jpg", crop="-1", taxon="Panthera leo").crop == -1
    assert one(run, names, image="two.jpg", crop="1.0", verdict="accepted").taxon == "Vulpes vulpes"  # as a spreadsheet writes 1


def test_a_picture_may_be_told_by_its_id_and_by_a_windows_path(run, names):
    assert one(run, names, media_id=media_id("clip.mp4", 30), verdict="accepted").media_id == media_id("clip.mp4", 30)
    assert one(run, names, image="a\\blank.jpg", verdict="blank").media_id == media_id("a/blank.jpg")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param({"image": "gone.jpg", "verdict": "blank"}, "no such picture", id="unknown picture"),
        pytest.param({"verdict": "blank"}, "neither image nor media_id", id="no picture"),
        pytest.param({"image": "lion.jpg", "verdict": "yes"}, "the verdict 'yes' is none; there are accepted, corrected", id="unknown verdict"),
        pytest.param({"image": "lion.jpg", "crop": "7", "verdict": "blank"}, "there is no crop 7; the picture has 0", id="unknown crop"),
        pytest.param({"image": "lion.jpg", "crop": "first", "verdict": "blank"}, "is no number", id="crop that is no number"),
        pytest.param({"image": "two.jpg", "verdict": "accepted"}, "has 2 crops; tell which, 0 to 1", id="which crop"),
        pytest.param({"image": "lion.jpg", "verdict": "corrected"}, "corrected needs a taxon", id="no taxon"),
        pytest.param({"image": "lion.jpg", "verdict": "blank", "taxon": "Lion"}, "blank leaves no taxon", id="blank and a taxon"),
        pytest.param({"image": "lion.jpg", "verdict": "accepted", "taxon": "Red fox"}, "accepted is the machine's Panthera leo", id="accepted and another"),
        pytest.param({"image": "silent.jpg", "verdict": "accepted"}, "no answer of the machine to accept", id="nothing to accept"),
        pytest.param({"image": "person.jpg", "verdict": "accepted"}, "no answer of the machine to accept", id="a person accepted"),
        pytest.param({"image": "lion.jpg", "taxon": "Panthera leoo"}, "did you mean Panthera leo?", id="misspelt"),
        pytest.param({"image": "lion.jpg", "taxon": "Oenanthe"}, "means 2 taxa; write Animalia > Oenanthe or Plantae > Oenanthe", id="two taxa"),
        pytest.param({"image": "lion.jpg", "taxon": "Panthera tigris"}, "has only the genus Panthera", id="a species that the index lacks"),
        pytest.param({"image": "lion.jpg", "taxon": "Xyzzy plugh"}, "is no name of the index", id="no name"),
        pytest.param({"image": "lion.jpg", "taxon": "Plantae > Panthera leo"}, "is no name of the index", id="below what it is not"),
        pytest.param({"image": "clip.mp4", "verdict": "blank"}, "2 pictures of this name", id="which frame"),
        pytest.param({"image": "lion.jpg", "verdict": "blank", "note": "x" * 5000}, "more than 4,096 letters", id="too long"),
    ],
)
def test_a_row_that_cannot_be_understood_is_told(run, names, row, reason):
    assert reason in one(run, names, **row)
    assert standing_decisions(run.folder) == {}


def test_the_other_rows_are_taken_all_the_same(run, names):
    rows = [
        {"image": "lion.jpg", "verdict": "accepted"},
        {"image": "gone.jpg", "verdict": "blank"},
        {"image": "silent.jpg"},
        {"image": "two.jpg", "crop": 0, "taxon": "Lion"},
    ]
    found = decide(run.folder, rows, "Ana", names=names)
    assert ([one.taxon for one in found.decisions], found.left_open) == (["Panthera leo", "Panthera leo"], 1)
    assert str(found.errors[0]) == "row 2 (gone.jpg): there is no such picture in the run"
    assert len(standing_decisions(run.folder)) == 2


def test_a_species_that_the_index_lacks_is_taken_as_written_where_that_is_asked_for(run, names):
    (taken,) = decide(run.folder, [{"image": "lion.jpg", "taxon": "Panthera tigris"}], "Ana", names=names, new_names=True).decisions
    assert (taken.taxon, taken.rank, taken.lineage["genus"], taken.lineage["species"]) == ("Panthera tigris", "species", "Panthera", "Panthera tigris")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_is_read_as_spreadsheets_of_any_country_write_it(run, names, tmp_path, delimiter):
    path = tmp_path / "decisions.csv"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + delimiter.join(["Image", "crop", "verdict", "taxon", "note"]).encode()
        + b"\r\n"
        + delimiter.join(["lion.jpg", "0", "", "Red fox", "é"]).encode()
    )
    (taken,) = decide(run.folder, path, "Ana", names=names).decisions
    assert (taken.taxon, taken.note) == ("Vulpes vulpes", "é")


def test_a_file_without_the_columns_stops(run, names, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("picture,species\nlion.jpg,Panthera leo\n", encoding="utf-8")
    with pytest.raises(TableError, match="expected the columns image, media_id, crop, verdict, taxon, note, found picture, species"):
        decide(run.folder, path, "Ana", names=names)


def test_a_note_is_kept_letter_by_letter_or_the_file_is_refused(run, names, tmp_path):
    table = "image;verdict;note\nlion.jpg;blank;Füchsin mit Welpen\n"
    path = tmp_path / "filled.csv"
    path.write_text(table, encoding="utf-16")  # "Unicode text" of a spreadsheet program
    decide(run.folder, path, "Ana Ruíz", names=names)
    (kept,) = standing_decisions(run.folder).values()
    assert (kept.note, kept.who) == ("Füchsin mit Welpen", "Ana Ruíz")
    path.write_text(table, encoding="cp1252")
    with pytest.raises(TableError, match="CSV UTF-8"):
        decide(run.folder, path, "Ana", names=names)


def test_bytes_that_are_no_text_never_reach_the_file_of_decisions(run, names):
    assert "no text" in one(run, names, image="lion.jpg", verdict="blank", note="F\udcfcchsin")
    with pytest.raises(TableError, match="who decided"):
        decide(run.folder, [], "Ana Ru\udcedz", names=names)


def test_a_quote_that_is_never_closed_does_not_swallow_the_rows_below(run, names, tmp_path):
    path = tmp_path / "filled.csv"
    path.write_text('image,verdict,note\nlion.jpg,blank,"never closed\ntwo.jpg,blank,\n', encoding="utf-8")
    with pytest.raises(TableError, match="cannot be read as a table"):
        decide(run.folder, path, "Ana", names=names)


def test_an_index_that_is_not_at_hand_must_be_named(run):
    with pytest.raises(RunError, match="the index small, which the run was made with, is not here.*--index"):
        decide(run.folder, [{"image": "lion.jpg", "taxon": "Lion"}], "Ana")
    assert decide(run.folder, [{"image": "lion.jpg", "verdict": "accepted"}], "Ana").decisions[0].taxon == "Panthera leo"  # no name to be looked up


def test_somebody_must_decide(run, names):
    with pytest.raises(TableError, match="--who"):
        decide(run.folder, [], " ", names=names)


def test_the_rows_of_the_run_are_never_touched(run, names):
    before = [path.read_bytes() for path in run.parts]
    decide(run.folder, [{"image": "lion.jpg", "verdict": "blank"}], "Ana", names=names)
    assert [path.read_bytes() for path in run.parts] == before
