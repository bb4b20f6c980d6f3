"""Keeps those rows of a data set of the hub that are asked for, as Parquet on this machine; the rest streams by.

Whole sets are left to `repository`, and the two never share a folder; what the columns mean to `manifest`.

    data/SPLIT-00000.parquet …  the rows, whole shards only
    stream.json                 how far the stream was read when the last shard was written
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from bioclip_search.data.categories import plain_name
from bioclip_search.data.hub import load_rows
from bioclip_search.data.manifest import IMAGE, Manifest
from bioclip_search.data.repository import CHECKSUMS, STREAM
from bioclip_search.data.wish import BEGUN, WHOLE, PulledSet, Wish, mark
from bioclip_search.errors import TableError
from bioclip_search.evaluation.label_folders import plain_label
from bioclip_search.swapping import whole_file

SHARD_ROWS = 500
"""Rows of a shard: some tens of MB of photographs, so that a stop costs less than a minute of line."""


@dataclass
class _State:
    """How far a pull came: rows looked at, rows kept, shards written, and where the stream stood."""

    asked: dict[str, Any]
    seen: int = 0
    kept: int = 0
    shards: int = 0
    stream: Any = None
    is_done: bool = False


def pull_rows(manifest: Manifest, wish: Wish, folder: Path, progress: Callable[[str, int, int], None] | None = None, shard_rows: int = SHARD_ROWS) -> PulledSet:
    """The rows of the taxa asked for, at most as many as asked for, in the order of the set.

    Raises:
        MissingExtraError: datasets is not installed.
        TableError: The set cannot be reached or read, or has no such row.
    """
    split = wish.split or manifest.split
    if (folder / CHECKSUMS).is_file():
        raise TableError(f"{folder} holds all of {manifest.name} already. Delete it, or give another folder for the part with --out.")
    state = _resumed(folder, json.loads(json.dumps(asdict(wish) | {"split": split})))
    rows = load_rows(manifest, split)
    before = state.kept
    if not state.is_done:
        mark(folder, wish, BEGUN, split=split)
        if state.stream is not None:
            rows.load_state_dict(state.stream)
        for batch in _batches(rows, _matcher(manifest, wish, rows.features), state, wish.limit, shard_rows, progress):
            _write_shard(batch, rows.features, folder / "data" / f"{split}-{state.shards:05d}.parquet")
            state.shards += 1
            state.kept += len(batch)
            state.stream = rows.state_dict()
            _keep(state, folder)
    if not state.kept:
        raise TableError(
            f"{manifest.name} has no picture of {', '.join(wish.species)} in its split {split}; {state.seen:,} rows were looked at. Check the names with `bioclip-search names search`."
        )
    state.is_done = True
    _keep(state, folder)
    mark(folder, wish, WHOLE, split=split, count=state.kept)
    return PulledSet(manifest.name, folder, state.kept, state.kept - before)


def _batches(
    rows: Any, is_asked: Callable[[dict[str, Any]], bool], state: _State, limit: int | None, shard_rows: int, progress: Callable[[str, int, int], None] | None
) -> Iterator[list[dict[str, Any]]]:
    """Rows that are asked for, a shard at a time; the stream stands just behind the last of them when they are given."""
    batch: list[dict[str, Any]] = []
    for row in rows:
        state.seen += 1
        if is_asked(row):
            batch.append(row)
        if progress:
            progress("rows looked at", state.seen, 0)
        is_full = limit is not None and state.kept + len(batch) >= limit
        if len(batch) >= shard_rows or (is_full and batch):
            yield batch
            batch = []
        if is_full:
            return
    if batch:
        yield batch


def _matcher(manifest: Manifest, wish: Wish, features: Any) -> Callable[[dict[str, Any]], bool]:
    """Whether a row belongs to any of the taxa, by whatever column of labels."""
    wanted = {plain_name(taxon) for taxon in wish.species}
    theirs = [name for ours, names in manifest.columns.items() if ours not in (IMAGE, "source_id") for name in names if name in features]

    def is_asked(row: dict[str, Any]) -> bool:
        if not wanted:
            return True
        for name in theirs:
            words, value = getattr(features[name], "names", None), row[name]
            word = words[value] if words and value is not None and 0 <= value < len(words) else value
            if word is not None and wanted & {plain_name(str(word)), plain_name(plain_label(str(word)))}:
                return True
        return False

    return is_asked


def _write_shard(batch: list[dict[str, Any]], features: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        parquet.write_table(pa.Table.from_pylist(batch, schema=features.arrow_schema), part)


def _resumed(folder: Path, asked: dict[str, Any]) -> _State:
    """Where a pull of the same was stopped; a new beginning where it was one of something else."""
    try:
        told = json.loads((folder / STREAM).read_bytes())
        if isinstance(told, dict) and told.get("asked") == asked:
            return _State(**told)
    except (OSError, ValueError, TypeError):
        pass
    for shard in (folder / "data").glob("*-[0-9][0-9][0-9][0-9][0-9].parquet"):
        shard.unlink()
    return _State(asked)


def _keep(state: _State, folder: Path) -> None:
    with whole_file(folder / STREAM) as part:
        part.write_text(json.dumps(asdict(state)), encoding="utf-8")
