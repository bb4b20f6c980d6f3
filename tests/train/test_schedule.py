import pytest

from bioclip_search.train.config import ScheduleConfig
from bioclip_search.train.schedule import learning_rate, picture_px


def test_the_learning_rate_rises_and_falls_to_nothing():
    schedule = ScheduleConfig(steps=100, learning_rate=3e-3, warmup=0.04)
    rates = [learning_rate(schedule, step) for step in (0, 2, 4, 52, 100)]
    assert rates == pytest.approx([3e-6, 1.503e-3, 3e-3, 1.5e-3, 0.0], abs=1e-9)


def test_pictures_grow_in_steps():
    schedule = ScheduleConfig(steps=100, start_px=64, end_px=96)
    assert [picture_px(schedule, step) for step in (0, 30, 34, 70, 99)] == [64, 64, 80, 96, 96]


def test_pictures_of_one_size_stay_so():
    assert {picture_px(ScheduleConfig(steps=10, start_px=224, end_px=224), step) for step in range(10)} == {224}
