"""A detector folder whose network ultralytics runs: `detector.json` is its card, `weights.safetensors` its weights as fp16. No pickle.

What a card may say is left to `card`, which networks there are to `architectures`, looking at pictures to `yolo`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search.detectors.architectures import build_model, described_path, is_rtdetr
from bioclip_search.detectors.boxes import category_names
from bioclip_search.detectors.card import CARD_FILE, DetectorCard, Inference, read_card, write_card
from bioclip_search.detectors.yolo import MAX_DETECTIONS, YoloDetector, batch_size_of, import_ultralytics, run_once, threads_kept
from bioclip_search.errors import ModelError
from bioclip_search.swapping import whole_file

if TYPE_CHECKING:
    import torch
    from torch import nn

WEIGHTS_FILE = "weights.safetensors"

MAX_WEIGHTS_BYTES = 1 << 28
"""Larger weights (256 MiB) belong to none of the architectures: yolov8x and rtdetr-x take about 135 MB."""


def write_folder(folder: Path, card: DetectorCard, weights: Mapping[str, torch.Tensor]) -> None:
    """Writes the folder; weights are kept as fp16, the card last, so that a card never vouches for what is not there.

    Raises:
        ModelError: A weight is no number or too large for fp16, or the folder cannot be written.
    """
    import torch
    from safetensors.torch import save

    halves = {name: (value.to(torch.float16) if value.is_floating_point() else value).contiguous().cpu() for name, value in weights.items()}
    if not all(bool(torch.isfinite(value).all()) for value in halves.values()):
        raise ModelError("The training gave weights that are not finite. Train again with a lower learning rate (--learning-rate).")
    data = save(halves)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / WEIGHTS_FILE) as part:
            part.write_bytes(data)
    except OSError as error:
        raise ModelError(f"Cannot write {folder / WEIGHTS_FILE}: {error.strerror or error}.") from error
    write_card(folder, card, sha256(data).hexdigest())


def load_folder(folder: Path, device: str = "auto", inference: Inference | None = None) -> YoloDetector:
    """The detector in this folder, which looks at pictures as its card says.

    Args:
        inference: Another way to look at pictures, for a comparison; the card stays as it is.

    Raises:
        ModelError: A file is missing, damaged, too large, of another format or does not fit, or the device is not there.
        MissingExtraError: ultralytics is not installed.
    """
    card, model, weights_hash = load_network(folder)
    inference = inference or card.inference
    ultralytics = import_ultralytics()
    # Pictures are padded to squares, as every export takes them: then both find the same boxes.
    settings = {"device": _device(device), "max_det": MAX_DETECTIONS, "rect": False, "verbose": False, "save": False}
    settings |= {"iou": inference.iou, "imgsz": inference.image_px or card.image_px, "augment": inference.augment}
    try:
        with threads_kept():
            runner = runner_of(ultralytics, card, model)
            classes = run_once(runner, settings)
    except Exception as error:  # devices fail with foreign types
        raise ModelError(f"The detector in {folder} does not run on {settings['device']!r}: {error}") from error
    shaping = [weights_hash, card.architecture, list(card.categories), settings["imgsz"], inference.iou, inference.augment, MAX_DETECTIONS]
    fingerprint = sha256(json.dumps(shaping).encode()).hexdigest()
    return YoloDetector(card.name, fingerprint, category_names(classes), runner, settings, batch_size_of(settings["device"]), confidence=inference.confidence)


def load_network(folder: Path) -> tuple[DetectorCard, nn.Module, str]:
    """The card, the network with its weights as fp32 in eval mode, and the SHA-256 of the weights.

    Raises:
        ModelError: A file is missing, damaged, too large, of another format or does not fit.
        MissingExtraError: ultralytics is not installed.
    """
    card, weights_hash = read_card(folder)
    path = folder / WEIGHTS_FILE
    data = _read(path)
    if sha256(data).hexdigest() != weights_hash:
        raise ModelError(f"{path} is not the file that {CARD_FILE} vouches for; copy the folder again.")
    model = build_model(card.architecture, card.categories)
    _fill(model, data, path)
    return card, model, weights_hash


def runner_of(ultralytics: Any, card: DetectorCard, model: nn.Module) -> Any:
    """The object of ultralytics that looks at pictures with this network.

    Subtle: it can only be made from a description, whose own network is then exchanged for ours.
    """
    kind = ultralytics.RTDETR if is_rtdetr(card.architecture) else ultralytics.YOLO
    runner = kind(str(described_path(card.architecture)))
    model.args, model.task = runner.model.args, runner.model.task
    runner.model = model
    return runner


def _fill(model: nn.Module, data: bytes, path: Path) -> None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights = {name: value.float() if value.is_floating_point() else value for name, value in load(data).items()}
        model.load_state_dict(weights)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"The weights in {path} do not fit the network that {CARD_FILE} names: {str(error).splitlines()[0]}") from error
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise ModelError(f"The weights in {path} hold numbers that are not finite; train the detector again.")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_WEIGHTS_BYTES + 1)
    except OSError as error:
        raise ModelError(f"Expected a detector folder with {CARD_FILE} and {WEIGHTS_FILE}; cannot read {path}: {error.strerror or error}.") from error
    if len(data) > MAX_WEIGHTS_BYTES:
        raise ModelError(f"{path} is larger than {MAX_WEIGHTS_BYTES:,} bytes, which no detector folder holds.")
    return data


def _device(device: str) -> str:
    import torch

    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda:0"
    return "mps" if torch.backends.mps.is_available() else "cpu"
