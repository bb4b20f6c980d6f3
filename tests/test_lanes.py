from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from bioclip_search.lanes import AHEAD_PER_LANE, MOST_LANES, keep_to, lanes_of, work_in_lanes

FOR_LANES = SimpleNamespace(in_lanes=True)
PATIENCE_S = 30


@pytest.fixture
def cores():
    """Lets torch take so many cores in this test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("model", "count", "lanes"),
    [
        pytest.param(FOR_LANES, 1, 1, id="one core"),
        pytest.param(FOR_LANES, 3, 3, id="a lane a core"),
        pytest.param(FOR_LANES, 64, MOST_LANES, id="no more than there is memory for"),
        pytest.param(SimpleNamespace(in_lanes=False), 3, 1, id="a model on a card"),
        pytest.param(SimpleNamespace(), 3, 1, id="a model that does not say"),
        pytest.param(None, 3, 1, id="no model"),
    ],
)
def test_there_is_a_lane_a_core_where_the_model_says_that_lanes_gain(cores, model, count, lanes):
    cores(count)
    assert lanes_of(model) == lanes


@pytest.mark.parametrize(("count", "lanes", "each"), [(2, 2, 1), (5, 2, 2), (2, 4, 1)])
def test_the_cores_are_divided_among_the_lanes_and_nobody_else_loses_any(cores, count, lanes, each):
    cores(count)
    assert set(work_in_lanes(lambda _: torch.get_num_threads(), range(20), lanes)) == {each}
    assert torch.get_num_threads() == count
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == count


def test_lanes_within_a_lane_divide_its_cores_and_leave_those_of_the_process(cores):
    cores(8)

    def within(_):
        return set(work_in_lanes(lambda _: torch.get_num_threads(), range(4), 2)), torch.get_num_threads()

    assert list(work_in_lanes(within, range(4), 2)) == [({2}, 4)] * 4  # 8 cores / 2 lanes = 4, of which 2 lanes have 2 each
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == 8


def test_many_threads_that_keep_to_a_core_at_once_leave_the_others_theirs(cores):
    cores(3)
    for _ in range(20):
        with ThreadPoolExecutor(8, initializer=keep_to, initargs=(1,)) as pool:
            assert set(pool.map(lambda _: torch.get_num_threads(), range(16))) == {1}
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == 3


def test_lanes_work_at_the_same_time():
    meeting = threading.Barrier(2)  # nobody passes alone
    assert sorted(work_in_lanes(lambda _: meeting.wait(PATIENCE_S), range(2), 2)) == [0, 1]


def test_results_come_in_the_order_of_the_items():
    later = threading.Event()

    def work(number: int) -> int:
        assert later.wait(PATIENCE_S) if number == 0 else not later.set()  # the first ends last
        return number

    assert list(work_in_lanes(work, range(6), 2)) == list(range(6))


def test_one_lane_is_that_of_the_caller_and_works_when_it_is_asked(cores):
    cores(2)
    asked = []
    results = work_in_lanes(lambda number: asked.append(number) or (threading.current_thread(), torch.get_num_threads()), range(9), 1)
    assert next(results) == (threading.current_thread(), 2)
    assert asked == [0]


def test_no_more_is_taken_than_a_few_items_a_lane():
    taken = iter(range(1000))
    results = work_in_lanes(lambda number: number, taken, 2)
    assert next(results) == 0
    assert next(taken) <= 2 * AHEAD_PER_LANE + 1
