import torch

from bioclip_search.train.scratch import build_model, start_from_scratch
from tests.train.conftest import TAXA


def test_the_seed_decides_the_first_weights_and_leaves_the_global_one_alone(tiny_config):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, same, other = (build_model(tiny_config.model, seed, 1).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_start_from_scratch_is_all_fresh_and_has_its_vocabulary_in_the_run(tiny_config, tmp_path):
    start = start_from_scratch(tiny_config, [taxon for taxon, _ in TAXA], tmp_path)
    assert start.fresh == set(start.model.state_dict())
    assert start.px == 48
    assert start.tokenizer_files[0].parent == tmp_path
    with torch.inference_mode():
        assert start.model.encode_text(start.tokenize(["Common Blue"])).shape == (1, start.dim)


def test_another_process_leaves_the_writing_to_the_first(tiny_config, tmp_path):
    start_from_scratch(tiny_config, [taxon for taxon, _ in TAXA], tmp_path / "run", is_writer=False)
    assert not (tmp_path / "run").exists()
