"""The card of an index: a JSON file that says what the folder is and vouches for every byte in it.

Reading vectors and verifying files is left to `vectors` and `folder`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from bioclip_search.errors import IndexDamagedError, IndexFolderError, IndexMismatchError

FORMAT_VERSION = "1"
FORMAT_WITH_HEAD = "2"
"""Of an index that carries a head: a program that knows nothing of heads must not answer without it."""

CARD_FILE = "card.json"
SEAL = "sha256_of_this_card"
SKETCH_PREFIX, ADDED_PREFIX, CALIBRATION_PREFIX, HEAD_PREFIX = "sketch-", "added-", "calibration-", "head-"
"""What the folders of sketches and of additions, and the files of a calibration and of a head are called, before a number."""

MAX_CARD_BYTES = 1 << 24
MOST_FACTOR = 1_000_000
"""Of scores: CLIP's is at most 100."""

MOST_OF_HEAD = 1_000
"""Weight and bias of a head, in logits; those that are found are about 1."""

BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class EncoderNote:
    """The encoder that made the vectors. `source` is what `load_model` takes, or a folder inside the index."""

    source: str
    fingerprint: str
    preprocess: str
    dim: int
    logit_scale: float


@dataclass(frozen=True)
class VectorsNote:
    """How the vectors are kept: `flat` (fp32), `fp16` or `int8`; the metric is the inner product of unit rows."""

    kind: str
    count: int
    dim: int


@dataclass(frozen=True)
class TaxonomyNote:
    """The leaves: the hash of their lineages, and the ranks that those have."""

    content_hash: str
    ranks: tuple[str, ...]
    leaves: int


@dataclass(frozen=True)
class Calibration:
    """What was fitted on labelled pictures: a temperature, and the file with the evidence for what accuracy may be promised.

    `evidence` is None in an index that was calibrated before there was such a file, or that lost it.
    """

    temperature: float
    fitted_on: str
    evidence: str | None = None


@dataclass(frozen=True)
class SpeedNote:
    """One way to search with a sketch: what it does, and how far it was found from an exact search.

    `recall_at_10` is the share of the ten best rows that are found; `mass_error` the largest error of the probability
    of any taxon; `error_of_tail` that error as a part of the probability of rows not looked at, from which the error
    of an answer is told; `searched_exactly` the share of queries where that was too large.
    """

    sketch: str
    looked_at: int
    error_allowed: float
    error_of_tail: float
    recall_at_10: float
    mass_error: float
    searched_exactly: float


@dataclass(frozen=True)
class AddedNote:
    """Taxa that were added after the index was built: how many, and the folder that holds them."""

    folder: str
    count: int


@dataclass(frozen=True)
class HeadNote:
    """A head over the vectors of pictures, and how far it is believed beside the text, as `heads.blending` reckons: its weight w and bias b."""

    file: str
    kind: str
    classes: int
    fingerprint: str
    weight: float
    bias: float
    fitted_on: str = ""

    @property
    def mark(self) -> str:
        """The same for the same head, believed as much."""
        return f"{self.fingerprint} w{self.weight:g} b{self.bias:g}"


@dataclass(frozen=True)
class FileNote:
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Card:
    """All that `card.json` says."""

    name: str
    encoder: EncoderNote
    recipe: dict[str, Any]
    taxonomy: TaxonomyNote
    vectors: VectorsNote
    about: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    speeds: dict[str, SpeedNote] = field(default_factory=dict)
    added: AddedNote | None = None
    files: dict[str, FileNote] = field(default_factory=dict)
    head: HeadNote | None = None

    @property
    def format_version(self) -> str:
        return FORMAT_WITH_HEAD if self.head else FORMAT_VERSION

    @property
    def count(self) -> int:
        """How many taxa the index holds, those that were added included."""
        return self.vectors.count + (self.added.count if self.added else 0)

    def write(self, folder: Path) -> None:
        """Writes the sealed card; any later change of a byte shows."""
        content = asdict(self) | {"format_version": self.format_version}
        if self.head is None:
            del content["head"]  # as cards have always been
        content[SEAL] = _seal(content)
        (folder / CARD_FILE).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")

    @classmethod
    def read(cls, folder: Path) -> Card:
        """The card of an index folder.

        Raises:
            IndexFolderError: There is no card.
            IndexMismatchError: It is of another format version.
            IndexDamagedError: It is no card, or was changed after it was written.
        """
        path = folder / CARD_FILE
        if not path.is_file():
            raise IndexFolderError(f"{folder}: is no index folder (it has no {CARD_FILE}). See `bioclip-search index list`.")
        if path.stat().st_size > MAX_CARD_BYTES:
            raise IndexDamagedError(f"{path}: is larger than any card. Get the index again.")
        try:
            content = json.loads(path.read_bytes())
            version = content["format_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise IndexDamagedError(f"{path}: is damaged, it is no card any more ({error}). Get the index again.") from error
        if version not in (FORMAT_VERSION, FORMAT_WITH_HEAD):
            raise IndexMismatchError(
                f"{folder}: has index format {version}, this program reads {FORMAT_VERSION} and {FORMAT_WITH_HEAD}. Build it again with `bioclip-search index build`, or install the program version that made it."
            )
        if content.pop(SEAL, None) != _seal(content):
            raise IndexDamagedError(f"{path}: was changed after it was written. Get the index again or rebuild it.")
        try:
            return _from_content(content)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise IndexDamagedError(f"{path}: lacks what a card must say ({error}). Rebuild the index.") from error


def change_card(folder: Path, **changes: Any) -> None:
    """Rewrites the card with some of its parts changed; the vectors and taxa stay as they are."""
    card = replace(Card.read(folder), **changes)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        card.write(Path(scratch))
        os.replace(Path(scratch, CARD_FILE), folder / CARD_FILE)


def note_file(path: Path) -> FileNote:
    """Size and SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return FileNote(path.stat().st_size, digest.hexdigest())


def is_inside(name: str) -> bool:
    """Whether a file name of a card stays within the folder on every system."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name


def _seal(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode(errors="surrogatepass")).hexdigest()


def _from_content(content: dict[str, Any]) -> Card:
    parts = dict(content)
    parts["encoder"] = EncoderNote(**parts["encoder"])
    parts["vectors"] = VectorsNote(**parts["vectors"])
    parts["taxonomy"] = TaxonomyNote(**{**parts["taxonomy"], "ranks": tuple(parts["taxonomy"]["ranks"])})
    if calibration := parts["calibration"]:
        calibration.pop("thresholds", None)  # those of the first format promised too little to be kept
        parts["calibration"] = Calibration(**calibration)
    parts["speeds"] = {name: SpeedNote(**note) for name, note in parts.get("speeds", {}).items()}
    parts["added"] = AddedNote(**parts["added"]) if parts.get("added") else None
    parts["files"] = {name: FileNote(**note) for name, note in parts["files"].items()}
    parts["head"] = HeadNote(**parts["head"]) if parts.get("head") else None
    version = parts.pop("format_version")
    card = Card(**parts)
    if version != card.format_version:
        raise ValueError(f"it has format {version}, and {'a' if card.head else 'no'} head")
    _stop_if_odd(card)
    return card


def _stop_if_odd(card: Card) -> None:
    """Looks at what the program reckons with or makes paths of.

    Raises:
        ValueError: It is of another type or form than it should be.
    """
    folders = [(note.sketch, SKETCH_PREFIX) for note in card.speeds.values()] + ([(card.added.folder, ADDED_PREFIX)] if card.added else [])
    if odd := next((folder for folder, prefix in folders if not re.fullmatch(rf"{prefix}\d+", folder, re.ASCII)), None):
        raise ValueError(f"{odd!r} is no folder of its own kind")
    evidence = card.calibration.evidence if card.calibration else None
    if evidence is not None and not re.fullmatch(rf"{CALIBRATION_PREFIX}\d+\.parquet", evidence, re.ASCII):
        raise ValueError(f"{evidence!r} is no file of a calibration")
    if card.head is not None:
        _stop_if_odd_head(card.head)
    factors = [card.encoder.logit_scale, *([card.calibration.temperature] if card.calibration else [])]
    counts = [card.encoder.dim, card.vectors.dim, card.vectors.count, card.taxonomy.leaves, *([card.added.count] if card.added else [])]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("a count is no whole number")
    if not all(isinstance(factor, int | float) and 0 < factor <= MOST_FACTOR for factor in factors):
        raise ValueError(f"the logit scale or the temperature is no number above zero, up to {MOST_FACTOR:,}")
    if not isinstance(card.recipe.get("text_type"), str) or not isinstance(card.recipe.get("templates"), list | tuple):
        raise ValueError("the text recipe has no text_type or no templates")


def _stop_if_odd_head(note: HeadNote) -> None:
    if not re.fullmatch(rf"{HEAD_PREFIX}\d+\.safetensors", note.file, re.ASCII):
        raise ValueError(f"{note.file!r} is no file of a head")
    if not all(isinstance(word, str) for word in (note.kind, note.fingerprint, note.fitted_on)) or type(note.classes) is not int or note.classes < 2:
        raise ValueError("what it says of its head is of another kind")
    if not all(isinstance(number, int | float) and abs(number) <= MOST_OF_HEAD for number in (note.weight, note.bias)) or note.weight < 0:
        raise ValueError(f"the weight or the bias of its head is no number up to {MOST_OF_HEAD:,}")
