from __future__ import annotations

import pytest

from bioclip_search.checklists import read_checklist
from bioclip_search.errors import TableError
from bioclip_search.taxonomy import Taxonomy
from tests.checklists.making import CANONICAL, DC, DWC, GBIF, META, backbone_files, checklist_archive, rows_of, table_xml, write_folder, write_zip

TERMS = ("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "taxonRank", "taxonomicStatus")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return read_checklist(write_zip(tmp_path_factory.mktemp("dwca") / "backbone.zip", backbone_files()))


def named(checklist, kind):
    return [(row["row"], row["rank"], row["name"]) for row in checklist.names.to_pylist() if row["kind"] == kind]


def notes(checklist):
    return {note.what: note.count for note in checklist.report.notes}


def species_of(checklist):
    return checklist.taxa["species"].to_pylist()


def test_leaves_are_species_and_genera_without_any_with_their_whole_lineage(backbone):
    rows = backbone.taxa.select(["class", "family", "genus", "species"]).to_pylist()
    assert [list(row.values()) for row in rows] == [
        ["Mammalia", "Felidae", "Panthera", "Panthera leo"],
        ["Mammalia", "Felidae", "Panthera", "Panthera uncia"],
        ["Mammalia", "Felidae", "Felis", None],
    ]


def test_a_leaf_has_its_key_author_and_countries_where_it_lives(backbone):
    """The lion lives in Kenya by its own row, in Tanzania by a region of it, in India as a subspecies; not in India as itself."""
    assert backbone.taxa["taxon_key"].to_pylist() == ["5219404", "4262596", "2433407"]
    assert backbone.taxa["authorship"].to_pylist()[0] == "(Linnaeus, 1758)"
    assert backbone.taxa["countries"].to_pylist() == [["IND", "KEN", "TZA"], ["MNG"], None]


def test_synonyms_are_followed_to_the_taxon_through_other_synonyms(backbone):
    assert named(backbone, "synonym") == [(0, "species", "Felis leo"), (0, "species", "Leo africanus")]


def test_subspecies_become_names_of_their_species(backbone):
    assert named(backbone, "infraspecific") == [(0, "species", "Panthera leo persica")]


def test_taxa_above_the_leaves_keep_their_key_and_author_at_a_leaf_below(backbone):
    interior = {row["name"]: row for row in backbone.names.to_pylist() if row["kind"] == "accepted"}
    assert list(interior) == ["Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Panthera"]
    assert interior["Felidae"] == {
        **{"row": 0, "rank": "family", "name": "Felidae", "kind": "accepted", "language": None},
        **{"authorship": "Fischer de Waldheim, 1817", "taxon_key": "9703"},
    }


def test_vernacular_names_keep_their_language_and_the_preferred_english_one_is_the_leafs(backbone):
    spoken = {(row["rank"], row["name"]): row["language"] for row in backbone.names.to_pylist() if row["kind"] == "vernacular"}
    assert spoken == {
        **{("family", "Cats"): "eng", ("species", "Lion"): "en", ("species", "African lion"): "en-gb", ("species", "Löwe"): "de"},
        **{("species", "Asiatic lion"): "en", ("species", "Irbis"): "pl"},
    }
    assert backbone.taxa["common_name"].to_pylist() == ["African lion", None, None]


def test_the_report_tells_every_decision(backbone):
    assert notes(backbone) == {"doubtful": 1, "below_species": 1, "passed_over": 1, "vernacular_of_nothing": 2, "absent": 1, "no_country": 1}
    assert backbone.report.rows == 13
    assert not backbone.report.faults
    lines = backbone.report.lines()
    assert lines[0].startswith("backbone.zip (Darwin Core Archive): 13 rows read, 3 taxa, 6 higher taxa, 2 synonyms")
    assert any("passed over" in line and "Pantherinae (2)" in line for line in lines)


def test_the_taxa_make_a_taxonomy(backbone):
    taxonomy = Taxonomy.from_table(backbone.taxa)
    assert len(taxonomy) == 3
    assert not taxonomy.report.contradictions


def test_a_folder_and_a_tar_give_what_the_zip_gives(backbone, tmp_path):
    import tarfile

    folder = write_folder(tmp_path / "inner" / "backbone", backbone_files())
    with tarfile.open(tmp_path / "backbone.tar.gz", "w:gz") as tar:
        tar.add(folder, arcname="dwca")
    for source in (folder, folder / "meta.xml", tmp_path / "backbone.tar.gz"):
        again = read_checklist(source)
        assert again.taxa.equals(backbone.taxa)
        assert again.names.equals(backbone.names)


def test_quotes_commas_line_breaks_no_header_and_a_default_are_read_as_meta_xml_says(tmp_path):
    terms = [DWC + term for term in ("taxonID", "scientificName", "scientificNameAuthorship", "taxonRank")]
    quoted = {"fieldsTerminatedBy": ",", "fieldsEnclosedBy": "&quot;", "ignoreHeaderLines": "0"}
    core = table_xml("core", DWC + "Taxon", "taxa.csv", terms, **quoted).replace("</core>", f'<field default="Fungi" term="{DWC}kingdom"/></core>')
    rows = '1,"Amanita muscaria (L.) Lam.","(L.)\n Lam.",species\n2,"Boletus ""edulis"", Bull.",Bull.,species\n3,Russula Pers.,Pers.,genus\n'
    checklist = read_checklist(write_zip(tmp_path / "fungi.zip", {"meta.xml": META.format(tables=core), "taxa.csv": rows}))
    assert checklist.taxa.select(["kingdom", "genus", "species"]).to_pylist() == [
        {"kingdom": "Fungi", "genus": "Amanita", "species": "Amanita muscaria"},
        {"kingdom": "Fungi", "genus": "Boletus", "species": 'Boletus "edulis"'},
        {"kingdom": "Fungi", "genus": "Russula", "species": None},
    ]


@pytest.mark.parametrize(("declared", "written"), [("ISO-8859-1", "latin-1"), ("UTF-16", "utf-16"), ("utf-8", "utf-8-sig"), ("windows-1252", "cp1252")])
def test_encodings_are_read_as_declared(tmp_path, declared, written):
    core = table_xml("core", DWC + "Taxon", "t.txt", [DWC + "taxonID", DWC + "scientificName", DWC + "vernacularName"], encoding=declared)
    rows = "taxonID\tscientificName\tvernacularName\r\n1\tBufo bufo\tErdkröte\r\n"
    checklist = read_checklist(write_zip(tmp_path / "a.zip", {"meta.xml": META.format(tables=core), "t.txt": rows.encode(written)}))
    assert checklist.taxa["common_name"].to_pylist() == ["Erdkröte"]


def test_inaturalists_numbers_are_taken_out_of_their_addresses_and_unlisted_languages_are_read(tmp_path):
    terms = ["", *(DWC + term for term in ("taxonID", "parentNameUsageID", "kingdom", "family", "genus", "specificEpithet", "scientificName", "taxonRank"))]
    csv = {"fieldsTerminatedBy": ",", "fieldsEnclosedBy": "&quot;"}
    core = table_xml("core", DWC + "Taxon", "taxa.csv", terms, **csv)
    names = table_xml("extension", GBIF + "VernacularName", "VernacularNames-german.csv", ["", DWC + "vernacularName", DC + "language"], **csv)
    address = "https://www.inaturalist.org/taxa/"
    files = {
        "meta.xml": META.format(tables=core + names),
        "taxa.csv": "id,taxonID,parentNameUsageID,kingdom,family,genus,specificEpithet,scientificName,taxonRank\n"
        f"12,{address}12,{address}1,Animalia,Felidae,,,Felidae,family\n"
        f"40,{address}40,{address}12,Animalia,Felidae,Felis,,Felis,genus\n"
        f"41,{address}41,{address}40,Animalia,Felidae,Felis,catus,Felis catus,species\n"
        f"42,{address}42,{address}40,Animalia,Felidae,Felis,,Felis catus × silvestris,hybrid\n",
        "VernacularNames-german.csv": "id,vernacularName,language\n41,Hauskatze,de\n",
        "VernacularNames-english.csv": "id,vernacularName,language\n41,Domestic Cat,en\n12,Cats,en\n",
    }
    checklist = read_checklist(write_zip(tmp_path / "inat.zip", files))
    assert checklist.taxa["taxon_key"].to_pylist() == ["41", "42"]
    assert species_of(checklist) == ["Felis catus", "Felis catus × silvestris"]
    assert checklist.taxa["common_name"].to_pylist() == ["Domestic Cat", None]
    assert named(checklist, "vernacular") == [(0, "family", "Cats"), (0, "species", "Hauskatze"), (0, "species", "Domestic Cat")]
    assert notes(checklist) == {"orphan": 1}  # Felidae hangs on a taxon 1 that is not there


def test_rows_of_another_width_are_dropped_and_told(tmp_path):
    rows = "1|||Bufo bufo|species|accepted\n2|||Rana rana\n3|||Hyla hyla|species|accepted|too much\n4|||Hyla meridionalis|species|"
    checklist = read_checklist(checklist_archive(tmp_path / "a.zip", rows, TERMS))
    assert species_of(checklist) == ["Bufo bufo", "Hyla meridionalis"]
    (note,) = checklist.report.notes
    assert (note.action, note.count) == ("dropped", 2)
    assert note.examples == ("line 3 (too few)", "line 4 (too many)")


def test_an_archive_that_is_no_checklist_is_refused(tmp_path):
    core = table_xml("core", DWC + "Occurrence", "o.txt", [DWC + "occurrenceID"])
    with pytest.raises(TableError, match="its core table is of Occurrence, not of Taxon"):
        read_checklist(write_zip(tmp_path / "a.zip", {"meta.xml": META.format(tables=core), "o.txt": "id\n1\n"}))


def test_columns_that_meta_xml_does_not_speak_of_are_passed_over(tmp_path):
    core = table_xml("core", DWC + "Taxon", "t.txt", [DWC + "taxonID", "", DWC + "scientificName", CANONICAL])
    rows = rows_of("1|note|Bufo bufo L.|Bufo bufo|more|and more")
    checklist = read_checklist(write_zip(tmp_path / "a.zip", {"meta.xml": META.format(tables=core), "t.txt": "a\tb\tc\td\te\tf\n" + rows}))
    assert species_of(checklist) == ["Bufo bufo"]
    assert checklist.taxa["authorship"].to_pylist() == ["L."]
