import pytest
import torch

from bioclip_search.train.scratch import build_model
from bioclip_search.train.start import open_start
from bioclip_search.train.vectors import text_vectors


@pytest.fixture(params=["its own text tower", "CLIP"])
def model(request, tiny_config, model_folder):
    return build_model(tiny_config.model, 0, 60).eval() if request.param != "CLIP" else open_start(str(model_folder)).model.eval()


def test_cutting_empty_columns_changes_no_text_vector_and_no_gradient(model):
    tower = getattr(model, "text", model)
    n = tower.token_embedding.weight.shape[0]
    tokens = torch.zeros(2, tower.positional_embedding.shape[0], dtype=torch.int64)
    tokens[0, :3], tokens[1, :5] = torch.tensor([n - 2, 5, n - 1]), torch.tensor([n - 2, 7, 0, 9, n - 1])
    whole = model.encode_text(tokens, normalize=True)
    cut = text_vectors(model, tokens)
    assert torch.allclose(cut, whole, atol=1e-6)
    gradients = [torch.autograd.grad(vectors[:, 0].sum(), tower.positional_embedding)[0] for vectors in (cut, whole)]
    assert torch.allclose(*gradients, atol=1e-5)
    assert tower.attn_mask.shape == (tokens.shape[1], tokens.shape[1])
