"""Spark beside the local engine on the same cores: the same rows, how much two workers gain over one, and what Spark costs.

    python -m tests.benchmarks spark                            5,000 pictures, some 20 minutes on two cores
    python -m tests.benchmarks spark --pictures 500             a first look

Each way runs in a process of its own that is held to its cores, with all it starts: for one core the driver, the master and the worker
share core 0, for two each worker has one core and the driver both. Models are opened before the clock runs, in both engines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measure import print_table

AIM_RATIO, AIM_OVERHEAD, TOLERANCE = 1.8, 0.15, 1e-5
WAYS = (("local", 1), ("spark", 1), ("spark", 2), ("local", 2))


def main(arguments: list[str]) -> None:
    from tests.benchmarks.collections import write_collection

    options = _options(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="bioclip-spark-"))
    os.environ.setdefault("BIOCLIP_SEARCH_HOME", str(folder / "home"))
    try:
        pictures = write_collection(folder / "pictures", options.pictures)
        taken: dict[tuple[str, int], list[dict[str, Any]]] = {way: [] for way in WAYS}
        for turn in range(options.rounds):
            for way in WAYS[:: -1 if turn % 2 else 1]:
                taken[way].append(_measured(way, pictures, folder, options.pictures))
        _print_speed(taken, options.pictures)
        _print_sameness(folder)
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)


def _measured(way: tuple[str, int], pictures: Path, folder: Path, count: int) -> dict[str, Any]:
    engine, cores = way
    out = folder / f"{engine}-{cores}"
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "tests.benchmarks.spark_step", engine, str(cores), str(pictures), str(out), str(count)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=os.environ | {"OMP_NUM_THREADS": str(cores if engine == "local" else 1)})
    found = json.loads(told.stdout.splitlines()[-1])
    print(f"{engine} on {cores}: {found['seconds']:.0f} s, {count / found['seconds']:.1f} pictures/s (start and models {found['start_s']:.0f} s)", flush=True)
    return found


def _print_speed(taken: dict[tuple[str, int], list[dict[str, Any]]], count: int) -> None:
    seconds = {way: np.array([one["seconds"] for one in some]) for way, some in taken.items()}
    rows = []
    for engine, cores in WAYS:
        overhead = np.median(seconds[engine, cores] / seconds["local", cores]) - 1
        gain = np.median(seconds[engine, 1] / seconds[engine, cores])
        start = np.median([one["start_s"] for one in taken[engine, cores]])
        told = (f"{count / np.median(seconds[engine, cores]):.1f}", f"{gain:.2f}", f"{overhead:+.1%}", f"{start:.0f}")
        rows.append((f"{engine}, {cores} {'core' if cores == 1 else 'cores'}", *told))
    title = f"{count:,} pictures (aims: 2 workers over 1 at least {AIM_RATIO}, over the local engine at most {AIM_OVERHEAD:+.0%})"
    print_table(title, ("", "pictures/s", "× one core", "time over the local engine", "start and models, s"), rows)


def _print_sameness(folder: Path) -> None:
    rows = []
    for other in ("local-1", "local-2"):
        ours, theirs = (_rows(folder / name) for name in ("spark-2", other))
        is_alike = all(ours[name].equals(theirs[name]) for name in ("image", "crop", "taxon", "rank", "rule", "status"))
        first, second = (np.array(table["probability"].to_pylist(), np.float64) for table in (ours, theirs))
        furthest = float(np.nanmax(np.abs(first - second))) if len(first) == len(second) else float("nan")
        rows.append((f"spark-2 and {other}", f"{len(ours):,}", f"{len(theirs):,}", "yes" if is_alike else "NO", f"{furthest:.1e}", f"{TOLERANCE:.0e}"))
    print_table("Rows", ("", "rows", "rows", "names, ranks and order alike", "furthest probability", "aim, at most"), rows)


def _rows(run: Path) -> Any:
    import pyarrow as pa

    from bioclip_search.runs.folder import Run

    return pa.Table.from_batches(list(Run.open(run).batches()))


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_spark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", help="keep pictures and runs here, and use those that are there already")
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    main(sys.argv[1:])
