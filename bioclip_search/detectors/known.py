"""The file or folder that a detector's name or path stands for, and the published detectors that are known by name.

Reads no model; fetching a file is left to `bioclip_search.pulling`, running it to `yolo`, a folder to `organism`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioclip_search import places
from bioclip_search.detectors.exported import is_export
from bioclip_search.errors import FetchError, ModelError
from bioclip_search.pulling import refuse_changed

STARTER = "starter"
"""The name of the small detector that is shipped with the starter index."""

FOLDER_MARK = "detector.json"
"""The file by which a folder is known to hold a detector."""

_ZENODO_V6 = "https://zenodo.org/records/15398270"
_MD_RELEASES = "https://github.com/agentmorris/MegaDetector/releases/download"
_YOLOV5 = "its weights need the separate yolov5 code, which ultralytics does not contain"
_YOLOV9 = "its weights need the separate yolov9 code, which ultralytics does not contain"
_OWN_CODE = "its weights need code that only PytorchWildlife contains"


@dataclass(frozen=True)
class KnownDetector:
    """A published detector that can be asked for by name once its file lies in `places.user_models()`.

    Attributes:
        source: The page, or with a "/" at its end the folder, where its authors publish it.
        obstacle: Why ultralytics cannot load it, None if it can.
        md5: The checksum that its authors publish, None where they publish none.
        size_mb: Of the file, in millions of bytes; None where it is not known before it is here.
    """

    name: str
    file: str
    image_size_px: int
    licence: str
    source: str
    obstacle: str | None = None
    md5: str | None = None
    size_mb: int | None = None

    @property
    def address(self) -> str:
        """Where the file itself can be downloaded."""
        return f"{self.source}{self.file}" if self.source.endswith("/") else f"{self.source}/files/{self.file}?download=1"

    @property
    def page(self) -> str:
        """Where people read about it."""
        return self.source.replace("/download/", "/tag/").rstrip("/")


# Names, files and addresses: PytorchWildlife's megadetectorv6.py and its table of models (docs/model_zoo/megadetector.md), the release
# notes of MDv1000 (docs/release-notes/mdv1000-release.md, licences among them); MD5: megadetector's run_detector.py (`known_models`).
KNOWN_DETECTORS = (
    KnownDetector("MDV6-yolov9-c", "MDV6-yolov9-c.pt", 1280, "AGPL-3.0", _ZENODO_V6, size_mb=52),
    KnownDetector("MDV6-yolov9-e", "MDV6-yolov9-e-1280.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-yolov10-c", "MDV6-yolov10-c.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-yolov10-e", "MDV6-yolov10-e-1280.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-rtdetr-c", "MDV6-rtdetr-c.pt", 1280, "AGPL-3.0", _ZENODO_V6),
    KnownDetector("MDV6-mit-yolov9-c", "MDV6-mit-yolov9-c.ckpt", 640, "MIT", _ZENODO_V6, _OWN_CODE),
    KnownDetector("MDV6-mit-yolov9-e", "MDV6-mit-yolov9-e.ckpt", 640, "MIT", _ZENODO_V6, _OWN_CODE),
    KnownDetector("MDV6-apa-rtdetr-c", "MDV6-apa-rtdetr-c.pth", 640, "Apache-2.0", _ZENODO_V6, _OWN_CODE),
    KnownDetector("MDV6-apa-rtdetr-e", "MDV6-apa-rtdetr-e.pth", 640, "Apache-2.0", _ZENODO_V6, _OWN_CODE),
    KnownDetector("MDV1000-larch", "md_v1000.0.0-larch.pt", 640, "AGPL", f"{_MD_RELEASES}/v1000.0/", md5="cab94ebd190c2278e12fb70ffd548b6d"),
    KnownDetector("MDV1000-sorrel", "md_v1000.0.0-sorrel.pt", 960, "AGPL", f"{_MD_RELEASES}/v1000.0/", md5="4339a2c8af7a381f18ded7ac2a4df03e"),
    KnownDetector("MDV1000-redwood", "md_v1000.0.0-redwood.pt", 1280, "GPL", f"{_MD_RELEASES}/v1000.0/", _YOLOV5, "74474b3aec9cf1a990da38b37ddf9197"),
    KnownDetector("MDV1000-cedar", "md_v1000.0.0-cedar.pt", 640, "GPL", f"{_MD_RELEASES}/v1000.0/", _YOLOV9, "3d6472c9b95ba687b59ebe255f7c576b"),
    KnownDetector("MDV1000-spruce", "md_v1000.0.0-spruce.pt", 640, "GPL", f"{_MD_RELEASES}/v1000.0/", _YOLOV5, "1c9d1d2b3ba54931881471fdd508e6f2"),
    KnownDetector("MDV5a", "md_v5a.0.1.pt", 1280, "GPL", f"{_MD_RELEASES}/v5.0/", _YOLOV5, "60f8e7ec1308554df258ed1f4040bc4f"),
    KnownDetector("MDV5b", "md_v5b.0.1.pt", 1280, "GPL", f"{_MD_RELEASES}/v5.0/", _YOLOV5, "f17ed6fedfac2e403606a08c89984905"),
)


def known_detector(name: str) -> KnownDetector | None:
    """The row of this name, in whatever case; None for none."""
    return next((row for row in KNOWN_DETECTORS if row.name.lower() == name.lower()), None)


def known_files(known: KnownDetector) -> tuple[Path, Path]:
    """Where its ONNX export and its weights are looked for, in this order, for an ONNX file needs no trust."""
    weights = places.user_models() / known.file
    return weights.with_suffix(".onnx"), weights


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
    if not folder.is_dir() or (is_export(folder) and not (folder / FOLDER_MARK).is_file()):
        return None
    if not (folder / FOLDER_MARK).is_file():
        raise ModelError(f"The folder {folder} holds no {FOLDER_MARK}, so no detector. Give a folder written by `bioclip-search train detector`.")
    return folder.resolve()


def find_detector_file(name_or_path: str) -> tuple[KnownDetector | None, Path]:
    """The row of the table (None for a path) and the file, which exists and ends in .onnx or .pt; or the file or folder of an export.

    Raises:
        ModelError: No known name and no such file, the file has another ending, or ultralytics cannot run it.
    """
    if known := known_detector(name_or_path):
        return known, _find_known_file(known)
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() != ".pt" and not is_export(path):
        names = ", ".join(row.name for row in KNOWN_DETECTORS if not row.obstacle)
        raise ModelError(
            f"Unknown detector {name_or_path!r}. Known are: none, {STARTER}, {names}; or give an .onnx or .pt file, or a folder of `train detector`."
        )
    if not path.exists():
        raise ModelError(f"There is no detector file {path}. Check the path.")
    return None, path.resolve()


def _find_known_file(known: KnownDetector) -> Path:
    if known.obstacle:
        raise ModelError(
            f"{known.name} cannot run here: {known.obstacle}. Use MDV6-yolov9-c or MDV1000-larch, or run it with the "
            "megadetector package and pass its JSON file to `bioclip-search tag`."
        )
    export, weights = known_files(known)
    for path in (export, weights):
        if path.is_file():
            try:
                refuse_changed(path)
            except FetchError as error:
                raise ModelError(str(error)) from error
            return path.resolve()
    raise ModelError(
        f"{known.name} ({known.licence}) is not here. Fetch it with `bioclip-search models pull {known.name}`, or get {known.file} from {known.address} "
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


def detectors_at_hand() -> list[str]:
    """The names that can be loaded here and now without trusting a pickle: the starter's if it is installed, then the known ones with an ONNX export."""
    shipped = places.shipped("index")
    starter = [STARTER] if shipped and (shipped / STARTER / "detector" / FOLDER_MARK).is_file() else []
    return starter + [row.name for row in KNOWN_DETECTORS if not row.obstacle and known_files(row)[0].is_file()]
