from __future__ import annotations

import zipfile

import pytest

from bioclip_search.catalogue import Catalogue
from bioclip_search.errors import TableError
from bioclip_search.index import Index
from bioclip_search.listed import listed_names

OCCURRENCES = "gbifID\tgenus\tspecies\tscientificName\toccurrenceStatus\n1\tVulpes\tVulpes vulpes\tVulpes vulpes crucigera (Bechstein, 1789)\tPRESENT\n2\tVulpes\tVulpes vulpes\tVulpes vulpes (L.)\tPRESENT\n3\tFelis\t\tFelis L., 1758\tPRESENT\n4\tTurdus\tTurdus merula\tTurdus merula L.\tABSENT\n"
SPECIES = "taxonKey\tscientificName\tacceptedScientificName\tnumberOfOccurrences\ttaxonRank\ttaxonomicStatus\tkingdom\tgenus\tspecies\n5219243\tVulpes vulpes (Linnaeus, 1758)\tVulpes vulpes (Linnaeus, 1758)\t9\tSPECIES\tACCEPTED\tAnimalia\tVulpes\tVulpes vulpes\n2435022\tFelis Linnaeus, 1758\tFelis Linnaeus, 1758\t2\tGENUS\tACCEPTED\tAnimalia\tFelis\t\n"
CORE = "id\ttaxonID\tscientificName\ttaxonRank\n1\t1\tVulpes vulpes (Linnaeus, 1758)\tspecies\n2\t2\tFelis Linnaeus, 1758\tgenus\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("0001-species.csv", SPECIES, id="a species list of GBIF"),
        pytest.param("taxon.txt", CORE, id="a Darwin Core checklist"),
        pytest.param("own.csv", "species;scientific_name\nVulpes vulpes;Vulpes vulpes crucigera Bechstein\n;Felis Linnaeus, 1758\n", id="a spreadsheet"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_checklist_may_be_any_download(tmp_path, small_index, name, text, is_packed):
    path = tmp_path / name
    path.write_text(text)
    if is_packed:
        with zipfile.ZipFile(tmp_path / "download.zip", "w") as packed:
            packed.write(path, name)
            packed.writestr("multimedia.txt", "gbifID\n")
        path = tmp_path / "download.zip"
    restriction = Catalogue(Index(small_index)).restrict(checklist=path)
    taxonomy = Catalogue(Index(small_index)).taxonomy
    assert sorted(taxonomy.lineage(int(leaf))["species"] for leaf in restriction.leaves.numbers) == ["Felis catus", "Vulpes vulpes"]
    assert restriction.unknown == ()


@pytest.mark.parametrize("name", ["0001.csv", "occurrence.txt"])
def test_of_occurrences_only_species_count(tmp_path, small_index, name):
    """A Felis that nobody could name is no word for all of that genus, and what was found absent is not there."""
    (tmp_path / name).write_text(OCCURRENCES)
    restriction = Catalogue(Index(small_index)).restrict(checklist=tmp_path / name)
    assert len(restriction.leaves) == 1
    assert restriction.notes == (f"{name}: 1 names above species left out, for an organism that nobody could name stands for no others",)


def test_plain_lists_are_read_as_before(tmp_path):
    (tmp_path / "names.txt").write_text("# mine\nFelis catus\n\nAves\n")
    assert listed_names(tmp_path / "names.txt") == listed_names([" Felis catus", "Aves"]) == (["Felis catus", "Aves"], ())
    (tmp_path / "tabs.txt").write_text("Felis catus\tcat\n")
    assert listed_names(tmp_path / "tabs.txt") == (["Felis catus\tcat"], ())


def test_the_species_of_a_camtrap_dp_make_a_checklist(shared):
    names, notes = listed_names(shared / "bursts" / "camtrap-dp-example")
    assert names[:4] == ["Anas platyrhynchos", "Anas strepera", "Ardea cinerea", "Homo sapiens"]
    assert len(names) == 8
    assert "2 names above species left out" in notes[0]


def test_a_checklist_that_is_none_is_told(tmp_path):
    (tmp_path / "folder").mkdir()
    for path, message in ((tmp_path / "folder", "has no table"), (tmp_path / "gone.txt", "cannot be read")):
        with pytest.raises(TableError, match=message):
            listed_names(path)
    (tmp_path / "empty.tsv").write_text("species\tcountry\n\tNO\n")
    with pytest.raises(TableError, match="holds no name"):
        listed_names(tmp_path / "empty.tsv")
