"""What is known of a named data set or model: where it is, what it needs, under which licence, and how sure that is.

Reads TOML and loads nothing; streaming from the hub is left to `hub`, fetching to `pull`. The manifests are kept in
data_manifest/datasets and data_manifest/models and shipped with the package.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bioclip_search import places
from bioclip_search.errors import TableError
from bioclip_search.pulling import HERE

FOLDER, MODELS = "datasets", "models"
"""Where the manifests are within data_manifest."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._-]*")

HUB, REPOSITORY, FILES, CAMERA_TRAPS, MANUAL, ENCODER, DETECTORS = "hub", "repository", "files", "camera traps", "manual", "encoder", "detectors"

REQUIRED = ("what", "licence", "citation")
OPTIONAL = ("kind", "size", "size_bytes", "verified", "unverified", "source", "consent", "steps")

KEYS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    HUB: (("hub", "split", "columns"), ("config", "revision", "part")),
    REPOSITORY: (("hub",), ("revision", "is_model")),
    FILES: (("files",), ()),
    CAMERA_TRAPS: (("labels", "pictures"), ("boxes", "taxonomy", "name_in_taxonomy", "n_pictures")),
    MANUAL: (("steps",), ()),
    ENCODER: ((), ("hub",)),
    DETECTORS: (("family",), ()),
}
"""Of each kind of manifest what it must tell and what it may tell besides:

hub           labelled pictures on the Hugging Face hub, streamed row by row
repository    files of a repository of the hub, fetched as they are
files         files at web addresses
camera traps  COCO Camera Traps JSON at one address, and the folder of another from which it tells its pictures
manual        what only a person can get, by the steps told
encoder       a model of `encoder.loading.KNOWN_MODELS`, by its name
detectors     those of `detectors.known.KNOWN_DETECTORS` whose names begin with the family's
"""

TEXTS = frozenset({"split", "part", "size", "source", "consent", "labels", "pictures", "boxes", "taxonomy", "name_in_taxonomy", "family", "hub"}) | frozenset(
    {"what", "licence", "citation", "verified", "unverified", "config", "revision", "kind"}
)
NUMBERS = ("size_bytes", "n_pictures")
ADDRESSES = ("labels", "pictures", "boxes", "taxonomy")
FILE_KEYS = ("url", "name", "md5", "sha256", "size_bytes", "split", "unpack")
IMAGE = "image"


@dataclass(frozen=True)
class RemoteFile:
    """A file at a web address; `md5` and `sha256` are those that its authors publish, where they do.

    Attributes:
        name: What it is called in the folder of its set.
        split: The part of the set that is in it.
        is_unpacked: Whether it is an archive that is unpacked when it is here, and then goes.
    """

    url: str
    name: str
    md5: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    split: str | None = None
    is_unpacked: bool = False


@dataclass(frozen=True)
class Manifest:
    """A data set or a model.

    Attributes:
        what: In one sentence.
        kind: One of `KEYS`.
        hub: OWNER/NAME on the Hugging Face hub, or a folder in its layout.
        split: The split that is read, and `part` what its pictures count as: what is called train is not measured unless asked for.
        columns: Of ours (image, the ranks, scientific_name, label, common_name, source_id) the names that they may go by there, likeliest first.
        size_bytes: Of all of it, as far as that is known.
        consent: What one must agree to before it is fetched; empty where nothing is asked.
        by_hand: What a person does who gets it without this program, step by step.
        verified: What was looked up and where; `unverified`: what was not, so that a mistake is easily found.
    """

    name: str
    what: str
    licence: str
    citation: str
    kind: str = HUB
    hub: str = ""
    split: str = ""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    part: str = "test"
    config: str | None = None
    revision: str | None = None
    is_model: bool = False
    size: str = ""
    size_bytes: int | None = None
    source: str = ""
    consent: str = ""
    by_hand: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    labels: str = ""
    pictures: str = ""
    boxes: str = ""
    taxonomy: str = ""
    name_in_taxonomy: str = ""
    n_pictures: int | None = None
    family: str = ""
    verified: str = ""
    unverified: str = ""
    home: Path = field(default=Path(), compare=False)

    @property
    def local(self) -> Path | None:
        """The folder that holds it on this machine: a copy of the user's, or what `hub` itself names; None where there is none."""
        for folder in (places.user_datasets() / self.name, *((self.home / self.hub, Path(self.hub)) if self.hub else ())):
            if folder.is_dir():
                return folder
        return None

    def steps(self) -> str:
        """How to get it by hand, word for word."""
        folder = places.user_models() if self.is_model else places.user_datasets()
        if self.by_hand:
            return "To get it by hand: " + " ".join(f"{number}. {step}" for number, step in enumerate(self.by_hand, start=1))
        if self.kind == CAMERA_TRAPS:
            return f"To get it by hand: download {self.labels}, and the pictures that it names from {self.pictures}, into {folder / self.name}."
        if self.kind == FILES:
            return f"To get it by hand: download {' and '.join(file.url for file in self.files)} into {folder / self.name}."
        return (
            f"To get it by hand, on a machine with network: pip install huggingface_hub, then hf download {self.hub}{'' if self.is_model else ' --repo-type dataset'} "
            f"--local-dir {self.name}; put that folder at {folder / self.name} and run the command again."
        )


def named_sets() -> dict[str, Path]:
    """The manifests of data sets that are shipped, by name, in alphabetical order."""
    return _shipped(FOLDER)


def named_models() -> dict[str, Path]:
    """The manifests of models that are shipped, by name, in alphabetical order."""
    return _shipped(MODELS)


def _shipped(folder: str) -> dict[str, Path]:
    home = places.shipped("data_manifest")
    return {file.stem: file for file in sorted((home / folder).glob("*.toml"))} if home else {}


def find_manifest(name: str | Path) -> Manifest | None:
    """The manifest of the data set of this name, or in this .toml file; None where it is neither: then it is the name of a file or folder.

    Raises:
        TableError: The manifest is damaged, or looks like a name and is none.
    """
    path = Path(name)
    if path.suffix.lower() == ".toml" and path.is_file():
        return read_manifest(path)
    if path.exists():
        return None
    known = named_sets()
    if str(name) in known:
        return read_manifest(known[str(name)])
    near = get_close_matches(str(name), known, n=1, cutoff=0.8) if NAME.fullmatch(str(name)) and not path.suffix else []
    if near:
        raise TableError(f"{name}: no such file, and no data set of this name. Did you mean {near[0]}? There are {', '.join(known)}.")
    return None


def read_manifest(path: Path) -> Manifest:
    """Raises: TableError: the file cannot be read, lacks an entry, or has one that means nothing."""
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TableError(f"{path}: cannot be read as TOML ({error}).") from error
    kind = content.get("kind", HUB)
    if not isinstance(kind, str) or kind not in KEYS:
        raise TableError(f"{path}: its kind {kind!r} is none of {', '.join(KEYS)}.")
    _refuse_wrong_keys(content, kind, path)
    _refuse_wrong_values(content, path)
    if "columns" in content:
        content["columns"] = _columns(content["columns"], path)
    if "files" in content:
        content["files"] = _files(content["files"], path)
    content["by_hand"] = _list_of_texts(content.pop("steps", []), path, "steps")
    return Manifest(name=path.stem, home=path.parent, **content)


def _refuse_wrong_keys(content: Mapping[str, Any], kind: str, path: Path) -> None:
    must, may = KEYS[kind]
    missing = [key for key in (*REQUIRED, *must) if key not in content]
    unknown = [key for key in content if key not in (*REQUIRED, *OPTIONAL, *must, *may)]
    if missing or unknown:
        told = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has {', '.join(unknown)}, which mean nothing"] * bool(unknown)
        raise TableError(f"{path}: is no manifest of the kind {kind}: it {' and '.join(told)}.")


def _refuse_wrong_values(content: Mapping[str, Any], path: Path) -> None:
    _refuse(content, TEXTS, lambda value: isinstance(value, str), "must be text", path)
    _refuse(content, NUMBERS, lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0, "must be whole numbers above zero", path)
    _refuse(content, ("is_model",), lambda value: isinstance(value, bool), "must be true or false", path)
    _refuse(content, ADDRESSES, is_fetchable, "must be addresses that begin with https://", path)


def _refuse(content: Mapping[str, Any], keys: Any, is_sound: Callable[[Any], bool], words: str, path: Path) -> None:
    wrong = [key for key in content if key in keys and not is_sound(content[key])]
    if wrong:
        raise TableError(f"{path}: {', '.join(wrong)} {words}.")


def is_fetchable(address: str) -> bool:
    """Whether it is an encrypted web address, or one of this machine, without a user's name.

    >>> [is_fetchable(address) for address in ("https://example.org/a.zip", "http://example.org/a.zip", "file:///etc/passwd")]
    [True, False, False]
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)
    return is_safe and bool(parts.hostname) and parts.username is None and parts.password is None


def _columns(columns: Any, path: Path) -> dict[str, tuple[str, ...]]:
    if not isinstance(columns, dict) or IMAGE not in columns or len(columns) < 2:
        raise TableError(f"{path}: its [columns] must say which column holds the {IMAGE} and which the taxon.")
    return {ours: _names(theirs, path) for ours, theirs in columns.items()}


def _names(theirs: Any, path: Path) -> tuple[str, ...]:
    names = (theirs,) if isinstance(theirs, str) else tuple(theirs) if isinstance(theirs, list) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise TableError(f"{path}: a column is told by its name, or by a list of names that it may have; got {theirs!r}.")
    return names


def _files(files: Any, path: Path) -> tuple[RemoteFile, ...]:
    if not isinstance(files, list) or not files or not all(isinstance(file, dict) for file in files):
        raise TableError(f"{path}: its files must be tables [[files]], each with a url.")
    read = tuple(_file(file, path) for file in files)
    if len({file.name.lower() for file in read}) < len(read):
        raise TableError(f"{path}: two of its files have one name. Give each another `name`.")
    return read


def _file(told: dict[str, Any], path: Path) -> RemoteFile:
    unknown = [key for key in told if key not in FILE_KEYS]
    if unknown or "url" not in told:
        raise TableError(f"{path}: a file has {', '.join(unknown) or 'no url'}; what is told of one is {', '.join(FILE_KEYS)}.")
    _refuse(told, ("url", "name", "md5", "sha256", "split"), lambda value: isinstance(value, str), "must be text", path)
    _refuse(told, ("url",), is_fetchable, "must be addresses that begin with https://", path)
    _refuse(told, ("size_bytes",), lambda value: isinstance(value, int) and value > 0, "must be whole numbers above zero", path)
    for kind, digits in (("md5", 32), ("sha256", 64)):
        _refuse(
            told, (kind,), lambda value, digits=digits: bool(re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value)), f"must be {digits} hexadecimal digits", path
        )
    name = told.get("name") or unquote(urlsplit(told["url"]).path).rpartition("/")[2]
    if not FILE_NAME.fullmatch(name) or name.endswith((".", " ")):
        raise TableError(f"{path}: {name!r} is no name of a file. Give one of letters, digits and . _ - as `name`.")
    kept = {key: told.get(key) for key in ("md5", "sha256", "size_bytes", "split")}
    return RemoteFile(told["url"], name, is_unpacked=bool(told.get("unpack")), **kept)


def _list_of_texts(told: Any, path: Path, key: str) -> tuple[str, ...]:
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise TableError(f"{path}: its {key} must be a list of texts.")
    return tuple(told)
