"""What the learning rate and the picture size are at a step: functions of the step alone."""

from __future__ import annotations

import math

from bioclip_search.train.config import ScheduleConfig

PX_STEP = 16
FIRST_RATE = 1e-3
"""The share of the learning rate that the warm-up begins with."""


def learning_rate(schedule: ScheduleConfig, step: int) -> float:
    """Up in a straight line over the warm-up, then down half a cosine to nothing."""
    share_done = step / schedule.steps
    if share_done < schedule.warmup:
        return schedule.learning_rate * (share_done / schedule.warmup + FIRST_RATE)
    rest = min(1.0, (share_done - schedule.warmup) / (1 - schedule.warmup))
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


def picture_px(schedule: ScheduleConfig, step: int) -> int:
    """Small pictures first, large ones later: many steps while the shapes are coarse, detail at the end."""
    rungs = (schedule.end_px - schedule.start_px) // PX_STEP
    return min(schedule.end_px, schedule.start_px + PX_STEP * int(step / schedule.steps * (rungs + 1)))
