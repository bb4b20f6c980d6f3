from __future__ import annotations

import pytest

from tests.browser.conftest import settle


@pytest.mark.parametrize("typed", ["puma", "ピューマ"])
def test_a_species_is_found_by_any_of_its_names(visit, typed):
    page = visit("lookup")
    field = page.get_by_test_id("stMain").get_by_role("searchbox").first
    field.fill(typed)
    field.press("Enter")
    page.get_by_text("Puma concolor").first.wait_for()
    settle(page)
    if typed == "puma":  # the genus bears that name too
        page.get_by_test_id("stMain").get_by_text("Puma concolor").first.click()
        settle(page)
    page.get_by_role("heading", level=2).get_by_text("Puma", exact=True).first.wait_for()
    for other in ("ピューマ", "Felidae"):
        assert page.get_by_test_id("stMain").get_by_text(other).first.is_visible()
