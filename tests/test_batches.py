from __future__ import annotations

import pytest

from bioclip_search.batches import Batches, is_out_of_memory
from bioclip_search.errors import ModelError


class Small:
    """Works on at most `room` items at once; keeps the sizes that it was given."""

    def __init__(self, room: int, error: Exception):
        self.room, self.error, self.sizes = room, error, []

    def __call__(self, items):
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise self.error
        return [-item for item in items]


OUT = RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")


def test_items_are_worked_on_in_their_order_at_most_so_many_at_once():
    work = Small(8, OUT)
    assert Batches(work, 4)(range(10)) == [-number for number in range(10)]
    assert work.sizes == [4, 4, 2]


def test_no_items_ask_for_nothing():
    work = Small(8, OUT)
    assert Batches(work, 4)([]) == []
    assert work.sizes == []


def test_where_memory_runs_out_batches_are_halved_for_good(caplog):
    work = Small(3, OUT)
    batches = Batches(work, 16)
    assert batches(range(7)) == [-number for number in range(7)]
    assert work.sizes == [7, 3, 3, 1]
    assert batches(range(3)) == [0, -1, -2]
    assert batches.limit == 3
    assert "Memory ran out with batches of 7; going on with 3." in caplog.text


def test_a_single_item_that_does_not_fit_is_an_error_that_says_what_to_do():
    with pytest.raises(ModelError, match="not enough for a single picture.*--device cpu"):
        Batches(Small(0, MemoryError()), 4)(range(4))


def test_any_other_error_is_passed_on():
    with pytest.raises(RuntimeError, match="shape"):
        Batches(Small(0, RuntimeError("wrong shape")), 4)(range(4))


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        pytest.param(MemoryError(), True, id="Python"),
        pytest.param(RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried"), True, id="torch on a CPU"),
        pytest.param(OUT, True, id="torch on a card"),
        pytest.param(ModelError("The detector x failed: Failed to allocate memory for requested buffer of size 5"), True, id="onnxruntime in a detector"),
        pytest.param(ModelError("The detector x failed: no such class"), False, id="something else"),
    ],
)
def test_memory_is_told_from_other_errors(error, is_it):
    assert is_out_of_memory(error) is is_it
