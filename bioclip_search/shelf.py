"""The models that are known by name, detectors and encoders: licence, size, whether they are here, and what to do if not.

Fetching is left to `pulling` and, for encoders, to the library of the hub; loading to `detect` and `encoder`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from bioclip_search import places
from bioclip_search.data.manifest import named_models, read_manifest
from bioclip_search.detectors.known import KNOWN_DETECTORS, STARTER, KnownDetector, find_detector_folder, known_detector, known_files
from bioclip_search.errors import ModelError
from bioclip_search.pulling import Progress, Pulled, hash_of, pull, recorded_sha256

DETECTOR, ENCODER = "detector", "encoder"

ENCODER_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""The files of weights in a hub's folder, in the order in which open_clip looks for them."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ShelvedModel:
    """A model that is known by name.

    Attributes:
        kind: "detector" or "encoder".
        size_bytes: Of the file that is here; else as far as it is known.
        path: Where it is; None where it is not here.
        sha256: Of the file that is here.
        state: In words: shipped, here, changed, not here, or why it cannot run.
        todo: What to do to have it; empty where nothing is.
        published_md5: The checksum that its authors publish, which `models pull` holds against what comes.
    """

    name: str
    kind: str
    licence: str
    size_bytes: int | None
    path: Path | None
    sha256: str | None
    state: str
    todo: str
    published_md5: str | None = None

    def to_dict(self) -> dict[str, str | int | None]:
        """As `models list --format jsonl` prints it."""
        return asdict(self) | {"path": None if self.path is None else str(self.path)}


def shelved_models() -> list[ShelvedModel]:
    """Our own detector, the published detectors, the published encoders; the SHA-256 of what is here takes a moment to work out."""
    from bioclip_search.encoder.loading import KNOWN_MODELS

    encoders = [_encoder(name, hub.partition(":")[2]) for name, hub in KNOWN_MODELS.items()]
    return [_starter(), *(_detector(known) for known in KNOWN_DETECTORS), *encoders]


def pull_model(name: str, progress: Progress | None = None) -> Pulled | None:
    """Fetches the model of this name; None for an encoder, which the hub's own library keeps, and for what is shipped.

    Raises:
        ModelError: The name is unknown, or the model cannot run here.
        FetchError: It cannot be fetched.
    """
    from bioclip_search.encoder.loading import KNOWN_MODELS, load_model

    if name.lower() == STARTER:
        find_detector_folder(STARTER)
        return None
    if known := known_detector(name):
        if known.obstacle:
            raise ModelError(f"{known.name} is of no use here: {known.obstacle}. Take MDV6-yolov9-c or MDV1000-larch.")
        return pull(known.address, places.user_models() / known.file, md5=known.md5, progress=progress)
    if name in KNOWN_MODELS:
        load_model(name)
        return None
    names = ", ".join([*(row.name for row in KNOWN_DETECTORS if not row.obstacle), *KNOWN_MODELS])
    raise ModelError(f"There is no model {name!r}. Known are: {names}. See `bioclip-search models list`.")


def _starter() -> ShelvedModel:
    from bioclip_search.detectors.organism import WEIGHTS_FILE

    licence = "Apache-2.0"
    try:
        path = find_detector_folder(STARTER) / WEIGHTS_FILE
        return ShelvedModel(STARTER, DETECTOR, licence, path.stat().st_size, path, hash_of(path), "shipped", "")
    except (ModelError, OSError):
        return ShelvedModel(STARTER, DETECTOR, licence, None, None, None, "not here", "install the package again")


def _detector(known: KnownDetector) -> ShelvedModel:
    size = None if known.size_mb is None else known.size_mb * 1_000_000
    path = next((path for path in known_files(known) if path.is_file()), None)
    if path is None:
        state = f"cannot run here: {known.obstacle}" if known.obstacle else "not here"
        todo = f"run it elsewhere and give `tag` its JSON; see {known.page}" if known.obstacle else f"bioclip-search models pull {known.name}"
        return ShelvedModel(known.name, DETECTOR, known.licence, size, None, None, state, todo, known.md5)
    sha256, recorded = hash_of(path), recorded_sha256(path)
    has_changed = recorded not in (None, sha256)
    state = "has changed since it came here" if has_changed else "here, a pickle: needs --trust-pickle" if path.suffix == ".pt" else "here"
    todo = f"delete {path} and pull it again" if has_changed else ""
    return ShelvedModel(known.name, DETECTOR, known.licence, path.stat().st_size, path, sha256, state, todo, known.md5)


def _encoder(name: str, hub: str) -> ShelvedModel:
    """Of a file in the hub's cache the SHA-256 is the name under which the cache keeps it."""
    from huggingface_hub import try_to_load_from_cache

    manifest = named_models().get(name)
    licence = read_manifest(manifest).licence if manifest else f"see huggingface.co/{hub}"
    for file in ENCODER_WEIGHTS:
        found = try_to_load_from_cache(hub, file)
        if isinstance(found, str) and Path(found).is_file():
            path = Path(found)
            blob = path.resolve().name
            sha256 = blob if _SHA256.fullmatch(blob) else hash_of(path)
            return ShelvedModel(name, ENCODER, licence, path.stat().st_size, path, sha256, "here", "")
    return ShelvedModel(name, ENCODER, licence, None, None, None, "not here", f"bioclip-search models pull {name}")
