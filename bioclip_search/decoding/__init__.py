"""Pictures and the frames of videos, opened in child processes that may hang, crash or run out of memory without harm.

Read in this order: `messages` (what is said between the processes), `worker` (the child) with `opening` (a picture) and
`film` (a video), `child` (how one is started, timed and ended), `pool` (several of them: `Decoders`), `videos` (`frames`).

Finding pictures is left to `sources`; what a sound picture is, to `images`; what its EXIF means, to `exif`.
"""

from bioclip_search.decoding.pool import Decoders, Opened
from bioclip_search.decoding.videos import FrameChoice, frames

__all__ = ["Decoders", "FrameChoice", "Opened", "frames"]
