"""Whether a detector fits where it is to run: the bytes of its weights, and the pictures a second that it looks at.

Both are asked before the training, of the untrained network, which takes as many bytes and as long. Measuring how good it is is left to `measure`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from bioclip_search.detect import Detector
from bioclip_search.detectors.architectures import ARCHITECTURES, build_model, stored_bytes
from bioclip_search.errors import ModelError

WARM_UP, TIMED = 3, 12
"""Looks before the clock runs, in which buffers are made, and looks that are timed; of these the median counts."""

PHOTO_WH = (1280, 960)
"""The size of the noise that is looked at where no pictures are given: a camera trap's, so that scaling it down counts as well."""

SCALES = "tnscmbelx"
"""The last letters of architectures, from the smallest network of a family to the largest."""

HEADER_BYTES = 1 << 18
"""Room for the names of the weights in their file: 64 KiB in the smallest network, 150 in the largest."""


def check_size(architecture: str, categories: Sequence[str], max_mb: float | None) -> float:
    """How many millions of bytes the weights take, as fp16.

    Raises:
        ModelError: More than `max_mb`; the message names the architectures of the family that fit.
    """
    size_mb = (stored_bytes(build_model(architecture, categories)) + HEADER_BYTES) / 1e6
    if max_mb is None or size_mb <= max_mb:
        return size_mb
    smaller = [name for name in ARCHITECTURES if name[:-1] == architecture[:-1] and SCALES.index(name[-1]) < SCALES.index(architecture[-1])]
    sizes = {name: (stored_bytes(build_model(name, categories)) + HEADER_BYTES) / 1e6 for name in smaller}
    fitting = [f"{name} ({size:.1f} MB)" for name, size in sizes.items() if size <= max_mb]
    instead = f"Start from {' or '.join(fitting)} instead." if fitting else "No network of this family fits; yolov9t and yolo26n take about 5 MB."
    raise ModelError(f"{architecture} takes {size_mb:.1f} MB as fp16, and at most {max_mb:g} MB are asked for (--max-mb). {instead}")


def frames_per_second(detector: Detector, pictures: Sequence[Image.Image] = ()) -> float:
    """Pictures a second that the detector looks at one by one, scaling and suppression of overlaps included.

    Args:
        pictures: What is looked at, in turn; noise by default.
    """
    noise = np.random.default_rng(0).integers(0, 255, (PHOTO_WH[1], PHOTO_WH[0], 3), dtype=np.uint8)
    shown = list(pictures) or [Image.fromarray(noise)]
    took = []
    for number in range(WARM_UP + TIMED):
        began = time.perf_counter()
        detector.detect([shown[number % len(shown)]], 0.2)
        took.append(time.perf_counter() - began)
    return 1 / float(np.median(took[WARM_UP:]))


def check_speed(speed: float, min_speed: float | None, architecture: str, image_px: int, device: str) -> None:
    """Returns for a detector that is fast enough.

    Raises:
        ModelError: It is slower than `min_speed`; the message says what to do.
    """
    if min_speed is not None and speed < min_speed:
        raise ModelError(
            f"{architecture} at {image_px} px looks at {speed:.1f} pictures a second here ({device}), and {min_speed:g} are asked for (--min-speed). "
            f"Take a smaller --image-px (half the side is about four times as fast), a smaller architecture, or ask for less and export it as "
            f"OpenVINO or NCNN (bioclip-search models export), which are faster on many boards."
        )
