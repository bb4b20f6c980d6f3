import torch

from bioclip_search.train.finish import mix

TUNED = {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(5), "new": torch.tensor([7.0])}
START = {"w": torch.tensor([3.0, 6.0]), "n": torch.tensor(1)}


def test_the_shares_of_the_start_and_of_what_was_tuned_add_up():
    assert mix(TUNED, START, 0.25)["w"].tolist() == [1.5, 3.0]


def test_nought_gives_what_was_tuned_and_one_the_start_to_the_bit():
    noise = {"w": torch.randn(1000)}, {"w": torch.randn(1000)}
    assert torch.equal(mix(*noise, 0.0)["w"], noise[0]["w"])
    assert torch.equal(mix(*noise, 1.0)["w"], noise[1]["w"])


def test_what_the_start_had_not_and_what_is_no_weight_stay_as_tuned():
    mixed = mix(TUNED, START, 0.5)
    assert mixed["new"].tolist() == [7.0]
    assert mixed["n"].item() == 5
