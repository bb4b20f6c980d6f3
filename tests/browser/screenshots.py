"""Pictures of every page, wide and narrow, light and dark, to be looked at: `python -m tests.browser.screenshots OUT [PAGE …]`.

The pages show the small world of the browser tests; where the example photographs are installed, Identify and Label show those.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bioclip_search import tag
from tests.browser.conftest import DESKTOP, PHONE, settle
from tests.browser.serving import serving
from tests.browser.visitors import Visitor
from tests.browser.world import build_world, write_photos
from tests.chromium import QUIET, find_chromium

PAGES = {
    "identify": "",
    "lookup": "lookup?name=ピューマ",
    "collection": "collection?run=runs/ready",
    "review": "review?run=runs/ready",
    "index": "index",
    "label": "label",
}
EXAMPLES = "Try two example photographs"
PATIENCE_MS = 120_000


def take(url: str, out: Path, pages: list[str]) -> None:
    """One PNG a page, width and theme: `identify-desktop-light.png`."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find_chromium(), args=list(QUIET))
        for width, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
            for theme in ("light", "dark"):
                context = browser.new_context(viewport=viewport, color_scheme=theme, locale="en-GB", device_scale_factor=1)
                context.set_default_timeout(PATIENCE_MS)
                for name in pages:
                    page = context.new_page()
                    page.goto(f"{url}/{PAGES[name]}")
                    page.get_by_role("heading", level=1).wait_for()
                    settle(page)
                    _fill(page)
                    page.screenshot(path=out / f"{name}-{width}-{theme}.png")
                    page.close()
                context.close()
        browser.close()


def _fill(page: Page) -> None:
    """Lets the page show its worked example, where it offers one."""
    example = page.get_by_role("button", name=EXAMPLES)
    if example.count():
        example.click()
        page.get_by_role("heading", level=2).or_(page.get_by_role("table")).or_(page.get_by_test_id("stDataFrame")).first.wait_for()
        settle(page)


def main(out: Path, pages: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        home = build_world(place / "home", place)
        write_photos(place / "root" / "alps" / "ridge")
        tag(place / "root" / "alps", out=place / "root" / "runs" / "ready", index=home / "data" / "index" / "starter", detector="none")
        with serving(home, place / "root", place / "log.txt") as served, Visitor(served.url):
            take(served.url, out, pages or list(PAGES))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
