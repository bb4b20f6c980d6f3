"""The encoder contract served by open_clip: BioCLIP's family, any hub id, any local folder, any open_clip name.

How a name becomes a model is left to `loading`, how a picture becomes a tensor to `preprocess`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import PIL.Image
import torch

from bioclip_search.encoder import VARIANT_SIGN, unit_rows
from bioclip_search.encoder.loading import LoadedModel, fingerprint_of
from bioclip_search.encoder.preprocess import preprocessor
from bioclip_search.errors import ModelError
from bioclip_search.lanes import lanes_of, work_in_lanes

BATCH_PICTURES = 32
CPU_BATCH_PICTURES = 8
"""On a CPU what a convolution makes of more pictures does not stay in the cache: with 32 it takes twice as long."""

BATCH_TEXTS = 256


class OpenClipEncoder:
    """An open_clip model on a device, in fp32 or autocast to bf16."""

    def __init__(self, loaded: LoadedModel, *, device: str = "auto", precision: str = "auto", preprocess: str = "open_clip"):
        """Takes a model from `loading.load_model`.

        Args:
            device: auto, cpu, cuda, cuda:1, mps …
            precision: auto (bf16 where the device computes it natively), fp32 or bf16.
            preprocess: One of `preprocess.MODES`.

        Raises:
            ModelError: The device is not there or the precision is unknown.
        """
        self.name = loaded.name
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.preprocess = preprocess
        self.preprocess_config = loaded.preprocess_config
        self.prepare = preprocessor(preprocess, loaded.preprocess_config)
        self._tokenizer = loaded.tokenizer
        self._tokenizer_lock = threading.Lock()
        self._loaded = loaded
        self.model = loaded.model.to(self.device).eval()
        shorten_last_block(self.model.visual)
        self.dim = loaded.dim
        self.input_px = loaded.preprocess_config["size"]
        self.logit_scale = float(self.model.logit_scale.detach().exp())

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(self._loaded, self.preprocess) + VARIANT_SIGN + self.precision

    @property
    def in_lanes(self) -> bool:
        """See `lanes.lanes_of`."""
        return self.device.type == "cpu"

    def encode_prepared(self, prepared: Sequence[torch.Tensor]) -> np.ndarray:
        size = CPU_BATCH_PICTURES if self.device.type == "cpu" else BATCH_PICTURES
        return self._in_batches(prepared, size, _stacked, self.model.encode_image)

    def encode_images(self, pictures: Sequence[PIL.Image.Image]) -> np.ndarray:
        return self.encode_prepared([self.prepare(picture) for picture in pictures])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return self._in_batches(texts, BATCH_TEXTS, self._tokenize, self.model.encode_text)

    def _tokenize(self, texts: Sequence[str]) -> torch.Tensor:
        with self._tokenizer_lock:  # Subtle: tokenizers keep a cache and are not safe across threads.
            return self._tokenizer(list(texts))

    def _in_batches(self, items: Sequence[Any], size: int, collate: Any, encode: Any) -> np.ndarray:
        rows = np.zeros((len(items), self.dim), np.float32)

        def fill(firsts: range) -> None:
            with torch.inference_mode(), self._autocast():  # Subtle: once for several batches, for it keeps the weights that it has rounded
                for first in firsts:
                    vectors = encode(collate(items[first : first + size]).to(self.device))  # (b, dim)
                    rows[first : first + size] = vectors.float().cpu().numpy()

        firsts = range(0, len(items), size)
        lanes = max(1, min(lanes_of(self), len(firsts)))
        for _ in work_in_lanes(fill, [firsts[lane::lanes] for lane in range(lanes)], lanes):
            pass
        return unit_rows(rows)

    def _autocast(self) -> contextlib.AbstractContextManager:
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def _stacked(pictures: Sequence[torch.Tensor]) -> torch.Tensor:
    """(b, 3, size, size), colours last in memory, as convolutions like it best and `preprocess` leaves them."""
    return torch.stack([picture.permute(1, 2, 0) for picture in pictures]).permute(0, 3, 1, 2)


def shorten_last_block(tower: torch.nn.Module) -> None:
    """Lets a vision transformer's last block work on the class token alone, the only one that is read: the same vector, sooner.

    Does nothing to towers of which more is read.
    """
    from open_clip.transformer import ResidualAttentionBlock, VisionTransformer

    if not isinstance(tower, VisionTransformer) or tower.attn_pool is not None or tower.pool_type != "tok" or tower.output_tokens:
        return
    block = tower.transformer.resblocks[-1]
    if type(block) is not ResidualAttentionBlock:
        return

    def forward(tokens: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        normed = block.ln_1(tokens)  # (b, tokens, width)
        first = tokens[:, :1] + block.ls_1(block.attention(q_x=normed[:, :1], k_x=normed, v_x=normed))  # (b, 1, width)
        return first + block.ls_2(block.mlp(block.ln_2(first)))

    block.forward = forward


def choose_device(wanted: str) -> torch.device:
    """The device of this name; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ModelError: torch does not know it or does not see it.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ModelError(f"Unknown device {wanted!r}; use auto, cpu, cuda, cuda:1 or mps.") from error
    if (device.type == "cuda" and not cuda) or (device.type == "mps" and not mps):
        raise ModelError(f"No {device.type} device is visible to torch here; use --device cpu, or see `bioclip-search doctor`.")
    return device


def choose_precision(wanted: str, device: torch.device) -> str:
    """fp32 or bf16; `auto` takes bf16 only where it is native, for elsewhere it is several times slower.

    Raises:
        ModelError: The precision is unknown.
    """
    if wanted not in {"auto", "fp32", "bf16"}:
        raise ModelError(f"Unknown precision {wanted!r}; use auto, fp32 or bf16.")
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        return "bf16" if _cpu_has_native_bf16() else "fp32"
    return "fp32"


def _cpu_has_native_bf16() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware (AMX or AVX512-BF16); torch has no public word for it."""
    probes = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(probe() for probe in probes if probe)
