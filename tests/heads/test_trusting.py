"""Which names are known is told by the taxa's own pictures."""

from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.heads.trusting import heard, judge_names, lifts_of_names


def world(known: int, unknown: int, each: int = 5, looks: float = 2.0, seed: int = 0):
    """Names of which the first are known: logits that point to the right class, or nowhere; pictures tell classes apart by `looks` of a logit."""
    random = np.random.default_rng(seed)
    c = known + unknown
    of = np.repeat(np.arange(c), each)
    own = np.arange(len(of)), of
    logits, told = 3 * random.normal(size=(len(of), c)), random.normal(size=(len(of), c))
    logits[own] += np.where(of < known, 10.0, 0.0)
    told[own] += looks
    return lifts_of_names(logits), told - np.log(np.exp(told).sum(axis=1, keepdims=True)), of


def test_names_that_find_their_pictures_are_known_and_others_are_not():
    judged = judge_names(*world(known=15, unknown=15))
    assert judged.known[:15].min() > 0.9
    assert judged.known[15:].max() < 0.5


@pytest.mark.parametrize(("known", "unknown", "wanted"), [(30, 0, 1.0), (0, 30, 0.0)])
def test_where_all_names_are_alike_all_are_judged_alike(known, unknown, wanted):
    judged = judge_names(*world(known, unknown)).known
    assert judged.mean() == pytest.approx(wanted, abs=0.1)


def test_half_of_the_names_known_is_better_than_all_heard_or_none():
    lifts, pictures, of = world(known=15, unknown=15)
    asked, told, truth = world(known=15, unknown=15, seed=1)
    judged = judge_names(lifts, pictures, of)
    right = {name: np.mean((told + names).argmax(axis=1) == truth) for name, names in (("none", 0), ("all", asked), ("known", heard(asked, judged.known)))}
    assert right["known"] > max(right["none"], right["all"]) + 0.1


def test_other_names_speak_for_one_that_a_single_picture_belies():
    """A name whose picture it does not find is believed where nearly all are known, and not where few are."""
    of_many, of_few = world(29, 1, each=1), world(3, 27, each=1)
    assert judge_names(*of_many).known[29] > judge_names(*of_few).known[3:].mean() + 0.2


def test_the_first_pass_is_what_the_rules_say():
    """Two names, a picture each, that the pictures tell nothing of. At p = 1/2 a lift of 1.8 counts 0.5 + 0.9 = 1.4, one of 0.2 counts 0.6.

    Where all passes leave p at q, for both names alike, the gain is log(1.8 (1 - q + 0.2 q + 1) / (1 - q + 0.2 q + 1.8)).
    """
    lifts = np.log([[1.8, 0.2], [0.2, 1.8]])
    judged = judge_names(lifts, np.log(np.full((2, 2), 0.5)), np.array([0, 1]))
    q = share = 0.5
    for _ in range(400):  # rules 2 and 3 until they stay
        other = 1 - 0.8 * q
        gain = np.log(1.8 * (other + 1) / (other + 1.8))
        share = (2 / (1 + np.exp(-np.log(share / (1 - share)) - gain)) + 1) / 4
        q = 1 / (1 + np.exp(-np.log(share / (1 - share)) - gain))
    assert judged.known == pytest.approx([q, q], abs=0.01)
    assert judged.known_without == pytest.approx(np.full(2, share), abs=0.02)  # without its only picture a name is any name


def test_a_picture_does_not_judge_its_own_name_where_it_asks():
    lifts, pictures, of = world(known=15, unknown=15)
    judged = judge_names(lifts, pictures, of)
    spread = judged.of_pictures(of)
    own = np.arange(len(of)), of
    assert spread.shape == lifts.shape
    assert (spread[own] == judged.known_without).all()
    spread[own] = judged.known[of]
    assert (spread == judged.known).all()
    helped = lifts[own] > 1
    assert (judged.known_without <= judged.known[of] + 1e-9)[helped].all()


def test_names_that_are_known_for_sure_are_the_text_as_it_was():
    logits = np.random.default_rng(0).normal(size=(6, 4))
    counted = heard(lifts_of_names(logits), np.full(4, 1 - 1e-12))
    assert counted - counted[:, :1] == pytest.approx(logits - logits[:, :1], abs=1e-6)


def test_where_no_name_has_a_vector_none_says_anything():
    assert (heard(lifts_of_names(np.full((2, 3), -np.inf)), np.full(3, 0.5)) == 0).all()


def test_a_name_without_a_vector_counts_as_one_that_says_nothing():
    logits = np.array([[1.0, -np.inf, 0.0], [0.0, -np.inf, 1.0], [0.5, -np.inf, 0.5]])
    lifts = lifts_of_names(logits)
    assert np.exp(lifts[0, [0, 2]]).sum() == pytest.approx(2)  # a guess among the two that have one
    judged = judge_names(lifts, np.log(np.full((3, 3), 1 / 3)), np.array([0, 2, 1]))
    counted = heard(lifts, judged.known)
    assert np.isfinite(counted).all()
    assert (counted[:, 1] == 0).all()


def test_a_class_that_pictures_say_nothing_of_breaks_nothing():
    lifts, pictures, of = world(known=4, unknown=4, each=2)
    pictures[0, of[0]] = np.nan
    assert np.isfinite(judge_names(lifts, pictures, of).known_without).all()
