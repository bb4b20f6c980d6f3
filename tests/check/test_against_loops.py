"""What is found on whole columns at a time is what plain loops find."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from bioclip_search.check import taxa as taxa_module
from bioclip_search.check.vectors import _near_pairs
from bioclip_search.index.vectors import Vectors, write_vectors
from bioclip_search.taxonomy import Taxonomy

RANKS = ("kingdom", "order", "family", "genus")
NAMES = st.sampled_from(["A", "B", None])


@settings(max_examples=60)
@given(st.lists(st.tuples(*[NAMES] * len(RANKS)).filter(any), min_size=1, max_size=12, unique=True))
def test_a_rank_is_empty_where_a_lineage_lacks_it_and_a_sibling_does_not(rows):
    table = pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], names=list(RANKS))
    taxonomy = Taxonomy.from_table(table, RANKS)
    lineages = list(zip(*(taxonomy.leaves[rank].to_pylist() for rank in RANKS), strict=True))
    for depth in range(len(RANKS) - 1):
        expected = [
            lineage[depth] is None and any(lineage[depth + 1 :]) and any(other[:depth] == lineage[:depth] and other[depth] for other in lineages)
            for lineage in lineages
        ]
        assert taxa_module._lacking(taxonomy, depth).tolist() == expected


def test_near_pairs_are_those_of_a_loop_over_all_pairs(tmp_path):
    random = np.random.default_rng(1)
    genera = np.sort(random.integers(0, 40, 300))
    centres = random.standard_normal((90, 8))
    rows = centres[random.integers(0, 90, 300)] + random.choice([0, 1e-4, 1], (300, 1)) * random.standard_normal((300, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    write_vectors(tmp_path / "v", [rows], 8)
    taxonomy = Taxonomy.from_table(pa.table({"genus": [f"G{genus:02d}" for genus in genera], "species": [f"s{row:03d}" for row in range(300)]}))
    near = 0.01
    expected = [
        [one, other] for one in range(300) for other in range(one + 1, 300) if genera[one] == genera[other] and float(rows[one] @ rows[other]) > 1 - near**2 / 2
    ]
    assert 5 < len(expected) < 300
    assert sorted(_near_pairs(Vectors(tmp_path / "v"), taxonomy.level("genus"), near).tolist()) == expected
