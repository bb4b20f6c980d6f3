"""What a reviewer is spared: labelled photographs tagged, a draw of them decided as their labels say, and whether the promise holds for the others.

    python -m tests.benchmarks review --of-a-set 500 --drawn 300

The photographs are those kept apart from the starter's training, each taken whole.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measure import print_table

TARGETS = (0.8, 0.9, 0.95)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks review")
    parser.add_argument("--of-a-set", type=int, default=500)
    parser.add_argument("--drawn", type=int, default=300)
    parser.add_argument("--index", default="starter")
    parser.add_argument("--target-accuracy", type=float, default=0.9)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bioclip-review-") as folder:
        _run(Path(folder), options)


def _run(folder: Path, options: argparse.Namespace) -> None:
    import bioclip_search as bs
    from bioclip_search.review.decisions import append
    from bioclip_search.review.spared import draw, holds, spared
    from tests.benchmarks.burst_scenes import photographs

    labels: dict[str, dict[str, str]] = {}
    (folder / "photos").mkdir()
    for number, photograph in enumerate(photographs(options.of_a_set, seed=3)):
        labels[f"{number:05}.png"] = photograph.label
        photograph.picture.save(folder / "photos" / f"{number:05}.png")
    run = bs.tag(folder / "photos", out=folder / "run", index=options.index, detector="none", target_accuracy=options.target_accuracy)
    append(run.folder, [_decision(doubt, labels[doubt.image]) for doubt in draw(run, options.drawn)])
    drawn = {doubt.media_id for doubt in draw(run, options.drawn)}
    others = [(crop.answer, labels[picture.image]) for picture in run.pictures() if picture.media_id not in drawn for crop in picture.crops]
    rows = []
    for target in TARGETS:
        told = spared(run, target)
        print("\n".join(told.lines()))
        if told.threshold is not None:
            held = [holds(answer, label) for answer, label in others if answer.taxon and (answer.chance or answer.probability) >= told.threshold]
            rows.append((f"{target:g}", f"{told.spared:.3f}", f"{told.threshold:g}", f"{told.accuracy:.3f}", f"{np.mean(held):.3f}", len(held)))
    head = ("target", "spared", "chance from", "right in the draw", "right in the others", "of")
    print_table(f"{len(labels)} photographs, {options.drawn} drawn and decided, index {options.index}", head, rows)


def _decision(doubt: Any, label: dict[str, str]) -> Any:
    from datetime import UTC, datetime

    from bioclip_search.review.decisions import ReviewDecision

    rank, taxon = list(label.items())[-1]
    return ReviewDecision(doubt.media_id, doubt.crop, "corrected", "the label", datetime.now(UTC), taxon, rank, label)
