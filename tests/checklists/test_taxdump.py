from __future__ import annotations

import io
import tarfile

from bioclip_search.checklists import read_checklist
from tests.checklists.making import write_folder

NODES = [
    *((1, 1, "no rank"), (2759, 1, "domain"), (33208, 2759, "kingdom"), (7711, 33208, "phylum"), (9681, 7711, "family"), (338152, 9681, "subfamily")),
    *((9682, 338152, "genus"), (9685, 9682, "species"), (61378, 9682, "species"), (9999, 9685, "subspecies"), (500, 9682, "species"), (501, 9685, "no rank")),
]
NAMES = [
    *((1, "root", "scientific name"), (2759, "Eukaryota", "scientific name"), (33208, "Metazoa", "scientific name"), (7711, "Chordata", "scientific name")),
    *(
        (9681, "Felidae", "scientific name"),
        (9681, "cat family", "genbank common name"),
        (338152, "Felinae", "scientific name"),
        (9682, "Felis", "scientific name"),
    ),
    *((9685, "Felis catus", "scientific name"), (9685, "cat", "common name"), (9685, "domestic cat", "genbank common name")),
    *((9685, "Felis catus Linnaeus, 1758", "authority"), (9685, "Felis domesticus", "synonym"), (9685, "Felis sylvestris catus", "includes")),
    *((61378, 'Felis "nigripes"', "scientific name"), (9999, "Felis catus fera", "scientific name"), (500, "Felis sp. XY-2019", "scientific name")),
    (501, "Felis catus breed Abyssinian", "scientific name"),
]
FILES = {
    "nodes.dmp": "".join(f"{key}\t|\t{parent}\t|\t{rank}\t|\t\t|\t0\t|\n" for key, parent, rank in NODES),
    "names.dmp": "".join(f"{key}\t|\t{name}\t|\t\t|\t{kind}\t|\n" for key, name, kind in NAMES),
    "merged.dmp": "12\t|\t74109\t|\n",
}


def test_nodes_and_names_become_taxa(tmp_path):
    checklist = read_checklist(write_folder(tmp_path / "taxdump", FILES))
    assert checklist.report.format == "NCBI taxonomy"
    assert not checklist.report.faults  # the root is its own parent, and that is meant
    assert checklist.taxa.select(["kingdom", "family", "genus", "species", "common_name", "taxon_key", "authorship"]).to_pylist() == [
        {
            **{"kingdom": "Metazoa", "family": "Felidae", "genus": "Felis", "species": "Felis catus"},
            **{"common_name": "domestic cat", "taxon_key": "9685", "authorship": "Linnaeus, 1758"},
        },
        {
            **{"kingdom": "Metazoa", "family": "Felidae", "genus": "Felis", "species": 'Felis "nigripes"'},
            **{"common_name": None, "taxon_key": "61378", "authorship": None},
        },
    ]
    names = [(row["rank"], row["name"], row["kind"]) for row in checklist.names.to_pylist() if row["kind"] != "accepted"]
    assert names == [
        *(
            ("family", "cat family", "vernacular"),
            ("species", "Felis catus fera", "infraspecific"),
            ("species", "Felis catus breed Abyssinian", "infraspecific"),
        ),
        *(("species", "Felis domesticus", "synonym"), ("species", "cat", "vernacular"), ("species", "domestic cat", "vernacular")),
    ]
    assert {note.what: note.count for note in checklist.report.notes} == {"below_species": 2, "passed_over": 3, "informal": 1}


def test_the_packed_dump_gives_the_same(tmp_path):
    with tarfile.open(tmp_path / "taxdump.tar.gz", "w:gz") as tar:
        for name, text in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    packed, loose = read_checklist(tmp_path / "taxdump.tar.gz"), read_checklist(write_folder(tmp_path / "taxdump", FILES))
    assert packed.taxa.equals(loose.taxa)
    assert packed.names.equals(loose.names)
