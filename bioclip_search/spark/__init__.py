"""The work of this package on a Spark cluster, by the very code that does it on one machine (extra `spark`).

Read in this order: `session` (Spark, or why there is none), `addresses` and `plan` (pictures as rows of a file, in pieces), `pieces` (a
piece a task, and the results in their order), `worker` (what a task does), `tagging` (a collection into the folder of a run), `rows` and
`frames` (the same for a DataFrame), `bursting` (sequences by window functions).

On the same pieces stand `encoders` (an encoder, opened once a worker), `texts` (names for `index build`), `features` (labelled pictures
for `train classifier`) and, beside them, `classifying` (the logistic regression of a head, by MLlib).

    >>> import bioclip_search as bs
    >>> rows = bs.spark.tag("photos/", out="run")                          # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

_HOME = {"tag": "tagging", "sequences": "bursting", "spark_session": "session", "open_session": "session"}
"""The public names and the module each lives in; loaded when they are first used."""

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'bioclip_search.spark' has no attribute {name!r}")
    return getattr(import_module(f"bioclip_search.spark.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
