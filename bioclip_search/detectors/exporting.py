"""Writes a detector folder as a file for edge boards: ONNX, OpenVINO, NCNN or TFLite, with its note beside it.

What stands in the note is left to `exported`. Whether an export is as good as its folder is left to `evaluation.parity`.

Nothing is installed or fetched on the way: what a format needs and is not here is told with the line that installs it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bioclip_search.detectors.card import Inference, is_small
from bioclip_search.detectors.exported import ENDINGS, SMALL, ULTRALYTICS, ExportNote, hash_of, note_path, write_note
from bioclip_search.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    import torch
    from torch import nn

OPSET = 17
"""Of ONNX: what runtimes on boards of the last years read, and the least with layer normalisation as one step."""

NEEDS = {"onnx": ("onnx", "onnxruntime"), "openvino": ("openvino",), "ncnn": ("ncnn", "pnnx"), "tflite": ("litert_torch", "ai_edge_litert")}
EXTRAS = {"onnx": "onnx", "openvino": "edge", "ncnn": "edge", "tflite": "tflite"}
"""The modules that a format needs, and the extra that brings them."""


def export_detector(folder: Path, to: str, out: Path, *, overwrite: bool = False) -> Path:
    """The export, whose name ends as its format asks; where `out` does not, the ending is added. It looks at each picture once, whatever the card says.

    Raises:
        ModelError: There is no such format, the detector cannot be read or written so, or there is something at `out`.
        MissingExtraError: What the format needs is not installed.
    """
    if to not in ENDINGS:
        raise ModelError(f"Unknown format {to!r}. A detector can be exported as {', '.join(ENDINGS)}.")
    missing = [name for name in NEEDS[to] if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"Exporting to {to} ({', '.join(missing)})", EXTRAS[to])
    if out.name in ("", ".."):
        raise ModelError(
            f"Expected the name of an export to write, got the folder {str(out)!r}. Give one in it, such as --out {out / f'detector{ENDINGS[to]}'}."
        )
    out = out if out.name.endswith(ENDINGS[to]) else out.with_name(out.name + ENDINGS[to])
    if out.exists() and not overwrite:
        raise ModelError(f"There is something at {out} already. Choose another --out, or add --overwrite.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent) as home:
        made, told = (_export_small if is_small(folder) else _export_ultralytics)(folder, to, Path(home))
        told |= {"sha256": hash_of(made), "to": to}
        _take_place(made, out)
    write_note(out, ExportNote(**told))
    return out


def _take_place(made: Path, out: Path) -> None:
    note_path(out).unlink(missing_ok=True)
    if out.is_dir():
        shutil.rmtree(out)
    made.replace(out)


def _export_small(folder: Path, to: str, home: Path) -> tuple[Path, dict[str, Any]]:
    """The small kind, as ONNX: the network's raw answers, which `small_onnx` makes into boxes."""
    from bioclip_search.detectors.organism import load_organism_detector, read_note

    if to != "onnx":
        raise ModelError(
            f"The small kind of detector, which {folder} is, can be exported as onnx only. Train one of another kind: train detector --from yolo11n."
        )
    import torch

    note, _ = read_note(folder)
    detector = load_organism_detector(folder, device="cpu")
    module = _raw_answers(detector.network)
    shown = torch.zeros(96, 128, 3, dtype=torch.uint8), torch.tensor([90, 120])
    names = {"input_names": ["pixels", "size"], "output_names": ["logits", "reach", "centredness"]}
    names["dynamic_axes"] = {"pixels": {0: "height", 1: "width"}} | {name: {1: "places"} for name in names["output_names"]}
    path = home / "small.onnx"
    try:
        with _quiet():
            torch.onnx.export(module, shown, str(path), opset_version=OPSET, dynamo=False, **names)
    except Exception as error:  # torch fails with its own types
        raise ModelError(f"{folder} could not be exported to {to}: {str(error).splitlines()[0]}") from error
    told = {"kind": SMALL, "name": note.name, "categories": note.categories, "image_px": detector.px, "inference": _one_look(note.inference)}
    return path, told | {"training": note.training, "licences": note.licences}


def _raw_answers(network: nn.Module) -> nn.Module:
    import torch
    from torch import nn

    from bioclip_search.detectors.network import MEAN, STD

    class RawAnswers(nn.Module):
        """Pixels (h, w, 3) uint8, both multiples of 32, of which a height and a width are filled, to what the head says of every place."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.head = network.backbone, network.head
            self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

        def forward(self, pixels: torch.Tensor, size: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            image = (pixels.permute(2, 0, 1).unsqueeze(0).float() / 255 - self.mean) / self.std  # (1, 3, h, w)
            rows, columns = torch.arange(pixels.shape[0]) < size[0], torch.arange(pixels.shape[1]) < size[1]
            image = image * rows.view(1, 1, -1, 1) * columns.view(1, 1, 1, -1)  # what lies beside is the mean colour
            answers = self.head(list(self.backbone(image).values()))
            return answers["cls_logits"], answers["bbox_regression"], answers["bbox_ctrness"]

    return RawAnswers().eval()


def _export_ultralytics(folder: Path, to: str, home: Path) -> tuple[Path, dict[str, Any]]:
    """What ultralytics writes, of one square picture; the suppression of overlaps stays outside, where its threshold can be changed."""
    from bioclip_search.detectors.folder import load_network, runner_of
    from bioclip_search.detectors.yolo import import_ultralytics

    ultralytics = import_ultralytics()
    card, model, _ = load_network(folder)
    px = card.inference.image_px or card.image_px
    runner = runner_of(ultralytics, card, model)
    model.pt_path = str(home / "detector.pt")  # ultralytics names its files after it; it is never written
    asked = {"imgsz": px, "dynamic": False, "nms": None, "batch": 1, "device": "cpu", "verbose": False}
    asked |= {"opset": OPSET, "simplify": False} if to == "onnx" else {}
    try:
        with _quiet(), _offline():
            made = Path(runner.export(format="litert" if to == "tflite" else to, **asked))
    except Exception as error:  # exporters fail with a dozen foreign types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{folder} could not be exported to {to}: {reason}") from error
    if made.is_dir():
        for file in made.glob("*.py"):  # a program that pnnx writes beside the network; nobody asked for it
            file.unlink()
    told = {"kind": ULTRALYTICS, "name": card.name, "categories": card.categories, "image_px": px, "inference": _one_look(card.inference)}
    return made, told | {"training": card.training, "licences": card.licences}


def _one_look(inference: Inference) -> Inference:
    """The same, but for looking several times, which no export can."""
    return replace(inference, augment=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps exporters off stdout, which carries results, and their warnings about tracing to themselves.

    Subtle: pnnx writes to the descriptor itself, which no object of Python stands between.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Lets ultralytics take the versions that are installed, where it would fetch the one that it prefers."""
    from ultralytics.utils import checks

    before = checks.AUTOINSTALL
    checks.AUTOINSTALL = False
    try:
        yield
    finally:
        checks.AUTOINSTALL = before
