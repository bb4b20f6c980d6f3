"""Everything that is known by a name, data sets and models, as one list: licence, size, whether it is here, and what to do if not.

What is told of each is left to `manifest`, of single models to `shelf`, fetching to `pull`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path

from bioclip_search import places
from bioclip_search.data.manifest import CAMERA_TRAPS, DETECTORS, ENCODER, FILES, HUB, MANUAL, Manifest, named_models, named_sets, read_manifest
from bioclip_search.data.wish import BEGUN, marked
from bioclip_search.errors import TableError

DATA, MODEL = "data", "model"


@dataclass(frozen=True)
class Entry:
    """A data set or model that is known by name.

    Attributes:
        type: "data" or "model".
        kind: How it is had, one of `manifest.KEYS`.
        state: In words: here, begun, not here, streamed, by hand.
        path: Where it is, or would be kept.
        todo: What to do to have it; empty where nothing is.
    """

    name: str
    type: str
    kind: str
    what: str
    licence: str
    citation: str
    size: str
    size_bytes: int | None
    state: str
    path: Path | None
    todo: str
    source: str
    addresses: tuple[str, ...]
    consent: str
    by_hand: str
    verified: str
    unverified: str

    def to_dict(self) -> dict[str, object]:
        """As `data list --format jsonl` prints it."""
        return asdict(self) | {"path": None if self.path is None else str(self.path), "addresses": list(self.addresses)}


def all_entries() -> list[Entry]:
    """The data sets, then the models, each in alphabetical order."""
    return [_entry(read_manifest(path), DATA) for path in named_sets().values()] + [_entry(read_manifest(path), MODEL) for path in named_models().values()]


def find_any(name: str) -> Manifest:
    """The manifest of the data set or model of this name, or in this .toml file.

    Raises:
        TableError: There is none; tells what is nearest.
    """
    known = named_sets() | named_models()
    if name.lower() in known:
        return read_manifest(known[name.lower()])
    if Path(name).suffix.lower() == ".toml" and Path(name).is_file():
        return read_manifest(Path(name))
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise TableError(f"There is no data set or model {name!r}. {hint}See `bioclip-search data list`.")


def is_model_of_the_shelf(name: str) -> bool:
    """Whether `shelf.pull_model` fetches it: a known encoder, or one detector of a family."""
    from bioclip_search.detectors.known import known_detector
    from bioclip_search.encoder.loading import KNOWN_MODELS

    return name in KNOWN_MODELS or known_detector(name) is not None


def entry_of(name: str) -> Entry:
    """Raises: TableError: there is no data set or model of this name."""
    manifest = find_any(name)
    return _entry(manifest, MODEL if manifest.is_model or manifest.kind in (ENCODER, DETECTORS) else DATA)


def _entry(manifest: Manifest, type_: str) -> Entry:
    state, path, todo = _models(manifest) if manifest.kind in (ENCODER, DETECTORS) else _state(manifest)
    return Entry(
        name=manifest.name,
        type=type_,
        kind=manifest.kind,
        what=manifest.what,
        licence=manifest.licence,
        citation=manifest.citation,
        size=manifest.size,
        size_bytes=manifest.size_bytes,
        state=state,
        path=path,
        todo=todo,
        source=manifest.source,
        addresses=_addresses(manifest),
        consent=manifest.consent,
        by_hand="" if manifest.kind in (ENCODER, DETECTORS) else manifest.steps(),
        verified=manifest.verified,
        unverified=manifest.unverified,
    )


def _state(manifest: Manifest) -> tuple[str, Path, str]:
    """Whether a data set is here, where, and what to do."""
    folder = (places.user_models() if manifest.is_model else places.user_datasets()) / manifest.name
    consent = " --accept-licence" if manifest.consent else ""
    todo = f"bioclip-search data pull {manifest.name}{consent}"
    if folder.is_dir():
        is_begun = (marked(folder) or {}).get("state") == BEGUN
        return ("begun", folder, todo) if is_begun else ("here", folder, "")
    if manifest.kind == MANUAL:
        return "by hand", folder, f"bioclip-search data info {manifest.name}"
    return ("streamed" if manifest.kind == HUB else "not here"), folder, todo


def _models(manifest: Manifest) -> tuple[str, Path, str]:
    """What of a family of detectors, or of an encoder, is here, as the shelf tells it."""
    from bioclip_search.shelf import shelved_models

    found = [one for one in shelved_models() if one.name == manifest.name or (manifest.family and one.name.startswith(manifest.family))]
    here = [one for one in found if one.path is not None]
    folder = here[0].path if here and here[0].path else places.user_models()
    lacking = [one.name for one in found if one.path is None and one.todo.startswith("bioclip-search models pull")]
    todo = (
        f"bioclip-search models pull {lacking[0]}" + (f" (or {', '.join(lacking[1:])})" if lacking[1:] else "")
        if lacking
        else next((one.todo for one in found if one.path is None), "")
    )
    if not manifest.family:
        return ("here" if here else "not here"), folder, todo
    return (f"{len(here)} of {len(found)} here" if here else "not here"), folder, todo


def _addresses(manifest: Manifest) -> tuple[str, ...]:
    """Where it comes from: of a family of detectors as `detectors.known` tells it, of an encoder as `encoder.loading` does."""
    if manifest.kind == DETECTORS:
        from bioclip_search.detectors.known import KNOWN_DETECTORS

        return tuple(known.address for known in KNOWN_DETECTORS if known.name.startswith(manifest.family))
    if manifest.kind == ENCODER:
        from bioclip_search.encoder.loading import HUB as PREFIX
        from bioclip_search.encoder.loading import KNOWN_MODELS

        return (f"https://huggingface.co/{KNOWN_MODELS[manifest.name].removeprefix(PREFIX)}",)
    if manifest.kind == FILES:
        return tuple(file.url for file in manifest.files)
    if manifest.kind == CAMERA_TRAPS:
        return tuple(filter(None, (manifest.labels, manifest.boxes, manifest.pictures, manifest.taxonomy)))
    return (f"https://huggingface.co/{'' if manifest.is_model else 'datasets/'}{manifest.hub}",) if manifest.hub else ()
