from __future__ import annotations

import pyarrow as pa
import pytest

from bioclip_search.epithets import epithets_of, flaws


@pytest.mark.parametrize(
    ("epithet", "flaw"),
    [
        ("hudsonia", None),
        ("c-album", None),
        ("o'higginsi", None),
        ("× hybrida", None),
        ("x hybrida", None),
        ("xanthina", None),
        ("Pica pica", "repeats the genus"),
        ("<i>pica</i>", "holds markup"),
        ("pica &amp; co", "holds markup"),
        ("pica (Linnaeus, 1758)", "holds an author or a year"),
        ("pica Linnaeus 1758", "holds an author or a year"),
        ("sp. nov.", "is an open name"),
        ("cf. pica", "is an open name"),
        ("spectabilis", None),
        ("affinis", None),
        ("pica2", "holds digits"),
        ("pica Linnaeus", "holds capitals"),
        ("pica sericea", "is several words"),
        ("× hybrida minor", "is several words"),
        (None, None),
    ],
)
def test_each_flaw_is_told_by_its_first_name(epithet, flaw):
    found = flaws(pa.chunked_array([["Pica"]]), pa.chunked_array([pa.array([epithet], pa.string())]))
    assert [name for name, which in found.items() if which[0]] == ([flaw] if flaw else [])


def test_the_epithet_is_what_stands_behind_the_first_word():
    species = pa.chunked_array([["Pica hudsonia", "Corvus corax corax", "pica", None]])
    assert epithets_of(species).to_pylist() == ["hudsonia", "corax corax", "pica", None]
