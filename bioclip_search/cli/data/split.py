"""`data split`: pictures with boxes in, a data set with train, val and test out. All logic is in the package `boxed`."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioclip_search.cli.evaluate.figures import print_rows
from bioclip_search.cli.identify import format_option
from bioclip_search.cli.progress import progress_steps
from bioclip_search.cli.values import NumberRange

if TYPE_CHECKING:
    from bioclip_search.boxed.splitting import BoxSplit

SHARE = NumberRange(0, 1)
KINDS = ("coco", "yolo", "parquet")


@click.command()
@click.argument("boxes", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--shares", nargs=3, type=SHARE, default=(0.8, 0.1, 0.1), show_default=True, help="Of train, val and test; 0 leaves a part out.")
@click.option("--by", type=click.Choice(("burst", "deployment", "none")), default="burst", show_default=True, help="What is never parted.")
@click.option("--keep-parts", is_flag=True, help="Deal nothing anew: write the parts that the pictures came with, if they part no burst.")
@click.option("--mend-split", is_flag=True, help="With --keep-parts: put each burst that lies in two parts whole into one.")
@click.option("--to", "kind", type=click.Choice(KINDS), default="coco", show_default=True, help="Format to write.")
@click.option("--one-class", is_flag=True, help="With --to yolo: call every box an organism.")
@click.option("--images", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the pictures.  [default: that of the file]")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number, another split.")
@click.option("--overwrite", is_flag=True, help="Replace what stands in the folder, if this command wrote it.")
@format_option
def split(
    boxes: tuple[str, ...],
    out: Path,
    shares: tuple[float, float, float],
    by: str,
    keep_parts: bool,
    mend_split: bool,
    kind: str,
    one_class: bool,
    images: Path | None,
    seed: int,
    overwrite: bool,
    format: str,
) -> None:
    """Split pictures with boxes for a detector, evenly by category, size, shape and number of boxes; no burst is parted.

    BOXES are COCO files, COCO Camera Traps, Parquet, YOLO folders, folders of Pascal VOC, Camtrap DP packages or reviewed runs.
    Pictures that cannot be read and boxes that are none are left out and told. What is printed is how even it came.

    \b
    Example: bioclip-search data split annotations.json --images photos --out farm --to yolo
    """
    from bioclip_search.boxed.examining import examine
    from bioclip_search.boxed.sets import find_boxed_sets
    from bioclip_search.boxed.splitting import split_sets, with_whole_parts
    from bioclip_search.boxed.writing import write_sets

    with progress_steps("look") as progress:
        sets, report = examine(find_boxed_sets(boxes, images), progress)
    dealt = None
    if keep_parts:
        ready, notes = with_whole_parts(sets, mend=mend_split)
    else:
        dealt = split_sets(sets, shares, by=by, seed=seed)
        ready, notes = dealt.sets, dealt.notes
    for line in (*report.lines(), *notes):
        click.echo(line, err=True)
    written = write_sets(ready, out, kind, one_class=one_class, overwrite=overwrite)
    if dealt is not None:
        _print(dealt, format)
    click.echo(f"{written}: written", err=True)


def _print(dealt: BoxSplit, format: str) -> None:
    rows = list(dealt.rows())
    if format == "jsonl":
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    if format == "csv":
        writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return
    parts = [name.removesuffix("_got") for name in rows[0] if name.endswith("_got")]
    header = ["KIND", "in all", *(f"{part} ({rows[0][f'{part}_wanted']:.0%} wanted)" for part in parts)]
    print_rows(header, [[row["kind"], f"{row['in_all']:,}", *(f"{row[f'{part}_got']:.1%}" for part in parts)] for row in rows])
