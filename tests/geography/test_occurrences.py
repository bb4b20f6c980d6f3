from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from bioclip_search.errors import TableError
from bioclip_search.geography import Place
from bioclip_search.geography.occurrences import ANYWHERE_SHARE, EVENNESS, SMOOTHING, TRUST, Occurrences, distance_km
from bioclip_search.geography.resolving import resolve
from bioclip_search.geography.smoothing import Counted, leaf_shares
from bioclip_search.names import Names, write_names
from bioclip_search.taxonomy import Taxonomy

FOX, CAT, BLACKBIRD = "Vulpes vulpes", "Felis catus", "Turdus merula"


@pytest.fixture(scope="module")
def names(tmp_path_factory, taxonomy):
    path = tmp_path_factory.mktemp("names") / "names.sqlite"
    write_names(path, taxonomy)
    return Names(path, taxonomy)


def leaf_of(taxonomy, species):
    return taxonomy.leaves["species"].to_pylist().index(species)


@pytest.fixture
def read(tmp_path, taxonomy, names):
    def read(text):
        (tmp_path / "seen.csv").write_text(text)
        return Occurrences.read(tmp_path / "seen.csv", taxonomy, names)

    return read


def weight(prior, taxonomy, species):
    return float(np.exp(prior.log_weights[leaf_of(taxonomy, species)]))


def is_expected(prior, names, name):
    (taxon,) = names.find(name)
    return prior.expected(taxon.start, taxon.stop)


def test_a_prior_is_the_root_of_the_share_over_that_of_a_leaf_among_all(read, taxonomy):
    """Nine leaves; in Norway 16 foxes and 4 cats, so 4 and 2 count; smoothing weighs 5, and everywhere is Norway here.

    One kingdom has all: of two, with 7 of 9 leaves, Q = (6 + 5·7/9)/11, then (6 + 5·Q)/11. Mammals have the same
    share of it, and so on; what is left for the hemlock is in the test of `smoothing`. By that function:
    """
    occurrences = read("species,country,count\nVulpes vulpes,NO,16\nFelis catus,NO,4\n")
    prior = occurrences.prior(Place("NOR"))
    starts = np.array([leaf_of(taxonomy, CAT), leaf_of(taxonomy, FOX)])
    counts = np.array([2.0, 4.0])
    shares = leaf_shares(taxonomy.levels, 9, Counted(np.array([6, 6]), starts, starts + 1), [counts, counts], SMOOTHING)
    assert (EVENNESS, SMOOTHING, ANYWHERE_SHARE, TRUST) == (0.5, 5.0, 0.05, 0.5)
    assert np.exp(2 * prior.log_weights) == pytest.approx(0.95 * 9 * np.exp(shares) + 0.05)
    q = (6 + 5 * 7 / 9) / 11
    assert np.exp(shares)[:7].sum() == pytest.approx((6 + 5 * q) / 11)
    assert np.exp(2 * prior.log_weights).mean() == pytest.approx(1)


def test_no_taxon_is_ever_ruled_out(read):
    prior = read("species,country,count\nVulpes vulpes,NO,1e12\n").prior(Place("NOR"))
    assert prior.log_weights.min() >= TRUST * math.log(ANYWHERE_SHARE)
    assert np.isfinite(prior.log_weights).all()


def test_kin_of_what_lives_there_is_likelier_than_what_is_far_from_it(read, taxonomy):
    prior = read("species,country\n" + "Panthera leo,KE\n" * 9).prior(Place("KEN"))
    lion, snow_leopard, cat, fox, bird, plant = (
        weight(prior, taxonomy, name) for name in ("Panthera leo", "Panthera uncia", CAT, FOX, BLACKBIRD, "Oenanthe crocata")
    )
    assert lion > snow_leopard > cat > fox > bird > plant


def test_a_place_goes_before_everywhere_and_a_season_before_the_year(read, taxonomy):
    rows = [f"{FOX},NO,5"] * 9 + [f"{CAT},NO,11"] * 9 + [f"{BLACKBIRD},SE,5"] * 9
    occurrences = read("species,country,month\n" + "\n".join(rows))
    norway, sweden = occurrences.prior(Place("NOR")), occurrences.prior(Place("SWE"))
    assert weight(norway, taxonomy, FOX) > weight(sweden, taxonomy, FOX)
    assert weight(sweden, taxonomy, BLACKBIRD) > weight(norway, taxonomy, BLACKBIRD)
    may, november = occurrences.prior(Place("NOR"), 5), occurrences.prior(Place("NOR"), 11)
    assert weight(may, taxonomy, FOX) > weight(norway, taxonomy, FOX) > weight(november, taxonomy, FOX)
    assert (may.words, norway.words, round(may.records, 3)) == ("NOR in May", "NOR", 9.0)


def test_months_go_round_the_year_and_records_without_one_count_in_all(read):
    occurrences = read(f"species,country,month\n{FOX},NO,12\n{CAT},NO,\n")
    mean = (1 + 2 * sum(math.exp(-0.5 * n * n) for n in range(1, 6)) + math.exp(-18)) / 12
    assert occurrences.prior(month=1).records == pytest.approx(math.exp(-0.5) + mean)
    assert occurrences.prior(month=6).records == pytest.approx(math.exp(-18) + mean)


def test_records_near_a_point_count_by_their_distance(read, taxonomy, names):
    occurrences = read(f"species,lat,lon\n{FOX},60.1,10.1\n{CAT},61.1,10.1\n{BLACKBIRD},63.1,10.1\n")
    prior = occurrences.prior(Place(point=(60.125, 10.125)))
    # cells 1° apart lie 111.2 km apart: exp(-0.5 · 1.112²) = 0.539; 333.6 km is beyond three radii
    assert prior.records == pytest.approx(1 + 0.539, abs=1e-3)
    assert [is_expected(prior, names, name) for name in (FOX, CAT, BLACKBIRD)] == [True, True, False]
    assert weight(prior, taxonomy, FOX) > weight(prior, taxonomy, CAT) > weight(prior, taxonomy, BLACKBIRD)


def test_distances_go_round_the_earth():
    assert distance_km((0, 179.9), np.array([[0, -179.9], [np.nan, np.nan]])) == pytest.approx([22.24, np.nan], abs=0.01, nan_ok=True)


def test_a_taxon_is_expected_with_its_kin_and_missed_in_a_season_only_if_many_were_seen(read, names):
    summer = "".join(f"{BLACKBIRD},NO,6\n" for _ in range(6)) + "".join(f"{FOX},NO,{month}\n" for month in (6, 12))
    prior = read("species,country,month\n" + summer).prior(Place("NOR"), 12)
    assert [is_expected(prior, names, name) for name in (FOX, "Canidae", "Animalia", CAT, "Plantae")] == [True, True, True, False, False]
    assert is_expected(prior, names, BLACKBIRD)  # 6 of 8 records, but December has 1 only: nobody looked
    prior = read("species,country,month\n" + summer + f"{FOX},NO,12\n" * 20).prior(Place("NOR"), 12)
    assert not is_expected(prior, names, BLACKBIRD)  # 6 of 28, and 21 in December: 4.5 would have been seen
    assert is_expected(prior, names, FOX)


@pytest.mark.parametrize(
    ("place", "month", "message"),
    [
        pytest.param(Place("PER"), None, "has no record from PER; it has NOR, SWE", id="another country"),
        pytest.param(
            Place(point=(10, 60)), None, r"no record within 300 km of 10, 60; the nearest lies 6,\d{3} km away. Is the latitude given first", id="far away"
        ),
        pytest.param(Place("NOR"), 13, "from 1 to 12, not 13", id="no month"),
    ],
)
def test_places_without_records_are_told_and_not_smoothed_over(read, place, month, message):
    occurrences = read(f"species,country,lat,lon\n{FOX},NO,60,10\n{FOX},SE,,\n")
    with pytest.raises(TableError, match=message):
        occurrences.prior(place, month)


def test_a_table_without_the_sort_of_place_says_so(read):
    with pytest.raises(TableError, match=r"tells no countries; give --near"):
        read(f"species,lat,lon\n{FOX},60,10\n").prior(Place("NOR"))
    with pytest.raises(TableError, match=r"tells no coordinates .* Give --country"):
        read(f"species,country\n{FOX},NO\n").prior(Place(point=(60, 10)))


def test_what_became_of_rows_and_names_is_told(read):
    occurrences = read("species,country\n" + f"{FOX},NO\n" * 3 + "Vulpes lagopus,NO\n,NO\nQuercus robur,XX\nQuercus robur,NO\n")
    assert occurrences.unknown == {"Quercus robur": 2.0}
    (note,) = occurrences.notes
    assert note == (
        "seen.csv: 7 rows read, 2 names of taxa that this index has; 1 name known by genus or family only (1 record); "
        "1 name unknown, 2 records (Quercus robur 2); 1 row without a name"
    )
    assert occurrences.count.sum() == 4


def test_a_table_of_taxa_that_the_index_lacks_is_refused(read):
    with pytest.raises(TableError, match=r"none of its 1 name is known to this index \(such as Quercus robur\)"):
        read("species,country\nQuercus robur,NO\n")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param({"name": FOX}, ("species", FOX, False), id="rule 1: a species"),
        pytest.param({"name": FOX, "kingdom": "Plantae"}, None, id="rule 1: of another kingdom"),
        pytest.param({"name": "Vulpes vulpes (Linnaeus, 1758)"}, ("species", FOX, False), id="rule 2: with its authors"),
        pytest.param({"name": "Felidae"}, ("family", "Felidae", False), id="rule 2: a higher taxon"),
        pytest.param({"name": "red fox"}, ("species", FOX, False), id="rule 2: a vernacular name"),
        pytest.param({"name": "Oenanthe"}, None, id="rule 2: a homonym"),
        pytest.param({"name": "Oenanthe", "kingdom": "Animalia"}, ("genus", "Oenanthe", False), id="rule 2: a homonym of a known kingdom"),
        pytest.param({"name": "Oenanthe", "family": "Apiaceae"}, ("genus", "Oenanthe", False), id="rule 2: a homonym of a known family"),
        pytest.param({"name": "Vulpes zerda"}, ("genus", "Vulpes", True), id="rule 3: the genus of the binomial"),
        pytest.param({"name": "Lynx lynx", "genus": "Lynx", "family": "Felidae"}, ("family", "Felidae", True), id="rule 3: the family of the row"),
        pytest.param({"name": "Quercus robur", "family": "Fagaceae"}, None, id="rule 3: neither"),
    ],
)
def test_names_find_their_taxa(taxonomy, names, row, expected):
    columns = {key: pa.array([row.get(key)], pa.string()) for key in ("name", "genus", "family", "order", "class", "phylum", "kingdom")}
    found = resolve(pa.table(columns), taxonomy, names)
    if expected is None:
        assert found.depth[0] == -1
        return
    level = taxonomy.levels[found.depth[0]]
    taxon = taxonomy.taxon(level.rank, int(np.flatnonzero(level.start == found.start[0])[0]))
    assert (taxon.rank, taxon.name, bool(found.is_higher[0])) == expected
    assert taxon.stop == found.stop[0]


def test_a_taxonomy_without_species_resolves_by_what_it_has(tmp_path):
    tree = Taxonomy.from_table(pa.table({"order": ["Carnivora", "Carnivora"], "genus": ["Felis", "Vulpes"]}), ["order", "genus"])
    write_names(tmp_path / "names.sqlite", tree)
    columns = {"name": ["Felis catus", "Vulpes", "Carnivora", "Canis"]} | {
        rank: pa.nulls(4, pa.string()) for rank in ("genus", "family", "order", "class", "phylum", "kingdom")
    }
    found = resolve(pa.table(columns), tree, Names(tmp_path / "names.sqlite", tree))
    assert (found.depth.tolist(), found.start.tolist(), found.is_higher.tolist()) == ([1, 1, 0, -1], [0, 1, 0, -1], [True, False, False, False])


def test_a_taxon_and_its_only_part_of_one_name_are_no_homonyms(tmp_path):
    ranks = ["phylum", "class", "species"]
    tree = Taxonomy.from_table(
        pa.table({"phylum": ["Ginkgophyta"] * 2, "class": ["Ginkgophyta"] * 2, "species": ["Ginkgo biloba", "Ginkgo adiantoides"]}), ranks
    )
    write_names(tmp_path / "names.sqlite", tree)
    columns = {"name": ["Ginkgophyta"]} | {rank: pa.nulls(1, pa.string()) for rank in ("genus", "family", "order", "class", "phylum", "kingdom")}
    found = resolve(pa.table(columns), tree, Names(tmp_path / "names.sqlite", tree))
    assert (found.depth.tolist(), found.stop.tolist()) == ([0], [2])


def test_the_example_package_knows_the_fox_and_not_the_lion(shared):
    from bioclip_search.catalogue import Catalogue

    catalogue = Catalogue.open()
    occurrences = Occurrences.read(shared / "bursts" / "camtrap-dp-example", catalogue.taxonomy, catalogue.names)
    prior = occurrences.prior(Place(point=(51.2, 5.6)), 6)
    fox, lion = (leaf_of(catalogue.taxonomy, name) for name in (FOX, "Panthera leo"))
    assert prior.log_weights[fox] > 2 > prior.log_weights[lion]
    assert prior.expected(fox, fox + 1)
    assert not prior.expected(lion, lion + 1)
    assert "1 name known by genus or family only (18 records); 150 rows without a name" in occurrences.notes[0]  # Anas strepera is Mareca there
