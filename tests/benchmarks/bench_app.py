"""The app under many visitors at once: pictures answered, how long each waits, and what the server takes in memory.

    python -m tests.benchmarks app [--visitors 20] [--seconds 60]

The index is a small world whose answers are known, its encoder tiny: what is measured is the app and its server, not the encoder.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.browser.serving import serving
from tests.browser.world import build_world


def main(arguments: list[str]) -> None:
    from tests.browser.crowd import crowd

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks app")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "root").mkdir()
        with serving(build_world(place / "home", place), place / "root", place / "log.txt") as served:
            found = crowd(served.url, served.pid, visitors=asked.visitors, seconds=asked.seconds)
    print(f"{asked.visitors} visitors for {asked.seconds:.0f} s: {found.told()}")
    for line in found.wrong[:10]:
        print(f"  wrong: {line}")
