"""Repositories of the hub: a folder in its layout, and a hub on this machine that speaks its protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

from bioclip_search.data.manifest import read_manifest
from bioclip_search.data.pull import pull_set
from bioclip_search.data.repository import CHECKSUMS
from bioclip_search.data.wish import Wish
from bioclip_search.errors import FetchError, TableError

COMMIT = "0" * 40
FILES = {"README.md": b"# cats", "dataset/cats.bin": bytes(range(256)) * 500, "metadata/catalog.csv": b"id,species\n1,Felis catus\n"}

MANIFEST = """
kind = "repository"
what = "cats"
hub = "someone/cats"
licence = "CC0-1.0"
citation = "Cat et al."
"""


def write(home, text=MANIFEST):
    (home / "felines.toml").write_text(text)
    return read_manifest(home / "felines.toml")


def put(root):
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def here(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts}


def test_a_folder_in_the_layout_of_the_hub_is_taken_whole_or_in_part(home):
    put(home / "someone/cats")
    found = pull_set(write(home), Wish(only=("metadata/*",)))
    assert (found.count, here(found.folder)) == (1, {"metadata/catalog.csv", CHECKSUMS, "pulled.json"})
    found = pull_set(write(home))
    assert (found.count, found.fetched) == (3, 2)
    assert (found.folder / "dataset/cats.bin").read_bytes() == FILES["dataset/cats.bin"]
    assert f"{hashlib.sha256(b'# cats').hexdigest()}  README.md" in (found.folder / CHECKSUMS).read_text()
    assert pull_set(write(home)).fetched == 0


def test_the_cache_of_the_hub_is_a_repository_too_but_no_link_leads_out_of_it(home):
    cache = home / "datasets--someone--cats"
    snapshot, blobs = cache / "snapshots" / COMMIT, cache / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    (blobs / "abc").write_bytes(b"# cats")
    (home / "secret").write_bytes(b"mine")
    try:
        (snapshot / "README.md").symlink_to(blobs / "abc")
        (snapshot / "letter.md").symlink_to(home / "secret")
    except OSError:
        pytest.skip("links need a right here that this user has not")
    found = pull_set(write(home, MANIFEST.replace("someone/cats", f"{cache.name}/snapshots/{COMMIT}")))
    assert here(found.folder) == {"README.md", CHECKSUMS, "pulled.json"}
    assert not (found.folder / "README.md").is_symlink()


def test_files_that_are_not_there_are_told_with_those_that_are(home):
    put(home / "someone/cats")
    with pytest.raises(TableError, match=r"no file like \*\.zip. It has: README\.md, dataset/cats\.bin"):
        pull_set(write(home), Wish(only=("*.zip",)))
    with pytest.raises(TableError, match="cannot be parted by --species; it can by --only"):
        pull_set(write(home), Wish(species=("Felis catus",)))


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as fetching a file takes; `lies` is the file of which another checksum is told."""

    lies = ""
    gated = False

    def do_HEAD(self):
        self.do_GET(with_body=False)

    def do_GET(self, with_body=True):
        path = unquote(urlsplit(self.path).path)
        if self.gated and "/resolve/" in path:
            return self.send(403, b"", with_body, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to dataset someone/cats is restricted"})
        if path.startswith("/api/datasets/someone/cats/tree/"):
            return self.send(200, json.dumps([self.entry(name, data) for name, data in FILES.items()]).encode(), with_body)
        name = path.partition("/resolve/")[2].partition("/")[2]
        if path.startswith("/datasets/someone/cats/resolve/") and name in FILES:
            etag = {"ETag": f'"{hashlib.sha256(FILES[name]).hexdigest()}"', "X-Repo-Commit": COMMIT}
            return self.send(200, FILES[name], with_body, etag)
        return self.send(404, b"", with_body, {"X-Error-Code": "RepoNotFound"})

    def entry(self, name, data):
        told = {"type": "file", "path": name, "size": len(data), "oid": "1" * 40}
        if name.endswith(".bin"):
            told["lfs"] = {"oid": "2" * 64 if name == self.lies else hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 100}
        return told

    def send(self, status, body, with_body, headers=None):
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        """Silent."""


@pytest.fixture
def hub(home):
    kind = type("ThisHub", (Hub,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield kind, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def pull_from(address, home, *arguments, **more):
    """Its address is read when the library is loaded, so that each pull is a process of its own."""
    write(home)
    environment = {
        **os.environ,
        "HF_ENDPOINT": address,
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "BIOCLIP_SEARCH_HOME": str(home / "home"),
        **more,
    }
    command = [sys.executable, "-m", "bioclip_search", "data", "pull", str(home / "felines.toml"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, encoding="utf-8")


@pytest.mark.slow
def test_a_hub_is_asked_once_for_what_it_has_and_believed_only_with_its_checksum(hub, home):
    kind, address = hub
    told = pull_from(address, home)
    assert told.returncode == 0, told.stderr
    folder = home / "home/data/datasets/felines"
    assert told.stdout.strip() == str(folder)
    assert "3 files of felines are here; 3 came just now." in told.stderr
    assert here(folder) == {*FILES, CHECKSUMS, "pulled.json"}
    assert "all were here already" in pull_from(address, home).stderr
    (folder / "dataset/cats.bin").unlink()
    kind.lies = "dataset/cats.bin"
    told = pull_from(address, home)
    assert told.returncode == 1
    assert "is not what the hub tells of it" in told.stderr
    assert not (folder / "dataset/cats.bin").exists()


@pytest.mark.slow
def test_a_hub_that_wants_a_login_or_may_not_be_asked_is_told_with_what_to_do(hub, home):
    kind, address = hub
    told = pull_from(address, home, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set. To get it by hand" in told.stderr
    kind.gated = True
    told = pull_from(address, home)
    assert told.returncode == 1
    assert "wants a login and your consent: open https://huggingface.co/datasets/someone/cats" in told.stderr
    assert "hf auth login" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_hub_that_cannot_be_reached_is_told_with_the_way_by_hand(home, monkeypatch):
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _seconds: None)  # it asks six times
    with pytest.raises(FetchError, match=r"someone/cats cannot be had from the hub .*hf download someone/cats --repo-type dataset"):
        pull_set(write(home))
