"""SpeciesNet's own semantics (rules 1 to 4), and what they mean for taxa that are not its labels (rules 5 to 7)."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.geography import Geofence, Place
from bioclip_search.geography.geofence import Rule
from bioclip_search.names import Names, write_names
from bioclip_search.prompts import RANKS
from bioclip_search.taxonomy import Taxonomy

LION, PANTHERA, FELIDAE = "mammalia;carnivora;felidae;panthera;leo", "mammalia;carnivora;felidae;panthera;", "mammalia;carnivora;felidae;;"
SNOW_LEOPARD, CAT, FOX = "mammalia;carnivora;felidae;panthera;uncia", "mammalia;carnivora;felidae;felis;catus", "mammalia;carnivora;canidae;vulpes;vulpes"


def shut_out(rules: dict, taxonomy: Taxonomy, *place) -> list[str]:
    fence = Geofence(
        "fence.json", {key: Rule(**{kind: {at: tuple(regions) for at, regions in part.items()} for kind, part in rule.items()}) for key, rule in rules.items()}
    )
    leaves = fence.blocked(taxonomy, Place.of(*place)).leaves
    return [list(taxonomy.lineage(int(leaf)).values())[-1] for leaf in leaves.numbers]


@pytest.mark.parametrize(
    ("rule", "place", "is_fenced"),
    [
        pytest.param({}, ("KEN",), False, id="rule 1: no list"),
        pytest.param({"allow": {"KEN": []}}, (), False, id="rule 1: no country"),
        pytest.param({"allow": {}}, ("KEN",), False, id="rule 2: an empty list allows everywhere"),
        pytest.param({"allow": {"KEN": [], "TZA": []}}, ("KEN",), False, id="rule 2: this country allows it"),
        pytest.param({"allow": {"KEN": [], "TZA": []}}, ("USA",), True, id="rule 2: other countries only"),
        pytest.param({"allow": {"USA": ["AK", "CA"]}}, ("USA", "CA"), False, id="rule 3: one of its regions"),
        pytest.param({"allow": {"USA": ["AK", "CA"]}}, ("USA", "NY"), True, id="rule 3: none of its regions"),
        pytest.param({"allow": {"USA": ["AK", "CA"]}}, ("USA",), False, id="rule 3: region unknown"),
        pytest.param({"allow": {"USA": []}}, ("USA", "NY"), False, id="rule 3: the whole country"),
        pytest.param({"block": {"AUS": []}}, ("AUS",), True, id="rule 4: the whole country"),
        pytest.param({"block": {"AUS": []}}, ("AUS", "NT"), True, id="rule 4: the whole country, in a region"),
        pytest.param({"block": {"AUS": []}}, ("KEN",), False, id="rule 4: another country"),
        pytest.param({"block": {"USA": ["NY"]}}, ("USA", "NY"), True, id="rule 4: this region"),
        pytest.param({"block": {"USA": ["NY"]}}, ("USA", "NJ"), False, id="rule 4: another region"),
        pytest.param({"block": {"USA": ["NY"]}}, ("USA",), False, id="rule 4: region unknown"),
        pytest.param({"allow": {"FRA": []}, "block": {"FRA": []}}, ("FRA",), True, id="rules 2 and 4: blocking wins"),
    ],
)
def test_a_label_is_fenced_as_by_speciesnet(taxonomy, rule, place, is_fenced):
    assert shut_out({LION: rule}, taxonomy, *place) == ["Panthera leo"] * is_fenced
    fence = Geofence("f", {LION: Rule(**{kind: {at: tuple(regions) for at, regions in part.items()} for kind, part in rule.items()})})
    assert fence.fences(LION, Place.of(*place)) == is_fenced
    assert not fence.fences(PANTHERA, Place.of(*place))  # rule 1: nothing is told of the genus


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param({FELIDAE: {"allow": {"NOR": []}}}, ["Felis catus", "Panthera leo", "Panthera uncia"], id="rule 5: a family's list holds for all below it"),
        pytest.param(
            {FELIDAE: {"allow": {"NOR": []}}, CAT: {"allow": {"KEN": []}}}, ["Panthera leo", "Panthera uncia"], id="rule 5: a species' own list goes before"
        ),
        pytest.param(
            {FELIDAE: {"allow": {"NOR": []}}, CAT: {"block": {"AUS": []}}}, ["Panthera leo", "Panthera uncia"], id="rule 5: so does its own rule without a list"
        ),
        pytest.param(
            {FELIDAE: {"block": {"KEN": []}}, CAT: {"allow": {"KEN": []}}},
            ["Felis catus", "Panthera leo", "Panthera uncia"],
            id="rule 6: what is blocked stays blocked below",
        ),
        pytest.param(
            {
                LION: {"allow": {"NOR": []}},
                PANTHERA: {"allow": {"NOR": []}},
                FELIDAE: {"allow": {"NOR": []}},
                "mammalia;carnivora;;;": {"allow": {"NOR": []}},
                "mammalia;;;;": {"allow": {"NOR": [], "SWE": []}},
            },
            ["Panthera leo"],
            id="rule 7: lists that were handed up from the lion say nothing of the fox",
        ),
        pytest.param(
            {LION: {"allow": {"NOR": []}}, FELIDAE: {"allow": {"NOR": []}}},
            ["Felis catus", "Panthera leo", "Panthera uncia"],
            id="rule 7: a list that nobody handed up is meant for all",
        ),
        pytest.param({"aves;;;;": {"block": {"KEN": []}}}, ["Turdus merula", "Oenanthe oenanthe"], id="a whole class"),
        pytest.param({"aves;passeriformes;muscicapidae;oenanthe;": {"block": {"KEN": []}}}, ["Oenanthe oenanthe"], id="the genus of birds, not that of plants"),
        pytest.param(
            {"actinopterygii;cypriniformes;cyprinidae;cyprinus;carpio": {"block": {"KEN": []}}}, ["Cyprinus carpio"], id="a fish whose class is missing here"
        ),
    ],
)
def test_rules_of_higher_taxa_hold_below_them(taxonomy, rules, expected):
    assert sorted(shut_out(rules, taxonomy, "KEN")) == sorted(expected)


def test_a_leaf_above_species_obeys_its_own_rule_though_it_sums_up_others():
    rows = [("Animalia", "Mammalia", "Carnivora", "Felidae", "Panthera", name) for name in ("Panthera leo", "Panthera uncia")]
    rows.append(("Animalia", "Mammalia", "Carnivora", "Felidae", "Panthera", None))
    ranks = [rank for rank in RANKS if rank != "phylum"]
    tree = Taxonomy.from_table(pa.table(dict(zip(ranks, map(list, zip(*rows, strict=True)), strict=True))), ranks)
    handed_up = {key: {"allow": {"NOR": []}} for key in (LION, PANTHERA, FELIDAE, "mammalia;carnivora;;;", "mammalia;;;;")}
    assert shut_out(handed_up, tree, "KEN") == ["Panthera", "Panthera leo"]


def test_keys_that_name_nothing_and_ranks_that_differ_are_told(taxonomy):
    keys = (
        LION,
        "mammalia;chordata;felidae;panthera;uncia",
        "mammalia;carnivora;canidae;canis;lupus dingo",
        "reptilia;carnivora;felidae;felis;catus",
        "mammalia;carnivora;felidae;panthera;leo persica",
    )
    fenced = Geofence("f.json", {key: Rule(block={"KEN": ()}) for key in keys}).blocked(taxonomy, Place("KEN"))
    assert fenced.unmatched == keys[2:]  # a subspecies is not its species, and another class is another animal
    assert fenced.by_name == (keys[1],)
    assert fenced.notes[0] == "f.json: 2 taxa shut out of KEN"
    assert "of 5 keys 3 without a taxon in this index (mammalia;carnivora;canidae;canis;lupus dingo, " in fenced.notes[1]
    assert "1 key matched by class and name, a synonym or with other ranks between than here (mammalia;chordata;" in fenced.notes[2]


@pytest.mark.parametrize(("place", "told"), [(("PER",), "no rule names PER"), (("USA", "XX"), "no rule names the region XX of USA")])
def test_a_place_that_no_rule_names_is_told(taxonomy, place, told):
    fence = Geofence("f", {LION: Rule(allow={"USA": ("NY",)})})
    assert any(told in note for note in fence.blocked(taxonomy, Place.of(*place)).notes)


PLACES = st.sampled_from([("KEN",), ("USA",), ("USA", "NY"), ("USA", "NJ"), ("NOR",)])
REGIONS = st.dictionaries(st.sampled_from(["KEN", "USA", "NOR"]), st.lists(st.sampled_from(["NY", "NJ"]), max_size=2), max_size=3)
RULES = st.dictionaries(
    st.sampled_from([LION, SNOW_LEOPARD, CAT, FOX, PANTHERA, FELIDAE, "mammalia;carnivora;;;", "mammalia;;;;", "aves;;;;"]),
    st.fixed_dictionaries({}, optional={"allow": REGIONS, "block": REGIONS}),
    min_size=1,
)


@given(rules=RULES, place=PLACES)
def test_shut_out_taxa_equal_those_of_a_walk_up_from_every_leaf(taxonomy, rules, place):
    assert shut_out(rules, taxonomy, *place) == [name for name, key in walked(taxonomy) if walk_says_no(rules, key, *place)]


def walked(taxonomy):
    for leaf in range(len(taxonomy)):
        lineage = taxonomy.lineage(leaf)
        epithet = lineage.get("species", " ").split(" ", 1)[1]
        yield list(lineage.values())[-1], [*(lineage.get(rank, "").lower() for rank in ("class", "order", "family", "genus")), epithet]


def walk_says_no(rules, parts, country, region=None):
    """Rules 1 to 7, leaf by leaf and key by key."""

    def hit(regions, of_unknown):
        return country in regions and (not regions[country] or (of_unknown if region is None else region in regions[country]))

    allows = {key: rule["allow"] for key, rule in rules.items() if rule.get("allow")}
    above = {key: [";".join(key.split(";")[:n] + [""] * (5 - n)) for n in range(1, len(key.rstrip(";").split(";")))] for key in rules}
    sums = {other for key in allows for other in above[key]}
    if not all(other in rules and set(allows[key]) <= set(rules[other].get("allow", {})) for key in allows for other in above[key]):
        sums = set()
    nearest_found = False
    for depth in range(5, 0, -1):
        key = ";".join(parts[:depth] + [""] * (5 - depth))
        if not parts[depth - 1] or key not in rules:
            continue
        if hit(rules[key].get("block", {}), of_unknown=False):
            return True
        if (not nearest_found and key not in sums) or (not nearest_found and not any(parts[depth:])):
            nearest_found = True
            if key in allows and not hit(allows[key], of_unknown=True):
                return True
    return False


def test_speciesnets_corrections_shut_out_the_dingo_by_its_trinomial_and_the_roe_deer_in_another_order(shared):
    fence = Geofence.read(shared / "schemas" / "speciesnet_geofence_fixes.csv")
    tree = Taxonomy.from_table(shared / "taxonomy" / "speciesnet.parquet")
    in_usa, in_nor = fence.blocked(tree, Place("USA", "NJ")), fence.blocked(tree, Place("NOR"))
    assert species(tree, in_usa) == ["Canis lupus dingo", "Capreolus capreolus"]
    assert species(tree, in_nor) == ["Canis lupus dingo", "Ursus americanus"]
    assert in_usa.unmatched == ()
    assert in_usa.by_name == ("mammalia;chordata;canidae;canis;lupus dingo",)
    assert "Canis lupus" not in species(tree, in_nor)


def species(tree, fenced):
    return [tree.leaves["species"][int(leaf)].as_py() for leaf in fenced.leaves.numbers]


def test_a_family_in_two_spellings_of_its_order_is_shut_out_whole(shared):
    tree = Taxonomy.from_table(shared / "taxonomy" / "speciesnet.parquet")
    orders = {tree.lineage(int(start)).get("order") for start in named(tree, "family", "Cervidae")}
    assert orders == {"Artiodactyla", "Cetartiodactyla"}
    fenced = Geofence("f", {"mammalia;artiodactyla;cervidae;;": Rule(block={"KEN": ()})}).blocked(tree, Place("KEN"))
    assert {tree.lineage(int(leaf))["order"] for leaf in fenced.leaves.numbers} == orders


def named(tree, rank, name):
    level = tree.level(rank)
    return level.start[np.asarray(tree.leaves[rank].take(pa.array(level.start)).to_pylist()) == name]


def test_a_file_is_read_and_corrected_by_the_next(tmp_path, taxonomy):
    (tmp_path / "fence.json").write_text(json.dumps({LION: {"allow": {"KEN": [], "TZA": []}}}))
    (tmp_path / "fixes.csv").write_text(f"species,rule,country_code,admin1_region_code\n{LION},allow,USA,NJ\n{CAT},block,KEN,\n")
    fence = Geofence.read(tmp_path / "fence.json", tmp_path / "fixes.csv")
    assert fence.rules[LION] == Rule(allow={"KEN": (), "TZA": (), "USA": ("NJ",)})
    assert fence.notes == ()
    assert [list(taxonomy.lineage(int(leaf)).values())[-1] for leaf in fence.blocked(taxonomy, Place("KEN")).leaves.numbers] == ["Felis catus"]


def test_keys_may_use_names_that_are_synonyms_here(taxonomy, tmp_path):
    lion = taxonomy.leaves["species"].to_pylist().index("Panthera leo")
    further = pa.table(
        {
            "row": pa.array([taxonomy.row_of_leaf[lion]] * 2, pa.int64()),
            "rank": ["species", "species"],
            "name": ["Felis leo", "lion"],
            "kind": ["synonym", "vernacular"],
        }
    )
    write_names(tmp_path / "names.sqlite", taxonomy, further)
    names = Names(tmp_path / "names.sqlite", taxonomy)
    rule = Rule(block={"KEN": ()})
    fence = Geofence("f", {"mammalia;carnivora;felidae;felis;leo": rule, "aves;;;felis;leo": rule, "mammalia;carnivora;felidae;lion;": rule})
    fenced = fence.blocked(taxonomy, Place("KEN"), names)
    assert fenced.leaves.numbers.tolist() == [lion]
    assert fenced.by_name == ("mammalia;carnivora;felidae;felis;leo",)
    assert fenced.unmatched == ("aves;;;felis;leo", "mammalia;carnivora;felidae;lion;")  # another class, and a vernacular name
    assert len(fence.blocked(taxonomy, Place("KEN")).unmatched) == 3
