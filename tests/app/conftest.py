"""A real tiny index where the app looks for one, and the app itself, run without a browser."""

from __future__ import annotations

import io
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bioclip_search import places
from bioclip_search.build import build_index
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe
from tests.peers.random_models import synthetic_picture

MAIN = Path(__file__).parents[2] / "app" / "main.py"
PATIENCE_S = 60
"""How long a run of the page may take; the first one loads torch."""


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory, model_folder, taxonomy) -> Path:
    """A home whose index `starter` holds the nine leaves and brings its encoder, of random weights, along.

    The user's own `starter` goes before the shipped one, so that nothing here depends on that. Do not change it, copy it.
    """
    home = tmp_path_factory.mktemp("home")
    encoder = open_encoder(model_folder, device="cpu", precision="fp32")
    recipe = TextRecipe(templates=BARE_TEMPLATE)
    build_index(home / "data" / "index" / "starter", taxonomy, encoder, recipe=recipe, encoder_folder=model_folder)
    return home


@pytest.fixture(scope="session", autouse=True)
def scanned_once() -> Iterator[None]:
    """Lets Streamlit look once for components among the installed packages; at every start of the app that is most of its time."""
    scanner = pytest.importorskip("streamlit.components.v2.manifest_scanner")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "scan_component_manifests", cache(scanner.scan_component_manifests))
        yield


@pytest.fixture
def app() -> Any:
    """The app, not run yet."""
    testing = pytest.importorskip("streamlit.testing.v1", reason="streamlit is not installed (extra `app`)")
    return testing.AppTest.from_file(str(MAIN), default_timeout=PATIENCE_S)


@pytest.fixture
def page(app, tiny_home, monkeypatch) -> Any:
    """The page over the tiny index, as a visitor first sees it."""
    monkeypatch.setenv(places.HOME_VARIABLE, str(tiny_home))
    return app.run()


@pytest.fixture
def open_page(app, tiny_home, monkeypatch) -> Callable[[str], Any]:
    """Opens another page than the first, by its path in the address, over the tiny index: `open_page("lookup")`."""
    hashing = pytest.importorskip("streamlit.util")
    monkeypatch.setenv(places.HOME_VARIABLE, str(tiny_home))

    def open_at(url_path: str) -> Any:
        app._page_hash = hashing.calc_hash(url_path)  # Subtle: `switch_page` takes files only, and these pages are functions
        return app.run()

    return open_at


@pytest.fixture
def served(monkeypatch) -> dict[str, list[bytes]]:
    """The files that the page gives to the browser from now on, by their kind, in order."""
    storage = pytest.importorskip("streamlit.runtime.memory_media_file_storage").MemoryMediaFileStorage
    files, load = defaultdict(list), storage.load_and_get_id

    def load_and_note(self, content, mimetype, *rest, **options):
        files[mimetype].append(content)
        return load(self, content, mimetype, *rest, **options)

    monkeypatch.setattr(storage, "load_and_get_id", load_and_note)
    return files


@pytest.fixture
def opened_for_writing() -> Iterator[list[str]]:
    """The files that were opened for writing during the test, by whatever Python code."""
    global _writing
    _writing = []
    if not _hooked:
        sys.addaudithook(_note_writing)  # Subtle: a hook stays for good, so there is one, and it looks whether anyone listens
        _hooked.append(True)
    yield _writing
    _writing = None


_hooked: list[bool] = []
_writing: list[str] | None = None


def _note_writing(event: str, details: tuple) -> None:
    if event == "open" and _writing is not None and details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        _writing.append(str(details[0]))


def png(seed: int) -> bytes:
    """The bytes of a picture file, another one for each seed."""
    file = io.BytesIO()
    synthetic_picture(seed).save(file, "PNG")
    return file.getvalue()
