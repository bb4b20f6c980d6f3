"""Memory and speed of `tag`: a run of ten times as many pictures beside a short one, the whole beside its two models alone, and all cores beside one.

    python -m tests.benchmarks tag                              200 and 2,000 pictures
    python -m tests.benchmarks tag --pictures 10000             1,000 and 10,000, some 20 minutes on two cores

Memory is that of the process and all its children together, at its highest; the models are the starter's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bioclip_search.stream import default_workers
from tests.benchmarks.measure import in_turns, print_table, ratio

AIM_MEMORY, AIM_SPEED, AIM_GAIN = 1.10, 0.85, 0.85
POLL_S = 0.2
BATCH = 32


def main(arguments: list[str]) -> None:
    from tests.benchmarks.collections import write_collection

    options = _options(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="bioclip-tag-"))
    os.environ.setdefault("BIOCLIP_SEARCH_HOME", str(folder / "home"))
    try:
        pictures = write_collection(folder / "pictures", options.pictures)
        if not options.only_speed:
            _print_memory(folder, pictures, options.pictures)
        _print_speed(folder, pictures, options.sample, options.rounds)
        _print_gain(folder, pictures, options.sample, options.rounds)
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)


def _print_memory(folder: Path, pictures: Path, count: int) -> None:
    rows, peaks = [], []
    for some in (count // 10, count):
        listing = folder / f"first-{some}.csv"
        paths = sorted(pictures.rglob("*.JPG"))[:some]
        listing.write_text("path\n" + "".join(f"{path}\n" for path in paths), encoding="utf-8")
        out = folder / f"run-{some}"
        shutil.rmtree(out, ignore_errors=True)
        taken, peak = _watched([sys.executable, "-m", "bioclip_search", "tag", str(listing), "--out", str(out)])
        peaks.append(peak)
        rows.append((f"{some:,} pictures", f"{peak:.0f}", f"{peak / peaks[0]:.3f}", AIM_MEMORY if len(peaks) > 1 else "", f"{some / taken:.1f}"))
    print_table("Highest memory of tag and its children", ("", "MB", "× the short run", "aim, at most", "pictures/s with the start"), rows)


def _watched(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and highest memory, in MB, of a command with all its children; pages that they share count once each."""
    start, peak = time.perf_counter(), 0.0
    process = psutil.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sum(_own_mb(one) for one in _family(process)))
        time.sleep(POLL_S)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - start, peak


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _own_mb(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().uss / 1e6
    except psutil.Error:
        return 0.0


def _print_speed(folder: Path, pictures: Path, sample: int, rounds: int) -> None:
    from bioclip_search.detect import load_detector
    from bioclip_search.images import open_picture
    from bioclip_search.runs.closing import Closing
    from bioclip_search.runs.deciding import Deciding
    from bioclip_search.runs.tagging import Equipment, tag_source
    from bioclip_search.searcher import Searcher
    from bioclip_search.sources import open_source

    searcher, detector = Searcher.open("starter"), load_detector("starter")
    part = sorted(pictures.iterdir())[0]
    equipment = Equipment(Deciding(searcher, {}), detector)
    paths = sorted(part.iterdir())[:sample]
    chosen = folder / "sample"
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    for path in paths:
        shutil.copy(path, chosen)
    ready = [open_picture(path) for path in paths]
    tensors = _crops(searcher.encoder, detector, ready)

    def tag() -> None:
        shutil.rmtree(folder / "run", ignore_errors=True)
        tag_source(open_source(chosen), folder / "run", equipment, place="sample", closing_with=Closing(repeats=False))

    def detect() -> None:
        for picture in ready:
            detector.detect([picture], equipment.min_confidence)

    def encode() -> None:
        for first in range(0, len(tensors), BATCH):
            searcher.encoder.encode_prepared(tensors[first : first + BATCH])

    cpu: dict[str, list[float]] = {"detector": [], "encoder": [], "tag": []}
    ways = {"detector": detect, "encoder": encode, "tag": tag}
    taken = in_turns({name: _counting_all_cpu(way, cpu[name]) for name, way in ways.items()}, rounds)
    spent = {name: np.array(seconds[1:]) for name, seconds in cpu.items()}  # the first round warmed up
    bare, bare_cpu = (kind["detector"] + kind["encoder"] for kind in (taken, spent))
    rows = [
        (
            name,
            f"{len(paths) / np.median(seconds):.1f}",
            f"{ratio(bare, seconds):.2f}",
            f"{1e3 * np.median(busy) / len(paths):.0f}",
            f"{ratio(bare_cpu, busy):.2f}",
        )
        for name, seconds, busy in (*((name, taken[name], spent[name]) for name in taken), ("detector + encoder", bare, bare_cpu))
    ]
    title = f"{len(paths)} pictures, {len(tensors)} crops, {rounds} rounds in turns, {os.cpu_count()} cores (aim for tag: {AIM_SPEED})"
    print_table(title, ("", "pictures/s", "× both models alone", "CPU ms a picture, children too", "× both models' CPU"), rows)


def _print_gain(folder: Path, pictures: Path, count: int, rounds: int) -> None:
    """One core beside all that there are, in turns; each run is a process of its own that is held to its cores, with models at hand."""
    taken: dict[int, list[float]] = {1: [], default_workers(): []}
    for turn in range(rounds):
        for cores in sorted(taken)[:: -1 if turn % 2 else 1]:
            command = [sys.executable, "-m", "tests.benchmarks.spark_step", "local", str(cores), str(pictures), str(folder / f"on-{cores}-{turn}"), str(count)]
            told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            taken[cores].append(json.loads(told.stdout.splitlines()[-1])["seconds"])
    rows = []
    for cores, spent in taken.items():
        gain = ratio(np.array(taken[1]), np.array(spent))
        rows.append((f"{cores} {'core' if cores == 1 else 'cores'}", f"{count / np.median(spent):.1f}", f"{gain:.2f}", f"{AIM_GAIN * cores:.2f}"))
    print_table(f"tag, {count} pictures, {rounds} rounds in turns", ("", "pictures/s", "× one core", "aim, at least"), rows)


def _counting_all_cpu(work: Callable[[], None], spent: list[float]) -> Callable[[], None]:
    """The same work, which also notes its seconds of CPU, those of children that ended with it included."""

    def busy() -> float:
        told = os.times()
        return told.user + told.system + told.children_user + told.children_system

    def counted() -> None:
        start = busy()
        work()
        spent.append(busy() - start)

    return counted


def _crops(encoder: Any, detector: Any, pictures: Sequence[Any]) -> list[Any]:
    """The detector's crops of ready pictures, prepared."""
    from bioclip_search.crops import DETECTOR_CONFIDENCE
    from bioclip_search.detect import crop_box
    from bioclip_search.images import crop

    return [
        encoder.prepare(crop(picture, crop_box(hit.box_xyxy, picture.size)))
        for picture in pictures
        for hit in detector.detect([picture], DETECTOR_CONFIDENCE)[0]
    ]


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_tag", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-speed", action="store_true")
    parser.add_argument("--folder", help="keep pictures and runs here, and use those that are there already")
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    main(sys.argv[1:])
