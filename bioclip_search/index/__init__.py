"""An index: a self-contained folder of unit vectors that knows which encoder made it.

    card.json        what it is, what made it, and the SHA-256 of every other file   (`card`)
    vectors.faiss    the vectors, memory-mapped                                      (`vectors`)
    taxa.parquet     the leaves they stand for, in the same order
    names.sqlite     every name they go by
    sketch-64/       in a large one, coarse vectors for `--speed`                    (`sketch`, `sketching`, `search`)
    added-1/         what was added later: vectors, taxa and names of its own
    calibration-1.parquet  what labelled pictures taught about it
    head-1.safetensors     what labelled pictures taught beside the names (`heads`)
    encoder/         optionally the encoder itself

`folder` finds, opens and verifies it. Nothing here knows what a taxon is: that is left to `taxonomy` and `names`,
putting a folder together to `build`.
"""

from bioclip_search.index.card import FORMAT_VERSION, Card
from bioclip_search.index.folder import Index, find_index, list_indexes
from bioclip_search.index.vectors import Vectors, write_vectors

__all__ = ["FORMAT_VERSION", "Card", "Index", "Vectors", "find_index", "list_indexes", "write_vectors"]
