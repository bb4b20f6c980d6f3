"""Detectors as files for edge boards: which formats there are, and the note that stands beside each exported file.

Writing them is left to `exporting`, running them to `yolo` and `small_onnx`.

The note, FILE.json beside FILE, is the card of the folder that was exported, with the hash of the export: `--detector FILE` reads from it how
pictures are looked at. A file without one is run as ultralytics describes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from bioclip_search.detectors.card import AS_TRAINED, MAX_CARD_BYTES, Inference, check_categories, check_px
from bioclip_search.errors import ModelError
from bioclip_search.swapping import whole_file

ENDINGS = {"onnx": ".onnx", "openvino": "_openvino_model", "ncnn": "_ncnn_model", "tflite": ".tflite"}
"""How the names of exports end: of files, and of folders as ultralytics wants them (nn/autobackend.py)."""

FORMAT = "bioclip-search exported detector 1"
SMALL, ULTRALYTICS = "small", "ultralytics"


@dataclass(frozen=True)
class ExportNote:
    """What stands beside an export.

    Attributes:
        kind: `SMALL` or `ULTRALYTICS`: whose network it is.
        to: One of `ENDINGS`.
        image_px: Both sides of the square that the network takes; of the small kind, the longer side.
        sha256: Of the file, or of all files of the folder by name.
        parity: Figures of the folder and of the export, where they were compared.
    """

    kind: str
    name: str
    to: str
    categories: tuple[str, ...]
    image_px: int
    sha256: str
    inference: Inference = AS_TRAINED
    training: str = ""
    licences: str = ""
    parity: Mapping[str, float] | None = None


def is_export(path: Path) -> bool:
    """Whether the name ends as that of an export, of whoever's."""
    return path.name.lower().endswith(tuple(ENDINGS.values()))


def note_path(export: Path) -> Path:
    return export.with_name(export.name + ".json")


def write_note(export: Path, note: ExportNote) -> None:
    """Writes the note beside the export, in one move."""
    with whole_file(note_path(export)) as part:
        part.write_text(json.dumps({"format": FORMAT} | asdict(note), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_note(export: Path) -> ExportNote | None:
    """The note beside an export, None if there is none.

    Raises:
        ModelError: It is none of ours, or the export is not the one that it vouches for.
    """
    path = note_path(export)
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAX_CARD_BYTES + 1))
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            return None  # somebody else's file
        note = ExportNote(**content | {"categories": tuple(content["categories"]), "inference": Inference(**content["inference"])})
        check_px(note.image_px) if note.kind == ULTRALYTICS else check_small_px(note.image_px)
        check_categories(note.categories)
        if note.kind not in (SMALL, ULTRALYTICS) or not all(isinstance(text, str) for text in (note.name, note.to, note.sha256)):
            raise ValueError(f"expected the kind {SMALL} or {ULTRALYTICS}, and text as name, to and sha256")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"Expected the note of an exported detector in {path}: {error}. Export the detector again.") from error
    if hash_of(export) != note.sha256:
        raise ModelError(f"{export} is not the export that {path.name} vouches for; copy both again.")
    return note


def check_small_px(px: Any) -> None:
    """Returns for a side that the small kind can scale to; see `organism.PX_RANGE`.

    Raises:
        ValueError: It is none.
    """
    if type(px) is not int or not 64 <= px <= 1280:
        raise ValueError(f"expected image_px between 64 and 1280, got {px!r}")


def hash_of(export: Path) -> str:
    """SHA-256 of a file, or of the names and bytes of all files in a folder."""
    digest = sha256()
    files = sorted(file for file in export.rglob("*") if file.is_file()) if export.is_dir() else [export]
    for file in files:
        if export.is_dir():
            digest.update(f"{file.relative_to(export).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
