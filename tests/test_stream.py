from __future__ import annotations

import threading
import time

import pytest

from bioclip_search.stream import AHEAD_PER_WORKER, work_ahead


def test_results_come_in_the_order_of_the_items_whatever_the_threads_do():
    assert list(work_ahead(lambda n: time.sleep(0.003 * (n % 3)) or n, range(40), workers=4)) == list(range(40))


def test_no_more_is_worked_ahead_than_the_bound():
    started = []
    results = work_ahead(started.append, iter(range(1000)), workers=2)
    next(results)
    time.sleep(0.05)
    assert len(started) <= 2 * AHEAD_PER_WORKER + 1


def test_an_exception_comes_where_its_result_would_have():
    def half(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = work_ahead(half, range(6), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_nothing_gives_nothing_and_leaves_no_thread():
    assert list(work_ahead(str, [], workers=2)) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]
