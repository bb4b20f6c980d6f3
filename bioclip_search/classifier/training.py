"""`train_classifier`: labelled pictures and an index in, the index out that knows the taxa of the pictures better.

Composes the rooms beside it and holds no method of its own.

1. Pictures of the part train, and of no part, teach; those of other parts are kept back, and ask the finished classifier.
2. Every head asked for is tried in folds; the one that is right most often is kept (with `balance`: by the mean over classes), of equals
   the first asked for. It is then taught all pictures that teach.
3. How far it is believed beside the names is found on what was kept back in the folds, and so is the calibration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bioclip_search.calibration.record import CalibrationRecord, keep
from bioclip_search.classifier.examples import LEAST, enough_of, few_words, find_examples, stop_if_too_few
from bioclip_search.classifier.features import Features, see
from bioclip_search.classifier.names_beside import Asked, asked_of, calibrated, cosines_of, reach_of
from bioclip_search.classifier.steps import Step, figures_of_classes, figures_of_kept_back, figures_of_steps, steps_of
from bioclip_search.classifier.study import Study, sides_of, study_of
from bioclip_search.classifier.trials import FOLDS, Trial, deal, measured, teach, try_head, with_strangers
from bioclip_search.classifier.views import PLAIN
from bioclip_search.errors import TableError
from bioclip_search.evaluation.burst_names import whole_parts, with_bursts
from bioclip_search.evaluation.labelled import NO_SPLIT, TRAIN, find_sets
from bioclip_search.evaluation.picture_vectors import Embed
from bioclip_search.heads.blending import Blend
from bioclip_search.heads.fitting import Regress
from bioclip_search.heads.head import Head
from bioclip_search.heads.reach import Reach
from bioclip_search.heads.storing import attach_head
from bioclip_search.heads.weighing import Weighed, weigh_head
from bioclip_search.index.replacing import stop_if_there
from bioclip_search.results import Failure
from bioclip_search.searcher import Searcher

KINDS = ("logistic", "prototypes", "ridge")
"""Heads that are tried unless others are asked for: those that are taught in seconds."""

TEACHING = (TRAIN, NO_SPLIT)


@dataclass(frozen=True, eq=False)
class Classifier:
    """What was learned, and how well.

    Attributes:
        folder: The index with the head in it; `index` is the name of the one that it was made of.
        taught: The pictures that taught, with what heads say of them that were not taught them; `fold` (n,) the fold of each.
        kept_back: The pictures of other parts, with what the finished head says of them; None where there are none.
        trials: Every head that was tried, `chosen` the one kept.
        head: Taught all of them; `weighed` how far it is believed.
        metrics: Every figure, flat: those of the heads, of the steps and of the classes.
        notes: What is worth telling, in words.
    """

    folder: Path
    index: str
    taught: Asked
    kept_back: Asked | None
    fold: np.ndarray
    trials: tuple[Trial, ...]
    chosen: str
    head: Head
    weighed: Weighed
    steps: tuple[Step, ...]
    metrics: dict[str, float]
    notes: tuple[str, ...]
    failures: tuple[Failure, ...]
    study: Study | None = None


def train_classifier(
    places: Sequence[str | Path],
    *,
    out: str | Path,
    index: str | Path | Searcher = "starter",
    heads: Sequence[str] = KINDS,
    views: str = "flip",
    folds: int = FOLDS,
    balance: bool = False,
    least: int = LEAST,
    teaching: Collection[str] | None = None,
    skip_unknown: bool = False,
    mend: bool = False,
    study: str | None = None,
    workers: int | None = None,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    embed: Embed | None = None,
    regress: Regress | None = None,
) -> Classifier:
    """Teaches a head on the pictures at the places and writes a copy of the index that uses it.

    Args:
        places: What `evaluation.labelled.find_sets` takes: Parquet, CSV, folders of taxa, reviewed runs, named data sets.
        out: The folder of the new index.
        heads: Kinds of head to try, of `heads.head.HEADS`.
        views: none, flip or strong: the looks that teach.
        balance: Let all classes count alike, however many pictures they have.
        least: Bursts (or single pictures) of a class that is taught; with 1 a class may be taught that is not measured.
        teaching: Parts that teach; by default train and what bears no part, or all if there is neither.
        skip_unknown: Go on without labels that are no taxa of the index.
        mend: Give a burst that lies in two parts whole to one, instead of stopping.
        study: A taxon for which `study.study_of` makes its table as well, over all examples.
        say: Called with a line for each thing worth telling, as soon as it is known.
        progress: Called with the pictures looked at, a look each, and in all.
        embed: Looks at pictures elsewhere, as `vectors_of` takes it; `regress` seeks the logistic regression there, as `fit_head` takes it.

    Raises:
        TableError: The pictures cannot teach; says why, and what to do.
        UnknownTaxonError: A label is no taxon of the index.
        IndexFolderError: `out` exists, or cannot be written.
    """
    stop_if_there(Path(out))
    searcher = index if isinstance(index, Searcher) else Searcher.open(index)
    told = _Told(say)
    sets = whole_parts(with_bursts(find_sets(places, searcher.taxonomy.ranks)), mend=mend)
    examples = find_examples(searcher, sets, skip_unknown=skip_unknown)
    told(*examples.notes, *_head_before(searcher))
    if study is not None:
        sides_of(searcher, examples.taxa, study)  # a name that is wrong is told before all pictures are looked at
    seen = see(searcher.encoder, examples, views=views, workers=workers, progress=progress, embed=embed)
    told(*(f"{failure.image}: left out: {failure.error}" for failure in seen.failures))
    features, kept_back = _parts(seen, teaching, least, told)
    found = None if study is None else study_of(searcher, examples, study, folds=folds, seed=seed, workers=workers)
    return replace(_learned(searcher, features, kept_back, Path(out), tuple(heads), folds, balance, seed, told, regress), study=found)


def _learned(
    searcher: Searcher,
    features: Features,
    kept_back: Features | None,
    out: Path,
    heads: Sequence[str],
    folds: int,
    balance: bool,
    seed: int,
    told: _Told,
    regress: Regress | None,
) -> Classifier:
    """Rules 2 and 3."""
    fold, notes = deal(features, folds, seed)
    told(*notes)
    trials = tuple(try_head(kind, features, fold, balance=balance, seed=seed, regress=regress) for kind in heads)
    metrics = {name: value for trial in trials for name, value in measured(trial.kind, trial.known, features, fold).items()}
    best = max(trials, key=lambda trial: metrics[f"{trial.kind}_right_macro" if balance else f"{trial.kind}_right"])
    chosen = with_strangers(best, features, balance=balance, seed=seed)
    head, reach = _named_head(chosen, features, searcher, balance, seed), reach_of(features.taxa)
    weighed = _weigh(searcher, features, chosen, reach, seed)
    told(_words_of(weighed, chosen.kind))
    _store(searcher, out, head, weighed.blend, calibrated(searcher, features, chosen.scores, reach, weighed.blend, index=out.name), told)
    plain = features.with_looks((PLAIN,))
    unaided = chosen if len(features.looks) == 1 else try_head(chosen.kind, plain, fold, balance=balance, seed=seed, options=chosen.options)
    asked = asked_of(searcher, features, chosen.known, chosen.scores, reach, weighed.blend)
    held = None if kept_back is None else asked_of(searcher, kept_back, *[head.scores(kept_back.vectors)] * 2, reach, weighed.blend)
    steps = steps_of(asked, reach, chosen.kind, unaided.known if len(features.looks) > 1 else None)
    metrics |= figures_of_steps(steps, features, fold) | figures_of_classes(chosen.known, features)
    metrics |= {} if held is None else figures_of_kept_back(held, reach)
    return Classifier(
        out, searcher.index.card.name, asked, held, fold, trials, chosen.kind, head, weighed, steps, metrics, tuple(told.lines), features.failures
    )


def _head_before(searcher: Searcher) -> list[str]:
    """Says that a head the index has already will not be in the new one."""
    card = searcher.index.card
    if card.head is None:
        return []
    told = f"The index {card.name} carries a head already, taught {card.head.classes:,} taxa by pictures. The new head takes its place"
    return [f"{told}: to keep what only the old one knows, give its pictures too."]


class _Told:
    """Passes lines on and keeps them."""

    def __init__(self, say: Callable[[str], None] | None):
        self.say, self.lines = say or (lambda line: None), []

    def __call__(self, *lines: str) -> None:
        for line in lines:
            self.say(line)
            self.lines.append(line)


def _parts(features: Features, teaching: Collection[str] | None, least: int, told: _Told) -> tuple[Features, Features | None]:
    """The pictures that teach, of classes with enough of them, and those of the same classes that are kept back (rule 1)."""
    teaches = np.isin(features.parts, tuple(teaching or TEACHING))
    if not teaches.any() and teaching is None:
        teaches[:] = True
    if not teaches.any():
        raise TableError(f"No picture is of the part {' or '.join(teaching or ())}; there are {', '.join(sorted(set(features.parts.tolist())))}.")
    of = np.where(teaches, features.of, -1)
    is_enough = enough_of(of, features.groups, len(features.taxa), least)
    told(*few_words(features.taxa, of, is_enough, least))
    stop_if_too_few([taxon for taxon, keep in zip(features.taxa, is_enough.tolist(), strict=True) if keep])
    kept = is_enough[features.of]
    if lost := int((~kept & ~teaches).sum()):
        told(f"{lost:,} pictures that are kept back show classes that are not taught, and are left out")
    is_copy = ~teaches & np.isin(features.groups, features.groups[teaches])
    if copies := int((kept & is_copy).sum()):
        told(f"{copies:,} pictures that are kept back are copies of some that teach, and are left out")
    kept &= ~is_copy
    learned = features.only(kept & teaches).of_classes(is_enough) if not is_enough.all() else features.only(teaches)
    if teaches.all():
        return learned, None
    held = features.only(kept & ~teaches)
    if not len(held):
        return learned, None
    told(f"{len(learned):,} pictures teach, {len(held):,} of other parts are kept back to measure what was learned")
    return learned, replace(held.of_classes(is_enough), taxa=learned.taxa)


def _named_head(trial: Trial, features: Features, searcher: Searcher, balance: bool, seed: int) -> Head:
    """The head of a trial, taught all pictures."""
    head, _ = teach(trial.kind, features, np.ones(len(features), bool), balance=balance, seed=seed, **trial.options)
    lineages = [searcher.taxonomy.lineage(taxon.start, down_to=taxon.rank) for taxon in features.taxa]
    return head.named(lineages, pictures=len(features), looks=[look.name for look in features.looks])


def _weigh(searcher: Searcher, features: Features, trial: Trial, reach: Reach, seed: int) -> Weighed:
    scale, temperature = searcher.index.card.encoder.logit_scale, searcher.temperature
    cosines = cosines_of(searcher, features.vectors)
    weighed = weigh_head(
        cosines, trial.scores, features.of, reach, scale, stranger_scores=trial.strangers, groups=features.groups, temperature=temperature, seed=seed
    )
    return replace(weighed, blend=replace(weighed.blend, fitted_on=f"{len(features):,} pictures of {len(features.taxa):,} taxa, by heads not taught them"))


def _words_of(weighed: Weighed, kind: str) -> str:
    if weighed.blend.is_silent:
        return f"The head ({kind}) is not heard: pictures that it was not taught are told as well by their names alone. The new index answers as before."
    return f"The head ({kind}) is believed {weighed.blend.weight:.2f} times, surprise {weighed.loss:.3f} nats a picture with it and {weighed.loss_of_text:.3f} without"


def _store(searcher: Searcher, out: Path, head: Head, blend: Blend, record: CalibrationRecord | None, told: _Told) -> None:
    """Writes the index; what takes long was done before."""
    index = attach_head(searcher.index, out, head, blend)
    if record is None:
        told("There are too few pictures to calibrate on, so --target-accuracy will need a calibration of its own.")
    else:
        keep(index, replace(record, origin=replace(record.origin, head=index.card.head.mark)))
