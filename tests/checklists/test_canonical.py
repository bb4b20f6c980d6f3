from __future__ import annotations

import pytest

from bioclip_search.checklists import read_checklist
from bioclip_search.checklists.canonical import clean
from bioclip_search.checklists.ranks import rank_codes
from bioclip_search.checklists.staging import open_staging

CASES = [  # rank, scientific name, authorship, the name, the author
    ("species", "Panthera leo (Linnaeus, 1758)", "(Linnaeus, 1758)", "Panthera leo", "(Linnaeus, 1758)"),
    ("species", "Panthera leo (Linnaeus, 1758)", None, "Panthera leo", "(Linnaeus, 1758)"),
    ("species", "Panthera leo", None, "Panthera leo", None),
    ("species", "Panthera leo", "Linnaeus", "Panthera leo", "Linnaeus"),
    ("species", "Aus bus de Vries, 1900", None, "Aus bus", "de Vries, 1900"),
    ("species", "Apis (Apis) mellifera Linnaeus, 1758", None, "Apis mellifera", None),
    ("species", "Polygonia c-album L.", None, "Polygonia c-album", "L."),
    ("species", "Coccinella 7-punctata", None, "Coccinella 7-punctata", None),
    ("species", "Quercus × rosacea Bechst.", "Bechst.", "Quercus × rosacea", "Bechst."),
    ("species", "Quercus × rosacea Bechst.", None, "Quercus × rosacea", "Bechst."),
    ("species", "Mentha x piperita L.", "L.", "Mentha × piperita", "L."),
    ("species", "×Cupressocyparis leylandii (A.B.Jacks. & Dallim.) Dallim.", None, "×Cupressocyparis leylandii", "(A.B.Jacks. & Dallim.) Dallim."),
    ("species", "Quercus robur L. × Quercus petraea", None, "Quercus robur L. × Quercus petraea", None),
    ("hybrid", "Felis catus × silvestris", None, "Felis catus × silvestris", None),
    ("species", "Tobacco mosaic virus", None, "Tobacco mosaic virus", None),
    ("species", "Ärgernis ürig Müller", None, "Ärgernis ürig", "Müller"),
    ("subspecies", "Panthera leo persica (Meyer, 1826)", None, "Panthera leo persica", "(Meyer, 1826)"),
    ("subspecies", "Aus bus cus de Vries", None, "Aus bus cus", "de Vries"),
    ("variety", "Rosa canina L. var. lutetiana (Léman) Baker", None, "Rosa canina var. lutetiana", None),
    ("subspecies", "Rosa canina L. subsp. canina", "L.", "Rosa canina subsp. canina", None),
    ("subspecies", "Vicia sativa ssp nigra", None, "Vicia sativa ssp nigra", None),
    ("genus", "Aus1", None, "Aus1", None),
    ("species", "Aus bus2/3", None, "Aus bus2/3", None),
    ("genus", "Panthera Oken, 1816", None, "Panthera", "Oken, 1816"),
    ("family", "Felidae Fischer de Waldheim, 1817", "Fischer de Waldheim, 1817", "Felidae", "Fischer de Waldheim, 1817"),
    (None, "Panthera leo (Linnaeus, 1758)", None, "Panthera leo", "(Linnaeus, 1758)"),
    (None, "Felis catus domestica Erxleben", None, "Felis catus domestica", "Erxleben"),
    (None, "Carex halleri L. f. et Smith", None, "Carex halleri", "L. f. et Smith"),
    (None, "Felidae Fischer de Waldheim, 1817", None, "Felidae", "Fischer de Waldheim, 1817"),
]


def cleaned(tmp_path, rows):
    columns = ("rank", "scientific_name", "authorship", "status", "canonical_name", "accepted_key")
    with open_staging(tmp_path, "test", "test") as staging:
        for row in rows:
            marks = ", ".join("?" for _ in columns)
            staging.connection.execute(f"INSERT INTO usages (key, {', '.join(columns)}) VALUES ('k', {marks})", [row.get(column) for column in columns])
        clean(staging)
        return staging.rows("SELECT name, authorship, rank, standing FROM clean ORDER BY row")


def test_authors_are_cut_off_and_hybrids_keep_their_sign(tmp_path):
    found = cleaned(tmp_path, [{"rank": rank, "scientific_name": full, "authorship": author} for rank, full, author, _, _ in CASES])
    for (rank, full, _, name, author), (got, by, _, _) in zip(CASES, found, strict=True):
        assert got == name, (rank, full)
        if author is not None:
            assert by == author, (rank, full)


def test_a_rank_that_is_not_said_is_seen_from_the_name(tmp_path):
    names = ["Panthera leo (Linnaeus, 1758)", "Felis catus domestica Erxleben", "Felidae Fischer", "Rosaceae", "Felis", "tobacco virus"]
    assert [row[2] for row in cleaned(tmp_path, [{"scientific_name": name} for name in names])] == [6, 10, 4, 4, 20, 20]


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        *((None, 0), ("accepted", 0), ("valid", 0), ("Accepted", 0), ("native", 0), ("doubtful", 1), ("provisionally accepted", 1), ("taxon inquirendum", 1)),
        *(("synonym", 2), ("HETEROTYPIC_SYNONYM", 2), ("invalid", 2), ("not accepted", 2), ("unaccepted", 2), ("alternative representation", 2)),
        *(("ambiguous synonym", 3), ("proparte synonym", 3), ("pro parte synonym", 3), ("misapplied", 10), ("bare name", 11), ("inactive", 12)),
    ],
)
def test_the_words_for_a_standing(tmp_path, status, standing):
    ((_, _, _, found),) = cleaned(tmp_path, [{"scientific_name": "Felis catus", "rank": "species", "status": status}])
    assert found == standing


@pytest.mark.parametrize("name", ["Felis sp.", "Felis sp. 2", "Felis cf. catus", "Felis aff. catus", "Felis spp.", "uncultured bacterium", "Felis indet."])
def test_informal_names_are_no_species(tmp_path, name):
    assert cleaned(tmp_path, [{"canonical_name": name, "rank": "species"}])[0][3] == 13


def test_words_for_missing_ranks_are_no_taxa(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("family,genus,species\nincertae sedis,Felis,Felis catus\nNot assigned,Unknown,Bufo bufo\n", encoding="utf-8")
    found = read_checklist(path).taxa.select(["family", "genus", "species"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [(None, "Felis", "Felis catus"), (None, "Bufo", "Bufo bufo")]


def test_no_word_means_two_ranks():
    codes = rank_codes()
    assert codes["division"] == codes["phylum"] == 1
    assert codes["hybrid"] == codes["species"] == 6
    assert codes["f"] == codes["variety"] == 10
    assert "subfamily" not in codes
