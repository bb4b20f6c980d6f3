"""Everything that can go wrong, as one tree; every message says what was expected, what came and what to do.

    BioclipSearchError
    ├── PictureError          a picture that cannot be read: missing, empty, truncated, too large, no picture at all
    ├── TableError            a table (taxonomy, checklist, label list) that cannot be used
    │   └── UnknownTaxonError a name that the taxonomy does not hold
    ├── FetchError            a published file that cannot be fetched, or is another when it is here
    │   └── NotThereError     the server has no such file
    ├── ModelError            an encoder or detector that cannot be loaded or used
    ├── IndexFolderError      an index folder that cannot be opened
    │   ├── IndexDamagedError   a file is missing or its bytes have changed
    │   └── IndexMismatchError  the folder is sound but belongs to another encoder, format or recipe
    ├── SourceError           a collection that cannot be listed: a folder, archive, table or package
    ├── RunError              the folder of a run that cannot be read, written or gone on with
    ├── ExportError           results that a format cannot hold, or that cannot be written
    ├── SparkError            a Spark that does not start or answer, or whose workers cannot do the work
    ├── NotCalibratedError    a target accuracy was asked of an index that carries no calibration
    └── MissingExtraError     an optional dependency is not installed

Errors of foreign libraries are translated where those libraries are called, never passed on bare.
"""


class BioclipSearchError(Exception):
    """The root of all errors that this package raises on purpose."""


class PictureError(BioclipSearchError):
    """A picture that cannot be read; the message is the reason in words a user understands."""


class TableError(BioclipSearchError):
    """A table of taxa, names or labels that cannot be used."""


class UnknownTaxonError(TableError):
    """A name that the taxonomy does not hold; the message suggests the nearest names."""


class ModelError(BioclipSearchError):
    """An encoder or detector that cannot be loaded or used."""


class FetchError(BioclipSearchError):
    """A published file that cannot be fetched, or that is not what its authors publish."""


class NotThereError(FetchError):
    """The server was reached and has no such file, or no longer."""


class IndexFolderError(BioclipSearchError):
    """An index folder that cannot be opened."""


class IndexDamagedError(IndexFolderError):
    """A file of the index folder is missing or differs from what its card promises."""


class IndexMismatchError(IndexFolderError):
    """The index was made with another encoder, format or text recipe than the one in hand."""


class SourceError(BioclipSearchError):
    """A collection that cannot be listed: a folder, archive, table, video or package."""


class RunError(BioclipSearchError):
    """The folder of a run that cannot be read, written or gone on with."""


class ExportError(BioclipSearchError):
    """Results that a format cannot hold, that its rules forbid, or that cannot be written."""


class SparkError(BioclipSearchError):
    """A Spark that does not start, does not answer, or whose workers cannot do the work."""


class NotCalibratedError(BioclipSearchError):
    """A target accuracy was asked for, but the index carries no calibration that could promise it."""


class MissingExtraError(BioclipSearchError):
    """An optional dependency is not installed; the message holds the line that installs it."""

    def __init__(self, feature: str, extra: str):
        super().__init__(f"{feature} needs an optional part that is not installed. Run: pip install 'bioclip-search[{extra}]'")
