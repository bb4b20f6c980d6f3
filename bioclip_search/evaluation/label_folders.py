"""The labels of a folder of taxa: one sub-folder a taxon, named after it, at any depth of its lineage.

Lists files and opens none; what the names mean is left to `labels`, the pictures to `labelled`.

    photos/Puma concolor/1.jpg              a name
    photos/Animalia/Felidae/1.jpg           a name, and what stands above it
    photos/val/Puma_concolor/1.jpg          the same in the part val (train, test …)
    photos/00042_Animalia_…_concolor/1.jpg  the seven ranks, as iNaturalist's competitions name their folders
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from bioclip_search.evaluation.label_tables import BOX, label_columns
from bioclip_search.evaluation.taken import TAKEN_COLUMNS
from bioclip_search.images import SUFFIXES
from bioclip_search.names.lookup import PATH_SIGN
from bioclip_search.prompts import RANKS
from bioclip_search.tables import read_table

SPLITS = {"train": "train", "training": "train", "train_mini": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of folders that are parts, and what the part is called; train_mini is iNaturalist's smaller one."""

TOLD = 5
"""How many folders a note names."""

_NUMBERED = re.compile(r"^\d+[_.]+(?=\D)")


@dataclass
class _Found:
    """The pictures, each with the names of the folders that it lies in, and what is worth telling."""

    pictures: list[tuple[Path, tuple[str, ...]]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def read_folder(root: Path, ranks: Sequence[str]) -> tuple[pa.Table, tuple[str, ...]]:
    """The labels as `label_tables.read_labels` gives them, in order of path, and notes in words.

    Hidden files and folders and files that are no pictures are passed over; links to folders are not followed, for they may
    lead in a circle. Of a picture that lies in no sub-folder nothing is known. `split` is null without folders of parts.
    """
    found = _list(root)
    split_of = _splits(found.pictures)
    rows = [_row(path, folders[1:] if split_of else folders) for path, folders in found.pictures]
    names = (*RANKS, "written")
    table = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})
    labels = label_columns(read_table(table.rename_columns([*RANKS, "taxon"])), ranks)
    relative = pa.array([path.relative_to(root).as_posix() for path, _ in found.pictures], pa.string())
    splits = pa.array([split_of.get(folders[0]) if split_of else None for _, folders in found.pictures], pa.string())
    whole = pa.nulls(len(relative), BOX)
    untold = dict.fromkeys(TAKEN_COLUMNS, pa.nulls(len(relative), pa.string()))
    return pa.table({**labels, "split": splits, "name": relative, "image": relative, "box_xyxy": whole, **untold}), tuple(_notes(found))


def plain_label(name: str) -> str:
    """The name of a class as a person would write it.

    >>> plain_label("001.Black_footed_Albatross")
    'Black footed Albatross'
    """
    return _NUMBERED.sub("", name).replace("_", " ").strip()


def has_pictures(root: Path) -> bool:
    """Whether there is any picture in the folder or below it."""
    return next(_walk(root), None) is not None


def _list(root: Path) -> _Found:
    found = _Found()
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.links += [str(Path(parent, name).relative_to(root)) for name in folders if Path(parent, name).is_symlink()]
        pictures = [name for name in sorted(files) if _is_picture(name)]
        wrong = [name for name in pictures if not _is_text(str(Path(parent, name)))]
        found.unreadable += [ascii(name) for name in wrong]
        pictures = [name for name in pictures if name not in wrong]
        inside = Path(parent).relative_to(root).parts
        found.pictures += [(Path(parent, name), inside) for name in pictures]
        if not pictures and not wrong and not folders and inside:
            found.empty.append("/".join(inside))
    found.pictures.sort()
    return found


def _walk(root: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if _is_picture(name))


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def _is_text(name: str) -> bool:
    """Whether a path is text; Linux lets it be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _splits(pictures: Sequence[tuple[Path, tuple[str, ...]]]) -> dict[str, str]:
    """The part that each of the uppermost folders is, if all of them are called after parts; else none is."""
    tops = {folders[0] if folders else "" for _, folders in pictures}
    parts = {top: SPLITS[top.lower()] for top in tops if top.lower() in SPLITS}
    return parts if len(parts) == len(tops) else {}


def _row(path: Path, folders: Sequence[str]) -> dict[str, str]:
    """The ranks or the bare name that the folders tell."""
    if not folders:
        return {}
    words = _NUMBERED.sub("", folders[-1]).split("_")
    if len(words) == len(RANKS) and all(words) and words[0][:1].isupper():
        return dict(zip(RANKS, words, strict=True))
    return {"written": f" {PATH_SIGN} ".join(map(plain_label, folders))}


def _notes(found: _Found) -> Iterator[str]:
    if found.empty:
        yield f"{len(found.empty):,} {'folders hold' if len(found.empty) > 1 else 'folder holds'} no picture: {_some(found.empty)}"
    if found.links:
        yield f"{len(found.links):,} {'links to folders are' if len(found.links) > 1 else 'link to a folder is'} not followed: {_some(found.links)}"
    if found.unreadable:
        is_one = len(found.unreadable) == 1
        yield f"{len(found.unreadable):,} {'picture is' if is_one else 'pictures are'} passed over, for the path is not UTF-8: {_some(found.unreadable)}"
    outside = [path.name for path, folders in found.pictures if not folders]
    if outside:
        yield f"{len(outside):,} {'pictures lie' if len(outside) > 1 else 'picture lies'} in no folder of a taxon: {_some(outside)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD:,} more" if len(names) > TOLD else "")
