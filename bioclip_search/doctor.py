"""Examines the installation: versions, devices, models, indexes; and for each fault the line that mends it.

Looks and tells; it changes nothing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata

from bioclip_search import __version__, places
from bioclip_search.errors import BioclipSearchError

NEEDED = ("torch", "torchvision", "open_clip_torch", "timm", "faiss-cpu", "numpy", "pyarrow", "pillow", "safetensors", "rapidfuzz", "click", "rich")

EXTRAS = {
    "detect": ("ultralytics",),
    "app": ("streamlit", "plotly"),
    "onnx": ("onnx", "onnxruntime"),
    "edge": ("openvino", "ncnn", "pnnx"),
    "tflite": ("litert-torch",),
    "data": ("datasets",),
    "evaluate": ("matplotlib", "scikit-learn"),
    "spark": ("pyspark",),
    "demo": ("scikit-image", "scikit-learn"),
    "video": ("av",),
    "xlsx": ("openpyxl",),
}
"""The optional parts and the packages that they bring."""

TORCH_PAIR_MEND = (
    "torch and torchvision do not belong together. Install them as a pair from one place: pip install --force-reinstall torch torchvision "
    "(on Linux without a GPU: add --index-url https://download.pytorch.org/whl/cpu)"
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at. A `mend` is the line to run; a fault keeps the main job from running."""

    what: str
    state: str
    mend: str | None = None
    is_fault: bool = False


def examine() -> Iterator[Finding]:
    """The findings, the package itself first."""
    yield Finding("bioclip-search", f"{__version__} on Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    yield from _needed_packages()
    yield torch_pair()
    yield from _devices()
    yield from _extras()
    yield from _indexes()
    yield _hub_cache()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _needed_packages() -> Iterator[Finding]:
    for package in NEEDED:
        version = _version(package)
        if version is None:
            yield Finding(package, "missing", f"pip install {package}", is_fault=True)
        else:
            yield Finding(package, version)


def torch_pair(load: Callable[[str], object] = import_module) -> Finding:
    """Whether torch and torchvision belong together. Subtle: a torchvision built for another torch fails only when imported, with a word about a missing operator."""
    try:
        load("torchvision")
    except (RuntimeError, ImportError, OSError) as error:
        return Finding("torch + torchvision", f"do not load: {str(error).splitlines()[0]}", TORCH_PAIR_MEND, is_fault=True)
    return Finding("torch + torchvision", "load together")


def _devices() -> Iterator[Finding]:
    try:
        import torch

        from bioclip_search.encoder.openclip import choose_device, choose_precision
    except (ImportError, RuntimeError, OSError):
        return
    device = choose_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads" if device.type == "cpu" else "Apple GPU"
    yield Finding("device", f"{device} ({name}), {choose_precision('auto', device)}")


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if _version(package) is None]
        if missing:
            yield Finding(f"extra {extra}", f"not installed ({', '.join(missing)})", f"pip install 'bioclip-search[{extra}]'")
        else:
            yield Finding(f"extra {extra}", ", ".join(f"{package} {_version(package)}" for package in packages))


def _indexes() -> Iterator[Finding]:
    from bioclip_search.index import Index, list_indexes

    folders = list(list_indexes())
    if not folders:
        yield Finding("indexes", "none, not even the starter", "pip install --force-reinstall bioclip-search", is_fault=True)
    for folder in folders:
        try:
            index = Index(folder)
            yield Finding(f"index {folder.name}", f"{index.card.count:,} taxa, {folder}")
        except BioclipSearchError as error:
            yield Finding(f"index {folder.name}", str(error), "rebuild it, or delete the folder", is_fault=folder.parent == places.shipped("index"))


def _hub_cache() -> Finding:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        models = sorted(f"{repo.repo_id} ({repo.size_on_disk / 1e9:.1f} GB)" for repo in scan_cache_dir().repos if repo.repo_type == "model")
    except CacheNotFound:
        models = []
    return Finding("models from the hub", f"{', '.join(models) or 'none yet'}, kept in {constants.HF_HUB_CACHE}")
