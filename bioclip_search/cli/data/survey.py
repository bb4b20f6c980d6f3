"""`data survey`: pictures with boxes in, a report of what they are like out. All logic is in `boxed.survey`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bioclip_search.cli.evaluate.figures import print_rows
from bioclip_search.cli.identify import device_option, format_option
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import NumberRange


@click.command()
@click.argument("boxes", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write: report.md, metrics.json, drawings and contact sheets.")
@click.option("--detector", "name", help="Look for organisms that have no box with this detector: a name, a folder or an .onnx file.")
@click.option("--confidence", type=NumberRange(0, 1), default=0.5, show_default=True, help="How sure the detector must be of an organism without a box.")
@click.option("--trust-pickle", is_flag=True, help="Load a detector from a .pt file, which can run any code.")
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the pictures.  [default: that of the file]")
@click.option("--overwrite", is_flag=True, help="Replace an earlier survey.")
@device_option
@format_option
def survey(
    boxes: tuple[str, ...],
    out: Path,
    name: str | None,
    confidence: float,
    trust_pickle: bool,
    images: Path | None,
    overwrite: bool,
    device: str,
    format: str,
) -> None:
    """Look through pictures with boxes before a model learns from them: how large, how many, where, and what looks wrong.

    BOXES are COCO files, COCO Camera Traps, Parquet, YOLO folders, folders of Pascal VOC, Camtrap DP packages or reviewed runs.

    \b
    Example: bioclip-search data survey annotations.json --images photos --detector starter --out survey
    """
    from bioclip_search.boxed.examining import examine
    from bioclip_search.boxed.sets import find_boxed_sets
    from bioclip_search.boxed.survey.charts import stop_if_undrawable
    from bioclip_search.boxed.survey.figures import metrics_of, survey_of
    from bioclip_search.boxed.survey.suspects import in_order, suspects_in, unlabelled_in
    from bioclip_search.boxed.survey.writing import write_survey
    from bioclip_search.detect import load_detector

    stop_if_undrawable()
    detector = load_detector(name, device=device, trust_pickle=trust_pickle) if name else None
    with progress_steps("look") as progress:
        sets, report = examine(find_boxed_sets(boxes, images), progress)
    for line in report.lines():
        click.echo(line, err=True)
    suspects = suspects_in(sets)
    if detector is not None:
        with progress_steps("search") as progress:
            suspects = in_order([*unlabelled_in(sets, detector, confidence, progress), *suspects])
    found = survey_of(sets)
    written = write_survey(sets, found, report, suspects, out, detector=None if detector is None else detector.name, overwrite=overwrite)
    figures = metrics_of(found)
    if format == "jsonl":
        click.echo(json.dumps(figures))
    elif format == "csv":
        click.echo("\n".join(["figure,value", *(f"{figure},{value}" for figure, value in figures.items())]))
    else:
        print_rows(["FIGURE", "value"], [[figure, f"{value:,}"] for figure, value in figures.items()])
    click.echo(f"{written}: written; begin with {written / 'report.md'}", err=True)
