"""The picture half of an open_clip model in int8 on ONNX Runtime: about twice as fast on a CPU, nearly equal.

The text half stays in torch. The exported network is kept in the user's cache under the encoder's fingerprint.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import torch

from bioclip_search import places
from bioclip_search.encoder import VARIANT_SIGN, unit_rows
from bioclip_search.encoder.openclip import BATCH_PICTURES, OpenClipEncoder
from bioclip_search.errors import MissingExtraError
from bioclip_search.onnx_sessions import open_onnx

log = logging.getLogger(__name__)

OPSET = 17
"""ONNX operator set: the newest that the quantiser handles without rewriting the graph."""

QUANTISED_OPERATORS = ["MatMul", "Gemm"]
"""Nearly all of a transformer's work. The patch convolution stays in fp32; it is little work and sees raw pixels, and
so does the last product, which makes the vector itself.

Subtle: the weights keep to 7 bits. AVX2 without VNNI adds products of 8-bit numbers in 16 bits, which overflow: cosine
to fp32 0.93 to 0.97 in place of 0.999. Unsigned weights would do too, and are a fifth slower.
"""


class Int8Encoder:
    """An open_clip encoder whose picture tower runs with int8 weights and dynamically quantised activations."""

    def __init__(self, base: OpenClipEncoder):
        """Exports and quantises the picture tower of `base` unless the cache holds it.

        Raises:
            MissingExtraError: onnx or onnxruntime is not installed.
        """
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the quantiser loads onnxruntime
        try:
            import onnx  # noqa: F401  (the exporter and the quantiser need it)
            import onnxruntime  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("The int8 encoder", "onnx") from error
        self._base = base
        self.name, self.dim, self.logit_scale, self.input_px = base.name, base.dim, base.logit_scale, base.input_px
        self.fingerprint = base.fingerprint.split(VARIANT_SIGN)[0] + VARIANT_SIGN + "int8"
        self.prepare, self.encode_texts = base.prepare, base.encode_texts
        path = places.user_cache() / "onnx" / f"{self.fingerprint}.onnx"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            _export_int8(base, path)
        self._session = open_onnx(path, "The int8 encoder", "the int8 encoder")

    def encode_prepared(self, prepared: Sequence[torch.Tensor]) -> np.ndarray:
        rows = np.zeros((len(prepared), self.dim), np.float32)
        for first in range(0, len(prepared), BATCH_PICTURES):
            batch = torch.stack(list(prepared[first : first + BATCH_PICTURES])).numpy()  # (b, 3, size, size)
            rows[first : first + BATCH_PICTURES] = self._session.run(None, {"pictures": batch})[0]
        return unit_rows(rows)

    def encode_images(self, pictures: Sequence[PIL.Image.Image]) -> np.ndarray:
        return self.encode_prepared([self.prepare(picture) for picture in pictures])


def _export_int8(base: OpenClipEncoder, path: Path) -> None:
    """Writes the quantised tower; the file appears only when it is whole."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    log.info("exporting %s to int8, once", base.name)
    size = base.input_px
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        plain, quantised = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        torch.onnx.export(
            base.model.visual,
            (torch.zeros(2, 3, size, size),),
            str(plain),
            input_names=["pictures"],
            output_names=["vectors"],
            dynamic_axes={"pictures": {0: "n"}, "vectors": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
        products = [node.name for node in onnx.load(plain).graph.node if node.op_type in QUANTISED_OPERATORS]
        options = {"op_types_to_quantize": QUANTISED_OPERATORS, "nodes_to_exclude": products[-1:]}
        quantize_dynamic(plain, quantised, weight_type=QuantType.QInt8, reduce_range=True, per_channel=True, **options)
        os.replace(quantised, path)
