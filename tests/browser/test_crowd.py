from __future__ import annotations

import pytest

pytest.importorskip("streamlit", reason="streamlit is not installed (extra `app`)")
pytest.importorskip("websockets", reason="websockets is not installed; it comes with streamlit")

from tests.browser.crowd import crowd
from tests.browser.serving import serving
from tests.browser.world import build_world

VISITORS, SECONDS = 20, 60
GROWTH_MB = 300
"""How much the server may grow in that minute; keeping each visitor's pictures, decoded, would take several times that."""


@pytest.mark.slow
def test_twenty_visitors_at_once_get_their_own_answers_without_an_error_in_bounded_memory(tmp_path):
    (tmp_path / "root").mkdir()
    with serving(build_world(tmp_path / "home", tmp_path), tmp_path / "root", tmp_path / "log.txt") as served:
        found = crowd(served.url, served.pid, visitors=VISITORS, seconds=SECONDS)
    assert not found.wrong
    assert len(found.picture_waits_s) >= VISITORS
    assert max(found.memory_mb) < found.memory_mb[0] + GROWTH_MB
    log = (tmp_path / "log.txt").read_text(errors="replace")
    assert "Traceback" not in log
