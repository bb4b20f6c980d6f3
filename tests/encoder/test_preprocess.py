import numpy as np
import PIL.Image
import pytest
import torch

from bioclip_search.encoder.preprocess import preprocessor


@pytest.mark.parametrize("resize_mode", ["shortest", "squash", "longest"])
def test_the_numbers_are_open_clips_own_to_the_bit(resize_mode):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = {"size": (40, 40), "resize_mode": resize_mode, "interpolation": "bicubic"}
    picture = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    theirs = image_transform_v2(PreprocessCfg(**config), is_train=False)(picture)
    assert torch.equal(preprocessor("open_clip", config)(picture), theirs)
