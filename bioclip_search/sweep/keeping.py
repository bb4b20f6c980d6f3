"""The detector folder whose card is to change, how it is loaded with other settings, and a copy of it where the folder must stay as it is.

What a card may say is left to `detectors.card`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bioclip_search.detect import Detector, find_detector_folder
from bioclip_search.detectors.card import Inference, change_inference, is_small, read_content
from bioclip_search.errors import ModelError


def folder_of(name_or_path: str) -> Path:
    """The folder of a detector.

    Raises:
        ModelError: It is no folder: an .onnx or .pt file has no card.
    """
    folder = find_detector_folder(name_or_path)
    if folder is None:
        raise ModelError(
            f"{name_or_path!r} is no detector folder, so there is no card to keep settings in. Give a folder written by `bioclip-search train detector`, or starter."
        )
    return folder


def load_with(folder: Path, inference: Inference, device: str = "auto") -> Detector:
    """The detector in the folder as it looks with these settings, whatever its card says.

    Raises:
        ModelError, MissingExtraError: As `detect.load_detector`.
    """
    if is_small(folder):
        from bioclip_search.detectors.organism import load_organism_detector

        return load_organism_detector(folder, None, device, inference)
    from bioclip_search.detectors.folder import load_folder

    return load_folder(folder, device, inference)


def trained_px(folder: Path) -> int:
    """The side that pictures are scaled to where the card tells no other.

    Raises:
        ModelError: The card cannot be read.
    """
    content = read_content(folder)
    return int(content["px"] if is_small(folder) else content["image_px"])


def stop_if_taken(out: Path) -> None:
    """For those who ask before the work: raises ModelError if `out` is there already."""
    if out.exists():
        raise ModelError(f"{out}: is there already. Give another --out, or leave it out to change the detector's own card.")


def keep_settings(folder: Path, inference: Inference, out: Path | None = None) -> Path:
    """Writes the settings into the card of the folder, or of a copy of it at `out`; gives the folder that has them now.

    Raises:
        ModelError: `out` is there already, or cannot be written.
    """
    if out is not None:
        stop_if_taken(out)
        fresh = out.with_name(f".{out.name}.part")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(folder, fresh)
            change_inference(fresh, **vars(inference))
            fresh.rename(out)
        except OSError as error:
            raise ModelError(f"{out}: cannot be written ({error.strerror or error}). Choose another --out.") from error
        return out
    change_inference(folder, **vars(inference))
    return folder
