"""What the decisions about a run would teach its index: which share of such crops would need no person, before and after, or how many more decisions it takes.

Nothing is kept: that is `calibrate`'s. Fitting is left to `calibration`, the draw that speaks for the whole run to `spared`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bioclip_search.errors import NotCalibratedError, RunError, TableError
from bioclip_search.results import shown_chance
from bioclip_search.review.labels import labelled_crops
from bioclip_search.review.spared import Spared, holds, spared
from bioclip_search.runs.folder import Run

if TYPE_CHECKING:
    from bioclip_search.calibration.evidence import Setting
    from bioclip_search.searcher import Searcher


@dataclass(frozen=True, eq=False)
class Effect:
    """What the decisions show, of the crops that people named and of the whole run.

    Attributes:
        decided: Crops that people gave a taxon.
        spared: How many of them the machine had named with a chance of the target or more; `right`: how many of those names hold.
        after: What a calibration on them would do at the target; None where it cannot promise that, and then `why` says what is missing.
        run: What a draw says of the whole run.
    """

    target: float
    decided: int
    spared: int
    right: int
    after: Setting | None
    why: str
    run: Spared


def effect(run: Run, target: float, open_searcher: Callable[[], Searcher]) -> Effect:
    """What the decisions would teach; takes seconds, with a large index minutes.

    Args:
        open_searcher: Gives the index to be taught, by the encoder that made the run's vectors; not called before anybody decided.

    Raises:
        RunError: The run or its decisions cannot be read.
    """
    answers = [(label.crop.answer, label.decision) for label in labelled_crops(run) if label.crop and label.crop.answer]
    sure = [(answer, decision) for answer, decision in answers if answer.taxon and (shown_chance(answer) or 0.0) >= target]
    right = sum(holds(answer, decision.lineage) for answer, decision in sure)
    try:
        after, why = _taught(run, target, open_searcher), ""
    except (NotCalibratedError, TableError, RunError) as error:
        after, why = None, str(error)
    return Effect(target, len(answers), len(sure), right, after, why, spared(run, target))


def _taught(run: Run, target: float, open_searcher: Callable[[], Searcher]) -> Setting:
    from bioclip_search.calibration.fitting import calibrate
    from bioclip_search.evaluation.run_sets import set_of_review

    set_of_review(run.folder)  # says so where nobody decided, before an index is opened
    searcher = open_searcher()
    made_by = run.note["settings"]["encoder"].get("fingerprint")
    if run.dim is None or searcher.encoder.fingerprint != made_by:
        raise RunError(f"The run keeps no vectors of the encoder of the index {searcher.index.card.name}. Choose the index that the run was made with.")
    return calibrate(searcher, [set_of_review(run.folder, tuple(searcher.taxonomy.ranks))]).evidence.setting(target)
