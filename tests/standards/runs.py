"""Small runs, made of records and kept in a folder as `tag` keeps them, without an index or a picture to be opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from bioclip_search.media import NO_FACTS, Deployment, Facts
from bioclip_search.prompts import RANKS
from bioclip_search.results import Alternative, Answer, Rung
from bioclip_search.runs.folder import ROWS_FOLDER, Run, write_note
from bioclip_search.runs.record import TaggedCrop, TaggedPicture
from bioclip_search.runs.table import to_table

LINEAGES = {
    "Panthera leo": ("Animalia Chordata Mammalia Carnivora Felidae Panthera", "Lion"),
    "Panthera uncia": ("Animalia Chordata Mammalia Carnivora Felidae Panthera", "Snow leopard"),
    "Felis catus": ("Animalia Chordata Mammalia Carnivora Felidae Felis", "Domestic cat"),
    "Vulpes vulpes": ("Animalia Chordata Mammalia Carnivora Canidae Vulpes", "Red fox"),
    "Erithacus rubecula": ("Animalia Chordata Aves Passeriformes Muscicapidae Erithacus", "Robin"),
    "Turdus migratorius": ("Animalia Chordata Aves Passeriformes Turdidae Turdus", "Robin"),
}
"""Six species; two of them share their common name."""

SIZE_WH = (800, 600)


def answer(species: str = "Panthera leo", rank: str | None = "species", probability: float = 0.9, **told: Any) -> Answer:
    """An answer at a rank of this species' lineage, with the ladder through it; rank None: not sure enough to name."""
    words, common = LINEAGES[species]
    full = dict(zip(RANKS, [*words.split(), species], strict=True))
    ladder = tuple(Rung(name, taxon, probability if rank and RANKS.index(name) <= RANKS.index(rank) else probability / 2) for name, taxon in full.items())
    lineage = {name: taxon for name, taxon in full.items() if rank and RANKS.index(name) <= RANKS.index(rank)}
    others = tuple(Alternative(other, "species", round((1 - probability) / 2, 6), LINEAGES[other][1]) for other in LINEAGES if other != species)[:2]
    return Answer(
        **{
            "image": "",
            "taxon": full[rank] if rank else None,
            "rank": rank,
            "common_name": common if rank == "species" else None,
            "probability": probability if rank else 1.0,
            "rule": f"rule 2: {rank}, for it reached 0.65" if rank else "rule 4: no answer, for no taxon reached 0.65",
            "lineage": lineage,
            "ladder": ladder,
            "alternatives": others,
            "index": "small",
            "encoder": "colours",
        }
        | told
    )


def crop(number: int = 0, box: Sequence[float] | None = (80, 60, 400, 300), confidence: float | None = 0.8, **told: Any) -> TaggedCrop:
    """A box with an answer, by default a lion; `category="person"` gives a person, who is not asked about."""
    category = told.pop("category", "animal" if box else None)
    named = None if category in ("person", "vehicle") else told.pop("answer", None) or answer(**told)
    return TaggedCrop(number, category, confidence if box else None, tuple(map(float, box)) if box else None, named, np.zeros(4, np.float16) if named else None)


def picture(image: str = "a/1.jpg", *crops: TaggedCrop, **told: Any) -> TaggedPicture:
    """A picture of 800 by 600 pixels; facts of its place and time go by their own names (timestamp, deployment …)."""
    facts = {name: told.pop(name) for name in ("timestamp", "latitude", "longitude", "camera", "deployment") if name in told}
    told.setdefault("reason", None if crops or told.get("error") else "the detector saw nothing to name")
    if told.get("error") is None:
        told = {"content_hash": "0" * 64, "size_wh": SIZE_WH} | told
    return TaggedPicture(image, facts=Facts(**facts) if facts else NO_FACTS, crops=crops, **told)


def small_run(
    folder: Path,
    pictures: Iterable[TaggedPicture],
    *,
    root: Path | str | None = "photos",
    deployments: Iterable[Deployment] = (),
    rows_a_part: int = 2,
    dim: int | None = 4,
    note: Mapping[str, Any] | None = None,
) -> Run:
    """The finished run of these pictures in `folder`, in parts of so many pictures; `note` goes over what `run.json` tells."""
    pictures = list(pictures)
    (folder / ROWS_FOLDER).mkdir(parents=True)
    for number, start in enumerate(range(0, len(pictures), rows_a_part)):
        parquet.write_table(to_table(pictures[start : start + rows_a_part], dim), folder / ROWS_FOLDER / f"part-{number:05}.parquet")
    told = {
        "source": {
            "kind": "folder",
            "place": None if root is None else str(root),
            "root": None if root is None else str(root),
            "deployments": [_in_json(deployment) for deployment in deployments],
        },
        "settings": {"encoder": {"name": "colours", "fingerprint": "c0104e+fp32", "dim": dim}, "index": {"name": "small"}, "detector": {"name": "boxes"}},
        "versions": {"bioclip-search": "0.6.0"},
        "counts": {"pictures": len(pictures), "rows": sum(max(1, len(one.crops)) for one in pictures)},
        "failures": [],
        "finished": "2026-06-01T12:00:00+00:00",
        "is_finished": True,
    }
    write_note(folder, told | dict(note or {}))
    return Run.open(folder)


def _in_json(deployment: Deployment) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in vars(deployment).items()}
