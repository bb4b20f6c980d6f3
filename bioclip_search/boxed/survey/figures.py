"""The figures of pictures with boxes: sizes of pictures, boxes in a picture, areas and shapes of boxes, where they lie, of what and where taken.

Pure numpy over examined sets; drawing is left to `charts`, what looks wrong to `suspects`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, column_of
from bioclip_search.boxed.splitting import RATIOS
from bioclip_search.evaluation.detection import AREAS_PX

HEAT_CELLS = 32
"""Cells of the map of middles, along either side of a picture."""

QUANTILES = {"low": 0.05, "median": 0.5, "high": 0.95}

UNTOLD = "not told"
"""The deployment of pictures that tell none."""


@dataclass(frozen=True)
class Kind:
    """How often a category, or a deployment, is there."""

    boxes: int
    pictures: int
    bursts: int
    deployments: int


@dataclass(frozen=True, eq=False)
class Survey:
    """The figures of n pictures with b boxes, crowds left out.

    Attributes:
        sizes_wh: (n, 2) pixels; `per_picture` (n,): boxes in each.
        extents_wh: (b, 2) pixels of the boxes; `shares` (b,): of their picture's area; `of_picture` (b,): the picture of each.
        heat: (HEAT_CELLS, HEAT_CELLS) middles of boxes, as counts; rows from the top, columns from the left of a picture.
        categories: By name, most boxes first; `deployments` likewise, of pictures that tell one.
    """

    sizes_wh: np.ndarray
    per_picture: np.ndarray
    extents_wh: np.ndarray
    shares: np.ndarray
    of_picture: np.ndarray
    heat: np.ndarray
    categories: Mapping[str, Kind] = field(default_factory=dict)
    deployments: Mapping[str, Kind] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ratios(self) -> np.ndarray:
        """(b,) width over height."""
        return self.extents_wh[:, 0] / self.extents_wh[:, 1]


def survey_of(sets: Sequence[BoxedSet]) -> Survey:
    """The figures of examined sets, taken together."""
    pictures = [[box for box in several if not box.is_crowd] for boxed in sets for several in boxed.boxes]
    per = np.array([len(several) for several in pictures], np.int64)
    owner = np.repeat(np.arange(len(per)), per)
    sizes = np.concatenate([np.empty((0, 2), np.int64), *(boxed.sizes_wh for boxed in sets)])
    sides = np.array([box.box_xyxy for box in chain.from_iterable(pictures)], np.float64).reshape(-1, 4)
    extents = sides[:, 2:] - sides[:, :2]
    names = np.array([box.category for box in chain.from_iterable(pictures)], object)
    burst, deployment = column_of(sets, "bursts"), column_of(sets, "deployments")
    return Survey(
        sizes_wh=sizes,
        per_picture=per,
        extents_wh=extents,
        shares=extents.prod(axis=1) / sizes[owner].prod(axis=1),
        of_picture=owner,
        heat=_heat((sides[:, :2] + sides[:, 2:]) / 2 / sizes[owner]),
        categories=_kinds(names, owner, burst, deployment),
        deployments=_of_deployments(deployment, per, burst),
        parts=_counted([str(part) for boxed in sets for part in boxed.parts]),
    )


def metrics_of(survey: Survey) -> dict[str, float | int]:
    """The figures, flat: counts, and low, median and high (5, 50 and 95 %) of what varies."""
    n, b = len(survey.per_picture), len(survey.shares)
    found: dict[str, float | int] = {
        "pictures": n,
        "boxes": b,
        "background": int((survey.per_picture == 0).sum()),
        "categories": len(survey.categories),
        "deployments": len(survey.deployments),
        "most_boxes_in_a_picture": int(survey.per_picture.max(initial=0)),
    }
    varying = {
        "picture_width_px": survey.sizes_wh[:, 0],
        "picture_height_px": survey.sizes_wh[:, 1],
        "boxes_in_a_picture": survey.per_picture,
        "box_side_px": np.sqrt(survey.extents_wh.prod(axis=1)),
        "box_share": survey.shares,
        "box_ratio": survey.ratios,
    }
    for name, values in varying.items():
        found |= {f"{name}_{word}": round(float(np.quantile(values, share)), 4) for word, share in QUANTILES.items() if len(values)}
    for values, bins in ((survey.extents_wh.prod(axis=1), AREAS_PX), (survey.ratios, RATIOS)):
        found |= {f"share_{name}": round(float(((low <= values) & (values < high)).mean()), 4) for name, (low, high) in bins.items() if b}
    if survey.categories:
        counts = [kind.boxes for kind in survey.categories.values()]
        found["imbalance"] = round(max(counts) / min(counts), 2)
    return found


def _heat(middles: np.ndarray) -> np.ndarray:
    cells = np.clip((middles * HEAT_CELLS).astype(np.int64), 0, HEAT_CELLS - 1)
    heat = np.zeros((HEAT_CELLS, HEAT_CELLS), np.int64)
    np.add.at(heat, (cells[:, 1], cells[:, 0]), 1)
    return heat


def _kinds(names: np.ndarray, owner: np.ndarray, burst: list[str | None], deployment: list[str | None]) -> dict[str, Kind]:
    """By category, the one with most boxes first."""
    rows_of: dict[str, list[int]] = {}
    for name, row in zip(names.tolist(), owner.tolist(), strict=True):
        rows_of.setdefault(name, []).append(row)
    found = {name: _kind(len(rows), sorted(set(rows)), burst, deployment) for name, rows in rows_of.items()}
    return dict(sorted(found.items(), key=lambda one: (-one[1].boxes, one[0])))


def _of_deployments(deployment: list[str | None], per: np.ndarray, burst: list[str | None]) -> dict[str, Kind]:
    if not any(deployment):
        return {}
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(deployment):
        rows_of.setdefault(name or UNTOLD, []).append(row)
    found = {name: _kind(int(per[rows].sum()), rows, burst, deployment) for name, rows in rows_of.items()}
    return dict(sorted(found.items(), key=lambda one: (-one[1].pictures, one[0])))


def _kind(boxes: int, rows: Sequence[int], burst: list[str | None], deployment: list[str | None]) -> Kind:
    """A picture whose burst is not known is one of its own."""
    bursts = len({burst[row] or row for row in rows})
    return Kind(boxes, len(rows), bursts, len({deployment[row] for row in rows} - {None}))


def _counted(words: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return dict(sorted(found.items()))
