"""A real Chromium against the app's own server; all of it is skipped where there is no Chromium or no playwright."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bioclip_search import tag
from tests.browser.serving import Served, serving
from tests.browser.world import build_world, write_photos

collect_ignore = [] if all(map(find_spec, ("streamlit", "playwright", "websockets"))) else ["visitors.py", "crowd.py", "screenshots.py"]

PATIENCE_MS, TELLING_MS = 60_000, 400
"""How long to wait for what should come, and what the page takes to tell the server of a click."""

PAGES = pytest.StashKey[list[Any]]()
"""The pages that a test opened."""

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tells what a person would have seen where a test failed."""
    report = yield
    if call.when == "call" and call.excinfo and (pages := item.stash.get(PAGES, [])):
        from playwright.sync_api import Error

        for page in pages:
            with suppress(Error):  # a page that has crashed tells nothing
                report.sections.append((f"The page at {page.url}", page.locator("body").inner_text()))
    return report


@pytest.fixture(scope="session")
def served(browser, tmp_path_factory) -> Iterator[Served]:
    """The app over the small world; its root holds a folder `alps` of photographs and, in `runs/ready`, what was found in them."""
    pytest.importorskip("streamlit", reason="streamlit is not installed (extra `app`)")
    scratch = tmp_path_factory.mktemp("app")
    home = build_world(scratch / "home", scratch)
    write_photos(scratch / "root" / "alps" / "ridge")
    tag(scratch / "root" / "alps", out=scratch / "root" / "runs" / "ready", index=home / "data" / "index" / "starter", detector="none")
    with serving(home, scratch / "root", scratch / "log.txt") as running:
        from tests.browser.visitors import Visitor

        with Visitor(running.url):  # the very first visitor waits for torch and the index
            yield running


@pytest.fixture
def visit(browser, served, request) -> Iterator[Callable[..., Any]]:
    """Opens a page of the app as a new visitor: `visit("lookup", language="fr")`; nothing may fail in the page's own script."""
    contexts, faults = [], []
    request.node.stash[PAGES] = pages = []

    def open_at(path: str = "", *, language: str = "en-GB") -> Any:
        context = browser.new_context(viewport=DESKTOP, locale=language, accept_downloads=True)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{served.url}/{path}")
        page.get_by_role("heading", level=1).wait_for()
        settle(page)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not faults


def upload(page: Any, *pictures: tuple[str, bytes]) -> None:
    """Gives pictures to the page Identify, by the field for them."""
    files = [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in pictures]
    page.locator(".st-key-uploads input[type=file]").set_input_files(files)


def settle(page: Any) -> None:
    """Waits until the server has nothing more to say, nothing on the page is stale, still to be loaded or moves, and the app's own style is there."""
    page.wait_for_timeout(TELLING_MS)
    page.wait_for_function(
        """() => {
            const app = document.querySelector('[data-testid="stApp"]');
            return app && app.getAttribute('data-test-script-state') === 'notRunning'
                && app.getAttribute('data-test-connection-state') === 'CONNECTED' && !document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]')
                && [...document.querySelectorAll('style')].some(one => one.textContent.includes('bioclip-search'))
                && document.getAnimations().every(one => one.playState !== 'running' || one.effect.getTiming().iterations === Infinity);
        }""",
        timeout=PATIENCE_MS,
    )
