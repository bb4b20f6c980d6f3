from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.names.parse import parse

CASES = [
    ("a genus", "Panthera", "Panthera", {"rank": None}),
    ("a family of animals", "Felidae", "Felidae", {"rank": "family"}),
    ("a family of plants", "Rosaceae Juss.", "Rosaceae", {"rank": "family", "authorship": "Juss."}),
    ("a binomial", "Panthera leo", "Panthera leo", {"rank": "species", "genus": "Panthera", "epithet": "leo"}),
    ("author and year in brackets", "Panthera leo (Linnaeus, 1758)", "Panthera leo", {"authorship": "(Linnaeus, 1758)", "year": 1758}),
    ("author and year", "Vulpes lagopus Linnaeus, 1758", "Vulpes lagopus", {"authorship": "Linnaeus, 1758", "year": 1758}),
    ("a genus with its author", "Turdus Linnaeus, 1758", "Turdus", {"authorship": "Linnaeus, 1758", "epithet": None}),
    ("a genus with an author in brackets", "Aus (Smith)", "Aus", {"authorship": "(Smith)", "subgenus": None}),
    ("basionym author and author", "Picea abies (L.) H.Karst.", "Picea abies", {"authorship": "(L.) H.Karst."}),
    ("an author with ex", "Abies alba Mill. ex Hook. f.", "Abies alba", {"authorship": "Mill. ex Hook. f.", "infraspecific": None}),
    ("an author's son", "Carex halleri L. f.", "Carex halleri", {"authorship": "L. f.", "rank": "species"}),
    ("et al.", "Aus bus Smith et al., 2011", "Aus bus", {"authorship": "Smith et al., 2011", "year": 2011}),
    ("an author with van der", "Aus bus van der Hoeven, 1833", "Aus bus", {"authorship": "van der Hoeven, 1833"}),
    ("a subgenus", "Bombus (Pyrobombus) lapponicus", "Bombus lapponicus", {"subgenus": "Pyrobombus"}),
    ("a trinomial", "Panthera leo persica", "Panthera leo persica", {"rank": "subspecies", "infraspecific": "persica"}),
    ("a trinomial with author", "Panthera leo persica (Meyer, 1826)", "Panthera leo persica", {"authorship": "(Meyer, 1826)"}),
    ("subsp.", "Vicia sativa subsp. nigra (L.) Ehrh.", "Vicia sativa nigra", {"rank": "subspecies", "authorship": "(L.) Ehrh."}),
    ("ssp", "Vicia sativa ssp nigra", "Vicia sativa nigra", {"rank": "subspecies"}),
    ("var. behind an author", "Poa annua L. var. reptans Hausskn.", "Poa annua reptans", {"rank": "variety", "authorship": "Hausskn."}),
    ("a form", "Fagus sylvatica f. purpurea", "Fagus sylvatica purpurea", {"rank": "form"}),
    ("a nothospecies", "Salix × fragilis L.", "Salix fragilis", {"is_hybrid": True, "authorship": "L."}),
    ("a sign that touches", "Salix ×fragilis", "Salix fragilis", {"is_hybrid": True, "epithet": "fragilis"}),
    ("a small x", "Salix x fragilis", "Salix fragilis", {"is_hybrid": True}),
    ("a large X", "Salix X fragilis", "Salix fragilis", {"is_hybrid": True}),
    ("a nothogenus", "×Cuprocyparis leylandii", "Cuprocyparis leylandii", {"is_hybrid": True}),
    ("a nothogenus with x", "x Cuprocyparis leylandii", "Cuprocyparis leylandii", {"is_hybrid": True}),
    ("a formula", "Salix alba × Salix fragilis", "Salix", {"is_hybrid": True, "meant": ("Salix alba", "Salix fragilis")}),
    ("a formula, genus left out", "Salix alba x fragilis", "Salix", {"meant": ("Salix alba", "Salix fragilis")}),
    ("a formula, genus shortened", "Anas acuta × A. crecca", "Anas", {"meant": ("Anas acuta", "Anas crecca")}),
    ("a formula of two genera", "Anser anser × Branta canadensis", "", {"meant": ("Anser anser", "Branta canadensis")}),
    ("sp.", "Carex sp.", "Carex", {"qualifier": "sp.", "meant": (), "rank": None}),
    ("spp", "Carex spp", "Carex", {"qualifier": "sp."}),
    ("sp. with a number", "Carex sp. 1", "Carex", {"qualifier": "sp.", "authorship": None}),
    ("sp. nov.", "Carex sp. nov.", "Carex", {"qualifier": "sp.", "notes": ("sp. nov.",)}),
    ("cf.", "Panthera cf. leo", "Panthera", {"qualifier": "cf.", "meant": ("Panthera leo",)}),
    ("cf without a stop", "Panthera cf leo", "Panthera", {"qualifier": "cf.", "meant": ("Panthera leo",)}),
    ("aff.", "Panthera aff. leo", "Panthera", {"qualifier": "aff.", "meant": ("Panthera leo",)}),
    ("nr", "Panthera nr. leo", "Panthera", {"qualifier": "nr", "meant": ("Panthera leo",)}),
    ("indet.", "Panthera indet.", "Panthera", {"qualifier": "indet."}),
    ("gen. sp.", "Felidae gen. sp.", "Felidae", {"qualifier": "gen.", "authorship": None, "notes": ()}),
    ("a question mark", "Panthera leo?", "Panthera", {"qualifier": "?", "meant": ("Panthera leo",)}),
    ("a question mark apart", "Panthera ? leo", "Panthera", {"qualifier": "?", "meant": ("Panthera leo",)}),
    ("a question mark before the epithet", "Panthera ?leo", "Panthera", {"qualifier": "?", "meant": ("Panthera leo",)}),
    ("a question mark before the genus", "?Panthera leo", "Panthera", {"qualifier": "?", "meant": ("Panthera leo",)}),
    ("cf. before the genus", "cf. Panthera leo (L.)", "Panthera", {"qualifier": "cf.", "meant": ("Panthera leo",), "authorship": "(L.)"}),
    ("two species", "Larus michahellis/cachinnans", "Larus", {"qualifier": "/", "meant": ("Larus michahellis", "Larus cachinnans")}),
    ("a comma behind the epithet", "Apodemus sylvaticus, wood mouse", "Apodemus sylvaticus", {"authorship": "wood mouse"}),
    ("what is no author", "Larus 3rd-winter", "Larus", {"authorship": None, "unread": "3rd-winter"}),
    ("agg.", "Taraxacum officinale agg.", "Taraxacum officinale", {"sense": "agg.", "qualifier": None}),
    ("s.l.", "Rubus fruticosus s.l.", "Rubus fruticosus", {"sense": "s.l.", "authorship": None}),
    ("s. str.", "Rubus fruticosus s. str.", "Rubus fruticosus", {"sense": "s.str."}),
    ("sensu lato", "Rubus fruticosus sensu lato", "Rubus fruticosus", {"sense": "s.l."}),
    ("nom. nud.", "Aus bus Smith nom. nud.", "Aus bus", {"notes": ("nom. nud.",), "authorship": "Smith"}),
    ("auct. non", "Aus bus auct. non L.", "Aus bus", {"notes": ("auct. non L.",), "authorship": None}),
    ("all capitals", "PANTHERA LEO", "Panthera leo", {"rank": "species"}),
    ("underscores", "Panthera_leo", "Panthera leo", {}),
    ("spaces to spare", "  Panthera   leo ", "Panthera leo", {}),
    ("a genus in small letters", "panthera leo", "Panthera leo", {}),
    ("a hyphen in the epithet", "Capsella bursa-pastoris", "Capsella bursa-pastoris", {"epithet": "bursa-pastoris"}),
    ("an accent in the genus", "Isoëtes lacustris", "Isoëtes lacustris", {"genus": "Isoëtes"}),
    ("a dagger", "†Raphus cucullatus", "Raphus cucullatus", {}),
    ("a shortened genus that touches", "P.leo", "P. leo", {"genus": "P.", "epithet": "leo"}),
    ("a shortened genus", "P. leo", "P. leo", {"genus": "P.", "epithet": "leo"}),
    ("Candidatus", "Candidatus Phytoplasma mali", "Phytoplasma mali", {"notes": ("Candidatus",)}),
    ("another script", "ピューマ", "ピューマ", {}),
    ("nothing", "   ", "", {"genus": None}),
]


@pytest.mark.parametrize(("text", "canonical", "parts"), [pytest.param(*case, id=what) for what, *case in CASES])
def test_a_name_is_taken_apart(text, canonical, parts):
    name = parse(text)
    assert name.canonical == canonical
    assert {part: getattr(name, part) for part in parts} == parts
    assert name.verbatim == text


WORDS = st.sampled_from(
    ["Panthera", "leo", "×", "x", "cf.", "sp.", "subsp.", "(L.)", "agg.", "s.l.", "?", "1758", "f.", "et", "al.", "ex", "nom.", "nud.", "_", "-", "'", "Œ"]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)))
def test_no_text_is_refused(text):
    name = parse(text)
    assert name.verbatim == text
    assert name.canonical == " ".join(name.canonical.split())
