"""The file or folder that a detector's name or path stands for, and the published detectors that are known by name.

Reads no model; running a file is left to `yolo`, a folder to `organism`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioclip_search import places
from bioclip_search.errors import ModelError

STARTER = "starter"
"""The name of the small detector that is shipped with the starter index."""

FOLDER_MARK = "detector.json"
"""The file by which a folder is known to hold a detector."""

_ZENODO_V6 = "https://zenodo.org/records/15398270"
_MD_RELEASES = "https://github.com/agentmorris/MegaDetector/releases/download"
_YOLOV5 = "its weights need the separate yolov5 code, which ultralytics does not contain"


@dataclass(frozen=True)
class KnownDetector:
    """A published detector that can be asked for by name once its file lies in `places.user_models()`.

    `obstacle` says why ultralytics cannot load it, None if it can.
    """

    name: str
    file: str
    image_size_px: int
    licence: str
    source: str
    obstacle: str | None = None


# Files, addresses and sizes: PytorchWildlife's megadetectorv6.py; for MDv1000 and MDv5 the release notes of MDv1000.
KNOWN_DETECTORS = (
    KnownDetector("MDV6-yolov9-c", "MDV6-yolov9-c.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-yolov9-e", "MDV6-yolov9-e-1280.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-yolov10-c", "MDV6-yolov10-c.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-yolov10-e", "MDV6-yolov10-e-1280.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-rtdetr-c", "MDV6-rtdetr-c.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV1000-larch", "md_v1000.0.0-larch.pt", 640, "AGPL", f"{_MD_RELEASES}/v1000.0/"),
    KnownDetector("MDV1000-sorrel", "md_v1000.0.0-sorrel.pt", 960, "AGPL", f"{_MD_RELEASES}/v1000.0/"),
    KnownDetector("MDV1000-redwood", "md_v1000.0.0-redwood.pt", 1280, "GPL", f"{_MD_RELEASES}/v1000.0/", _YOLOV5),
    KnownDetector("MDV5a", "md_v5a.0.1.pt", 1280, "GPL", f"{_MD_RELEASES}/v5.0/", _YOLOV5),
    KnownDetector("MDV5b", "md_v5b.0.1.pt", 1280, "GPL", f"{_MD_RELEASES}/v5.0/", _YOLOV5),
)


def find_detector_folder(name_or_path: str) -> Path | None:
    """The folder of a detector made by `train detector`, for the name "starter" or a path; None for anything else.

    Raises:
        ModelError: The starter's detector was not installed, or the folder holds no detector.
    """
    if name_or_path.lower() == STARTER:
        shipped = places.shipped("index")
        folder = shipped / STARTER / "detector" if shipped else None
        if folder is None or not (folder / FOLDER_MARK).is_file():
            raise ModelError("The starter's detector is not installed. Install the package again, or use --detector none.")
        return folder
    folder = Path(name_or_path).expanduser()
    if not folder.is_dir():
        return None
    if not (folder / FOLDER_MARK).is_file():
        raise ModelError(f"The folder {folder} holds no {FOLDER_MARK}, so no detector. Give a folder written by `bioclip-search train detector`.")
    return folder.resolve()


def find_detector_file(name_or_path: str) -> tuple[KnownDetector | None, Path]:
    """The row of the table (None for a path) and the file, which exists and ends in .onnx or .pt.

    Raises:
        ModelError: No known name and no such file, the file has another ending, or ultralytics cannot run it.
    """
    known = next((row for row in KNOWN_DETECTORS if row.name.lower() == name_or_path.lower()), None)
    if known:
        return known, _find_known_file(known)
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() not in (".onnx", ".pt"):
        names = ", ".join(row.name for row in KNOWN_DETECTORS if not row.obstacle)
        raise ModelError(
            f"Unknown detector {name_or_path!r}. Known are: none, {STARTER}, {names}; or give an .onnx or .pt file, or a folder of `train detector`."
        )
    if not path.is_file():
        raise ModelError(f"There is no detector file {path}. Check the path.")
    return None, path.resolve()


def _find_known_file(known: KnownDetector) -> Path:
    if known.obstacle:
        raise ModelError(
            f"{known.name} cannot run here: {known.obstacle}. Use MDV6-yolov9-c or MDV1000-larch, or run it with the "
            "megadetector package and pass its JSON file to `bioclip-search tag`."
        )
    weights = places.user_models() / known.file
    export = weights.with_suffix(".onnx")
    for path in (export, weights):  # an ONNX file needs no trust, so it goes first
        if path.is_file():
            return path.resolve()
    raise ModelError(
        f"{known.name} ({known.licence}) is not here and nothing is downloaded. Get {known.file} from {known.source} "
        f"and put it, or an ONNX export of it named {export.name}, into {weights.parent}"
    )


def refuse_pickle(path: Path, trust_pickle: bool) -> None:
    """Returns for an ONNX file, or a pickle that the user trusts.

    Raises:
        ModelError: It is a pickle and the user did not say that it is to be trusted.
    """
    if path.suffix.lower() == ".pt" and not trust_pickle:
        raise ModelError(
            f"{path} is a Python pickle: loading it runs whatever code its author put into it. If you trust where it "
            "comes from, pass --trust-pickle (trust_pickle=True in Python), or use an .onnx export, which runs no code."
        )
