"""What holds for each page, as it first stands: no fault, no barrier, no sideways scrolling, one title."""

from __future__ import annotations

import pytest

from tests.browser.axe import findings
from tests.browser.looks import nothing_keeps_anybody_out

PAGES = ("", "identify", "lookup", "lookup?name=ピューマ", "collection", "collection?run=runs/ready", "review", "review?run=runs/ready", "index", "label")
"""All pages, empty and with something on them; the first one has two addresses."""

every_page = pytest.mark.parametrize("path", PAGES)


def test_axe_sees_a_barrier_where_there_is_one(visit):
    page = visit()
    page.evaluate("() => document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"data:,\">')")
    assert "image-alt" in [found.rule for found in findings(page)]


@every_page
def test_nothing_keeps_anybody_out(visit, path):
    page = visit(path)
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_test_id("stException").count() == page.get_by_role("dialog").count() == 0
    nothing_keeps_anybody_out(page)


@every_page
def test_the_keyboard_reaches_what_can_be_clicked_and_shows_where_it_is(visit, path):
    page = visit(path)
    outlined = 0
    for _ in range(12):
        page.keyboard.press("Tab")
        outlined += page.evaluate("() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; }")
    assert outlined >= 6  # the others show it on the frame around them
