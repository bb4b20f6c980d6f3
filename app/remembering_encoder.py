"""An encoder that remembers, so that moving a slider costs no second pass over the pictures.

Encodes nothing itself: that is left to the encoder it is put in front of. Keeps vectors only, in memory only.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from bioclip_search.encoder import Encoder

MOST_REMEMBERED = 10_000
"""Vectors kept; of 768 numbers they take 31 MB. The oldest are forgotten first."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture that was seen before, with its vector, or a new one, ready for the encoder behind."""

    key: bytes
    vector: np.ndarray | None
    picture: Any = None


class RememberingEncoder:
    """Keeps the contract of the encoder it is given, which sees the same pixels only once."""

    def __init__(self, encoder: Encoder, most: int = MOST_REMEMBERED):
        self._encoder, self._most = encoder, most
        self._vectors: dict[bytes, np.ndarray] = {}
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def prepare(self, picture: PIL.Image.Image) -> Prepared:
        key = hashlib.sha256(f"{picture.mode} {picture.size}".encode() + picture.tobytes()).digest()
        vector = self._vectors.get(key)
        return Prepared(key, vector) if vector is not None else Prepared(key, None, self._encoder.prepare(picture))

    def encode_prepared(self, prepared: Sequence[Prepared]) -> np.ndarray:
        fresh = {one.key: one.picture for one in prepared if one.vector is None}
        rows = self._encoder.encode_prepared(list(fresh.values())) if fresh else ()
        encoded = dict(zip(fresh, rows, strict=True))
        self._remember(encoded)
        vectors = [encoded[one.key] if one.vector is None else one.vector for one in prepared]
        return np.asarray(vectors, np.float32).reshape(len(prepared), self._encoder.dim)

    def encode_images(self, pictures: Sequence[PIL.Image.Image]) -> np.ndarray:
        return self.encode_prepared([self.prepare(picture) for picture in pictures])

    def _remember(self, encoded: dict[bytes, np.ndarray]) -> None:
        with self._lock:
            self._vectors |= encoded
            for oldest in list(self._vectors)[: max(0, len(self._vectors) - self._most)]:
                del self._vectors[oldest]
