from __future__ import annotations

from bioclip_search.countries import ALPHA3
from bioclip_search.country_names import NAME_OF


def test_every_code_has_a_name_of_its_own():
    assert set(NAME_OF) == set(ALPHA3)
    assert len(set(NAME_OF.values())) == len(NAME_OF)
    assert all(name == name.strip() and len(name) > 2 for name in NAME_OF.values())
