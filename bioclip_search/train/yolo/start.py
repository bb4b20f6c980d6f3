"""What a training starts from: an architecture with random weights, weights that lie here already, or a detector folder.

Nothing is downloaded. Which architectures there are is left to `detectors.architectures`, the small kind of detector to `train.detector_goes_on`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bioclip_search import places
from bioclip_search.detectors.architectures import ARCHITECTURES, match_architecture
from bioclip_search.detectors.folder import load_network
from bioclip_search.detectors.known import find_detector_folder, known_detector, known_files, refuse_pickle
from bioclip_search.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Start:
    """The architecture, the network whose weights are taken over where they fit (None: random ones), and this in words."""

    architecture: str
    network: nn.Module | None
    words: str


def find_start(name_or_path: str, *, trust_pickle: bool = False) -> Start:
    """What the training starts from.

    Args:
        name_or_path: A name of `ARCHITECTURES`, of which NAME.pt is taken from `places.user_models()` if it lies there and may be loaded; a known
            detector that ultralytics can run; a .pt file; or a detector folder that ultralytics trained.
        trust_pickle: Whether a .pt file may be loaded: it is a pickle and can run any code.

    Raises:
        ModelError: There is no such start, it is a pickle that is not trusted, or its network is none of the architectures.
        MissingExtraError: ultralytics is not installed.
    """
    if name_or_path in ARCHITECTURES:
        return _named(name_or_path, trust_pickle)
    if folder := find_detector_folder(name_or_path):
        card, network, _ = load_network(folder)
        return Start(card.architecture, network, f"Starts from the detector {card.name} ({card.architecture}) in {folder}.")
    known = known_detector(name_or_path)
    path = known_files(known)[1] if known and not known.obstacle else Path(name_or_path).expanduser()
    if path.suffix.lower() != ".pt" or not path.is_file():
        raise ModelError(
            f"Expected something to start from, got {name_or_path!r}. Give a .pt file that is there, a detector folder, starter, or one of: {', '.join(ARCHITECTURES)}."
        )
    refuse_pickle(path, trust_pickle)
    return _unpickled(path)


def _named(name: str, trust_pickle: bool) -> Start:
    path = places.user_models() / f"{name}.pt"
    if not path.is_file():
        return Start(name, None, f"Starts {name} from random weights: {path} is not here, and nothing is downloaded. This takes many pictures and epochs.")
    if not trust_pickle:
        return Start(name, None, f"Starts {name} from random weights: {path} is here but is a Python pickle, which is loaded only with --trust-pickle.")
    start = _unpickled(path)
    if start.architecture != name:
        raise ModelError(f"Expected {name} in {path}, got {start.architecture}. Give it another name.")
    return start


def _unpickled(path: Path) -> Start:
    """From a file that the user trusts."""
    from ultralytics.nn.tasks import load_checkpoint

    try:
        network: Any = load_checkpoint(str(path))[0]
        architecture = match_architecture(network.yaml)
    except Exception as error:  # pickles fail with a dozen foreign types
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"Expected a box model of ultralytics in {path}; loading it gave: {reason}") from error
    if architecture is None or getattr(network, "task", "detect") != "detect":
        raise ModelError(f"The network in {path} is none that can be trained here. Known are: {', '.join(ARCHITECTURES)}.")
    return Start(architecture, network, f"Starts from the {architecture} in {path}.")
