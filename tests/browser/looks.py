"""A page as all may see it: on a desk and on a phone, light and dark."""

from __future__ import annotations

from itertools import product
from typing import Any

from tests.browser.axe import findings
from tests.browser.conftest import DESKTOP, PHONE, settle


def nothing_keeps_anybody_out(page: Any) -> None:
    """Asserts that axe finds no barrier on the page, and that nothing is wider than the screen."""
    grounds = set()
    for viewport, scheme in product((DESKTOP, PHONE), ("light", "dark")):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        settle(page)
        grounds.add(page.evaluate("() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"))
        found = [*map(str, findings(page))]
        assert not found, f"{viewport['width']} px, {scheme}"
        assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth") <= viewport["width"]
    assert len(grounds) == 2  # the page follows the visitor's choice while it stands
