"""The order of events of a regional training: gather, copy, teach, re-embed the index, ask before and after, report.

Each step is left to its neighbour. All of them can be stopped and gone on with: the copies are kept, `train.encoder` has its
checkpoint, texts and pictures that were encoded are kept as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bioclip_search import places
from bioclip_search.build import usual_recipe
from bioclip_search.catalogue import Catalogue
from bioclip_search.encoder import Encoder, same_space
from bioclip_search.encoder.opening import STARTER, open_encoder
from bioclip_search.errors import IndexFolderError, TableError
from bioclip_search.evaluation.labelled import LabelledSet
from bioclip_search.evaluation.labels import resolve_labels
from bioclip_search.index import Card, Index, find_index
from bioclip_search.index.card import CARD_FILE
from bioclip_search.prompts import RANKS, TextRecipe
from bioclip_search.reembedding import reembed_index
from bioclip_search.searcher import Searcher
from bioclip_search.swapping import whole_file
from bioclip_search.train.config import MODES
from bioclip_search.train.encoder import METRICS_FILE, train_encoder
from bioclip_search.train.journal import Listener
from bioclip_search.train.regional.gain import Gain, Progress, Side, gains
from bioclip_search.train.regional.gathering import Gathered, gather
from bioclip_search.train.regional.report import RegionalReport
from bioclip_search.train.regional.settings import NAMES_FILE, Wish, settings_for
from bioclip_search.train.regional.staging import Staged, stage
from bioclip_search.train.run_folder import named, run_of, stop_if_begun
from bioclip_search.trim import plain_leaves

MOST_NAMES = 20_000
"""Names of the index that stand against the pictures at most; of more a sample that is drawn serves as well, and opens quickly."""

VECTORS_FOLDER, PICTURES_FOLDER = "vectors", "pictures"


@dataclass(frozen=True)
class Telling:
    """Whom to tell: `say` a line, `learning` the rows of a training, `steps` begins a bar of its name and gives what moves it."""

    say: Callable[[str], None] = lambda line: None
    learning: Listener | None = None
    steps: Callable[[str], Progress | None] = lambda name: None


def train_regional(
    wish: Wish,
    region: Sequence[LabelledSet],
    others: Sequence[LabelledSet],
    index: str | Path,
    out: Path,
    out_index: Path,
    *,
    mend: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    telling: Telling = Telling(),
) -> RegionalReport:
    """The report of a training that leaves the model folder `out` and the index `out_index` of the taxa of `index`.

    Args:
        region: What is taught. `others`: pictures of other taxa, by which is seen what is lost.
        mend: Put a burst that a given split parts whole into one part.
        resume: Go on with a run of the same settings and pictures that was stopped.
        overwrite: Begin anew over a run; an index is never written over.

    Raises:
        RunError: There is a run, and it was said neither to go on with it nor to begin anew.
        TableError: The pictures or their labels cannot be used.
        ModelError: The start cannot be opened or tuned so, or the settings are not those of the run to go on with.
        IndexFolderError: `index` cannot be opened, or another index than that of this training stands at `out_index`.
    """
    if wish.mode not in MODES:
        raise TableError(f"The mode {wish.mode!r} is none of {', '.join(MODES)}.")
    out = named(out)
    stop_if_begun(out, resume=resume, overwrite=overwrite)
    wish, opened = replace(wish, start=start_of(wish.start)), Index(find_index(index))
    _stop_if_taken(out_index, out, wish, opened, resume)
    folder = run_of(out)
    gathered, notes = _gathered(wish, region, others, Catalogue(opened), mend, telling)
    staged = stage([*gathered.region, *gathered.others], folder / PICTURES_FOLDER, telling.steps("pictures copied"))
    notes += [f"{one.image} was passed over: {one.error}" for one in staged.failures]
    for one in staged.failures:
        telling.say(f"{one.image} is passed over: {one.error}")
    _teach(wish, folder / PICTURES_FOLDER, staged, opened, out, telling, resume=resume, overwrite=overwrite)
    before = _before(wish, opened)
    recipe = TextRecipe.from_card(opened.card.recipe) if before.searcher else usual_recipe(before.encoder)
    made, new = _reembedded(wish, opened, recipe, out, out_index, telling)
    after = Side(new, Searcher(made, new) if before.searcher else None)
    ranks, home = Catalogue(opened).taxonomy.ranks, folder / VECTORS_FOLDER
    found = gains(before, after, gathered, recipe, ranks, home, telling.steps("pictures asked"))
    report = _report(wish, made, staged.taught, out, found, notes)
    report.write(out)
    return report


def start_of(name: str) -> str:
    """What `load_model` takes for a name; the starter's encoder lies in its index."""
    shipped = places.shipped("index")
    return str(shipped / STARTER / "encoder") if name == STARTER and shipped is not None else name


def _stop_if_taken(out_index: Path, model: Path, wish: Wish, index: Index, resume: bool) -> None:
    """Before hours of work: raises IndexFolderError if something stands there that is not the index of the run to go on with."""
    if not out_index.exists():
        return
    is_ours = resume and (out_index / CARD_FILE).is_file() and (model / METRICS_FILE).is_file()
    if not (is_ours and same_space(Card.read(out_index).encoder.fingerprint, _opened(model, wish, index).fingerprint)):
        raise IndexFolderError(f"{out_index} is there already, and is not the index of a run to go on with. Remove it, or give another --out-index.")


def _opened(model: str | Path, wish: Wish, index: Index) -> Encoder:
    """An encoder as the index prepares its pictures."""
    return open_encoder(model, device=wish.device, precision=wish.precision, preprocess=index.card.encoder.preprocess)


def _gathered(
    wish: Wish, region: Sequence[LabelledSet], others: Sequence[LabelledSet], catalogue: Catalogue, mend: bool, telling: Telling
) -> tuple[Gathered, list[str]]:
    """The parts of all pictures, their labels as the index has them, and what is worth telling."""
    resolution = resolve_labels([*region, *others], catalogue.names)
    read = [note for labelled in (*region, *others) for note in labelled.notes]
    gathered = gather(resolution.sets[: len(region)], resolution.sets[len(region) :], catalogue.taxonomy.ranks, mend=mend, seed=wish.seed)
    notes = [*read, *resolution.report.lines(), *gathered.notes]
    for note in notes:
        telling.say(note)
    return gathered, notes


def _teach(wish: Wish, pictures: Path, staged: Staged, index: Index, out: Path, telling: Telling, **beginning: bool) -> None:
    _write_names(index, pictures / NAMES_FILE, wish.seed)
    config = settings_for(wish, pictures, staged.files.items(), staged.taught)
    telling.say(f"{staged.taught:,} pictures are taught in {config.schedule.steps:,} steps of {config.schedule.batch_size}")
    train_encoder(config, out, progress=telling.learning, **beginning)


def _write_names(index: Index, file: Path, seed: int) -> None:
    """The taxa of an index, or a sample of them, as `train.names` reads them."""
    leaves = plain_leaves(Catalogue(index).taxonomy.leaves)
    if len(leaves) > MOST_NAMES:
        leaves = leaves.take(pa.array(np.sort(np.random.default_rng(seed).choice(len(leaves), MOST_NAMES, replace=False))))
    absent = pa.nulls(len(leaves), pa.string())
    with whole_file(file) as part:
        parquet.write_table(pa.table({name: leaves[name] if name in leaves.column_names else absent for name in (*RANKS, "common_name")}), part)


def _before(wish: Wish, index: Index) -> Side:
    """The start; with its index where that was made by it, for the texts of another would have to be read twice."""
    start = _opened(wish.start, wish, index)
    return Side(start, Searcher(index, start) if same_space(start.fingerprint, index.card.encoder.fingerprint) else None)


def _reembedded(wish: Wish, index: Index, recipe: TextRecipe, model: Path, out: Path, telling: Telling) -> tuple[Index, Encoder]:
    """The index of the new encoder, and that one; the index of a run that was gone on with stands there already."""
    encoder = _opened(model, wish, index)
    if out.exists() and same_space(Card.read(out).encoder.fingerprint, encoder.fingerprint):
        return Index(out), encoder
    steps = telling.steps("encoding names")
    return reembed_index(index, out, encoder, recipe=recipe, encoder_folder=model, progress=steps, say=telling.say), encoder


def _report(wish: Wish, made: Index, taught: int, out: Path, found: Sequence[Gain], notes: Sequence[str]) -> RegionalReport:
    metrics: dict[str, Any] = json.loads((out / METRICS_FILE).read_text(encoding="utf-8"))
    return RegionalReport(
        start=STARTER if wish.start == start_of(STARTER) else wish.start,
        mode=wish.mode,
        model=out.name,
        index=made.card.name,
        taught=taught,
        kept_of_start=metrics["kept_of_start"],
        tried=tuple(metrics["tried"]),
        gains=tuple(found),
        notes=tuple(notes),
    )
