"""A Darwin Core Archive of two million names imported in a process of its own: its peak memory, and its speed beside a plain read.

python -m tests.benchmarks import                       2,000,000 rows, about three minutes and 2 GB of disk
python -m tests.benchmarks import --rows 100000         the same in seconds
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measure import print_table

ROWS = 2_000_000
KINGDOMS, FAN_OUT = 5, (1, 5, 4, 5, 8, 12)
"""Phyla in a kingdom, classes in a phylum … genera in a family; the species share what is left."""
RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
SYLLABLES = ("ba", "co", "di", "fu", "ge", "ka", "lo", "mi", "nu", "pe", "ra", "so", "ti", "vu", "xe", "za")
MEMORY_AIM_MB = 4_096
TERMS = ("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "scientificNameAuthorship", "taxonRank", "taxonomicStatus", *RANKS[:6])


def main(arguments: list[str]) -> None:
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="bioclip-import-") as folder:
        archive = Path(options.archive) if options.archive else write_archive(Path(folder) / "synthetic.zip", options.rows)
        found = {step: _in_own_process(step, archive, Path(folder) / "out") for step in ("read", "import")}
        size_mb = archive.stat().st_size / 1e6
    ours, plain = found["import"], found["read"]
    rows = [
        ("peak resident memory, MB", f"{plain['peak_mb']:,.0f}", f"{ours['peak_mb']:,.0f}", f"aim ≤ {MEMORY_AIM_MB:,}"),
        ("seconds", f"{plain['seconds']:.1f}", f"{ours['seconds']:.1f}", f"{ours['seconds'] / plain['seconds']:.1f} times as long"),
        ("seconds of CPU", f"{plain['cpu_s']:.1f}", f"{ours['cpu_s']:.1f}", f"{ours['cpu_s'] / plain['cpu_s']:.1f} times as much"),
        ("rows a second", f"{plain['rows'] / plain['seconds']:,.0f}", f"{ours['rows'] / ours['seconds']:,.0f}", ""),
    ]
    print_table(f"Importing {archive.name}, {size_mb:,.0f} MB: {plain['rows']:,} rows of its three tables", ("", "csv module, read only", "import", ""), rows)
    for line in ours["report"]:
        print("  " + line)


def write_archive(path: Path, rows: int) -> Path:
    """An archive in GBIF's form: six tenths accepted names, a third synonyms (some of synonyms), the rest subspecies, and two extensions."""
    rng = np.random.default_rng(7)
    print(f"… writing {rows:,} names", file=sys.stderr, flush=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("meta.xml", _meta())
        with archive.open("Taxon.tsv", "w", force_zip64=True) as file:
            file.write(("\t".join(TERMS) + "\n").encode())
            species = _write_taxa(file, rows, rng)
        with archive.open("VernacularName.tsv", "w") as file:
            file.write(b"taxonID\tvernacularName\tlanguage\n")
            for start in range(0, len(species), 100_000):
                chosen = species[start : start + 100_000 : 2]
                file.write("".join(f"{key}\tCommon {_word(key)}\ten\n{key}\tGemeiner {_word(key)}\tde\n" for key in chosen).encode())
        with archive.open("Distribution.tsv", "w") as file:
            file.write(b"taxonID\tlocationID\toccurrenceStatus\n")
            codes = ("DE", "FR", "KE", "BR", "ISO3166:AU", "US")
            for start in range(0, len(species), 100_000):
                file.write("".join(f"{key}\t{codes[key % 6]}\tpresent\n" for key in species[start : start + 100_000 : 2]).encode())
    return path


def _write_taxa(file: Any, rows: int, rng: np.random.Generator) -> list[int]:
    """Writes the tree and the names below it, and gives the keys of the species."""
    key, parents, lines = 0, [(0, ("",) * 6)] * KINGDOMS, []
    for depth, count in enumerate(FAN_OUT):
        below = []
        for parent, above in parents:
            for _ in range(count):
                key += 1
                name = _word(key).capitalize()
                lineage = (*above[:depth], name, *above[depth + 1 :])
                below.append((key, lineage))
                lines.append(_line(key, parent or "", "", name, "", RANKS[depth], "accepted", lineage))
        parents = below
    file.write("".join(lines).encode())
    species: list[int] = []
    while key < rows:
        lines = []
        for parent, lineage in (parents[int(number)] for number in rng.integers(0, len(parents), 20_000)):
            key += 1
            species.append(key)
            name, epithet = lineage[5], _word(key + 7)
            lines.append(_line(key, parent, "", f"{name} {epithet}", f"Author, {1750 + key % 250}", "species", "accepted", lineage))
            kind = key % 10
            if kind < 6:
                lines.append(_line(key + 1, parent, key, f"{name} {_word(key + 1)}", f"(Other, {1750 + key % 250})", "species", "synonym", lineage))
            if kind < 1:
                lines.append(_line(key + 2, parent, key + 1, f"{name} {_word(key + 2)}", "Third", "species", "synonym", lineage))
            elif kind > 8:
                lines.append(_line(key + 1, key, "", f"{name} {epithet} {_word(key + 1)}", "Fourth", "subspecies", "accepted", lineage))
            key += 2 if kind < 1 else 1 if kind < 6 or kind > 8 else 0
            if key >= rows:
                break
        file.write("".join(lines).encode())
    return species


def _line(key: int, parent: Any, accepted: Any, name: str, author: str, rank: str, status: str, lineage: tuple[str, ...]) -> str:
    return "\t".join(map(str, (key, parent, accepted, f"{name} {author}".strip(), author, rank, status, *lineage))) + "\n"


def _word(number: int) -> str:
    """A made-up word of its own for each number."""
    word = ""
    while number or not word:
        number, rest = divmod(number, 16)
        word += SYLLABLES[rest]
    return word + "us"


def _meta() -> str:
    from tests.checklists.making import DC, DWC, GBIF, META, table_xml

    core = table_xml("core", DWC + "Taxon", "Taxon.tsv", [DWC + term for term in TERMS])
    names = table_xml("extension", GBIF + "VernacularName", "VernacularName.tsv", ["", DWC + "vernacularName", DC + "language"])
    places = table_xml("extension", GBIF + "Distribution", "Distribution.tsv", ["", DWC + "locationID", DWC + "occurrenceStatus"])
    return META.format(tables="\n".join((core, names, places)))


def _in_own_process(step: str, archive: Path, out: Path) -> dict[str, Any]:
    print(f"… {step}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.benchmarks.bench_import", "--step", step, "--archive", str(archive), "--out", str(out)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def _read_plainly(archive: Path) -> dict[str, Any]:
    """What the csv module takes to look at every row once, keeping nothing."""
    rows = 0
    with zipfile.ZipFile(archive) as opened:
        for member in ("Taxon.tsv", "VernacularName.tsv", "Distribution.tsv"):
            with opened.open(member) as file:
                lines = (line.decode() for line in file)
                rows += sum(1 for _ in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)) - 1
    return {"rows": rows}


def _import(archive: Path, out: Path) -> dict[str, Any]:
    from bioclip_search.checklists import import_checklist

    report = import_checklist(archive, out)
    return {"rows": _rows_of(report, out), "report": report.lines()}


def _rows_of(report: Any, out: Path) -> int:
    from pyarrow import parquet

    taxa = parquet.read_table(out / "taxa.parquet", columns=["countries"])
    return report.rows + report.names["vernacular"] + taxa.num_rows - taxa["countries"].null_count


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_import", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--archive", help="import this archive instead (of the same file names)")
    parser.add_argument("--out", help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=("read", "import"), help=argparse.SUPPRESS)
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    chosen = _options(sys.argv[1:])
    if chosen.step:
        started = time.perf_counter()
        result = _read_plainly(Path(chosen.archive)) if chosen.step == "read" else _import(Path(chosen.archive), Path(chosen.out))
        result["seconds"] = time.perf_counter() - started
        result["cpu_s"] = time.process_time()
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
    else:
        main(sys.argv[1:])
