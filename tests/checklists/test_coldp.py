from __future__ import annotations

import pytest

from bioclip_search.checklists import read_checklist
from bioclip_search.errors import TableError
from tests.checklists.making import rows_of, write_folder, write_zip

USAGES = (
    "col:ID|col:parentID|col:status|col:scientificName|col:authorship|col:rank\n"
    + """\
A|||Animalia||kingdom
F|A|accepted|Felidae|Fischer de Waldheim, 1817|family
G|F|accepted|Felis|Linnaeus, 1758|genus
S|G|accepted|Felis catus|Linnaeus, 1758|species
P|G|provisionally accepted|Felis margarita|Loche, 1858|species
I|S|accepted|Felis catus domestica|Erxleben, 1777|subspecies
Y|S|synonym|Felis domestica|Erxleben, 1777|species
M|S|misapplied|Felis silvestris|auct.|species
Q|S|ambiguous synonym|Felis maniculata|Temminck, 1824|species
Q2|P|ambiguous synonym|Felis maniculata|Temminck, 1824|species
B|G|bare name|Felis nuda||species
"""
)
FILES = {
    "metadata.yaml": "title: Cats\n",
    "NameUsage.tsv": rows_of(USAGES),
    "VernacularName.tsv": rows_of("col:taxonID|col:name|col:language\nS|Cat|eng\nS|Katze|deu\nF|Cats|eng"),
    "Distribution.tsv": rows_of(
        "col:taxonID|col:areaID|col:area|col:gazetteer|col:status\nS|DE|Germany|iso|native\nS||FR|iso|\nP|SAU|Saudi Arabia|tdwg|native"
    ),
}


def names_of(checklist, kind):
    return [(row["row"], row["name"]) for row in checklist.names.to_pylist() if row["kind"] == kind]


def check_cats(checklist):
    assert checklist.report.format == "Catalogue of Life Data Package"
    assert checklist.taxa.select(["kingdom", "family", "genus", "species", "common_name", "taxon_key"]).to_pylist() == [
        {"kingdom": "Animalia", "family": "Felidae", "genus": "Felis", "species": "Felis catus", "common_name": "Cat", "taxon_key": "S"},
        {"kingdom": "Animalia", "family": "Felidae", "genus": "Felis", "species": "Felis margarita", "common_name": None, "taxon_key": "P"},
    ]
    assert checklist.taxa["countries"].to_pylist() == [["DEU", "FRA"], None]
    assert checklist.taxa["authorship"].to_pylist() == ["Linnaeus, 1758", "Loche, 1858"]
    assert names_of(checklist, "synonym") == [(0, "Felis domestica"), (0, "Felis maniculata"), (1, "Felis maniculata")]
    assert names_of(checklist, "infraspecific") == [(0, "Felis catus domestica")]
    assert [row["language"] for row in checklist.names.to_pylist() if row["kind"] == "vernacular"] == ["eng", "eng", "deu"]
    told = {note.what: note.count for note in checklist.report.notes}
    assert told["pro_parte"] == 2
    assert told["misapplied"] == told["doubtful"] == told["below_species"] == told["no_country"] == 1


def test_name_usages_become_taxa_and_names(tmp_path):
    checklist = read_checklist(write_zip(tmp_path / "cats.zip", FILES))
    check_cats(checklist)
    assert {note.what: note.count for note in checklist.report.notes}["bare"] == 1


def test_csv_with_quotes_in_an_inner_folder_gives_the_same(tmp_path):
    def as_csv(text):
        return "\n".join(",".join(f'"{cell}"' for cell in line.split("\t")) for line in text.strip("\n").split("\n")).replace("col:", "")

    files = {f"data/{name.replace('.tsv', '.csv').replace('NameUsage', 'name-usage')}": as_csv(text) for name, text in FILES.items() if name.endswith("tsv")}
    check_cats(read_checklist(write_folder(tmp_path / "cats", files)))


def test_names_taxa_and_synonyms_apart_give_the_same(tmp_path):
    usages = [line.split("|") for line in USAGES.strip().split("\n")[1:]]
    names = "ID|scientificName|authorship|rank\n" + "\n".join(f"n{key}|{name}|{author}|{rank}" for key, _, _, name, author, rank in usages)
    is_synonym = {"synonym", "misapplied", "ambiguous synonym"}
    taxa = "ID|parentID|nameID|provisional\n" + "\n".join(
        f"{key}|{parent}|n{key}|{'true' if status.startswith('prov') else 'false'}"
        for key, parent, status, *_ in usages
        if status not in is_synonym and status != "bare name"
    )
    synonyms = "taxonID|nameID|status\n" + "\n".join(f"{parent}|n{key}|{status}" for key, parent, status, *_ in usages if status in is_synonym)
    files = {name: text for name, text in FILES.items() if name != "NameUsage.tsv"}
    files |= {"Name.tsv": rows_of(names), "Taxon.tsv": rows_of(taxa), "Synonym.tsv": rows_of(synonyms)}
    check_cats(read_checklist(write_zip(tmp_path / "cats.zip", files)))


def test_flat_classification_without_parents_is_read(tmp_path):
    rows = "ID|status|scientificName|rank|family|genus\n1|accepted|Felis catus|species|Felidae|Felis\n2|accepted|Felidae|family||\n"
    checklist = read_checklist(write_zip(tmp_path / "flat.zip", {"NameUsage.tsv": rows_of(rows)}))
    assert checklist.taxa.select(["family", "genus", "species"]).to_pylist() == [{"family": "Felidae", "genus": "Felis", "species": "Felis catus"}]
    assert names_of(checklist, "accepted") == [(0, "Felidae")]


def test_a_table_without_its_key_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"NameUsage.tsv: has no column id; its header names status, scientificname"):
        read_checklist(write_zip(tmp_path / "a.zip", {"NameUsage.tsv": rows_of("status|scientificName\naccepted|Felis catus")}))
