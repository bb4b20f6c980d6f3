"""Pictures and sentences in, unit vectors out: the one contract that all encoders keep.

Knows nothing of taxa or indexes. `openclip` serves the contract for every open_clip model, `onnx` runs the
picture half of such a model in int8, `preprocess` says how a picture becomes the tensor they eat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

VARIANT_SIGN = "+"
"""Parts the hash of weights, preprocessing and tokenizer from the numeric variant: "9f3ac01b+int8"."""


class Encoder(Protocol):
    """What the rest of the package asks of an encoder."""

    name: str
    """What a user would type to load it again."""

    fingerprint: str
    """A hash of weights, preprocessing and tokenizer, then "+" and the numeric variant."""

    dim: int
    logit_scale: float

    input_px: int
    """Side of the square that the vision tower eats."""

    def prepare(self, picture: PIL.Image.Image) -> Any:
        """One upright RGB picture as the tensor the model eats; safe to call from several threads."""

    def encode_prepared(self, prepared: Sequence[Any]) -> np.ndarray:
        """The vectors of prepared pictures: (n, dim) float32, unit rows, in their order."""

    def encode_images(self, pictures: Sequence[PIL.Image.Image]) -> np.ndarray:
        """The vectors of pictures: (n, dim) float32, unit rows, in their order; (0, dim) for none."""

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of sentences: (n, dim) float32, unit rows, in their order; (0, dim) for none."""


def same_space(fingerprint: str, other: str) -> bool:
    """Whether two encoders give comparable vectors: all but the numeric variant is equal."""
    return fingerprint.split(VARIANT_SIGN)[0] == other.split(VARIANT_SIGN)[0]


def encode_recipe(encoder: Encoder, sentences: Sequence[Sequence[str]], batch_texts: int = 256, progress: Any = None) -> np.ndarray:
    """One vector per list of sentences: the mean of their unit vectors, made a unit again, (n, dim) float32.

    The averaging is OpenAI's (openai/CLIP, prompt engineering notebook). A zero mean stays a zero row.
    """
    import numpy as np

    flat = [sentence for several in sentences for sentence in several]
    counts = np.array([len(several) for several in sentences], np.int64)
    sums = np.zeros((len(sentences), encoder.dim), np.float32)
    owner = np.repeat(np.arange(len(sentences)), counts)
    for first in range(0, len(flat), batch_texts):
        batch = slice(first, first + batch_texts)
        np.add.at(sums, owner[batch], encoder.encode_texts(flat[batch]))
        if progress:
            progress(min(first + batch_texts, len(flat)), len(flat))
    return unit_rows(sums)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """The rows scaled to length one, (n, d) float32; zero rows stay zero."""
    import numpy as np

    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32, copy=False)
