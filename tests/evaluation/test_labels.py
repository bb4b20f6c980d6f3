from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.evaluation.labelled import find_sets
from bioclip_search.evaluation.labels import FATES, LabelReport, ResolvedLabel, resolve_labels
from bioclip_search.prompts import RANKS
from tests.names.conftest import names, store  # noqa: F401  a store over the nine leaves, with synonyms

LION = {
    "kingdom": "Animalia",
    "phylum": "Chordata",
    "class": "Mammalia",
    "order": "Carnivora",
    "family": "Felidae",
    "genus": "Panthera",
    "species": "Panthera leo",
}


@pytest.fixture
def resolved(tmp_path, names):  # noqa: F811
    """Writes rows as a table of labels and looks them up: the lineages, the fates by label, and the report."""

    def look_up(*rows, **options):
        columns = list(dict.fromkeys(name for row in rows for name in row))
        lines = [",".join(["path", *columns]), *(",".join(["a.png", *(row.get(name, "") for name in columns)]) for row in rows)]
        (tmp_path / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        found = resolve_labels(find_sets([tmp_path / "list.csv"]), names, **options)
        (labelled,) = found.sets
        return labelled.taxa.select(RANKS).to_pylist(), {label.label: label for label in found.report.labels}, found.report

    return look_up


def test_names_of_the_index_stay_as_they_are(resolved):
    rows, labels, report = resolved(LION, {"family": "Felidae", "kingdom": "Animalia"}, {"species": "Panthera leo"})
    assert rows == [LION, {**LION, "genus": None, "species": None}, LION]
    assert {label.fate for label in labels.values()} == {"exact"}
    assert report.lines() == []


@pytest.mark.parametrize(
    ("written", "fate", "taxon", "species"),
    [
        pytest.param("Panthera leo", "exact", "Panthera leo", "Panthera leo", id="accepted"),
        pytest.param("panthera_leo", "exact", "Panthera leo", "Panthera leo", id="spelt otherwise"),
        pytest.param("Löwe", "exact", "Panthera leo", "Panthera leo", id="vernacular"),
        pytest.param("Felis leo Linnaeus 1758", "synonym", "Panthera leo", "Panthera leo", id="a synonym with its author"),
        pytest.param("Pantera leo", "corrected", "Panthera leo", "Panthera leo", id="misspelt"),
        pytest.param("Panthera leo persica", "higher", "Panthera leo", "Panthera leo", id="a subspecies"),
        pytest.param("Panthera sp.", "higher", "Panthera", None, id="a species left open"),
        pytest.param("Panthera tigris", "higher", "Panthera", "Panthera tigris", id="a species that the index lacks"),
        pytest.param("Felidae", "exact", "Felidae", None, id="a family"),
        pytest.param("Serengeti > 2019 > Panthera leo", "exact", "Panthera leo", "Panthera leo", id="below folders that are no taxa"),
        pytest.param("Katzen > Panthera leo", "exact", "Panthera leo", "Panthera leo", id="below a vernacular name"),
        pytest.param("Plantae > Oenanthe", "exact", "Oenanthe", None, id="one of two homonyms"),
    ],
)
def test_a_bare_name_gets_the_lineage_that_the_index_has_for_it(resolved, written, fate, taxon, species):
    (row,), labels, _ = resolved({"taxon": written})
    (label,) = labels.values()
    assert (label.fate, label.taxon, row["species"], row["kingdom"]) == (fate, taxon, species, "Plantae" if "Plantae" in written else "Animalia")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param({"taxon": "blank"}, "no name is like it", id="no taxon"),
        pytest.param({"taxon": "Oenanthe"}, "means 2 taxa: write Animalia > Oenanthe or Plantae > Oenanthe", id="a homonym"),
        pytest.param({"taxon": "Plantae > Panthera leo"}, "lies in Animalia, not in Plantae", id="a name in the wrong place"),
        pytest.param({"taxon": "Robin"}, "means 2 taxa", id="a vernacular name of two species"),
    ],
)
def test_a_name_that_means_nothing_or_too_much_is_no_label_and_is_told(resolved, row, why):
    rows, labels, report = resolved(row, LION)
    assert rows[0] == dict.fromkeys(RANKS)
    assert rows[1] == LION
    told = labels[row["taxon"]]
    assert (told.fate, told.pictures, report.to_dict()["unmatched"]) == ("unmatched", 1, [row["taxon"]])
    assert why in told.note
    assert "1 picture (1 label) of no taxon that could be found: not measured:" in report.lines()


def test_empty_ranks_are_filled_in_only_where_the_index_has_one_such_taxon_and_nothing_contradicts(resolved):
    rows, labels, _ = resolved(
        {"genus": "Oenanthe"},  # a bird and a plant
        {"genus": "Oenanthe", "kingdom": "Plantae"},
        {"species": "Panthera leo", "family": "Canidae"},
        {"genus": "Panthera", "species": "Panthera tigris"},
        {"species": "Cyprinus carpio"},
    )
    assert rows[0] == {**dict.fromkeys(RANKS), "genus": "Oenanthe"}
    assert (rows[1]["order"], rows[1]["family"], rows[1]["species"]) == ("Apiales", "Apiaceae", None)
    assert (rows[2]["family"], rows[2]["order"]) == ("Canidae", None)
    assert rows[3] == {**LION, "species": "Panthera tigris"}
    assert (rows[4]["order"], rows[4]["class"]) == ("Cypriniformes", None)  # a rank that the index passes over stays empty
    assert labels["Panthera tigris"].fate == "higher"


def test_a_full_lineage_is_never_corrected_to_a_taxon_that_is_spelt_alike(resolved):
    (row,), labels, _ = resolved(LION | {"species": "Panthera lea"})
    assert row["species"] == "Panthera lea"
    assert (labels["Panthera lea"].fate, labels["Panthera lea"].taxon) == ("higher", "Panthera")


def test_a_synonym_in_a_full_lineage_becomes_the_accepted_species_unless_it_is_placed_elsewhere(resolved):
    rows, labels, _ = resolved(LION | {"genus": "Felis", "species": "Felis leo"}, LION | {"kingdom": "Plantae", "genus": "Felis", "species": "Felis leo"})
    assert rows[0] == LION
    assert rows[1]["species"] == "Felis leo"
    assert labels["Felis leo"].pictures == 1


def test_a_species_of_a_kingdom_that_the_index_does_not_have_it_in_is_not_held(resolved):
    _, labels, _ = resolved({"kingdom": "Plantae", "species": "Oenanthe oenanthe"})
    assert labels["Oenanthe oenanthe"].fate == "higher"  # the genus is in both kingdoms


def test_what_the_index_knows_nothing_of_is_kept_and_told(resolved):
    (row,), labels, report = resolved({"kingdom": "Fungi", "genus": "Amanita", "species": "Amanita muscaria"})
    assert row["species"] == "Amanita muscaria"
    assert labels["Amanita muscaria"].fate == "absent"
    assert report.pictures == {**dict.fromkeys(FATES, 0), "absent": 1}


def test_a_bare_name_without_meaning_beside_ranks_is_judged_by_those(resolved):
    (row,), labels, _ = resolved({"genus": "Panthera", "label": "quux"})
    assert row["genus"] == "Panthera"
    assert (labels["quux"].fate, labels["quux"].taxon) == ("higher", "Panthera")


def test_without_correction_a_misspelt_name_is_unmatched_with_a_hint(resolved):
    _, labels, _ = resolved({"taxon": "Pantera leo"}, correct=False)
    assert labels["Pantera leo"].fate == "unmatched"
    assert labels["Pantera leo"].note == "did you mean Panthera leo?"


def test_labels_are_counted_in_pictures_the_most_frequent_first_and_rows_without_one_are_none(resolved):
    rows, _, report = resolved(*[{"taxon": "quux"}] * 3, {"taxon": "blank"}, {"taxon": ""}, *[{"taxon": "Felis leo"}] * 2)
    assert report.pictures == {**dict.fromkeys(FATES, 0), "synonym": 2, "unmatched": 4}
    assert [label.label for label in report.of("unmatched")] == ["quux", "blank"]
    assert rows[4] == dict.fromkeys(RANKS)
    assert report.lines()[:2] == ["2 pictures (1 label) by a synonym:", "  Felis leo → species Panthera leo"]


def test_a_table_of_nonsense_is_told_in_a_hundred_lines_and_kept_whole():
    report = LabelReport(tuple(ResolvedLabel(f"quux {number}", "unmatched", None, None, 1) for number in range(5000)))
    lines = report.lines()
    assert (lines[0], lines[-1], len(lines)) == ("5,000 pictures (5,000 labels) of no taxon that could be found: not measured:", "  and 4,900 more", 102)
    assert len(report.to_dict()["unmatched"]) == 5000


def test_one_class_and_no_class_at_all(resolved, tmp_path, names):  # noqa: F811
    rows, _, _ = resolved({"taxon": "Löwe"})
    assert rows == [LION]
    (tmp_path / "none.csv").write_text("path,taxon\n")
    found = resolve_labels(find_sets([tmp_path / "none.csv"]), names)
    assert len(found.sets[0]) == 0
    assert found.report.labels == ()


def test_pictures_parts_and_order_stay(tmp_path, names):  # noqa: F811
    (tmp_path / "list.csv").write_text("path,taxon,split\nb.png,quux,val\na.png,Lion,train\n")
    before = find_sets([tmp_path / "list.csv"])
    (after,) = resolve_labels(before, names).sets
    assert after.names == before[0].names == ("list/b.png", "list/a.png")
    assert after.parts.tolist() == ["val", "train"]
    assert list(after.pictures(np.array([True, True]))) == [tmp_path / "b.png", tmp_path / "a.png"]
    assert after.taxa["species"].to_pylist() == [None, "Panthera leo"]
    assert isinstance(after.taxa, pa.Table)
