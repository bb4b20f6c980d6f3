"""Shows the main job on two real photographs that come with well-known Python packages, offline.

Identifying is left to `searcher`, drawing to `render`; this only knows where the photographs lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bioclip_search.errors import MissingExtraError
from bioclip_search.results import Answer

PHOTOGRAPHS = {
    "chelsea": ("skimage", "data/chelsea.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}
"""What is shown: the package that ships each photograph, and the place within it."""

CREDITS = "Cat: Stefan van der Walt, public domain. Dahlia: vultilion on Flickr, CC BY 2.0."


def demo_photographs() -> list[Path]:
    """The photographs on this machine.

    Raises:
        MissingExtraError: A package that ships one is not installed.
    """
    paths = []
    for package, place in PHOTOGRAPHS.values():
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError("The demo takes its photographs from scikit-image and scikit-learn and", "demo")
        paths.append(Path(spec.submodule_search_locations[0], place))
    return paths


def run_demo(out: Path) -> Iterator[tuple[Answer, Path]]:
    """Each photograph's answer and the annotated PNG written for it into the folder `out`."""
    from bioclip_search.images import open_picture
    from bioclip_search.render import annotate, save_png
    from bioclip_search.searcher import Searcher

    photographs = demo_photographs()
    searcher = Searcher.open("starter")
    out.mkdir(parents=True, exist_ok=True)
    for photograph, answer in zip(photographs, searcher.identify(photographs), strict=True):
        path = out / f"{photograph.stem}.png"
        save_png(annotate(open_picture(photograph), [answer]), path)
        yield answer, path
