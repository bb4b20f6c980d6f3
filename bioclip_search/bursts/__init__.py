"""Pictures that belong together, and the one answer that they give together.

Read in this order: `sequences` (which pictures are one burst), `fusion` (one answer of several), `fusing` (over a whole run),
`folder` (how both are kept beside the run).
"""

from bioclip_search.bursts.folder import SequenceAnswer, Sequences, read_sequences
from bioclip_search.bursts.fusing import FusionReport, fuse
from bioclip_search.bursts.sequences import find_sequences

__all__ = ["FusionReport", "SequenceAnswer", "Sequences", "find_sequences", "fuse", "read_sequences"]
