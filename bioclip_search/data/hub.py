"""A named data set as labelled pictures, read through the library datasets: labels at once, pictures as a stream.

What the set is, is left to `manifest`; what labels mean to `evaluation.labels`.

From the hub everything is streamed: first the columns of labels, then, as they are asked for, the pictures. With
HF_HUB_OFFLINE=1 nothing is fetched, and only what datasets has in its cache, or a copy on this machine, is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from bioclip_search.data.manifest import IMAGE, Manifest
from bioclip_search.data.wish import marked
from bioclip_search.errors import MissingExtraError, TableError
from bioclip_search.evaluation.burst_names import burst_names
from bioclip_search.evaluation.label_folders import plain_label
from bioclip_search.evaluation.label_tables import label_columns
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.taken import is_taken_column, taken_columns
from bioclip_search.prompts import RANKS
from bioclip_search.tables import read_table, text_column

TIDIED = ("label", "common_name")
"""Columns whose names may stand there as folders are called: 001.Black_footed_Albatross."""


def labelled_set_of(manifest: Manifest, ranks: Sequence[str] = RANKS) -> LabelledSet:
    """The data set with its labels read.

    Raises:
        MissingExtraError: datasets is not installed.
        TableError: It cannot be reached or read, or has other columns than its manifest says; tells what to do.
    """
    library = _library()
    features = _load(library, manifest).features
    found = {ours: next((name for name in theirs if name in features), None) for ours, theirs in manifest.columns.items()}
    told = {ours: theirs for ours, theirs in found.items() if theirs and ours != IMAGE}
    if found[IMAGE] is None or not set(told) - {"source_id"}:
        wanted = "; ".join(f"{ours}: {' or '.join(theirs)}" for ours, theirs in manifest.columns.items())
        raise TableError(f"{manifest.name}: has the columns {', '.join(features)}, where its manifest tells {wanted}. Mend the manifest, or tell its authors.")
    told |= {name: name for name in features if is_taken_column(name) and name not in told.values()}
    table = _labels(library, manifest, told, features)
    labels = label_columns(table, ranks, manifest.name)
    source = text_column(table, "source_id").to_pylist()
    return LabelledSet(
        name=manifest.name,
        taxa=pa.table({name: labels[name] for name in (*ranks, "common_name")}),
        parts=np.full(len(table), manifest.part, object),
        names=tuple(f"{manifest.name}/{one or f'row {row}'}" for row, one in enumerate(source, start=1)),
        pictures=partial(_pictures, manifest, found[IMAGE]),
        written=labels["written"],
        authorship=labels["authorship"],
        notes=(f"{manifest.name}: {manifest.licence}",),
        bursts=burst_names(*(taken.to_pylist() for taken in taken_columns(table).values()), source),
        state=_state(manifest),
    )


def picture_stream(manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """Every picture as (its name, its stored bytes), in the order of the set, as a stream; no bytes where there is none.

    Raises:
        MissingExtraError: datasets is not installed.
        TableError: It cannot be reached or read, or has other columns than its manifest says; tells what to do.
    """
    library = _library()
    features = _load(library, manifest).features
    image = _column_of(manifest, IMAGE, features)
    source = next((name for name in manifest.columns.get("source_id", ()) if name in features), None)
    rows = _guarded(manifest, lambda: _load(library, manifest, [image, *([source] if source else [])]))
    if isinstance(rows.features[image], library.Image):
        rows = rows.cast_column(image, library.Image(decode=False))
    stream = iter(rows)
    for number in itertools.count(1):
        row = _guarded(manifest, lambda: next(stream, None))
        if row is None:
            return
        yield f"{manifest.name}/{(source and row[source]) or f'row {number}'}", _bytes_of(row[image])


def count_pictures(manifest: Manifest) -> int:
    """How many pictures `picture_stream` gives, without their bytes."""
    library = _library()
    rows = _load(library, manifest)
    told = (rows.info.splits or {}).get(manifest.split)
    if told is not None and told.num_examples:
        return told.num_examples
    light = next((name for name in rows.features if name not in manifest.columns[IMAGE]), None)
    return _guarded(manifest, lambda: sum(1 for _ in (_load(library, manifest, [light]) if light else rows)))


def load_rows(manifest: Manifest, split: str) -> Any:
    """All columns of a split as a stream that can be stopped and gone on with, pictures as their stored bytes.

    Raises:
        MissingExtraError: datasets is not installed.
        TableError: It cannot be reached or read; tells what to do.
    """
    library = _library()
    place = next((folder for folder in (manifest.home / manifest.hub, Path(manifest.hub)) if folder.is_dir()), None)
    options = {"split": split, "name": manifest.config, "streaming": True} | ({} if place else {"revision": manifest.revision})
    rows = _guarded(manifest, lambda: library.load_dataset(str(place or manifest.hub), **options))
    for name, feature in list(rows.features.items()):
        if isinstance(feature, library.Image):
            rows = rows.cast_column(name, library.Image(decode=False))
    return rows


def _column_of(manifest: Manifest, ours: str, features: Any) -> str:
    found = next((name for name in manifest.columns[ours] if name in features), None)
    if found is None:
        raise TableError(f"{manifest.name}: has the columns {', '.join(features)}, but none for {ours}. Mend the manifest, or tell its authors.")
    return found


def _labels(library: ModuleType, manifest: Manifest, told: dict[str, str], features: Any) -> pa.Table:
    rows = _guarded(manifest, lambda: list(_load(library, manifest, sorted(set(told.values())))))
    columns = {}
    for ours, theirs in told.items():
        names = getattr(features[theirs], "names", None)
        values = [row[theirs] for row in rows]
        words = [names[value] if value is not None and 0 <= value < len(names) else None for value in values] if names else values
        words = [None if word is None else str(word) for word in words]
        columns[ours] = pa.array([word and plain_label(word) for word in words] if ours in TIDIED else words, pa.string())
    return read_table(pa.table(columns))


def _pictures(manifest: Manifest, column: str, wanted: np.ndarray) -> Iterator[Any]:
    """The bytes of the wanted pictures, in order; an empty file where there is none, which will tell so."""
    library = _library()
    rows = _guarded(manifest, lambda: _load(library, manifest, [column]))
    if isinstance(rows.features[column], library.Image):
        rows = rows.cast_column(column, library.Image(decode=False))
    numbers = np.flatnonzero(wanted)
    stop = int(numbers[-1]) + 1 if len(numbers) else 0
    stream = iter(rows)
    for number in range(stop):
        row = _guarded(manifest, lambda: next(stream))
        if wanted[number]:
            yield _bytes_of(row[column])


def _bytes_of(image: Any) -> bytes:
    if isinstance(image, dict):
        if image.get("bytes"):
            return image["bytes"]
        image = image.get("path")
    if isinstance(image, bytes):
        return image
    if not image:
        return b""
    import fsspec

    with fsspec.open(image, "rb") as file:
        return file.read()


def _load(library: ModuleType, manifest: Manifest, columns: Sequence[str] | None = None) -> Any:
    """The split, streamed unless nothing may be fetched; of Parquet only the columns asked for are read."""
    local = manifest.local
    split = str(((marked(local) if local else None) or {}).get("split") or manifest.split)
    options: dict[str, Any] = {"split": split, "name": manifest.config}
    if local is None:
        options["revision"] = manifest.revision
    options["streaming"] = local is not None or not library.config.HF_HUB_OFFLINE
    place = str(local or manifest.hub)
    if columns is None:
        return _guarded(manifest, lambda: library.load_dataset(place, **options))
    if options["streaming"]:
        try:
            return library.load_dataset(place, columns=list(columns), **options)
        except (ValueError, TypeError):  # Subtle: only Parquet can leave columns unread
            pass
    return _guarded(manifest, lambda: library.load_dataset(place, **options).select_columns(list(columns)))


def _guarded(manifest: Manifest, ask: Any) -> Any:
    """The answer; what datasets, the hub and the network raise becomes one error that says what to do."""
    try:
        return ask()
    except StopIteration as error:
        raise TableError(f"{manifest.name}: has fewer pictures than labels; it changed while it was read. Run the command again.") from error
    except (OSError, ValueError, RuntimeError, KeyError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        offline = " HF_HUB_OFFLINE is set, so nothing is fetched." if _library().config.HF_HUB_OFFLINE else ""
        raise TableError(f"The data set {manifest.name} ({manifest.hub}) cannot be had: {reason}.{offline} {manifest.steps()}") from error


def _state(manifest: Manifest) -> Any:
    """What tells that nothing has changed: the files of a copy, or the revision that the manifest names; None where neither is known."""
    local = manifest.local
    if local is not None:
        return lambda: "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(local.rglob("*")) if path.is_file())
    return (lambda: f"{manifest.hub} {manifest.config} {manifest.split} {manifest.revision}") if manifest.revision else None


def _library() -> ModuleType:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("A named data set", "data") from error
    return datasets
