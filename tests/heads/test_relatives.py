"""How far a head of one picture a class is believed is told by the relatives of the classes."""

from __future__ import annotations

import numpy as np

from bioclip_search.heads.relatives import nearest_relatives, weigh_by_relatives

SCALE = 20.0


def test_relatives_share_the_lowest_taxon_that_any_other_class_shares():
    """Two of a genus; a third of their family, which has no class of its genus; a fourth of another family of the order."""
    codes = np.array([[0, 1, 2, 10], [0, 1, 2, 11], [0, 1, 3, 12], [0, 4, 5, 13]])
    assert nearest_relatives(codes).astype(int).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]


def test_nobody_is_a_relative_above_the_highest_rank():
    codes = np.array([[0, 1, 2], [0, 1, 3], [0, 4, 5]])
    assert nearest_relatives(codes, highest=1).astype(int).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_a_rank_that_a_lineage_lacks_makes_no_relatives():
    codes = np.array([[0, -1, 2], [0, -1, 3], [1, 4, 5]])
    assert nearest_relatives(codes, highest=1).sum() == 0
    assert nearest_relatives(codes).astype(int).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_a_single_class_and_one_alone_have_no_relatives():
    assert nearest_relatives(np.array([[0, 1, 2]])).tolist() == [[False]]


def families(text: float, head: float, families: int = 20, seed: int = 0):
    """Three classes a family, a picture each; the text finds the class by `text` of a cosine, the head finds relatives by `head` logits."""
    random = np.random.default_rng(seed)
    c = 3 * families
    family = np.arange(c) // 3
    related = (family[:, None] == family) & ~np.eye(c, dtype=bool)
    cosines = 0.1 * random.normal(size=(c, c)) + text * np.eye(c)
    scores = random.normal(size=(c, c)) + head * (family[:, None] == family)
    return cosines, scores, np.arange(c), related


def test_a_head_that_finds_relatives_where_the_text_knows_nothing_takes_the_word():
    blend = weigh_by_relatives(*families(text=0.0, head=3.0), SCALE)
    assert blend.weight / blend.temperature > 0.5
    assert blend.temperature > 3  # cosines that tell nothing are hardly heard


def test_a_head_that_finds_no_relatives_is_not_heard_and_the_text_stays_as_it_was():
    blend = weigh_by_relatives(*families(text=0.5, head=-2.0), SCALE, temperature=1.4)
    assert (blend.weight, blend.bias, blend.temperature) == (0.0, 0.0, 1.4)


def test_where_the_text_knows_the_class_it_keeps_the_greater_part():
    sure, lost = (weigh_by_relatives(*families(text=text, head=2.0), SCALE) for text in (0.4, 0.0))
    assert sure.temperature < lost.temperature
    assert sure.weight < lost.weight


def test_classes_without_relatives_leave_the_text_alone():
    cosines, scores, of, related = families(text=0.2, head=3.0)
    blend = weigh_by_relatives(cosines, scores, of, np.zeros_like(related), SCALE, temperature=1.2)
    assert (blend.weight, blend.temperature) == (0.0, 1.2)


def test_the_weights_make_the_sum_of_both_losses_least():
    """Against the sum by a plain loop, at the numbers found and around them."""
    cosines, scores, of, related = families(text=0.1, head=1.5, families=8)
    related[:3] = False  # the first family has no relatives: a group of all
    blend = weigh_by_relatives(cosines, scores, of, related, SCALE)

    def value(weight: float, temperature: float) -> float:
        total = 0.0
        for i in range(len(of)):
            both, alone = np.exp((SCALE * cosines[i] + weight * scores[i]) / temperature), np.exp(SCALE * cosines[i] / temperature)
            others = np.arange(len(of)) != i
            group = related[i] | ~others
            if related[i].any():
                total -= np.log(both[related[i]].sum() / both[others].sum())
            total -= np.log(alone[i] / alone[group if related[i].any() else slice(None)].sum())
        per = 1 / temperature
        pull = (3.0 * (per - 1) ** 2 + 0.01 * (weight * per) ** 2) / (len(of) + related.any(axis=1).sum())
        return total / len(of) + pull

    here = value(blend.weight, blend.temperature)
    around = [(dw, dt) for dw in (-0.1, 0, 0.1) for dt in (-0.1, 0, 0.1) if (dw, dt) != (0, 0)]
    assert all(value(blend.weight + dw, blend.temperature + dt) > here for dw, dt in around)


def test_a_class_whose_name_has_no_vector_teaches_nothing_and_breaks_nothing():
    cosines, scores, of, related = families(text=0.1, head=1.5)
    cosines[:, 4] = -np.inf
    blend = weigh_by_relatives(cosines, scores, of, related, SCALE)
    assert np.isfinite([blend.weight, blend.temperature]).all()
    assert blend.weight > 0
