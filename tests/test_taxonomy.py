from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioclip_search.errors import TableError
from bioclip_search.posterior import prefix_mass, roll_up
from bioclip_search.prompts import RANKS
from bioclip_search.taxonomy import Taxon, Taxonomy


def taxa_of(taxonomy: Taxonomy, rank: str) -> list[Taxon]:
    return [taxonomy.taxon(rank, number) for number in range(len(taxonomy.level(rank)))]


def leaves_below(taxonomy: Taxonomy, rank: str, name: str) -> list[list[str]]:
    """The deepest names of the leaves in each interval of that name."""
    named = [taxon for taxon in taxa_of(taxonomy, rank) if taxon.name == name]
    return [[list(taxonomy.lineage(leaf).values())[-1] for leaf in range(taxon.start, taxon.stop)] for taxon in named]


def test_a_taxon_is_one_range_of_leaves(taxonomy):
    assert leaves_below(taxonomy, "family", "Felidae") == [["Felis catus", "Panthera leo", "Panthera uncia"]]


def test_a_rank_that_a_lineage_lacks_is_no_taxon(taxonomy):
    assert [taxon.name for taxon in taxa_of(taxonomy, "class")] == ["Aves", "Mammalia", "Magnoliopsida"]
    carp = next(leaf for leaf in range(len(taxonomy)) if taxonomy.leaves["species"][leaf].as_py() == "Cyprinus carpio")
    assert taxonomy.level("class").holding(carp) is None
    assert list(taxonomy.lineage(carp)) == ["kingdom", "phylum", "order", "family", "genus", "species"]


def test_homonyms_are_different_nodes_and_no_contradiction(taxonomy):
    assert leaves_below(taxonomy, "genus", "Oenanthe") == [["Oenanthe oenanthe"], ["Oenanthe crocata"]]
    assert taxonomy.report.contradictions == ()


def test_a_leaf_above_species_lies_first_in_its_own_interval(taxonomy):
    assert leaves_below(taxonomy, "family", "Apiaceae") == [["Apiaceae", "Oenanthe crocata"]]
    family = next(taxon for taxon in taxa_of(taxonomy, "family") if taxon.name == "Apiaceae")
    assert taxonomy.common_name(family) == "Carrot family"


def test_only_the_taxon_that_a_row_names_has_its_vernacular_name(taxonomy):
    genus = next(taxon for taxon in taxa_of(taxonomy, "genus") if taxon.name == "Vulpes")
    species = next(taxon for taxon in taxa_of(taxonomy, "species") if taxon.name == "Vulpes vulpes")
    assert (taxonomy.common_name(genus), taxonomy.common_name(species)) == (None, "Red fox")


def test_a_name_under_two_parents_of_one_kingdom_is_reported_with_its_rows():
    table = pa.table(
        {
            "kingdom": ["Animalia"] * 3,
            "family": ["Felidae", "Canidae", "Felidae"],
            "genus": ["Lynx"] * 3,
            "species": ["Lynx lynx", "Lynx rufus", "Lynx pardinus"],
        }
    )
    (told,) = Taxonomy.from_table(table, ranks=("kingdom", "family", "genus", "species")).report.contradictions
    assert str(told) == "genus Lynx stands under family Canidae (row 2); family Felidae (row 1)"


def test_repeated_and_empty_rows_are_left_out_and_told():
    table = pa.table({"genus": ["Felis", None, "Felis", "Canis"], "species": ["Felis catus", " ", "catus", "Canis lupus"]})
    taxonomy = Taxonomy.from_table(table)
    assert taxonomy.leaves["species"].to_pylist() == ["Canis lupus", "Felis catus"]
    assert (taxonomy.report.duplicate_rows, taxonomy.report.empty_rows) == ((3,), (2,))
    assert (taxonomy.row_of_leaf.tolist(), taxonomy.leaf_of_row.tolist()) == ([3, 0], [1, -1, 1, 0])


@pytest.mark.parametrize(
    ("columns", "species"),
    [
        pytest.param({"genus": ["Pica"], "species": ["hudsonia"]}, "Pica hudsonia", id="epithet beside its genus"),
        pytest.param({"genus": ["Pica"], "specificEpithet": ["hudsonia"]}, "Pica hudsonia", id="Darwin Core epithet"),
        pytest.param({"scientificName": ["Pica hudsonia"]}, "Pica hudsonia", id="scientific name alone"),
    ],
)
def test_a_species_is_read_as_a_binomial_with_its_genus(columns, species):
    taxonomy = Taxonomy.from_table(pa.table(columns))
    assert taxonomy.lineage(0) == {"genus": "Pica", "species": species}


def test_the_content_hash_knows_lineages_only(taxonomy):
    table = taxonomy.leaves
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(len(table))))
    assert Taxonomy.from_table(shuffled).content_hash == taxonomy.content_hash
    assert Taxonomy.from_table(shuffled.drop_columns("common_name")).content_hash == taxonomy.content_hash
    assert Taxonomy.from_table(shuffled.slice(1)).content_hash != taxonomy.content_hash


@pytest.mark.parametrize("table", [pa.table({"species": pa.array([], pa.string())}), pa.table({"species": pa.array([None, ""], pa.string())})])
def test_a_table_without_taxa_is_an_error(table):
    with pytest.raises(TableError, match="no row that names a taxon"):
        Taxonomy.from_table(table)


def test_a_table_without_rank_columns_says_what_it_has():
    with pytest.raises(TableError, match="it has animal, count"):
        Taxonomy.from_table(pa.table({"animal": ["fox"], "count": [3]}))


names = st.sampled_from(["A", "B", "C", None])


@settings(max_examples=60)
@given(st.lists(st.tuples(*[names] * 4), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_roll_up_equals_a_dictionary_loop_on_trees_with_missing_ranks(rows, seed):
    ranks = ("kingdom", "order", "genus", "species")
    if all(name is None for row in rows for name in row):
        return
    rows = [(*row[:3], f"{row[2] or 'X'} {row[3]}" if row[3] else None) for row in rows]
    taxonomy = Taxonomy.from_table(pa.table({rank: pa.array([row[depth] for row in rows], pa.string()) for depth, rank in enumerate(ranks)}), ranks)
    weights = np.random.default_rng(seed).random(len(taxonomy)) ** 8
    probabilities = (weights / weights.sum()).astype(np.float32)
    prefix = prefix_mass(probabilities)
    for depth, level in enumerate(taxonomy.levels):
        naive: dict[tuple, float] = {}
        for leaf, probability in enumerate(probabilities.tolist()):
            path = tuple(taxonomy.leaves[rank][leaf].as_py() for rank in ranks[: depth + 1])
            if path[-1] is not None:
                naive[path] = naive.get(path, 0.0) + probability
        ours = {
            tuple(taxonomy.leaves[rank][int(start)].as_py() for rank in ranks[: depth + 1]): mass
            for start, mass in zip(level.start, roll_up(prefix, level.start, level.stop), strict=True)
        }
        assert ours.keys() == naive.keys()
        assert all(abs(ours[path] - naive[path]) <= 1e-6 for path in naive)


@pytest.mark.slow
def test_a_million_shuffled_rows_make_the_tree_they_were_drawn_from():
    numbers = np.arange(1_000_000)
    columns = {
        rank: np.char.add(rank[:2], (numbers // size).astype(str)) for rank, size in zip(RANKS[:-1], (400_000, 40_000, 8_000, 2_000, 200, 10), strict=True)
    }
    table = pa.table({**columns, "species": np.char.add("sp ", numbers.astype(str))})
    taxonomy = Taxonomy.from_table(table.take(pa.array(np.random.default_rng(0).permutation(len(table)))))
    assert len(taxonomy) == 1_000_000
    assert [len(level) for level in taxonomy.levels][-2:] == [100_000, 1_000_000]


@given(st.lists(st.tuples(*[names] * 4), min_size=2, max_size=30, unique=True), st.integers(1, 29))
def test_a_grown_taxonomy_is_that_of_all_rows_and_keeps_the_rows_of_its_base(rows, cut):
    rows = [row for row in rows if any(row)]
    cut = min(cut, len(rows) - 1)
    if cut < 1:
        return
    ranks = ("kingdom", "family", "genus", "species")

    def table(part: list[tuple]) -> pa.Table:
        schema = pa.schema([(rank, pa.string()) for rank in ranks])
        return pa.Table.from_pylist([dict(zip(ranks, row, strict=True)) for row in part], schema)

    def lineages(taxonomy: Taxonomy) -> list[tuple]:
        return list(zip(*(taxonomy.leaves[rank].to_pylist() for rank in ranks), strict=True))

    if len(Taxonomy.from_table(table(rows), ranks)) < len(rows):  # two spellings of one lineage
        return
    base = Taxonomy.from_table(table(rows[:cut]), ranks)
    grown = base.grown(table(rows[cut:]))
    assert lineages(grown) == lineages(Taxonomy.from_table(table(rows), ranks))
    in_rows = [lineages(grown)[leaf] for leaf in grown.leaf_of_row]
    assert in_rows[:cut] == lineages(base)
    assert in_rows[cut:] == [normal for row in rows[cut:] for normal in lineages(Taxonomy.from_table(table([row]), ranks))]
    assert grown.row_of_leaf[grown.leaf_of_row].tolist() == list(range(len(rows)))


def test_a_leaf_that_is_there_already_cannot_be_added(taxonomy):
    lion = taxonomy.leaves.filter(pc.equal(taxonomy.leaves["species"], "Panthera leo"))
    with pytest.raises(TableError, match="Panthera leo is among the taxa already"):
        taxonomy.grown(lion)
    new = lion.set_column(lion.column_names.index("species"), "species", pa.array(["Panthera onca"]))
    with pytest.raises(TableError, match="Two of the taxa to add have one lineage"):
        taxonomy.grown(pa.concat_tables([new, new]))
