"""An index of nearly a million taxa: building, opening, answering at all seven ranks, and filtering, beside pybioclip.

    python -m tests.benchmarks million                      868,000 taxa, about 20 minutes and 12 GB of disk
    python -m tests.benchmarks million --taxa 20000         the same in a minute

Each step runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import print_table

TAXA = 868_000
STEPS = ("world", "build", "open", "open again", "peer open", "peaked", "one by one", "within", "flat", "filter", "add")


def main(arguments: list[str]) -> None:
    options = _options(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="bioclip-million-"))
    try:
        found = {step: _in_own_process(step, folder, options) for step in STEPS if options.only in (None, step) or step in {"world", "build"}}
        _print(found, options.taxa)
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)


def run_step(step: str, folder: Path, taxa: int, rounds: int) -> dict[str, Any]:
    from tests.benchmarks import million_steps

    if step == "world":
        return million_steps.world(folder, taxa)
    if step == "build":
        return million_steps.build(folder)
    if step in {"open", "open again"}:
        return million_steps.open_index(folder)
    if step == "peer open":
        return million_steps.open_peer(folder)
    if step in {"filter", "add"}:
        return {"filter": million_steps.clade_filter, "add": million_steps.add}[step](folder)
    timed = {"peaked": million_steps.peaked, "one by one": million_steps.one_by_one, "within": million_steps.within, "flat": million_steps.flat}
    return timed[step](folder, rounds)


def _in_own_process(step: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    print(f"… {step}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.benchmarks.bench_million", "--step", step, "--folder", str(folder)]
    command += ["--taxa", str(options.taxa), "--rounds", str(options.rounds)]
    if step == "open":
        shutil.rmtree(folder / "home", ignore_errors=True)  # forgets that the files were verified
    environment = os.environ | {"BIOCLIP_SEARCH_HOME": str(folder / "home")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _print(found: dict[str, dict[str, Any]], taxa: int) -> None:
    if built := found.get("build"):
        title = f"Building an index of {taxa:,} taxa × 768 from given vectors"
        rows = [(name, f"{value:,.1f}") for name, value in built.items()]
        print_table(title, ("", "value"), rows)
    opened = {step: found[step] for step in ("open", "open again", "peer open") if step in found}
    if opened:
        head = ("", *next(iter(opened.values())))
        rows = [(step, *(f"{value:,.2f}" if isinstance(value, float) else value for value in times.values())) for step, times in opened.items()]
        print_table("Opening (files in the page cache), a fresh process each; memory after opening and after the first answer", head, rows)
    asked = [(step, found[step]) for step in ("peaked", "one by one", "within", "flat", "filter") if step in found]
    if asked:
        rows = [(row["what"], row["theirs"], row["ours"], row["ratio"], row["aim"]) for _, result in asked for row in result["rows"]]
        print_table("Milliseconds (median over rounds)", ("", "pybioclip", "ours", "times faster", "aim"), rows)
        for _, result in asked:
            for note in result["notes"]:
                print("  " + note)
    if added := found.get("add"):
        print_table(
            "Adding a species by its name to the open index",
            ("", "value"),
            [(name, f"{value:,.2f}" if isinstance(value, float) else value) for name, value in added.items()],
        )


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_million", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taxa", type=int, default=TAXA)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="keep data and index here, and use what is there already")
    parser.add_argument("--only", choices=STEPS, help="this step only (and those it needs)")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    chosen = _options(sys.argv[1:])
    if chosen.step:
        started = time.perf_counter()
        result = run_step(chosen.step, Path(chosen.folder), chosen.taxa, chosen.rounds)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f"  {chosen.step}: {time.perf_counter() - started:.0f} s, peak {peak_mb:,.0f} MB", file=sys.stderr)
        print(json.dumps(result))
    else:
        main(sys.argv[1:])
