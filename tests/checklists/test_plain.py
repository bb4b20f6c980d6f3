from __future__ import annotations

import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet

from bioclip_search.checklists import read_checklist
from bioclip_search.errors import TableError
from bioclip_search.prompts import RANKS
from bioclip_search.taxonomy import Taxonomy
from tests.conftest import small_table


def write(path, rows, delimiter=","):
    path.write_text(rows.strip("\n").replace("|", delimiter) + "\n", encoding="utf-8")
    return path


def lineages(checklist, *columns):
    return [tuple(row.values()) for row in checklist.taxa.select(list(columns)).to_pylist()]


def names_of(checklist, kind):
    return [(row["rank"], row["name"]) for row in checklist.names.to_pylist() if row["kind"] == kind]


def test_a_table_with_a_column_for_each_rank_gives_the_taxonomy_it_gave_before(tmp_path):
    """All but the family that has species below it elsewhere in the table: Apiaceae stands above Oenanthe crocata."""
    parquet.write_table(small_table(), tmp_path / "small.parquet")
    checklist = read_checklist(tmp_path / "small.parquet")
    assert checklist.taxa.select([*RANKS, "common_name"]).equals(small_table().slice(0, 8))
    assert names_of(checklist, "accepted") == [("family", "Apiaceae")]
    assert names_of(checklist, "vernacular") == [("family", "Carrot family")]
    assert len(Taxonomy.from_table(checklist.taxa)) == 8


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_columns_are_guessed_from_their_names(tmp_path, delimiter):
    rows = "Taxon ID|Scientific Name|Authority|Family Name|English name\n007|Bufo bufo|Linnaeus 1758|Bufonidae|Common toad\n008|Rana temporaria||Ranidae|"
    checklist = read_checklist(write(tmp_path / "toads.csv", rows, delimiter))
    assert lineages(checklist, "family", "genus", "species", "common_name", "taxon_key", "authorship") == [
        ("Bufonidae", "Bufo", "Bufo bufo", "Common toad", "007", "Linnaeus 1758"),
        ("Ranidae", "Rana", "Rana temporaria", None, "008", None),
    ]


def test_columns_can_be_given(tmp_path):
    path = write(tmp_path / "list.csv", "Nombre|Familia|Nota\nBufo bufo|Bufonidae|x")
    with pytest.raises(TableError, match='no column is known to hold names; it has Nombre, Familia, Nota.*--column species="YOUR COLUMN"'):
        read_checklist(path)
    checklist = read_checklist(path, columns={"species": "Nombre", "family": "Familia"})
    assert lineages(checklist, "family", "species") == [("Bufonidae", "Bufo bufo")]
    assert [str(note) for note in checklist.report.notes] == ["dropped: 1 columns that are not read; --column says what one holds, such as Nota"]
    with pytest.raises(TableError, match="has no column Especie; it has Nombre, Familia, Nota"):
        read_checklist(path, columns={"species": "Especie"})
    with pytest.raises(TableError, match="Unknown column especie; choose of key, id"):
        read_checklist(path, columns={"especie": "Nombre"})


def test_an_epithet_stands_beside_its_genus(tmp_path):
    path = write(tmp_path / "list.csv", "family|genus|species_epithet\nBufonidae|Bufo|bufo\nRanidae|Rana|")
    assert lineages(read_checklist(path), "family", "genus", "species") == [("Bufonidae", "Bufo", "Bufo bufo"), ("Ranidae", "Rana", None)]


def test_itis_tables_are_followed_by_their_numbers(tmp_path):
    rows = """
tsn|parent_tsn|tsn_accepted|complete_name|taxon_author|rank_name|name_usage
202423|0||Animalia||Kingdom|valid
180580|202423||Felidae|Fischer de Waldheim, 1817|Family|valid
180586|180580||Felis|Linnaeus, 1758|Genus|valid
183798|180586||Felis catus|Linnaeus, 1758|Species|valid
183799||183798|Felis domesticus|Erxleben, 1777|Species|invalid
"""
    checklist = read_checklist(write(tmp_path / "itis.tsv", rows, "\t"))
    assert lineages(checklist, "kingdom", "family", "genus", "species", "taxon_key") == [("Animalia", "Felidae", "Felis", "Felis catus", "183798")]
    assert names_of(checklist, "synonym") == [("species", "Felis domesticus")]
    assert not checklist.report.notes  # the kingdom's parent 0 is none


def test_inaturalists_open_data_are_read_by_their_ancestry(tmp_path):
    rows = """
taxon_id|ancestry|rank_level|rank|name|active
1|48460|70|kingdom|Animalia|true
9|48460/1|20|genus|Felis|true
10|48460/1/9|10|species|Felis catus|true
11|48460/1/9|10|species|Felis oldi|false
"""
    path = tmp_path / "taxa.csv.gz"
    path.write_bytes(gzip.compress(rows.strip().replace("|", "\t").encode()))
    checklist = read_checklist(path)
    assert lineages(checklist, "kingdom", "genus", "species", "taxon_key") == [("Animalia", "Felis", "Felis catus", "10")]
    assert {note.what: note.count for note in checklist.report.notes} == {"inactive": 1, "orphan": 1, "columns": 1}


def test_gbifs_species_list_adds_accepted_names_that_only_synonyms_name(tmp_path):
    rows = """
taxonKey|scientificName|acceptedTaxonKey|acceptedScientificName|numberOfOccurrences|taxonRank|taxonomicStatus|kingdom|phylum|class|order|family|genus|species
5|Felis domesticus Erxleben, 1777|7|Felis catus Linnaeus, 1758|3|SPECIES|SYNONYM|Animalia|Chordata|Mammalia|Carnivora|Felidae|Felis|Felis catus
6|Felis margarita Loche, 1858|6|Felis margarita Loche, 1858|9|SPECIES|ACCEPTED|Animalia|Chordata|Mammalia|Carnivora|Felidae|Felis|Felis margarita
8|Felis Linnaeus, 1758|8|Felis Linnaeus, 1758|9|GENUS|ACCEPTED|Animalia|Chordata|Mammalia|Carnivora|Felidae|Felis|
"""
    checklist = read_checklist(write(tmp_path / "0001-species.csv", rows, "\t"))
    assert lineages(checklist, "family", "species", "taxon_key", "authorship") == [
        ("Felidae", "Felis margarita", "6", "Loche, 1858"),
        ("Felidae", "Felis catus", "7", "Linnaeus, 1758"),
    ]
    assert names_of(checklist, "synonym") == [("species", "Felis domesticus")]
    assert names_of(checklist, "accepted") == [("genus", "Felis")]
    assert [(note.what, note.count) for note in checklist.report.notes] == [("accepted_added", 1), ("columns", 1)]


def test_accepted_names_and_parents_may_be_given_as_words(tmp_path):
    rows = """
scientificName|taxonRank|acceptedNameUsage|parentNameUsage
Felidae|family||
Felis L.|genus||Felidae
Felis catus L.|species|Felis catus L.|Felis L.
Felis domestica Erxl.|species|Felis catus L.|
"""
    checklist = read_checklist(write(tmp_path / "list.csv", rows))
    assert lineages(checklist, "family", "genus", "species") == [("Felidae", "Felis", "Felis catus")]
    assert names_of(checklist, "synonym") == [("species", "Felis domestica")]


def test_subspecies_alone_make_their_species(tmp_path):
    rows = """
scientific_name|rank|family
Parus major major|subspecies|Paridae
Parus major bokharensis|subspecies|Paridae
Corvus corax|species|Corvidae
Corvus corax tibetanus|subspecies|Corvidae
"""
    checklist = read_checklist(write(tmp_path / "birds.csv", rows))
    assert lineages(checklist, "family", "genus", "species") == [("Corvidae", "Corvus", "Corvus corax"), ("Paridae", "Parus", "Parus major")]
    assert names_of(checklist, "infraspecific") == [
        ("species", "Corvus corax tibetanus"),
        ("species", "Parus major major"),
        ("species", "Parus major bokharensis"),
    ]
    assert {note.what: note.count for note in checklist.report.notes} == {"species_added": 1, "below_species": 3}


def test_words_that_mean_nothing_are_nothing(tmp_path):
    path = write(tmp_path / "from-r.csv", "family|genus|species|common_name\nBufonidae|Bufo|Bufo bufo|NA\nRanidae|Rana|NA|NULL\nNA|NA|NA|NA")
    checklist = read_checklist(path)
    assert lineages(checklist, "family", "species", "common_name") == [("Bufonidae", "Bufo bufo", None), ("Ranidae", None, None)]
    assert {note.what: note.count for note in checklist.report.notes} == {"nameless": 1}


def test_several_vernacular_names_in_a_cell_are_each_a_name(tmp_path):
    path = write(tmp_path / "list.tsv", "species;common_name\nBufo bufo;Common toad | Crapaud |\nRana rana;Frog".replace(";", "\t"), "|")
    checklist = read_checklist(path)
    assert checklist.taxa["common_name"].to_pylist() == ["Common toad", "Frog"]
    assert names_of(checklist, "vernacular") == [("species", "Crapaud")]


def test_vernacular_names_in_many_rows_keep_their_language(tmp_path):
    rows = "species|language|common_name\nFelis catus|de|Katze\nFelis catus|en|Cat\nFelis catus|en_GB|House cat\nBufo bufo|FR|Crapaud\nFelis catus||Moggy"
    checklist = read_checklist(write(tmp_path / "list.csv", rows))
    assert lineages(checklist, "species", "common_name") == [("Felis catus", "Cat"), ("Bufo bufo", None)]
    told = [(row["row"], row["kind"], row["name"], row["language"]) for row in checklist.names.to_pylist()]
    assert told == [
        (0, "vernacular", "Katze", "de"),
        (0, "vernacular", "Cat", "en"),
        (0, "vernacular", "House cat", "en_gb"),
        (0, "vernacular", "Moggy", None),
        (1, "vernacular", "Crapaud", "fr"),
    ]


def test_countries_in_a_column_are_read(tmp_path):
    rows = "species;countryCode\nFelis catus;DE, fr\nFelis catus;ESP\nBufo bufo;\nRana rana;Ruritania"
    checklist = read_checklist(write(tmp_path / "list.csv", rows.replace(";", "\t")))
    assert lineages(checklist, "species", "countries") == [("Felis catus", ["DEU", "ESP", "FRA"]), ("Bufo bufo", None), ("Rana rana", None)]
    assert [str(note) for note in checklist.report.notes][-1] == "dropped: 1 areas that are no country by ISO 3166, such as RURITANIA"


def test_a_subspecies_in_the_column_of_species_is_none(tmp_path):
    rows = "family|species\nCinclidae|Cinclus cinclus\nCinclidae|Cinclus cinclus gularis\nVirgaviridae|Tobacco mosaic virus\n"
    path = write(tmp_path / "list.csv", rows + "Salicaceae|Salix alba L. subsp. vitellina (L.) Arcang.")
    checklist = read_checklist(path)
    assert lineages(checklist, "family", "species") == [
        ("Cinclidae", "Cinclus cinclus"),
        ("Virgaviridae", "Tobacco mosaic virus"),
        ("Salicaceae", "Salix alba"),
    ]
    assert names_of(checklist, "infraspecific") == [("species", "Cinclus cinclus gularis"), ("species", "Salix alba subsp. vitellina")]


def test_a_list_in_capitals_is_read_as_names_are_written(tmp_path):
    rows = "order|genus|species\nPASSERIFORMES|PARUS|PARUS ATER LINNAEUS\nPASSERIFORMES|PARUS|MAJOR\nPASSERIFORMES|NULL|ÆGITHALOS CAUDATUS\n||BOLD:AAA1234"
    checklist = read_checklist(write(tmp_path / "list.csv", rows))
    assert lineages(checklist, "order", "genus", "species") == [
        ("Passeriformes", "Parus", "Parus ater"),
        ("Passeriformes", "Parus", "Parus major"),
        ("Passeriformes", "Ægithalos", "Ægithalos caudatus"),
        (None, None, "BOLD:AAA1234"),
    ]


def test_rows_of_one_lineage_are_one_leaf_and_the_other_key_stays_findable(tmp_path):
    rows = """
id|species|family|status
1|Bufo bufo|Bufonidae|doubtful
2|Bufo bufo|Bufonidae|accepted
3|Bufo bufo|Other|accepted
1|Rana rana|Ranidae|accepted
||Empty|
|||
"""
    checklist = read_checklist(write(tmp_path / "list.csv", rows))
    assert lineages(checklist, "family", "species", "taxon_key") == [("Bufonidae", "Bufo bufo", "2"), ("Other", "Bufo bufo", "3"), ("Empty", None, None)]
    assert [(row["row"], row["name"], row["kind"], row["taxon_key"]) for row in checklist.names.to_pylist()] == [(0, "Bufo bufo", "synonym", "1")]
    assert {note.what: note.count for note in checklist.report.notes} == {"doubtful": 1, "twin": 1, "nameless": 1, "repeated_key": 1}


def test_tables_that_cannot_be_read_are_told(tmp_path):
    cases = {
        "empty.csv": (b"", "the file is empty"),
        "blank.csv": (b"\n\n", "has no rows"),
        "latin.csv": ("species\nBufo bufö\n".encode("latin-1"), "is not text in UTF-8"),
        "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\x00", "is not text in UTF-8"),
        "broken.parquet": (b"PAR1 not really PAR1", "cannot be read as a table"),
        "header.csv": (b"species\n", "has no rows"),
        "quote.csv": (b'species,family\n"Felis lost,Felidae\nBufo bufo,Bufonidae\n', "has no rows that can be read .*that have not 2 columns"),
        "wide.csv": (b"," * 5000 + b"\n", "has 5,001 columns"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TableError, match=words):
            read_checklist(tmp_path / name)


def test_parquet_with_other_types_and_odd_column_names_is_read(tmp_path):
    table = pa.table({"taxonKey": pa.array([7]), 'odd " name': ["x"], "species": pa.array(["Bufo bufo"]).dictionary_encode(), "sources": [["a", "b"]]})
    parquet.write_table(table, tmp_path / "list [1].parquet")
    assert lineages(read_checklist(tmp_path / "list [1].parquet"), "species", "taxon_key") == [("Bufo bufo", "7")]
