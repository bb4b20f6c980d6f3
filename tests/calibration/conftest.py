from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def own_index(small_index, tmp_path) -> Path:
    """A copy of the small index that a test may change."""
    return Path(shutil.copytree(small_index, tmp_path / "own"))
