"""Pictures a second of `identify` on large JPEGs, beside the bare encoder and pybioclip, and whether answers agree.

    python -m tests.benchmarks identify                      40 pictures
    python -m tests.benchmarks identify --pictures 200       the figures of the README, about 15 minutes

All run the same ViT-B/16 of random weights, squash pictures as pybioclip does for BioCLIP, and look for the most
similar of the same reference pictures, one per species.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.benchmarks.measure import counting_cpu, in_turns, print_table, ratio

ARCHITECTURE = "ViT-B-16"
SPECIES = 100
"""Each stands for one reference picture, whose vector is its own."""

BATCH = 32
PEER_BATCH = 10
AIM_FP32, AIM_INT8, AIM_SAME_TOP = 1.4, 2.3, 0.99


def main(arguments: list[str]) -> None:
    options = _options(arguments)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="bioclip-identify-"))
    os.environ["BIOCLIP_SEARCH_HOME"] = str(folder / "home")
    try:
        _run(folder, options)
    finally:
        if not options.folder:
            shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, options: argparse.Namespace) -> None:
    from tests.benchmarks.photographs import write_photographs
    from tests.peers.random_models import write_model_folder

    model = folder / options.architecture
    if not (model / "open_clip_config.json").is_file():
        write_model_folder(model, options.architecture)
    paths = write_photographs(folder / "photographs", options.pictures)
    world = World(folder, model, paths)
    world.print_drafts()
    answers: dict[str, list[Top]] = {}
    cpu: dict[str, list[float]] = {name: [] for name in ("bare", *world.ways())}

    def answered(name: str, way: Callable[[Sequence[Path]], list[Top]]) -> None:
        answers[name] = way(paths)

    ways = {"bare": lambda: world.bare(len(paths))} | {name: lambda name=name, way=way: answered(name, way) for name, way in world.ways().items()}
    for way in world.ways().values():
        way(paths[:2])  # to warm up
    taken = in_turns({name: counting_cpu(way, cpu[name]) for name, way in ways.items()}, options.rounds, warm_up=False)
    print_table("Agreement of answers", ("", "same species", "same top five", "largest difference of a probability"), _agreement(answers))
    _print_speed(taken, cpu, len(paths))


Top = list[tuple[str, float]]
"""The five most probable species of a picture, best first."""


class World:
    """One model, one list of species, and every way to ask them."""

    def __init__(self, folder: Path, model: Path, paths: Sequence[Path]):
        import bioclip_search as bs
        from bioclip_search.build import build_from_vectors
        from tests.benchmarks.photographs import reference_pictures
        from tests.peers.pybioclip_ways import LocalTreeOfLife, tree_of_life_names, unit_columns

        self.fp32 = bs.open_encoder(model, precision="fp32", preprocess="squash")
        self.int8 = bs.open_encoder(model, precision="int8", preprocess="squash")
        taxa, vectors = _taxa(), self.fp32.encode_images(reference_pictures(SPECIES))
        shutil.rmtree(folder / "index", ignore_errors=True)
        index = build_from_vectors(folder / "index", bs.Taxonomy.from_table(taxa), vectors, self.fp32, preprocess="squash")
        self.searchers = {"ours, fp32": bs.Searcher(index, self.fp32), "ours, int8": bs.Searcher(index, self.int8)}
        self.peer = LocalTreeOfLife(model, unit_columns(vectors), tree_of_life_names(taxa))
        self.paths = paths
        self.prepared = self._prepared(paths[:BATCH])

    def ways(self) -> dict[str, Callable[[Sequence[Path]], list[Top]]]:
        return {
            "pybioclip": self._ask_peer,
            **{name: lambda paths, searcher=searcher: _ask(searcher, paths) for name, searcher in self.searchers.items()},
        }

    def bare(self, count: int) -> None:
        """The fp32 network alone, on tensors that lie ready."""
        for first in range(0, count, BATCH):
            self.fp32.encode_prepared(self.prepared[: min(BATCH, count - first)])

    def print_drafts(self) -> None:
        """What decoding large JPEGs at half or quarter size does to the vectors."""
        import time

        from bioclip_search.images import open_picture

        rows, whole = [], None
        sample = self.paths[:BATCH]
        for what, enough_px in (("whole", None), ("as identify does", self.fp32.input_px)):
            start = time.perf_counter()
            tensors = [self.fp32.prepare(open_picture(path, enough_px=enough_px)) for path in sample]
            spent = time.perf_counter() - start
            vectors = self.fp32.encode_prepared(tensors)
            whole = vectors if whole is None else whole
            cosine = (vectors * whole).sum(axis=1)
            rows.append((what, open_picture(sample[0], enough_px=enough_px).size, f"{1e3 * spent / len(sample):.0f}", f"{cosine.min():.6f}"))
        print_table("Decoding and preparing one picture in one thread", ("", "decoded to", "ms", "least cosine to whole"), rows)

    def _prepared(self, paths: Sequence[Path]) -> list[Any]:
        from bioclip_search.images import open_picture

        return [self.fp32.prepare(open_picture(path)) for path in paths]

    def _ask_peer(self, paths: Sequence[Path]) -> list[Top]:
        from bioclip.predict import Rank

        rows = self.peer.predict([str(path) for path in paths], rank=Rank.SPECIES, k=5, batch_size=PEER_BATCH, callback=lambda *_: None)
        return [[(row["species"], row["score"]) for row in rows[first : first + 5]] for first in range(0, len(rows), 5)]


def _ask(searcher: Any, paths: Sequence[Path]) -> list[Top]:
    answers = searcher.identify(paths, rank="species", top=4)
    return [[(answer.taxon, answer.probability), *((other.taxon, other.probability) for other in answer.alternatives)] for answer in answers]


def _taxa() -> pa.Table:
    above = {"kingdom": "Animalia", "phylum": "Chordata", "class": "Aves", "order": "Passeriformes", "family": "Muscicapidae"}
    columns = {rank: [name] * SPECIES for rank, name in above.items()}
    columns["genus"] = [f"Genus{number // 4:03d}" for number in range(SPECIES)]
    columns["species"] = [f"Genus{number // 4:03d} epithet{number:03d}" for number in range(SPECIES)]
    return pa.table(columns | {"common_name": [f"bird {number}" for number in range(SPECIES)]})


def _agreement(answers: dict[str, list[Top]]) -> list[tuple[str, ...]]:
    rows = []
    for name, reference in (("ours, fp32", "pybioclip"), ("ours, int8", "ours, fp32"), ("ours, int8", "pybioclip")):
        pairs = list(zip(answers[name], answers[reference], strict=True))
        top = np.mean([mine[0][0] == theirs[0][0] for mine, theirs in pairs])
        five = np.mean([[species for species, _ in mine] == [species for species, _ in theirs] for mine, theirs in pairs])
        gap = max(abs(dict(mine)[species] - value) for mine, theirs in pairs for species, value in theirs if species in dict(mine))
        rows.append((f"{name} and {reference}", f"{top:.1%}", f"{five:.1%}", f"{gap:.4f}"))
    return rows


def _print_speed(taken: dict[str, np.ndarray], cpu: dict[str, list[float]], count: int) -> None:
    rows = []
    for name, aim in (("bare", ""), ("pybioclip", ""), ("ours, fp32", AIM_FP32), ("ours, int8", AIM_INT8)):
        label = "bare encoder, fp32, ready tensors" if name == "bare" else name
        times = [f"{ratio(taken[other], taken[name]):.2f}" for other in ("pybioclip", "bare")]
        cpu_ms = 1e3 * np.array(cpu[name]) / count
        less = ratio(np.array(cpu["pybioclip"]), np.array(cpu[name]))
        rows.append((label, f"{count / np.median(taken[name]):.2f}", *times, aim, f"{np.median(cpu_ms):.0f}", f"{less:.2f}"))
    head = ("", "pictures/s", "× pybioclip", "× bare", "aim", "CPU ms a picture", "less CPU than pybioclip, ×")
    print_table(f"{count} JPEGs of 2048 × 1536, {len(taken['bare'])} rounds in turns, {os.cpu_count()} cores", head, rows)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_identify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--architecture", default=ARCHITECTURE)
    parser.add_argument("--folder", help="keep model and pictures here, and use those that are there already")
    return parser.parse_known_args(arguments)[0]


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
