"""A whole checklist into an index with the starter encoder: time, size, memory, what a kill costs, what a second build costs.

    python -m tests.benchmarks build                       116,685 species, about ten minutes on one core
    python -m tests.benchmarks build --taxa 5000           the same in a minute

Each step runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import memory_mb, print_table

BARE_NAMES = 8192
"""Names that the bare loop encodes, before the build and after it."""

STEPS = ("bare", "build", "bare again", "build again", "killed", "resumed", "check", "open", "trim")


def main(arguments: list[str]) -> None:
    options = _options(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="bioclip-build-"))
    try:
        found = {step: _in_own_process(step, folder, options) for step in STEPS}
        _print(found)
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)


def run_step(step: str, folder: Path, taxa: int) -> dict[str, Any]:
    if step.startswith("bare"):
        return bare(taxa)
    if step == "check":
        return check(folder / "first")
    if step == "open":
        return open_index(folder / "first")
    if step == "trim":
        return trim(folder)
    return build(folder / {"build": "first", "build again": "second"}.get(step, "third"), taxa)


def bare(taxa: int) -> dict[str, Any]:
    """The least that a build can take: the sentences, in batches, through the text tower."""
    from bioclip_search.encoder.opening import open_encoder

    encoder, recipe, taxonomy = open_encoder(), _recipe(), _taxonomy(taxa)
    rows = taxonomy.leaves.slice(0, BARE_NAMES).to_pylist()
    texts = [text for (text,) in recipe.texts(rows)]
    encoder.encode_texts(texts[:256])
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, len(texts), 256):
        encoder.encode_texts(texts[first : first + 256])
    spent, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"names a second": len(texts) / spent, "names a CPU second": len(texts) / cpu}


def build(out: Path, taxa: int) -> dict[str, Any]:
    from bioclip_search.build import build_index
    from bioclip_search.encoder.opening import open_encoder

    shutil.rmtree(out, ignore_errors=True)
    encoder, said, encoding = open_encoder(), [], []
    before, start, cpu = memory_mb()["rss_mb"], time.perf_counter(), time.process_time()
    taxonomy = _taxonomy(taxa)
    build_index(out, taxonomy, encoder, recipe=_recipe(), say=said.append, progress=lambda done, total: encoding.append(time.perf_counter()))
    end, cpu = time.perf_counter(), time.process_time() - cpu
    size = sum(path.stat().st_size for path in out.iterdir())
    return {
        "seconds": end - start,
        "CPU seconds": cpu,
        "of which encoding": encoding[-1] - encoding[0] if encoding else 0.0,
        "names": len(taxonomy),
        "said": said,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "of which before it began, MB": before,
        "size, MB": size / 1e6,
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir()) if path.name != "card.json"},
    }


def check(folder: Path) -> dict[str, Any]:
    from bioclip_search.check import check_index

    start = time.perf_counter()
    found = check_index(folder)
    return {"seconds": time.perf_counter() - start, "report": [str(finding) for finding in found]}


def open_index(folder: Path) -> dict[str, Any]:
    """Opens the index as a search does, but for its encoder, whose place its card can take."""
    import faiss  # noqa: F401  (so that it counts as a library)
    import numpy as np
    from pyarrow import parquet  # noqa: F401

    from bioclip_search.index import Index
    from bioclip_search.searcher import Searcher

    before, start = memory_mb(), time.perf_counter()
    index = Index(folder)
    searcher = Searcher(index, index.card.encoder)
    assert len(searcher.taxonomy) == len(index.vectors) == len(searcher.names.taxonomy)
    opened = time.perf_counter()
    after = memory_mb()
    searcher.identify_vectors(np.eye(1, index.card.vectors.dim, dtype=np.float32))
    answered = memory_mb()
    return {
        "seconds": opened - start,
        "vectors, MB": len(index.vectors) * index.card.vectors.dim * 4 / 1e6,
        "libraries, MB": before["rss_mb"],
        "opened, MB": after["rss_mb"],
        "of its own, MB": after["own_mb"] - before["own_mb"],
        "after an answer, MB": answered["rss_mb"],
    }


def trim(folder: Path) -> dict[str, Any]:
    from bioclip_search.index import Index
    from bioclip_search.trim import trim_index

    shutil.rmtree(folder / "birds", ignore_errors=True)
    start = time.perf_counter()
    trimmed = trim_index(Index(folder / "first"), folder / "birds", within="Aves")
    return {"seconds": time.perf_counter() - start, "taxa": trimmed.card.vectors.count}


def _in_own_process(step: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    print(f"… {step}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.benchmarks.bench_build", "--step", step, "--folder", str(folder), "--taxa", str(options.taxa)]
    home = folder / ("broken" if step in {"killed", "resumed"} else "home")
    if step in {"build", "killed"}:
        shutil.rmtree(home, ignore_errors=True)  # begins with an empty cache
    running = subprocess.Popen(command, env=os.environ | {"BIOCLIP_SEARCH_HOME": str(home)}, stdout=subprocess.PIPE, text=True)
    if step == "killed":
        return _kill_half_way(running, home, folder / "home")
    told, _ = running.communicate()
    if running.returncode:
        raise SystemExit(f"{step} failed")
    return json.loads(told.splitlines()[-1])


def _kill_half_way(running: subprocess.Popen, home: Path, whole: Path) -> dict[str, Any]:
    """Kills the build once half of the shards of the unbroken one are there."""
    half = len(list(whole.glob("cache/*/*/*.npy"))) // 2
    while len(list(home.glob("cache/*/*/*.npy"))) < half and running.poll() is None:
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    return {"shards kept": len(list(home.glob("cache/*/*/*.npy"))), "of": 2 * half}


def _print(found: dict[str, dict[str, Any]]) -> None:
    built, again, resumed, opened = (found[step] for step in ("build", "build again", "resumed", "open"))
    bare_rate, bare_cpu = ((found["bare"][unit] + found["bare again"][unit]) / 2 for unit in ("names a second", "names a CPU second"))
    rows = [("bare loop over the text tower", "", f"{bare_rate:,.0f}", "1.00", f"{bare_cpu:,.0f}", "1.00")]
    for what, step in (("build with an empty cache", built), ("build again, all names in the cache", again)):
        rate, cpu = step["names"] / step["seconds"], step["names"] / step["CPU seconds"]
        rows.append((what, f"{step['seconds']:,.1f}", f"{rate:,.0f}", f"{rate / bare_rate:.2f}", f"{cpu:,.0f}", f"{cpu / bare_cpu:.2f}"))
    rows.append(("killed half-way, then resumed", f"{resumed['seconds']:,.1f}", "", "", "", ""))
    head = ("", "seconds", "names a second", "times the bare loop", "names a CPU second", "times the bare loop")
    print_table(f"Building an index of {built['names']:,} names with the starter encoder", head, rows)
    for step in ("build", "build again", "resumed"):
        print(f"  {step}: {'; '.join(found[step]['said'])}")
    same = "the same bytes" if resumed["sha256"] == built["sha256"] == again["sha256"] else "NOT THE SAME"
    print(f"  the kill left {found['killed']['shards kept']} of {found['killed']['of']} shards; the files of the resumed and the unbroken index are {same}")
    rows = [(name, f"{built[name]:,.0f}") for name in ("peak memory, MB", "of which before it began, MB", "size, MB")]
    print_table("The build", ("", "value"), rows)
    rows = [(name, f"{value:,.2f}") for name, value in opened.items()]
    growth = (opened["opened, MB"] - opened["libraries, MB"]) / opened["vectors, MB"]
    rows.append(("opened less libraries, times the vectors' bytes", f"{growth:.2f} (aim: at most 1.3)"))
    rows.append(("the same after an answer", f"{(opened['after an answer, MB'] - opened['libraries, MB']) / opened['vectors, MB']:.2f}"))
    print_table("Opening it (aim: at most 0.5 s)", ("", "value"), rows)
    print(f"\nindex check took {found['check']['seconds']:.1f} s and found:")
    for line in found["check"]["report"] or ["nothing"]:
        print("  " + line)
    print(f"\nindex trim --within Aves took {found['trim']['seconds']:.1f} s, {found['trim']['taxa']:,} taxa kept")


def _recipe() -> Any:
    from bioclip_search.prompts import BARE_TEMPLATE, TextRecipe

    return TextRecipe("taxon_com", BARE_TEMPLATE)  # as the starter was taught


def _taxonomy(taxa: int) -> Any:
    from bioclip_search.build import read_taxa
    from bioclip_search.tables import read_table
    from tests.conftest import SHARED

    return read_taxa(read_table(SHARED / "data" / "taxonomy" / "all_species.parquet").slice(0, taxa)).taxonomy


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taxa", type=int, default=10**9, help="the first so many rows only")
    parser.add_argument("--folder", help="keep the indexes here")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    chosen = _options(sys.argv[1:])
    if chosen.step:
        print(json.dumps(run_step(chosen.step, Path(chosen.folder), chosen.taxa)))
    else:
        main(sys.argv[1:])
