from __future__ import annotations

import numpy as np
import pytest

from bioclip_search.classifier.features import Features, Look
from bioclip_search.classifier.trials import UNTAUGHT, Trial, deal, mean_of_bursts, measured, over_folds, teach, try_head, with_strangers
from bioclip_search.classifier.views import PLAIN
from bioclip_search.taxonomy import Taxon

KINDS = ["logistic", "prototypes", "ridge", "mlp"]


def features_of(vectors, of, groups=None, mirrored=None) -> Features:
    vectors = np.asarray(vectors, np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    n = len(vectors)
    groups = np.arange(n) if groups is None else np.asarray(groups)
    looks = [Look(PLAIN, np.arange(n), vectors)] + ([] if mirrored is None else [Look("mirrored", np.arange(n), np.asarray(mirrored, np.float32))])
    taxa = tuple(Taxon(f"taxon {number}", "species", number, number + 1) for number in range(max(of) + 1))
    return Features(tuple(looks), np.asarray(of), groups, groups, np.full(n, "all", object), tuple(map(str, range(n))), taxa)


def clouds(classes: int, each: int, spread: float, seed: int = 0, dim: int = 12) -> Features:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((classes, dim))
    of = np.repeat(np.arange(classes), each)
    return features_of(centres[of] + spread * random.standard_normal((len(of), dim)), of)


@pytest.mark.parametrize("kind", KINDS)
def test_clouds_apart_are_told_apart_and_noise_is_not(kind):
    apart, noise = clouds(4, 15, 0.1), clouds(4, 15, 50)
    for features, low, high in ((apart, 0.99, 1.0), (noise, 0.0, 0.5)):
        fold, notes = deal(features, 5, 0)
        assert notes == ()
        scores = try_head(kind, features, fold).known
        np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1)
        assert low <= (scores.argmax(axis=1) == features.of).mean() <= high


def test_frames_of_a_burst_teach_nothing_about_each_other():
    # Every burst is five frames that are all but one; its label is drawn by lot. Who was taught a frame would know the others.
    random = np.random.default_rng(1)
    bursts = np.repeat(np.arange(40), 5)
    vectors = random.standard_normal((40, 80))[bursts] + 1e-3 * random.standard_normal((200, 80))
    of = random.permutation(np.repeat([0, 1], 20))[bursts]
    together, parted = features_of(vectors, of, bursts), features_of(vectors, of)
    rights = []
    for features in (together, parted):
        fold, _ = deal(features, 5, 0)
        rights.append((try_head("ridge", features, fold).known.argmax(axis=1) == of).mean())
    assert rights[0] < 0.7  # half is luck
    assert rights[1] > 0.95


def test_a_mirror_image_is_taught_and_asked_only_with_its_picture():
    # The mirror image bears the whole truth about a picture that is noise; were it taught while its picture is asked, nothing else would change.
    random = np.random.default_rng(2)
    noise, of = random.standard_normal((60, 8)), np.repeat([0, 1, 2], 20)
    features = features_of(noise, of, mirrored=np.eye(3, 8)[of])
    fold, _ = deal(features, 5, 0)
    trial = try_head("prototypes", features, fold)
    head, known = teach("prototypes", features, fold != 0)
    assert known.tolist() == [0, 1, 2]
    np.testing.assert_allclose(trial.scores[fold == 0], head.scores(features.vectors[fold == 0]))


def test_a_picture_and_its_mirror_image_are_left_out_of_the_gate_together():
    """The mirror images are the pictures themselves: were they parted, every picture would lie near its class by its own double."""
    pictures = clouds(3, 10, 0.3)
    doubled = features_of(pictures.vectors, pictures.of, mirrored=pictures.vectors)
    gates = [teach("prototypes", features, np.ones(30, bool))[0].arrays["gate"] for features in (pictures, doubled)]
    np.testing.assert_allclose(gates[1], gates[0], rtol=1e-5)


def test_what_is_known_of_a_picture_is_told_without_the_gate():
    """The gate let .1 and, for the second, next to nothing through: .06 and .03 and .01 are .6, .3 and .1 of it; of the last class nobody was taught."""
    scores = np.log([[0.06, 0.03, 0.01], [3e-12, 1e-12, np.nan]])
    known = Trial("ridge", scores).known
    np.testing.assert_allclose(np.exp(known[0]), [0.6, 0.3, 0.1])
    np.testing.assert_allclose(np.exp(known[1]), [0.75, 0.25, np.exp(UNTAUGHT)])


def test_a_class_that_is_in_one_fold_only_is_missed_there_and_told():
    features = features_of(np.eye(21, 21) + 0.1, [0] * 10 + [1] * 10 + [2])
    fold, (note,) = deal(features, 5, 0)
    assert "1 class has fewer than 5 bursts" in note
    assert "taxon 2" in note
    trial = try_head("prototypes", features, fold)
    assert np.isnan(trial.scores[-1, 2])
    assert trial.known[-1, 2] == UNTAUGHT
    assert not np.isnan(trial.scores[fold != fold[-1]]).any()


def test_strangers_are_asked_of_heads_that_do_not_know_their_class():
    features = clouds(7, 8, 0.3)
    fold, _ = deal(features, 4, 0)
    trial = try_head("prototypes", features, fold)
    strangers = with_strangers(trial, features)
    np.testing.assert_array_equal(strangers.scores, trial.scores)
    assert np.isnan(strangers.strangers[np.arange(56), features.of]).all()
    assert (~np.isnan(strangers.strangers)).any(axis=1).all()
    assert with_strangers(try_head("prototypes", clouds(3, 8, 0.3), fold[:24]), clouds(3, 8, 0.3)).strangers is None  # too few classes


def test_balance_lets_a_rare_class_be_found():
    random = np.random.default_rng(3)
    of = np.repeat([0, 1], [190, 10])
    features = features_of(np.concatenate([random.standard_normal((200, 6)) + of[:, None] * 0.9, np.ones((200, 1))], axis=1), of)
    fold, _ = deal(features, 5, 0)
    found = [(try_head("logistic", features, fold, balance=balance).known.argmax(axis=1) == 1)[of == 1].mean() for balance in (False, True)]
    assert found[0] < found[1]


def test_the_figures_are_worked_by_hand():
    # Three pictures of class 0, all right; one of class 1, wrong: 3 of 4, and (1 + 0) / 2 over classes.
    features = features_of(np.eye(4), [0, 0, 0, 1])
    scores = np.log([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]])
    told = measured("x", scores, features, np.array([0, 0, 1, 1]))
    assert (told["x_right"], told["x_right_macro"]) == (0.75, 0.5)
    assert told["x_log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.6, 0.3]).mean(), abs=1e-4)
    # Folds are right by 1 and 0.5: mean 0.75, standard deviation 0.3536, standard error 0.25, and t of one degree of freedom is 12.706.
    assert (told["x_right_folds_low"], told["x_right_folds_high"]) == (round(0.75 - 12.706 * 0.25, 4), round(0.75 + 12.706 * 0.25, 4))
    assert over_folds("x", np.ones(3), np.zeros(3)) == {}


def test_the_mean_of_a_burst_stands_for_each_of_its_frames():
    scores = np.array([[1.0, 0.0], [3.0, 2.0], [5.0, 5.0]])
    assert mean_of_bursts(scores, np.array([0, 0, 1])).tolist() == [[2.0, 1.0], [2.0, 1.0], [5.0, 5.0]]
