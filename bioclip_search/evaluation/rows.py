"""Records of arrays that share their rows: some of the rows, and the rows of several records one after the other.

Knows nothing of what the rows are; that is `curves`, `measures` and `sisters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

Record = TypeVar("Record")
"""A dataclass whose fields are arrays over the same rows, other such records, or None."""


def take_rows(record: Record, rows: np.ndarray) -> Record:
    """The record with these rows alone, by number or by mask."""
    return type(record)(**{field.name: _taken(getattr(record, field.name), rows) for field in fields(record)})  # type: ignore[arg-type]


def join_rows(records: Sequence[Record]) -> Record:
    """One record with the rows of all, in order; at least one is needed, and all have the same fields filled."""
    first = records[0]
    return type(first)(**{field.name: _joined([getattr(record, field.name) for record in records]) for field in fields(first)})  # type: ignore[arg-type]


def join_columns(records: Sequence[Record]) -> Record:
    """One record with the columns of all side by side, for records of (n, k) arrays alone; at least one is needed."""
    first = records[0]
    return type(first)(**{field.name: np.concatenate([getattr(record, field.name) for record in records], axis=1) for field in fields(first)})  # type: ignore[arg-type]


def _taken(value: Any, rows: np.ndarray) -> Any:
    if value is None:
        return None
    return value[rows] if isinstance(value, np.ndarray) else take_rows(value, rows)


def _joined(values: Sequence[Any]) -> Any:
    if values[0] is None:
        return None
    return np.concatenate(values) if isinstance(values[0], np.ndarray) else join_rows(values)
