"""Ways to search the vectors of an index, on three kinds of vectors: how fast, and how far from exact.

    python -m tests.benchmarks search                       about 10 minutes; needs the shared data for the real vectors
    python -m tests.benchmarks search --rows 20000          in a minute

Real: the starter's own texts over the checklist of 116,685 names, asked with real photographs. Clustered: vectors drawn
along a tree, pictures apart from texts by a gap. Random: vectors without any structure. Recall is the share of the ten
best rows that are found; the mass error the largest error of the probability of any run of neighbouring rows, and so
of any taxon of any rank. What only finds its best thousand rows is taken to have found all there is.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
import PIL.Image
from pyarrow import parquet

from bioclip_search.index import sketching
from bioclip_search.index.search import Near, search, search_all
from bioclip_search.index.sketch import Sketch
from bioclip_search.index.vectors import BLAS_THRESHOLD, Vectors, write_vectors
from tests.benchmarks.measure import in_turns, print_table
from tests.conftest import SHARED

QUERIES = 64
FOUND = 1000
LISTS, PROBED = 1024, (16, 64)
HNSW_MOST_NUMBERS = 1 << 25
"""Building the graph over more than these numbers of all vectors together takes too long on two cores."""


class World(NamedTuple):
    """(n, d) rows in depth-first order, (q, d) queries, and what the cosines are multiplied by."""

    name: str
    rows: np.ndarray
    queries: np.ndarray
    sharpness: float


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench_search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options, _ = parser.parse_known_args(arguments)
    faiss.cvar.distance_compute_blas_threshold = BLAS_THRESHOLD
    sketching.FROM_NUMBERS = 1  # so that few rows get a sketch too
    for make in (real, clustered, random):
        world = make(options.rows)
        if world is None:
            print(f"\nreal vectors: passed over, no test data at {SHARED}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            _measure(world, Path(folder), options.rounds)


def real(rows: int) -> World | None:
    """The starter's texts of a whole checklist, and photographs of all kinds seen by it."""
    if not (SHARED / "data").is_dir():
        return None
    from bioclip_search.encoder.opening import open_encoder
    from bioclip_search.index import Index, find_index
    from bioclip_search.prompts import TextRecipe
    from bioclip_search.taxonomy import Taxonomy
    from bioclip_search.text_vectors import TextVectors

    card = Index(find_index("starter")).card
    encoder = open_encoder("starter", device="cpu", precision="fp32")
    taxonomy = Taxonomy.from_table(SHARED / "data" / "taxonomy" / "all_species.parquet")
    recipe = TextRecipe(card.recipe["text_type"], tuple(card.recipe["templates"]))
    vectors = TextVectors(encoder, recipe).of(taxonomy.leaves.slice(0, rows))[:]
    temperature = card.calibration.temperature if card.calibration else 1.0
    return World("real texts, photographs", vectors, encoder.encode_images(list(_photographs())), card.encoder.logit_scale / temperature)


def _photographs() -> Iterator[PIL.Image.Image]:
    """Photographs of several sets in turns."""
    files = [sorted((SHARED / "data" / name).glob("*.parquet"))[0] for name in ("wild", "birds", "butterflies", "monkeys")]
    tables = [parquet.read_table(file, columns=["image"]) for file in files]
    for number in range(QUERIES):
        row = tables[number % len(tables)]["image"][number // len(tables) * 2].as_py()
        yield PIL.Image.open(io.BytesIO(row["bytes"])).convert("RGB")


def clustered(rows: int) -> World:
    from tests.benchmarks.million_world import LOGIT_SCALE, make_world

    with tempfile.TemporaryDirectory() as folder:
        make_world(Path(folder), rows)
        from bioclip_search.taxonomy import Taxonomy

        order = Taxonomy.from_table(Path(folder) / "taxa.parquet").row_of_leaf
        return World("clustered, with a gap", np.load(Path(folder) / "vectors.npy")[order], np.load(Path(folder) / "peaked.npy"), LOGIT_SCALE)


def random(rows: int, dim: int = 768) -> World:
    drawn = np.random.default_rng(0).standard_normal((rows + QUERIES, dim), np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return World("random", drawn[QUERIES:], drawn[:QUERIES], 100.0)


def _measure(world: World, folder: Path, rounds: int) -> None:
    write_vectors(folder / "v.faiss", [world.rows], world.rows.shape[1])
    vectors = Vectors(folder / "v.faiss")
    exact = vectors.scores(world.queries)  # (q, n)
    rows, baseline = [], None
    for name, size, ask in _ways(world, vectors, folder):
        found = ask(world.queries)
        taken = in_turns({"one": lambda ask=ask: [ask(query[None]) for query in world.queries[:16]], "batch": lambda ask=ask: ask(world.queries)}, rounds)
        one, batch = np.median(taken["one"]) / 16, np.median(taken["batch"]) / QUERIES
        baseline = baseline or (one, batch)
        recall = np.mean([sketching._recall(*both) for both in zip(found, exact, strict=True)])
        error = max(sketching._largest_error(*both, world.sharpness) for both in zip(found, exact, strict=True))
        times = [f"{base / now:.1f}" for base, now in zip(baseline, (one, batch), strict=True)]
        rows.append((name, f"{size / world.rows.nbytes:.2f}", *times, f"{recall:.3f}", f"{error:.4f}"))
    title = f"{world.name}: {len(world.rows):,} × {world.rows.shape[1]}, times faster than exact for one query and for {QUERIES} together"
    print_table(title, ("", "size", "one", "batch", "recall@10", "mass error"), rows)


def _ways(world: World, vectors: Vectors, folder: Path) -> Iterator[tuple[str, int, Callable[[np.ndarray], list[Near]]]]:
    """Each way by name, its size in bytes, and how it is asked."""
    count, dim = world.rows.shape
    yield "exact, all rows scored (ours)", world.rows.nbytes, lambda queries: search_all(vectors, queries, world.sharpness)
    speeds = sketching.write_sketches(folder, vectors, world.sharpness)
    if not speeds:
        print(f"{world.name}: no sketch keeps its promise, so every speed is exact")
    for name, note in speeds.items():
        sketch = Sketch(folder / note.sketch, count, dim)
        yield (
            f"{name}: {note.sketch} (ours)",
            sketch.bytes,
            lambda queries, sketch=sketch, note=note: search(vectors, sketch, note, queries, world.sharpness)[0],
        )
    for name, size, index in _of_faiss(world):
        yield name, size, lambda queries, index=index: _nearest(index, queries)


def _of_faiss(world: World) -> Iterator[tuple[str, int, Any]]:
    count, dim = world.rows.shape
    for name, factory in (("FAISS flat", "Flat"), ("FAISS fp16", "SQfp16"), ("FAISS int8", "SQ8")):
        index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
        index.train(world.rows)
        index.add(world.rows)
        yield name, count * index.sa_code_size(), index
    index = faiss.index_factory(dim, f"IVF{LISTS},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(world.rows[:: max(1, count // 60_000)])
    index.add(world.rows)
    for probed in PROBED:
        index.nprobe = probed
        yield f"FAISS IVF{LISTS}, {probed} lists", world.rows.nbytes, index
    rough = faiss.index_factory(dim, f"IVF{LISTS},PQ{dim // 12 if dim % 12 == 0 else dim // 8}x8", faiss.METRIC_INNER_PRODUCT)
    rough.train(world.rows[:: max(1, count // 60_000)])
    refined = faiss.IndexRefineFlat(rough)
    refined.add(world.rows)
    rough.nprobe, refined.k_factor = PROBED[-1], 2
    yield f"FAISS IVF{LISTS}-PQ, {PROBED[-1]} lists, refined", world.rows.nbytes + count * rough.pq.M, refined
    if world.rows.size <= HNSW_MOST_NUMBERS:
        graph = faiss.IndexHNSWFlat(dim, 32, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efSearch = 2 * FOUND
        graph.add(world.rows)
        yield "FAISS HNSW32, efSearch 2000", world.rows.nbytes + count * 64 * 4, graph


def _nearest(index: Any, queries: np.ndarray) -> list[Near]:
    scores, rows = index.search(queries, FOUND)
    near = []
    for of_one, numbers in zip(scores, rows, strict=True):
        order = np.argsort(numbers)
        kept = order[numbers[order] >= 0]
        near.append(Near(numbers[kept], of_one[kept]))
    return near
