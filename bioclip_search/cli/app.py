"""`app`: starts the server of the app as a process of its own and says where it is to be found, and by whom."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from pathlib import Path

import click

THIS_COMPUTER = "127.0.0.1"
MOST_UPLOAD_MB = 4096
"""Uploads are held in memory, all of them."""


@click.command()
@click.option("--host", default=THIS_COMPUTER, show_default=True, help="The address to listen on; 0.0.0.0 lets other computers in.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The one folder of this computer that the app may look into, with all below it.  [default: the current folder]",
)
@click.option("--max-upload-mb", type=click.IntRange(1, MOST_UPLOAD_MB), default=200, show_default=True, help="Largest file that a visitor may upload.")
def app(host: str, port: int, root: Path, max_upload_mb: int) -> int:
    """Open the species lookup in the browser.

    Only this computer can see it, unless another --host is given.

    \b
    Example: bioclip-search app
    """
    import subprocess
    from importlib.util import find_spec

    from bioclip_search import places
    from bioclip_search.errors import MissingExtraError

    if find_spec("streamlit") is None:
        raise MissingExtraError("The app", "app")
    _stop_if_taken(host, port)
    root = root.resolve()
    _tell(host, port, root)
    script = places.shipped("app") / "main.py"
    flags = {"server.address": host, "server.port": port, "server.maxUploadSize": max_upload_mb, "server.showEmailPrompt": "false"}
    command = [sys.executable, "-m", "streamlit", "run", str(script), *(f"--{name}={value}" for name, value in flags.items())]
    return subprocess.call(command, cwd=script.parent, env=os.environ | {"BIOCLIP_SEARCH_APP_ROOT": str(root)})


def _stop_if_taken(host: str, port: int) -> None:
    """Tries the address, so that a wrong one is told in our words.

    Raises:
        BadParameter: It is no address of this computer, or another program has it.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind) as trial:
            if os.name == "posix":
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left is free
            trial.bind(address)
    except socket.gaierror as error:
        raise click.BadParameter(f"{host!r} is no address of this computer ({error.strerror}). Take 127.0.0.1, or 0.0.0.0 to let others in.") from error
    except (OSError, UnicodeError) as error:
        raise click.BadParameter(f"Cannot listen on {host} at port {port}: {error}. Another app may run there: try --port {port % 65535 + 1}.") from error


def _tell(host: str, port: int, root: Path) -> None:
    """Where the app is, which folder it opens, and who can see it."""
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"bioclip-search app: http://{shown}:{port}", err=True)
    click.echo(f"Folders that it opens: {root} and what is below (--root for another).", err=True)
    if _is_loopback(host):
        click.echo("Only this computer can see it. Stop it with Ctrl+C.", err=True)
    else:
        click.echo(
            f"CAUTION: it listens on {host}, not on {THIS_COMPUTER} alone. Whoever reaches this computer can use it and look into that folder; it asks for no password.",
            err=True,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
