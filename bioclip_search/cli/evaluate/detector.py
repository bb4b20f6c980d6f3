"""`evaluate detector`: pictures with boxes in, how many a detector finds out. All logic is in `evaluation.detection`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioclip_search.cli.evaluate.embedding import datasets_argument, out_option
from bioclip_search.cli.evaluate.figures import print_figures, print_rows, share_in_words, write_json
from bioclip_search.cli.evaluate.printing import tell_failures
from bioclip_search.cli.identify import device_option, format_option
from bioclip_search.cli.labelled_sets import parts_option
from bioclip_search.cli.progress import progress_steps

if TYPE_CHECKING:
    from bioclip_search.boxed.sets import BoxedSet
    from bioclip_search.evaluation.detection import Looked

COLUMNS = {
    "mAP50": "map50",
    "mAP75": "map75",
    "mAP": "map",
    "found": "found",
    "recall small": "recall50_small",
    "medium": "recall50_medium",
    "large": "recall50_large",
}


@click.command()
@datasets_argument
@click.option("--detector", "name", default="starter", show_default=True, help="A detector's name, or its folder or .onnx file.")
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of a COCO file's pictures.  [default: that of the file]")
@click.option("--by-category", is_flag=True, help="A find must bear the category of the box, too; each category has its own figures, and their mean is told.")
@click.option("--trust-pickle", is_flag=True, help="Load a detector from a .pt file, which can run any code.")
@click.option(
    "--errors", type=click.Path(file_okay=False, path_type=Path), help="Write to this folder what is wrong: a report, a table, and the worst errors drawn."
)
@parts_option
@out_option
@device_option
@format_option
def detector(
    datasets: tuple[str, ...],
    name: str,
    images: Path | None,
    by_category: bool,
    trust_pickle: bool,
    errors: Path | None,
    parts: tuple[str, ...],
    out: Path | None,
    device: str,
    format: str,
) -> int:
    """Measure how well a detector finds the organisms in pictures with boxes, by the rules of COCO.

    A DATASET is a COCO file (.json), COCO Camera Traps, Parquet with the columns image and objects, a YOLO folder, a folder of
    Pascal VOC, a Camtrap DP package, or a reviewed run. `found` is the share of true boxes that
    `identify` would find, recall that of all finds whatever their confidence, by the size of the box.

    \b
    Example: bioclip-search evaluate detector annotations.json --images photos --detector starter
    """
    import numpy as np

    from bioclip_search.boxed.sets import find_boxed_sets
    from bioclip_search.detect import load_detector
    from bioclip_search.errors import ModelError, TableError
    from bioclip_search.evaluation.detection import detection_figures, look
    from bioclip_search.evaluation.labelled import TRAIN

    finder = load_detector(name, device=device, trust_pickle=trust_pickle)
    if finder is None:
        raise ModelError("The detector none finds nothing that could be measured. Name one with --detector.")
    records, left_out, folders, failed = [], [], [], False
    for boxed in find_boxed_sets(datasets, images):
        wanted = np.isin(boxed.parts, parts) | ("all" in parts) if parts else boxed.parts != TRAIN
        if not wanted.any():
            there = f"Its parts are {', '.join(sorted(set(boxed.parts)))}; name one with --part." if len(boxed) else "It holds none."
            left_out.append(f"{boxed.name}: no picture is left to measure. {there}")
            continue
        _tell_left_out(boxed)
        with progress_steps(boxed.name) as progress:
            looked = look(finder, boxed, wanted, progress)
        tell_failures(looked.failures)
        failed |= bool(looked.failures)
        if errors is not None:
            folders.append(_folder_name(boxed.name, folders))
            _write_errors(errors / folders[-1], boxed, looked, finder.name, by_category)
        records.append({"set": boxed.name, "detector": finder.name, **detection_figures(looked, by_category=by_category)})
    if not records and left_out:
        raise TableError(left_out[0])
    for line in left_out:
        click.echo(line, err=True)
    write_json(out, records)
    _print(records, format)
    return 1 if failed else 0


def _tell_left_out(boxed: BoxedSet) -> None:
    for note in boxed.notes:
        click.echo(note, err=True)
    if boxed.dropped:
        click.echo(f"{boxed.name}: {boxed.dropped:,} {'box has no area and does' if boxed.dropped == 1 else 'boxes have no area and do'} not count.", err=True)


def _print(records: list[dict[str, Any]], format: str) -> None:
    if format != "table":
        print_figures(records, format)
        return
    counts = [[r["set"], f"{r['pictures']:,}", f"{r['boxes']:,}"] for r in records]
    rows = [[*row, *(share_in_words(r, key) for key in COLUMNS.values())] for row, r in zip(counts, records, strict=True)]
    print_rows(["SET", "pictures", "boxes", *COLUMNS], rows)


def _folder_name(name: str, taken: Sequence[str]) -> str:
    """A plain name for the folder of a set, whatever its file is called; two sets of one name get two."""
    plain = re.sub(r"[^\w.-]+", "-", name).strip(".-") or "set"
    return next(one for one in (plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3))) if one not in taken)


def _write_errors(folder: Path, boxed: BoxedSet, looked: Looked, detector: str, by_category: bool) -> None:
    """What is wrong on one set, in its folder."""
    from bioclip_search.evaluation.box_errors.writing import error_report, write_errors

    written = write_errors(folder, error_report(boxed, looked, detector, by_category=by_category))
    click.echo(f"{written[0]}: what is wrong, and {len(written) - 2} contact {'sheet' if len(written) == 3 else 'sheets'} beside it", err=True)
