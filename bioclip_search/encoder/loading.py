"""Finds and loads the open_clip model that a name stands for, and says in clear words why it cannot.

Only safetensors or `weights_only` checkpoints are read; a model whose weights did not arrive is an error, never a
network of random numbers. What is done with the model is left to `openclip`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bioclip_search.errors import ModelError

KNOWN_MODELS = {
    "bioclip": "hf-hub:imageomics/bioclip",
    "bioclip-2": "hf-hub:imageomics/bioclip-2",
    "bioclip-2.5-vith14": "hf-hub:imageomics/bioclip-2.5-vith14",
    "biocap": "hf-hub:imageomics/biocap",
}
"""Short names of the published models of the BioCLIP family."""

HUB, FOLDER = "hf-hub:", "local-dir:"
CONFIG_FILE = "open_clip_config.json"

MAX_VOCABULARY_BYTES = 1 << 25
"""A vocabulary that unpacks to more (32 MiB) is a decompression bomb; CLIP's own has 1.4 MB."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model on the CPU in fp32 with all that belongs to it."""

    name: str
    model: torch.nn.Module
    tokenizer: Callable
    tokenizer_files: tuple[Path, ...]
    preprocess_config: dict[str, Any]
    text_config: dict[str, Any]
    dim: int


def load_model(name: str | Path) -> LoadedModel:
    """Loads the model of this name.

    Args:
        name: A folder (with or without `local-dir:`), a hub id (`hf-hub:imageomics/bioclip-2`), a short name of
            `KNOWN_MODELS`, or an open_clip architecture with its pretrained tag (`ViT-B-16:openai`).

    Raises:
        ModelError: It is none of these, the hub cannot be reached, or the files do not hold such a model.
    """
    name = KNOWN_MODELS.get(str(name), str(name))
    if name.startswith(HUB):
        return _load_from_hub(name)
    folder = Path(name.removeprefix(FOLDER)).expanduser()
    if name.startswith(FOLDER) or folder.is_dir():
        return _load_from_folder(folder)
    return _load_by_architecture(name)


def fingerprint_of(loaded: LoadedModel, preprocess: str) -> str:
    """A hash of the weights, the preprocessing and the tokenizer: 16 hexadecimal digits.

    The weights count as the fp32 numbers in use, so a checkpoint saved in fp16 and its fp32 copy are one.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps([preprocess, loaded.preprocess_config, loaded.text_config], sort_keys=True).encode())
    for path in loaded.tokenizer_files:
        digest.update(path.read_bytes())
    for key, tensor in sorted(loaded.model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()[:16]


def _load_from_folder(folder: Path) -> LoadedModel:
    config = _read_config(folder)
    model = _create(f"{FOLDER}{folder}", f"The model folder {folder}")
    text_config = config["model_cfg"]["text_cfg"]
    files = _tokenizer_files(folder, text_config)
    own_bpe = {"bpe_path": str(files[0])} if "bpe_path" in text_config.get("tokenizer_kwargs", {}) else {}
    return _loaded(f"{FOLDER}{folder}", model, f"{FOLDER}{folder}", text_config, files, **own_bpe)


def _load_from_hub(name: str) -> LoadedModel:
    from open_clip.factory import _get_hf_config

    what = f"The hub model {name.removeprefix(HUB)}"
    model = _create(name, what)
    return _loaded(name, model, name, _get_hf_config(name.removeprefix(HUB))["model_cfg"]["text_cfg"], ())


def _load_by_architecture(name: str) -> LoadedModel:
    import open_clip

    architecture, _, tag = name.partition(":")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tags:
        known = ", ".join(KNOWN_MODELS)
        raise ModelError(
            f"No model {name!r}: it is no folder, no short name ({known}), no hub id (hf-hub:OWNER/NAME) and no open_clip architecture with weights."
        )
    if tag not in tags:
        raise ModelError(f"Say which weights of {architecture} to take, such as {architecture}:{tags[0]}. There are {', '.join(tags)}.")
    model = _create(architecture, f"The open_clip model {name}", pretrained=tag)
    return _loaded(name, model, architecture, open_clip.get_model_config(architecture)["text_cfg"], ())


def _create(open_clip_name: str, what: str, **options: Any) -> torch.nn.Module:
    """Builds the network and fills it, turning open_clip's many errors into one of ours."""
    import open_clip

    from bioclip_search.encoder.towers import register_towers

    register_towers()
    try:
        model = open_clip.create_model(open_clip_name, require_pretrained=True, weights_only=True, device="cpu", precision="fp32", **options)
    except Exception as error:  # Subtle: open_clip, huggingface_hub, safetensors and torch share no root error.
        raise ModelError(f"{what} cannot be loaded: {_reason(error)}") from error
    if not hasattr(model, "encode_text") or not hasattr(model, "encode_image"):
        raise ModelError(f"{what} has no {'text' if hasattr(model, 'encode_image') else 'picture'} tower; a CLIP model needs both.")
    return model


def _reason(error: BaseException) -> str:
    chain = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(below)
    names = {type(link).__name__ for link in chain}
    first_line = (str(chain[-1]) or type(chain[-1]).__name__).strip().splitlines()[0]
    if names & {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError", "ConnectTimeout", "MaxRetryError", "gaierror"}:
        return (
            "the Hugging Face hub cannot be reached and the model is not in its cache. Go online once, or copy a "
            "folder with open_clip_config.json and open_clip_model.safetensors here and give its path."
        )
    if names & {"RepositoryNotFoundError", "GatedRepoError", "EntryNotFoundError"}:
        return f"the hub has no such public model ({first_line})."
    if "SafetensorError" in names:
        return f"its weights file is damaged or cut short ({first_line}). Copy or download it again."
    if "UnpicklingError" in names:
        return "its weights file holds more than weights and was not opened, for it could run code. Ask for a .safetensors file."
    if "loading state_dict" in str(error):
        return f"its weights do not fit its configuration ({str(error).strip().splitlines()[-1].strip()})."
    return str(error).strip().splitlines()[0] if str(error).strip() else first_line


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder. Give a folder with {CONFIG_FILE} and open_clip_model.safetensors.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model_config = config["model_cfg"]
        if not isinstance(model_config["embed_dim"], int) or not isinstance(model_config["vision_cfg"], dict):
            raise TypeError("embed_dim is no number or vision_cfg no object")
        if not isinstance(model_config.get("text_cfg"), dict):
            raise ModelError(f"The model in {folder} has no text tower (no text_cfg in {CONFIG_FILE}); a CLIP model needs both.")
    except FileNotFoundError as error:
        raise ModelError(f"{folder}: holds no {CONFIG_FILE}. Give a folder in the layout of the Hugging Face hub.") from error
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: is no open_clip configuration ({type(error).__name__}: {error}).") from error
    return config


def _tokenizer_files(folder: Path, text_config: dict[str, Any]) -> tuple[Path, ...]:
    """The files of the folder that the tokenizer is made of; a path that leads out of the folder is refused."""
    bpe = text_config.get("tokenizer_kwargs", {}).get("bpe_path")
    if bpe is None:
        names = ("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "spiece.model")
        return tuple(folder / name for name in names if (folder / name).is_file())
    path = folder / bpe
    if Path(bpe).name != bpe or not path.is_file():
        raise ModelError(f"The model in {folder} names {bpe!r} as its vocabulary; it must be a file of that very folder.")
    try:
        with gzip.open(path) as file:
            too_large = len(file.read(MAX_VOCABULARY_BYTES + 1)) > MAX_VOCABULARY_BYTES
    except (OSError, EOFError, zlib.error) as error:
        raise ModelError(f"{path}: is no gzip file of a vocabulary ({error}).") from error
    if too_large:
        raise ModelError(f"{path}: unpacks to more than {MAX_VOCABULARY_BYTES >> 20} MiB, which no vocabulary does. Do not use this model.")
    return (path,)


def _loaded(
    name: str, model: torch.nn.Module, tokenizer_name: str, text_config: dict[str, Any], files: tuple[Path, ...], **tokenizer_options: Any
) -> LoadedModel:
    import open_clip

    try:
        tokenizer = open_clip.get_tokenizer(tokenizer_name, **tokenizer_options)
    except Exception as error:
        raise ModelError(f"The tokenizer of {name} cannot be loaded: {_reason(error)}") from error
    preprocess_config = open_clip.get_model_preprocess_cfg(model)
    size = preprocess_config["size"]
    preprocess_config["size"] = size if isinstance(size, int) else size[0]
    with torch.inference_mode():
        dim = int(model.encode_text(tokenizer(["a"])).shape[1])
    return LoadedModel(name, model, tokenizer, files, preprocess_config, text_config, dim)
