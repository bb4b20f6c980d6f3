"""Draws what a detector sees in a folder of pictures on one sheet, so that its recall can be judged by eye.

    python data_manifest/detector_contact_sheet.py --detector starter --pictures FOLDER --out sheet.png

Red boxes with their confidence, one cell per picture in order of file names; the count goes to stderr.
"""

from __future__ import annotations

from pathlib import Path

import click
from PIL import Image, ImageDraw

from bioclip_search.detect import load_detector
from bioclip_search.images import open_picture
from bioclip_search.sources import list_pictures

CELL_WH = (320, 240)
COLUMNS = 6


@click.command()
@click.option("--detector", required=True, help="As `identify --detector` takes it.")
@click.option("--pictures", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of pictures.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The PNG file to write.")
@click.option("--confidence", default=0.2, show_default=True, type=click.FloatRange(0, 1), help="Weaker boxes are left out.")
def draw_sheet(detector: str, pictures: Path, out: Path, confidence: float) -> None:
    model = load_detector(detector, device="cpu")
    if model is None:
        raise click.UsageError("Without a detector there is nothing to draw.")
    files = list(list_pictures([str(pictures)]))
    width, height = CELL_WH
    sheet = Image.new("RGB", (COLUMNS * width, -(-len(files) // COLUMNS) * height))
    n_boxes = n_hit = 0
    for number, file in enumerate(files):
        picture = open_picture(file).convert("RGB")
        (found,) = model.detect([picture], confidence)
        n_boxes, n_hit = n_boxes + len(found), n_hit + bool(found)
        sheet.paste(_cell(picture, found, str(file)), (number % COLUMNS * width, number // COLUMNS * height))
    sheet.save(out)
    click.echo(f"{out}: {n_boxes} boxes in {n_hit} of {len(files)} pictures at confidence {confidence}", err=True)


def _cell(picture: Image.Image, found: list, name: str) -> Image.Image:
    scale = min(CELL_WH[0] / picture.width, CELL_WH[1] / picture.height)
    cell = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    draw = ImageDraw.Draw(cell)
    draw.text((3, 3), Path(name).stem, fill="cyan", font_size=13)
    for one in found:
        box = [edge * scale for edge in one.box_xyxy]
        draw.rectangle(box, outline="red", width=2)
        draw.text((box[0] + 3, box[1] + 1), f"{one.confidence:.2f}", fill="yellow", font_size=13)
    return cell


if __name__ == "__main__":
    draw_sheet()
