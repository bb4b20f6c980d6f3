"""What a published classifier knows: its weights, its classes, and what it sees in the training pictures.

Reads quantised MobileNetV2 models in the TFLite format, such as those that Google Coral publishes for the species of
iNaturalist (Apache-2.0). What is learned from a teacher is left to `distil`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bioclip_search.encoder.towers import mobilenetv2_100_plain
from bioclip_search.errors import MissingExtraError, ModelError
from bioclip_search.train.augment import MEAN, STD, normalise
from bioclip_search.train.config import EncoderConfig, TeacherConfig
from bioclip_search.train.distil import TeacherKnowledge
from bioclip_search.train.pictures import LabelledPicture, decode_pictures, fingerprint_of
from bioclip_search.train.taxa import Taxon, read_named_taxa

ZERO_POINT, SCALE = 128.0, 128.0
"""The teachers were taught on (byte - 128) / 128."""

INPUT_PX = 224
BATCH = 8
"""Pictures at a time; on a CPU small batches stay in the cache."""

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
MAX_FILE_BYTES = 100 * 2**20


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer with its numbers made real again: weight as TFLite lays it out, bias (out,)."""

    kind: str
    weight: np.ndarray
    bias: np.ndarray


def read_teacher(config: EncoderConfig, teacher: TeacherConfig, taught: Sequence[LabelledPicture], folder: Path) -> TeacherKnowledge:
    """What the teacher sees in each of these pictures and what it takes them for; found out once and kept in the folder.

    Raises:
        ModelError: A file is missing or holds another network, or the classes and their names differ in number.
    """
    root = Path(config.data_root)
    named = class_taxa(root / teacher.labels, species_of(config)) if teacher.labels else []
    path = folder / f"teacher-{teacher.name}-{_key(root / teacher.file, taught)}.npz"
    if not path.is_file():
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **_ask(root / teacher.file, taught, config.threads))
        os.replace(part, path)
    with np.load(path, allow_pickle=False) as answers:
        features, probabilities = answers["features"], answers["probabilities"]
    if len(features) != len(taught) or (named and len(named) != probabilities.shape[1]):
        raise ModelError(
            f"Teacher {teacher.name}: {len(features)} pictures and {probabilities.shape[1]} classes in {path}, expected {len(taught)} and "
            f"{len(named)}; check its `labels`."
        )
    return TeacherKnowledge(teacher.name, features, probabilities if named else None, tuple(named), teacher.features, teacher.classes)


def species_of(config: EncoderConfig) -> dict[str, Taxon]:
    """Every name of the settings' vocabulary tables with its lineage."""
    return {name: taxon for table in config.model.vocabulary for name, taxon in read_named_taxa(Path(config.data_root), table).items()}


def _key(path: Path, taught: Sequence[LabelledPicture]) -> str:
    """Differs for another teacher, and for other pictures."""
    try:
        weights = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error}).") from error
    return sha256(f"{weights} {fingerprint_of(taught)}".encode()).hexdigest()[:16]


@torch.inference_mode()
def _ask(path: Path, pictures: Sequence[LabelledPicture], threads: int) -> dict[str, np.ndarray]:
    """Features (n, 1280) and class probabilities (n, c), float16, from pictures of the size that the teacher was taught with."""
    tower = mobilenetv2_100_plain(num_classes=0).eval()
    tower.load_state_dict(mobilenet_weights(path))
    weight, bias = classifier_weights(path)
    features, probabilities = [], []
    for first in range(0, len(pictures), BATCH):
        pixels = torch.from_numpy(decode_pictures(pictures[first : first + BATCH], INPUT_PX, threads))  # (b, 224, 224, 3)
        seen = tower(normalise(pixels.permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=torch.channels_last))  # (b, 1280)
        features.append(seen.half().numpy())
        probabilities.append((seen @ weight.T + bias).softmax(dim=1).half().numpy())
    return {"features": np.concatenate(features), "probabilities": np.concatenate(probabilities)}


def read_layers(path: Path) -> list[Layer]:
    """The layers of a TFLite model that hold weights, in the order in which they run.

    Raises:
        ModelError: There is no such file, or it is no TFLite model with quantised weights.
        MissingExtraError: ai-edge-litert is not installed.
    """
    interpreter = open_interpreter(path)
    details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}

    def real(index: int) -> np.ndarray:
        quantised = details[index]["quantization_parameters"]
        numbers = interpreter.get_tensor(index).astype(np.float64)
        return ((numbers - quantised["zero_points"][0]) * quantised["scales"][0]).astype(np.float32)

    try:
        operators = [entry for entry in interpreter._get_ops_details() if entry["op_name"] in LAYERS]
        return [Layer(entry["op_name"], real(entry["inputs"][1]), real(entry["inputs"][2])) for entry in operators]
    except (ValueError, IndexError, KeyError) as error:
        raise ModelError(f"{path}: its weights are not quantised numbers of a classifier ({error}).") from error


def open_interpreter(path: Path) -> Any:
    """A TFLite interpreter without rewritten operators, its memory laid out.

    Raises:
        ModelError: There is no such file, or it is no TFLite model.
        MissingExtraError: ai-edge-litert is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise MissingExtraError("Reading a TFLite teacher", "train") from error
    if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
        raise ModelError(f"{path}: no such TFLite file, or larger than {MAX_FILE_BYTES >> 20} MiB; check the path of the teacher.")
    try:
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(str(path), num_threads=1, experimental_op_resolver_type=plain)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: is no TFLite model that can be read ({error}).") from error
    return interpreter


def mobilenet_weights(path: Path) -> dict[str, torch.Tensor]:
    """The picture half of a MobileNetV2 classifier as weights of the tower `mobilenetv2_100_plain`.

    The tower so eats pictures normalised with the customary mean and deviation, like all others. Its paddings are
    symmetric where TensorFlow's are not, which moves the picture by up to 31 pixels and changes little else.

    Raises:
        ModelError: The file holds another network.
    """
    layers = read_layers(path)[:-1]
    weights = mobilenetv2_100_plain(num_classes=0).state_dict()
    kernels = [name for name in weights if name.endswith(".weight")]
    if len(kernels) != len(layers):
        raise ModelError(f"{path}: is no MobileNetV2: {len(layers)} layers below the classifier, expected {len(kernels)}.")
    for name, layer in zip(kernels, layers, strict=True):
        axes = (3, 0, 1, 2) if layer.kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
        kernel = torch.from_numpy(layer.weight.transpose(axes).copy())  # (out, in / groups, h, w)
        if kernel.shape != weights[name].shape:
            raise ModelError(f"{path}: is no MobileNetV2 of width 1: {name} is {tuple(kernel.shape)}, expected {tuple(weights[name].shape)}.")
        weights[name], weights[name.removesuffix("weight") + "bias"] = kernel, torch.from_numpy(layer.bias)
    return _renormalised(weights, kernels[0])


def classifier_weights(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The last layer of a classifier: (classes, 1280) and (classes,)."""
    last = read_layers(path)[-1]
    return torch.from_numpy(last.weight.reshape(len(last.bias), -1)), torch.from_numpy(last.bias)


def class_taxa(path: Path, species: Mapping[str, Taxon]) -> list[Taxon | None]:
    """For each class the species that its line names in Latin; None where it names none, such as "background".

    Lines read like "Aramus guarauna (Limpkin)" or "tench, Tinca tinca"; of several species the first is taken.

    Args:
        species: The taxon of each binomial that may stand in a line.

    Raises:
        ModelError: There is no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot read the class names of the teacher ({error}).") from error
    parts = [[part.strip() for part in line.partition(" (")[0].split(",")] for line in lines]
    return [next((species[part] for part in several if part in species), None) for several in parts]


def _renormalised(weights: dict[str, torch.Tensor], stem: str) -> dict[str, torch.Tensor]:
    """The first kernel for pictures (x - mean) / std instead of (byte - 128) / 128."""
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
    kernel = weights[stem]  # (32, 3, 3, 3)
    weights[stem.removesuffix("weight") + "bias"] += (kernel * ((255 * mean - ZERO_POINT) / SCALE)).sum(dim=(1, 2, 3))
    weights[stem] = kernel * (255 * std / SCALE)
    return weights
