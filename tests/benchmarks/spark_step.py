"""One way of `bench_spark`, in a process of its own: `python -m tests.benchmarks.spark_step ENGINE CORES PICTURES OUT COUNT`.

Prints a line of JSON: the seconds of tagging with models at hand, and those that it took until they were.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

WARM_UP = 64
"""Pictures that each core tags before the clock runs."""


def main(engine: str, cores: int, pictures: Path, out: Path, count: int) -> dict[str, Any]:
    few = _some(pictures, out.parent / f"few-{cores}", WARM_UP * cores)
    listed = _listing(pictures, out.parent / f"first-{count}.csv", count)
    hold_to(range(cores))
    return (_local if engine == "local" else _spark)(cores, few, listed, out)


def hold_to(cores: range) -> None:
    """This process, and all that it starts from now on, to these cores; only Linux can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(cores))


def _local(cores: int, few: Path, pictures: Path, out: Path) -> dict[str, Any]:
    begun = time.perf_counter()
    import torch

    from bioclip_search.runs.closing import Closing
    from bioclip_search.runs.equipping import open_deciding, open_equipment
    from bioclip_search.runs.tagging import tag_source
    from bioclip_search.sources import open_source

    torch.set_num_threads(cores)
    equipment = open_equipment(open_deciding(), workers=cores)
    last = Closing(repeats=False)
    shutil.rmtree(out.parent / "warm", ignore_errors=True)
    tag_source(open_source(few), out.parent / "warm", equipment, place=str(few), closing_with=last)
    start = time.perf_counter()
    tag_source(open_source(pictures), out, equipment, place=str(pictures), closing_with=last)
    return {"seconds": time.perf_counter() - start, "start_s": start - begun}


def _spark(cores: int, few: Path, pictures: Path, out: Path) -> dict[str, Any]:
    begun = time.perf_counter()
    from bioclip_search.spark.session import spark_session
    from bioclip_search.spark.tagging import tag_on_spark
    from tests.spark.clusters import standalone

    last = {"fusion": "none", "repeats": False}
    with standalone(out.parent / f"cluster-{cores}", workers=0) as cluster:
        for core in range(cores):
            hold_to(range(core, core + 1))
            cluster.add_worker()
        hold_to(range(cores))
        with spark_session(cluster.url, {"spark.executor.memory": "512m"}) as spark:
            shutil.rmtree(out.parent / "warm", ignore_errors=True)
            tag_on_spark(few, out.parent / "warm", spark=spark, **last)
            start = time.perf_counter()
            tag_on_spark(pictures, out, spark=spark, **last)
            return {"seconds": time.perf_counter() - start, "start_s": start - begun}


def _some(pictures: Path, folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(pictures.rglob("*.JPG"))[:count]:
        shutil.copy(path, folder)
    return folder


def _listing(pictures: Path, path: Path, count: int) -> Path:
    path.write_text("path\n" + "".join(f"{one}\n" for one in sorted(pictures.rglob("*.JPG"))[:count]), encoding="utf-8")
    return path


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))))
