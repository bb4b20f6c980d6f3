"""Opens the encoder that a name stands for, in the numeric variant that is asked for.

Finding and loading the weights is left to `loading`; the variants are `openclip` and `onnx`.
"""

from __future__ import annotations

from pathlib import Path

from bioclip_search import places
from bioclip_search.encoder import Encoder
from bioclip_search.encoder.loading import load_model
from bioclip_search.encoder.openclip import OpenClipEncoder

STARTER = "starter"
INT8 = "int8"


def open_encoder(name: str | Path = STARTER, *, device: str = "auto", precision: str = "auto", preprocess: str = "open_clip") -> Encoder:
    """The encoder of this name: what `load_model` takes, or `starter` for the one that is shipped.

    Args:
        precision: auto, fp32, bf16, or int8 for the picture half in ONNX Runtime on the CPU (extra `onnx`).

    Raises:
        ModelError: It cannot be loaded.
        MissingExtraError: int8 is asked for and ONNX Runtime is not installed.
    """
    shipped = places.shipped("index")
    if str(name) == STARTER and shipped is not None:
        name = shipped / STARTER / "encoder"
    loaded = load_model(name)
    if precision == INT8:
        from bioclip_search.encoder.onnx import Int8Encoder

        return Int8Encoder(OpenClipEncoder(loaded, device="cpu", precision="fp32", preprocess=preprocess))
    return OpenClipEncoder(loaded, device=device, precision=precision, preprocess=preprocess)
