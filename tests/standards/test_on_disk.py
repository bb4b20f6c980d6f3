from __future__ import annotations

import pytest

from bioclip_search.errors import BioclipSearchError
from bioclip_search.standards.on_disk import kept_keys, rows_by_key


def test_rows_of_a_key_come_in_their_order_and_none_for_another():
    rows = [("a", {"n": 1}), ("\udcff", [2]), ("a", {"n": 3})]
    with rows_by_key(rows) as of:
        assert (of("a"), of("\udcff"), of("b")) == ([{"n": 1}, {"n": 3}], [[2]], [])


def test_a_key_is_new_once_in_each_set():
    with kept_keys() as keys:
        assert [keys.add("media", "x"), keys.add("media", "x"), keys.add("deployments", "x")] == [True, False, True]
        assert (keys.has("media", "x"), keys.has("media", "y")) == (True, False)


def test_a_base_that_fails_is_an_error_of_ours():
    def lose_the_table() -> None:
        with kept_keys() as keys:
            keys._base.execute("DROP TABLE keys")
            keys.add("media", "x")

    with pytest.raises(BioclipSearchError, match="TMPDIR"):
        lose_the_table()
