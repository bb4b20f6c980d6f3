"""Keeps a head in the folder of an index, and opens it again with all that could be wrong looked at first.

The numbers stand in a safetensors file, which can hold no program; whose they are, in its header; how far the head is believed, in the card.
What the head does there is left to `taught`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.encoder import same_space
from bioclip_search.errors import IndexDamagedError, IndexMismatchError, ModelError
from bioclip_search.heads.blending import Blend
from bioclip_search.heads.head import SHAPES, Head
from bioclip_search.heads.reach import Reach
from bioclip_search.heads.taught import Taught
from bioclip_search.index import Index
from bioclip_search.index.card import HEAD_PREFIX, Calibration, HeadNote, note_file
from bioclip_search.index.replacing import new_folder
from bioclip_search.taxonomy import Taxonomy

METADATA = "bioclip_search"
FORMAT = 1
HEAD_FILE = f"{HEAD_PREFIX}1.safetensors"
MAX_HEAD_BYTES = 1 << 31
"""2 GiB: 100,000 classes over 2,560 numbers, with their centres."""

GET_AGAIN = "Get the index again, or train the head again."


def attach_head(index: Index, out: Path, head: Head, blend: Blend) -> Index:
    """The index `out`: another with this head, in place of any that it had; answers are made of both from now on.

    A calibration promises nothing of answers that it did not see, so all that stays of it is a temperature, that of the blend.

    Args:
        head: Its classes named by taxa of the index.

    Raises:
        IndexFolderError: `out` exists or cannot be written.
        ModelError: The head is over vectors of another length, or its classes have no names.
        IndexMismatchError: A class is no taxon of the index.
    """
    from bioclip_search.catalogue import Catalogue

    card = index.card
    if head.dim != card.encoder.dim:
        raise ModelError(
            f"The head is over vectors of {head.dim} numbers, the index {card.name} has {card.encoder.dim}. Train it with the encoder of this index."
        )
    if not head.taxa:
        raise ModelError("The classes of the head have no names, so it belongs nowhere. Name them (`Head.named`).")
    reach_of(head.taxa, Catalogue(index).taxonomy)
    dropped = {card.calibration.evidence if card.calibration else None, card.head.file if card.head else None}
    with new_folder(out) as folder:
        for name in set(card.files) - dropped:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(index.folder / name, folder / name)
        write_head(folder / HEAD_FILE, head, card.encoder.fingerprint)
        files = {name: note for name, note in card.files.items() if name not in dropped} | {HEAD_FILE: note_file(folder / HEAD_FILE)}
        calibration = Calibration(blend.temperature, f"the pictures that weighed the head: {blend.fitted_on or 'not told'}")
        replace(card, name=out.name, head=_note(head, blend), calibration=calibration, files=files).write(folder)
    return Index(out)


def write_head(path: Path, head: Head, encoder: str, gone: Sequence[int] = ()) -> None:
    """Writes a head for an index of this encoder.

    Args:
        gone: Classes whose taxa were trimmed off the index.
    """
    from safetensors.numpy import save_file

    told = {
        "format": FORMAT,
        "kind": head.kind,
        "taxa": [dict(lineage) for lineage in head.taxa],
        "about": dict(head.about),
        "encoder": encoder,
        "gone": list(gone),
    }
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in head.arrays.items()}
    save_file(arrays, path, {METADATA: json.dumps(told, ensure_ascii=False)})


def taught_of(index: Index, taxonomy: Taxonomy) -> Taught | None:
    """The head of an index among the leaves of its taxonomy; None where the card says that it changes nothing.

    Raises:
        IndexDamagedError, IndexMismatchError: As `head_of`; or a class is no taxon of the index.
    """
    note = index.card.head
    head, gone = head_of(index)
    blend = Blend(note.weight, note.bias, fitted_on=note.fitted_on)
    reach = reach_of(head.taxa, taxonomy, gone)
    return None if blend.is_silent else Taught(head, blend, reach, index.card.encoder.logit_scale)


def head_of(index: Index) -> tuple[Head, tuple[int, ...]]:
    """The head that an index carries, and which of its classes were trimmed off.

    Raises:
        IndexDamagedError: It carries none, or the file is none of ours, too large, or odd.
        IndexMismatchError: The head was taught with another encoder, or is not the one that the card names.
    """
    note = index.card.head
    if note is None:
        raise IndexDamagedError(f"{index.folder}: carries no head.")
    path = index.folder / note.file
    try:
        arrays, told = _read(path)
        head = Head(str(told["kind"]), arrays, tuple(told["taxa"]), dict(told["about"]))
        encoder, gone = str(told["encoder"]), tuple(map(int, told["gone"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ModelError) as error:
        raise IndexDamagedError(f"{path}: is no head ({str(error).partition(chr(10))[0][:200]}). {GET_AGAIN}") from error
    if not same_space(encoder, index.card.encoder.fingerprint):
        raise IndexMismatchError(f"{path}: was taught with the encoder {encoder}, the index is made with {index.card.encoder.fingerprint}. {GET_AGAIN}")
    if (head.kind, head.classes, head.dim, head.fingerprint) != (note.kind, note.classes, index.card.encoder.dim, note.fingerprint) or not head.taxa:
        raise IndexMismatchError(f"{path}: is {head.kind} with {head.classes} classes ({head.fingerprint}), the card names another. {GET_AGAIN}")
    return head, gone


def trim_head(index: Index, folder: Path, kept: Taxonomy) -> HeadNote | None:
    """Writes the head of an index into the folder of one with fewer taxa; its note, None where the index has none or no class of it is left.

    The answers of the smaller index are those of the larger one within its taxa, so no class is taken out of the head: those without a leaf
    are told to be gone.
    """
    if index.card.head is None:
        return None
    head, _ = head_of(index)
    intervals = reach_of(head.taxa, kept, range(head.classes)).intervals
    gone = np.flatnonzero(intervals[:, 1] == 0).tolist()
    if len(gone) == head.classes:
        return None
    write_head(folder / index.card.head.file, head, index.card.encoder.fingerprint, gone)
    return index.card.head


def reach_of(taxa: Sequence[Mapping[str, str]], taxonomy: Taxonomy, gone: Sequence[int] = ()) -> Reach:
    """The leaves of each class, found by its lineage.

    Args:
        gone: Numbers of classes that the taxonomy need not have.

    Raises:
        IndexMismatchError: It lacks one of the others.
    """
    intervals = np.zeros((len(taxa), 2), np.int64)
    wanted = {tuple(lineage.items()): number for number, lineage in enumerate(taxa)}
    for rank in {list(lineage)[-1] for lineage in taxa} & set(taxonomy.ranks):
        level, names = taxonomy.level(rank), {lineage[rank] for lineage in taxa if list(lineage)[-1] == rank}
        holding = np.flatnonzero(np.asarray(pc.is_in(taxonomy.leaves[rank], value_set=pa.array(sorted(names), pa.string()))))
        numbers = np.unique(level.numbers(holding))
        for start, stop in zip(level.start[numbers].tolist(), level.stop[numbers].tolist(), strict=True):
            number = wanted.get(tuple(taxonomy.lineage(start, down_to=rank).items()))
            if number is not None:
                intervals[number] = start, stop
    lost = sorted(set(np.flatnonzero(intervals[:, 1] == 0).tolist()) - set(gone))
    if lost:
        path = " > ".join(taxa[lost[0]].values())
        raise IndexMismatchError(
            f"{len(lost)} of the {len(taxa)} classes of the head are no taxa of the index, the first is {path}. Train the head for this index."
        )
    return Reach(intervals)


def _note(head: Head, blend: Blend) -> HeadNote:
    return HeadNote(HEAD_FILE, head.kind, head.classes, head.fingerprint, blend.weight, blend.bias, blend.fitted_on)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and what the header tells; the size, the names and the types are looked at before any number is read.

    Raises:
        ValueError: The file is too large, not in this format, or holds arrays that no head has.
    """
    from safetensors import SafetensorError, safe_open

    if path.stat().st_size > MAX_HEAD_BYTES:
        raise ValueError(f"it has {path.stat().st_size:,} bytes, a head at most {MAX_HEAD_BYTES:,}")
    try:
        with safe_open(path, framework="numpy") as file:
            told = json.loads((file.metadata() or {}).get(METADATA, "null"))
            if not isinstance(told, dict) or told.get("format") != FORMAT:
                raise ValueError(f"its header says nothing of a head in format {FORMAT}")
            if odd := set(file.keys()) - set(SHAPES):
                raise ValueError(f"it holds {', '.join(sorted(odd)[:3])}")
            if any(file.get_slice(name).get_dtype() != "F32" for name in file.keys()):  # noqa: SIM118 - it is no dictionary
                raise ValueError("its numbers are not float32")
            return {name: file.get_tensor(name) for name in file.keys()}, told  # noqa: SIM118
    except (SafetensorError, RecursionError) as error:
        raise ValueError(str(error)) from error
