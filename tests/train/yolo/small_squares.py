"""A small world for trainings that take seconds: bright squares on dark noise as sets of boxes, of two categories."""

from __future__ import annotations

from functools import partial

import numpy as np

from bioclip_search.boxed.boxed_set import BoxedSet, TrueBox
from tests.train.boxed_files import square_picture


def pictures_of(data, wanted):
    return (data[row] for row in np.flatnonzero(wanted).tolist())


def squares(n=10, name="squares", part="train", first=0, side=64, bursts=None):
    """n pictures with one square each, called big or small in turn."""
    drawn = [square_picture(first + number, side) for number in range(n)]
    boxes = tuple((TrueBox(tuple(map(float, box)), ("big", "small")[number % 2]),) for number, (_, box) in enumerate(drawn))
    parts = np.array([part] * n if isinstance(part, str) else part, object)
    names = tuple(f"{name}/{first + number}" for number in range(n))
    return BoxedSet(name, boxes, parts, names, partial(pictures_of, [data for data, _ in drawn]), bursts=bursts)
