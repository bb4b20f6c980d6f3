"""How many bytes a stream holds while it is gone through; a test compares few pictures with many."""

from __future__ import annotations

import tracemalloc

LOOKS = 4
"""How often the memory is looked at on the way; a look takes a while."""

OF_PYTHON_ITSELF = [tracemalloc.Filter(False, "*pathlib*"), tracemalloc.Filter(False, tracemalloc.__file__)]
"""Subtle: pathlib interns the parts of each path, and Python's table of interned names grows by megabytes at once, whoever's turn it is."""


def most_held(source, pictures):
    """Bytes held at most while the pictures of the source, of which there must be so many, are gone through."""
    tracemalloc.start()
    try:
        held, seen = [], 0
        for seen, _ in enumerate(source.media(), start=1):
            if seen % (pictures // LOOKS) == pictures // LOOKS - 1:
                held.append(sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(OF_PYTHON_ITSELF).traces))
    finally:
        tracemalloc.stop()
    assert seen == pictures
    return max(held)
