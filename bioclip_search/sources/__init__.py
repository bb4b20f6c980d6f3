"""Collections of pictures, whatever they are kept in, as streams of `Media` and `Video`.

    opening        which kind a place is, by its content, and the `Source` of it
    ├── folders, globs                    files on a disk
    ├── lists                             a table that names files, or holds pictures itself
    ├── archives                          zip and tar, member by member, never unpacked
    ├── megadetector, coco, camtrap_dp    what other programs made, with their boxes, times and places
    ├── named_sets                        data sets by name
    └── deployments                       which camera's stay a picture belongs to
    named          the files that a command line names, for `identify`

No picture is opened here; that is left to `decoding`.
"""

from bioclip_search.sources.named import STANDARD_INPUT, list_pictures, read_standard_input
from bioclip_search.sources.opening import open_source
from bioclip_search.sources.source import Source

__all__ = ["STANDARD_INPUT", "Source", "list_pictures", "open_source", "read_standard_input"]
