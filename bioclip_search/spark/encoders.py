"""The encoder on a worker: the one that was opened here, opened there at the first piece and kept for all that follow.

What is encoded is left to `texts` and `features`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioclip_search.errors import SparkError
from bioclip_search.spark.worker import given

if TYPE_CHECKING:
    from bioclip_search.encoder import Encoder

_at_hand: dict[EncoderThere, Encoder] = {}
"""What this process has opened: one at a time."""


@dataclass(frozen=True)
class EncoderThere:
    """How a worker opens an encoder; sent to it by pickle.

    Attributes:
        name: What `open_encoder` takes; a folder in full.
        fingerprint: Of the encoder that was opened where the work began.
    """

    name: str
    fingerprint: str
    device: str = "auto"
    precision: str = "auto"
    preprocess: str = "open_clip"

    @classmethod
    def of(cls, name: str | Path, encoder: Encoder, *, device: str = "auto", precision: str = "auto", preprocess: str = "open_clip") -> EncoderThere:
        """The encoder that was opened here by this name and these options."""
        in_full = str(Path(name).absolute()) if Path(name).is_dir() else str(name)
        return cls(in_full, encoder.fingerprint, device, precision, preprocess)

    def open(self) -> Encoder:
        """Raises: SparkError: the encoder there is another than the one here."""
        if self not in _at_hand:
            import torch

            from bioclip_search.encoder.opening import open_encoder

            cores, card = given()
            torch.set_num_threads(cores)
            _at_hand.clear()
            device = card if card and self.device == "auto" else self.device
            encoder = open_encoder(self.name, device=device, precision=self.precision, preprocess=self.preprocess)
            if encoder.fingerprint != self.fingerprint:
                raise SparkError(
                    f"A worker has another encoder under the name {self.name} ({encoder.fingerprint}, not {self.fingerprint}). "
                    "Give all machines the same files, or name them by a path on shared storage; --device cpu makes unlike machines alike."
                )
            _at_hand[self] = encoder
        return _at_hand[self]
