"""The snow-leopard study's table on pictures that the starter was not taught: one taxon against all others, and the time that it takes.

    python -m tests.benchmarks study --taxon Felidae --taxon Canidae

Bursts are made, for no labelled ones are at hand: three frames of each picture, moved, nearer or farther, in other light, some by infrared,
blurred and grained, as `burst_scenes` has it for whole scenes. All frames of a picture lie in one fold. With `--camera FOLDER` a folder of
taxa with real bursts, told by the clock of the camera, is measured as well.

The starter's picture tower was taught ImageNet, which these pictures are of, so the features are better here than they would be elsewhere.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageFilter
import PIL.ImageOps

TAXA = ("Felidae", "Canidae", "Lepidoptera")
FRAMES = 3
SIDE = 128
"""Pixels of a frame; the pictures are of 64."""

LEAST_SHARE = 0.6
"""Side of the part that a frame shows, at least, of the picture's."""

NIGHT, BLUR, GRAIN = 0.4, 1.5, (6, 18)
"""Share of bursts by infrared; standard deviation of the blur in pixels, at most; of the grain in levels by day and by night."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks study")
    parser.add_argument("--taxon", action="append", help="May be given several times.  [default: Felidae, Canidae and Lepidoptera]")
    parser.add_argument("--images", type=int, default=5600, help="Frames; a tenth of them bear labels above others, and are left out.")
    parser.add_argument("--index", default="starter")
    parser.add_argument("--keep", type=Path, default=Path("build/study"), help="Folder for the frames, so that their features are found again.")
    parser.add_argument("--camera", type=Path, help="A folder of taxa with real bursts.")
    parser.add_argument("--camera-taxon", default="Felidae")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    from bioclip_search import Searcher

    searcher = Searcher.open(options.index, device="cpu")
    frames = options.keep / f"frames-{options.images}-{options.seed}.parquet"
    if not frames.exists():
        _write_frames(frames, options.images // FRAMES, options.seed)
    _study(searcher, frames, options.taxon or TAXA)
    if options.camera:
        _study(searcher, options.camera, [options.camera_taxon])


def _study(searcher, place: Path, taxa: Sequence[str]) -> None:
    """Features and pixels first, for the time is told without them."""
    from dataclasses import replace

    from bioclip_search.classifier.examples import find_examples
    from bioclip_search.classifier.features import see
    from bioclip_search.classifier.study import PixelEncoder, study_of
    from bioclip_search.evaluation.burst_names import bursts_of
    from bioclip_search.evaluation.labelled import find_sets

    sets = [replace(labelled, bursts=bursts_of(labelled)) for labelled in find_sets([place], searcher.taxonomy.ranks)]
    examples = find_examples(searcher, sets, skip_unknown=True)
    see(searcher.encoder, examples, views="flip")
    see(PixelEncoder(), examples)
    for taxon in taxa:
        start, worked = time.perf_counter(), time.process_time()
        found = study_of(searcher, examples, taxon)
        took, worked = time.perf_counter() - start, time.process_time() - worked
        print("\n".join(found.lines()))
        print(f"  {took:.1f} s ({worked:.1f} s of CPU) for {len(found.is_taxon):,} images, features and pixels being kept\n", flush=True)


def _write_frames(path: Path, bursts: int, seed: int) -> None:
    """A table of frames with their labels and bursts."""
    import pyarrow as pa
    from pyarrow import parquet

    from bioclip_search.prompts import RANKS
    from tests.benchmarks.burst_scenes import photographs

    random = np.random.default_rng(seed)
    shown = [photograph for photograph in photographs(10**6, seed) if photograph.name.startswith("tiny/")]
    shown = [shown[row] for row in random.permutation(len(shown))[:bursts]]
    rows = [
        {"image": {"bytes": frame, "path": None}, **{rank: one.label.get(rank) for rank in RANKS}, "sequence_id": one.name, "source_id": f"{one.name}#{number}"}
        for one in shown
        for number, frame in enumerate(_frames(one.picture, random))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), path)


def _frames(picture: PIL.Image.Image, random: np.random.Generator) -> Iterator[bytes]:
    """Frames of one burst as JPEG files."""
    is_night = random.random() < NIGHT
    for _ in range(FRAMES):
        buffer = io.BytesIO()
        _frame(picture, is_night, random).save(buffer, "JPEG", quality=85)
        yield buffer.getvalue()


def _frame(picture: PIL.Image.Image, is_night: bool, random: np.random.Generator) -> PIL.Image.Image:
    width, height = (round(side * random.uniform(LEAST_SHARE, 1)) for side in picture.size)
    left, top = int(random.integers(0, picture.width - width + 1)), int(random.integers(0, picture.height - height + 1))
    seen = picture.crop((left, top, left + width, top + height)).resize((SIDE, SIDE))
    seen = PIL.ImageEnhance.Brightness(PIL.ImageOps.grayscale(seen).convert("RGB") if is_night else seen).enhance(random.uniform(0.5, 1.4))
    seen = seen.filter(PIL.ImageFilter.GaussianBlur(float(random.uniform(0, BLUR))))
    grain = random.standard_normal((SIDE, SIDE, 1)) * GRAIN[is_night]
    return PIL.Image.fromarray((np.asarray(seen) + grain).clip(0, 255).astype(np.uint8))
