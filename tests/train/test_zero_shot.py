import pytest
import torch

from bioclip_search.prompts import RANKS
from bioclip_search.train.scratch import build_model
from bioclip_search.train.zero_shot import Candidates, answer_key, gather_candidates, mean_top1, score_answers, watched_metric


def taxon(genus: str, species: str | None, common_name: str | None = None) -> dict[str, str | None]:
    return dict.fromkeys((*RANKS, "common_name")) | {"kingdom": "Animalia", "genus": genus, "species": species, "common_name": common_name}


LION, TIGER, CAT = taxon("Panthera", "Panthera leo", "Lion"), taxon("Panthera", "Panthera tigris"), taxon("Felis", "Felis catus")


def test_scores_by_hand():
    # Three pictures lie on the axes of lion, tiger, cat; their truths are lion, lion, and the genus Felis.
    # Best answers: lion (right), tiger (wrong species, right genus), cat (a species is not the label "Felis"; genus right).
    candidates = Candidates((LION, TIGER, CAT), torch.eye(3))
    truths = [LION, LION, taxon("Felis", None)]
    scores = score_answers(truths, torch.eye(3), candidates)
    assert scores == {
        "n": 3, "candidates": 3, "top1": pytest.approx(1 / 3, abs=1e-4), "top5": pytest.approx(2 / 3, abs=1e-4),
        "top1_kingdom": 1.0, "top1_genus": 1.0, "top1_species": 0.5,
    }  # fmt: skip


def test_a_tie_goes_to_the_first_candidate():
    candidates = Candidates((LION, TIGER), torch.ones(2, 1))
    assert score_answers([LION], torch.ones(1, 1), candidates)["top1"] == 1.0
    assert score_answers([TIGER], torch.ones(1, 1), candidates)["top1"] == 0.0


def test_vernacular_names_part_higher_taxa_only():
    assert answer_key(LION) == answer_key(LION | {"common_name": "African lion"})
    assert answer_key(taxon("Citrus", None, "Orange")) != answer_key(taxon("Citrus", None, "Pomelo"))


def test_mean_counts_every_part_once():
    assert mean_top1({"a": {"top1": 1.0, "n": 1}, "b": {"top1": 0.0, "n": 99}}) == 0.5


def test_the_checkpoint_is_chosen_by_top1_of_taught_and_higher_ranks_of_untaught_taxa():
    # Unseen: the mean of 0.1, 0.3, 0.5 and 0.9 is 0.45, of which top-1 at the species is no part. (0.8 + 0.45) / 2 = 0.625
    unseen = {"top1": 0.0, "top1_genus": 0.1, "top1_family": 0.3, "top1_order": 0.5, "top1_class": 0.9, "top1_kingdom": 1.0}
    assert watched_metric({"a/seen": {"top1": 0.8}, "b/unseen": unseen}) == {"metric": 0.625, "a/seen": 0.8, "b/unseen": 0.45}


def test_candidates_keep_order_and_pass_over_doubles(tiny_config):
    model = build_model(tiny_config.model, 0, 60).eval()
    seen = []

    def tokenize(texts):
        seen.extend(texts)
        return torch.ones(len(texts), tiny_config.model.context_length, dtype=torch.int64)

    found = gather_candidates(model, tokenize, [LION, CAT, LION], [TIGER, LION | {"common_name": "King of beasts"}])
    assert [entry["species"] for entry in found.taxa] == ["Panthera leo", "Felis catus", "Panthera tigris"]
    assert seen[0] == "Animalia Panthera leo with common name Lion"
    assert found.vectors.norm(dim=1) == pytest.approx(1.0, abs=1e-5)
