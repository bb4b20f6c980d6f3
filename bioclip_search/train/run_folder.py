"""The folder of a training, OUT.run beside its result OUT, and the word that is needed before another training begins anew over it.

What stands in it, and how a training goes on, is left to those who train.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bioclip_search.errors import RunError

CHECKPOINT = "checkpoint.pt"


def run_of(out: Path) -> Path:
    """Where the folder of the training that leaves `out` is."""
    return out.with_name(out.name + ".run")


def begin(out: Path, *, resume: bool, overwrite: bool, kept: Sequence[str] = (CHECKPOINT,)) -> Path:
    """The folder of the training that leaves `out`; made unless it is there. Nothing in it goes before `clear` is called.

    Args:
        out: As `named` gives it.
        resume: What stands there is gone on with.
        overwrite: What stands there may go.
        kept: Names of files and folders that hours of learning leave; nothing but them is looked for.

    Raises:
        RunError: As `stop_if_begun`, or the folder cannot be made.
    """
    stop_if_begun(out, resume=resume, overwrite=overwrite, kept=kept)
    run = run_of(out)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{run}: cannot be the folder of a training ({error.strerror or error}). Choose another --out.") from error
    return run


def clear(run: Path, kept: Sequence[str] = (CHECKPOINT,)) -> None:
    """Takes away what an earlier training learned, once it is known that the new one can begin; caches that others would make alike stay.

    Raises:
        RunError: It cannot be deleted.
    """
    try:
        for name in kept:
            shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{run}: the earlier training cannot be deleted ({error.strerror or error}). Choose another --out.") from error


def stop_if_begun(out: Path, *, resume: bool, overwrite: bool, kept: Sequence[str] = (CHECKPOINT,)) -> None:
    """Asks what is to become of a training that stands there, for those who ask before the work that comes first.

    Raises:
        RunError: A training stands there, and neither word was given; or both were.
    """
    if resume and overwrite:
        raise RunError("A training is either gone on with (--resume) or begun anew (--overwrite). Give one of the two.")
    run = run_of(out)
    if not resume and not overwrite and any((run / name).exists() for name in kept):
        raise RunError(f"{run}: holds a training already; --resume goes on with it. To begin anew over it, add --overwrite, or choose another --out.")


def named(out: Path) -> Path:
    """The same folder by a path that ends in its name: "." is the folder that one stands in. Any other path stays as it is.

    Raises:
        RunError: It has no name: it is the root of a disk.

    >>> named(Path("mine")).name, named(Path("mine/..")) == Path.cwd()
    ('mine', True)
    """
    if out.name not in ("", ".."):
        return out
    whole = Path(os.path.abspath(out))
    if not whole.name:
        raise RunError(f"{out}: has no name, and nothing can stand beside it. Choose another --out.")
    return whole
