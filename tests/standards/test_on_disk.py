from __future__ import annotations

from bioclip_search.standards.on_disk import kept_keys, rows_by_key


def test_rows_of_a_key_come_in_their_order_and_none_for_another():
    rows = [("a", {"n": 1}), ("\udcff", [2]), ("a", {"n": 3})]
    with rows_by_key(rows) as of:
        assert (of("a"), of("\udcff"), of("b")) == ([{"n": 1}, {"n": 3}], [[2]], [])


def test_a_key_is_new_once_in_each_set():
    with kept_keys() as keys:
        assert [keys.add("media", "x"), keys.add("media", "x"), keys.add("deployments", "x")] == [True, False, True]
        assert (keys.has("media", "x"), keys.has("media", "y")) == (True, False)
