from __future__ import annotations

from pathlib import Path

import pytest

from bioclip_search.searcher import Searcher
from tests.classifier.speckled import SpeckledEncoder, write_pictures


@pytest.fixture(scope="session")
def speckled(encoder) -> SpeckledEncoder:
    return SpeckledEncoder(encoder.texts)


@pytest.fixture(scope="session")
def searcher(small_index, speckled) -> Searcher:
    return Searcher.open(small_index, encoder=speckled)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, taxonomy) -> Path:
    """Twelve pictures of each of eight species; do not change them."""
    return write_pictures(tmp_path_factory.mktemp("classifier") / "photos", taxonomy, 12)
