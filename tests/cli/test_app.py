"""The command that starts the app; the app itself is tested in `tests/app` and `tests/browser`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from bioclip_search.cli.app import app


@pytest.fixture
def started(monkeypatch):
    """What would be started: the command, its folder and its environment."""
    pytest.importorskip("streamlit", reason="streamlit is not installed (extra `app`)")
    calls = []
    monkeypatch.setattr(subprocess, "call", lambda command, cwd, env: calls.append((command, cwd, env)) or 0)
    return calls


@pytest.fixture
def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)


def test_it_listens_to_this_computer_alone_unless_told_otherwise_and_says_so(started, free_port):
    told = run("--port", free_port).stderr
    ((command, folder, environment),) = started
    assert f"http://127.0.0.1:{free_port}" in told
    assert "Only this computer can see it" in told
    assert "--server.address=127.0.0.1" in command
    assert f"--server.port={free_port}" in command
    assert (folder / "main.py").is_file()
    assert environment["BIOCLIP_SEARCH_APP_ROOT"] == os.path.realpath(os.getcwd())


def test_another_address_is_told_with_a_caution(started, free_port):
    told = run("--host", "0.0.0.0", "--port", free_port).stderr
    assert "CAUTION: it listens on 0.0.0.0" in told
    assert "Only this computer" not in told
    assert "--server.address=0.0.0.0" in started[0][0]


def test_root_and_upload_limit_reach_the_server(started, free_port, tmp_path):
    told = run("--port", free_port, "--root", tmp_path, "--max-upload-mb", 7).stderr
    ((command, _, environment),) = started
    assert str(tmp_path.resolve()) in told
    assert "--server.maxUploadSize=7" in command
    assert environment["BIOCLIP_SEARCH_APP_ROOT"] == str(tmp_path.resolve())


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--port", "0"], id="no such port"),
        pytest.param(["--port", "65536"], id="port too large"),
        pytest.param(["--max-upload-mb", "0"], id="no upload at all"),
        pytest.param(["--root", "no such folder"], id="no such folder"),
        pytest.param(["--host", "256.1.1.1.invalid name"], id="no address"),
        pytest.param(["--host", "192.0.2.1"], id="an address of another computer"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(started, arguments):
    assert isinstance(run(*arguments).exception, click.BadParameter)
    assert not started


def test_a_port_in_use_is_told_with_another_to_try(started, free_port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
        other.listen()
        assert f"--port {free_port + 1}" in str(run("--port", free_port).exception)
    assert not started


def test_without_streamlit_the_line_that_installs_it_is_told():
    code = "import sys, importlib.util as u; u.find_spec = lambda name: None\nsys.argv = ['bioclip-search', 'app']\nfrom bioclip_search.cli import main; main()"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 1
    assert "pip install 'bioclip-search[app]'" in told.stderr
