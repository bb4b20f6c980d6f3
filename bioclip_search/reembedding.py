"""An index with the taxa and names of another, whose texts another encoder has read.

Encoding is left to `text_vectors`, the folder to `build`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bioclip_search.build import build_index
from bioclip_search.catalogue import Catalogue
from bioclip_search.encoder import Encoder
from bioclip_search.index import Index
from bioclip_search.prompts import TextRecipe
from bioclip_search.taxonomy import Taxonomy
from bioclip_search.trim import names_of_kept, plain_leaves


def reembed_index(
    index: Index,
    out: Path,
    encoder: Encoder,
    *,
    recipe: TextRecipe | None = None,
    encoder_folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> Index:
    """Writes the index `out`: the same taxa in the same order, by every name that they had, with the vectors of another encoder.

    What belongs to the old vectors is left behind: calibration, head, and what photographs added. What is encoded is kept in the
    user's cache, so a call that was stopped goes on where it was.

    Args:
        recipe: How texts are made; as they were unless given.
        encoder_folder: The encoder's own folder, to be copied into the index so that it needs nothing else.
        progress: Called with names encoded and names to encode.
        say: Called with a line for each thing worth telling.

    Raises:
        IndexFolderError: `out` exists.
    """
    say, card, catalogue = say or (lambda line: None), index.card, Catalogue(index)
    taxonomy = Taxonomy(plain_leaves(catalogue.taxonomy.leaves), catalogue.taxonomy.ranks)
    left = {"calibration": card.calibration, "head": card.head, "what photographs told of added taxa": card.added}
    if behind := [words for words, held in left.items() if held]:
        say(f"Left behind, for it belongs to the vectors of the other encoder: {', '.join(behind)}. `--target-accuracy` needs a new calibration.")
    return build_index(
        out,
        taxonomy,
        encoder,
        recipe=recipe or TextRecipe.from_card(card.recipe),
        progress=progress,
        further=names_of_kept(catalogue, np.arange(len(taxonomy))),
        kind=card.vectors.kind,
        preprocess=card.encoder.preprocess,
        encoder_folder=encoder_folder,
        about={
            **card.about,
            "reembedded": f"the taxa of {card.name}; whatever else is told here was told of that, with the encoder {card.encoder.fingerprint}",
        },
    )
