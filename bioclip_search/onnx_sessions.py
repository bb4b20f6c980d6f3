"""Opens an ONNX file for the CPU, and says in clear words why it cannot be.

What goes in and what comes out is left to whoever asks. onnxruntime is loaded when a file is opened.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from bioclip_search.errors import MissingExtraError, ModelError


def open_onnx(path: Path, feature: str, expected: str, threads: int = 0) -> Any:
    """An `onnxruntime.InferenceSession`, which sends nothing home.

    Args:
        feature: What needs it, as the beginning of a sentence; `expected` what the file should be.
        threads: For a single run; 0: as many as there are cores.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelError: The file is missing, damaged, or no ONNX.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # Subtle: onnxruntime 1.29 and later reads it only at import
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(feature, "onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime fails with its own types
        raise ModelError(f"Expected {expected} in {path}: {error}") from error
