"""bioclip-search: which organism a picture shows, for any taxon that has a name.

    >>> import bioclip_search as bs
    >>> searcher = bs.Searcher.open("starter")                              # doctest: +SKIP
    >>> searcher.identify("photo.jpg", within="Aves")[0].taxon              # doctest: +SKIP
    'Turdus merula'

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Searcher": "searcher",
    "label": "labelling",
    "tag": "runs.tag",
    "Run": "runs.folder",
    "open_encoder": "encoder.opening",
    "Taxonomy": "taxonomy",
    "TextRecipe": "prompts",
    "build_index": "build",
    "train_classifier": "classifier.training",
    "Answer": "results",
    "Alternative": "results",
    "Rung": "results",
    "Failure": "results",
    "LabelAnswer": "results",
    "annotate": "render",
    "BioclipSearchError": "errors",
}
"""The public names and the module each lives in."""

_ROOMS = ("spark",)
"""Rooms that are spoken to by their own name: `bs.spark.tag`."""

__all__ = ["__version__", *_HOME, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"bioclip_search.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'bioclip_search' has no attribute {name!r}")
    return getattr(import_module(f"bioclip_search.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_ROOMS})
