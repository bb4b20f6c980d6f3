"""Pictures a second of `identify` with the starter, on small photographs, beside its bare encoder in the same run.

    python -m tests.benchmarks starter

The photographs have 224 pixels on their shorter side, as many collections publish them; the bare encoder gets tensors
that lie ready, in the batches of `identify`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.measure import counting_cpu, in_turns, print_table, ratio

SIDE_PX = 224
BATCH = 32
AIM = 0.8


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks starter")
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--index", default="starter")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bioclip-starter-") as folder:
        _run(_small_photographs(Path(folder), options.pictures), options)


def _run(paths: list[Path], options: argparse.Namespace) -> None:
    from bioclip_search import Searcher
    from bioclip_search.images import open_picture

    searcher = Searcher.open(options.index, device="cpu")
    prepared = [searcher.encoder.prepare(open_picture(path)) for path in paths]

    def bare() -> None:
        for first in range(0, len(prepared), BATCH):
            searcher.encoder.encode_prepared(prepared[first : first + BATCH])

    def whole() -> None:
        searcher.identify(paths)

    cpu: dict[str, list[float]] = {"bare encoder": [], "identify": []}
    taken = in_turns({name: counting_cpu(way, cpu[name]) for name, way in {"bare encoder": bare, "identify": whole}.items()}, options.rounds)
    rows = [(name, f"{len(paths) / sorted(seconds)[len(seconds) // 2]:.1f}", f"{ratio(taken['bare encoder'], seconds):.2f}") for name, seconds in taken.items()]
    print_table(f"{len(paths)} photographs of {SIDE_PX} px, index {options.index}, aim {AIM:g}", ("", "pictures/s", "ratio"), rows)


def _small_photographs(folder: Path, count: int) -> list[Path]:
    from tests.benchmarks.photographs import reference_pictures

    paths = []
    for number, picture in enumerate(reference_pictures(count)):
        width, height = picture.size
        scale = SIDE_PX / min(width, height)
        paths.append(folder / f"{number:04d}.jpg")
        picture.resize((round(width * scale), round(height * scale))).save(paths[-1], quality=90)
    return paths
