import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics import lwlrap as module
from flatline.diagnostics.errors import ScoreError, ShapeError
from flatline.diagnostics.lwlrap import (
    at_constant_level,
    chance_level,
    constant_level,
    label_precisions,
    lrap,
    lwlrap,
    per_class_lwlrap,
    tie_share,
)
from sklearn.metrics import label_ranking_average_precision_score

SPOKEN_TAGS = Path(__file__).parents[2].parent / "shared" / "data" / "spoken-tags"
SPLITS = ("train_curated", "train_noisy", "test")


def counted(scores, target) -> tuple[float, list[float], float]:
    """lwlrap, its value by class and lrap, by counting; a class ties with itself, so at worst places."""
    n_clips, n_classes = target.shape
    by_class, by_clip = [[] for _ in range(n_classes)], [[] for _ in range(n_clips)]
    for clip in range(n_clips):
        for label in range(n_classes):
            if not target[clip, label]:
                continue
            above = [other for other in range(n_classes) if scores[clip, other] >= scores[clip, label]]
            precision = sum(1 for other in above if target[clip, other]) / len(above)
            by_class[label].append(precision)
            by_clip[clip].append(precision)
    pairs = [value for values in by_class for value in values]
    means = [sum(values) / len(values) if values else float("nan") for values in by_class]
    clips = [sum(values) / len(values) for values in by_clip if values]
    nan = float("nan")
    return (sum(pairs) / len(pairs) if pairs else nan), means, (sum(clips) / len(clips) if clips else nan)


def sorted_precision(scores, target) -> float:
    """The competition's way in our words: sort each clip once, walk down the ranking, count hits."""
    total, labels = 0.0, 0
    for row, truth in zip(scores, target, strict=True):
        hits = 0
        for place, label in enumerate(np.argsort(row)[::-1], start=1):
            if truth[label]:
                hits += 1
                total += hits / place
                labels += 1
    return total / labels


def random_case(rng, ties: bool = False):
    n_clips, n_classes = rng.integers(1, 25), rng.integers(1, 40)
    scores = rng.standard_normal((n_clips, n_classes))
    if ties:
        scores = rng.integers(0, 4, (n_clips, n_classes)).astype(float)
    return scores, rng.random((n_clips, n_classes)) < rng.choice([0.02, 0.1, 0.5, 0.95])


def test_it_equals_the_counting_loop_on_a_thousand_cases_without_ties():
    rng = np.random.default_rng(0)
    for _ in range(1000):
        scores, target = random_case(rng)
        expected, by_class, by_clip = counted(scores, target)
        np.testing.assert_allclose(lwlrap(scores, target), expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(per_class_lwlrap(scores, target), by_class, rtol=0, atol=1e-12)
        np.testing.assert_allclose(lrap(scores, target), by_clip, rtol=0, atol=1e-12)


def test_the_reference_mode_equals_it_too_where_nothing_ties():
    rng = np.random.default_rng(1)
    for _ in range(300):
        scores, target = random_case(rng)
        np.testing.assert_allclose(lwlrap(scores, target, ties="reference"), counted(scores, target)[0], atol=1e-12)


def test_with_ties_it_equals_scikit_learn_weighted_by_labels_per_clip():
    rng = np.random.default_rng(2)
    cases = 0
    while cases < 200:
        scores, target = random_case(rng, ties=True)
        labelled = target.any(axis=1)
        if not labelled.any() or target.shape[1] < 2:
            continue
        cases += 1
        weights = target[labelled].sum(axis=1)
        given = target[labelled].astype(int), scores[labelled]
        ours = lwlrap(scores, target), lrap(scores, target)
        expected = (
            label_ranking_average_precision_score(*given, sample_weight=weights),
            label_ranking_average_precision_score(*given),
        )
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_the_reference_mode_breaks_ties_as_a_sort_does():
    rng = np.random.default_rng(3)
    for _ in range(200):
        scores, target = random_case(rng, ties=True)
        if target.any():
            ours = lwlrap(scores, target, ties="reference")
            np.testing.assert_allclose(ours, sorted_precision(scores, target), rtol=0, atol=1e-12)


def test_a_collapsed_net_is_told_from_chance_by_pessimistic_ties_alone():
    target = np.eye(80)
    assert lwlrap(np.zeros((80, 80)), target) == pytest.approx(1 / 80)
    assert lwlrap(np.zeros((80, 80)), target, ties="reference") > 4 / 80
    assert tie_share(np.zeros((80, 80))) == 1


def test_many_pairs_in_parts_give_what_one_part_gives(monkeypatch):
    rng = np.random.default_rng(4)
    scores, target = rng.standard_normal((60, 30)), rng.random((60, 30)) < 0.3
    whole = label_precisions(scores, target)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 100)
    parts = label_precisions(scores, target)
    np.testing.assert_array_equal(whole.precision, parts.precision)


def test_class_values_weighted_by_label_share_are_lwlrap():
    rng = np.random.default_rng(5)
    scores, target = rng.standard_normal((50, 12)), rng.random((50, 12)) < 0.2
    target[:, 3] = False
    precisions = label_precisions(scores, target)
    share = precisions.positives / precisions.positives.sum()
    assert np.isnan(precisions.per_class[3])
    assert precisions.positives.tolist() == target.sum(axis=0).tolist()
    assert np.nansum(precisions.per_class * share) == pytest.approx(precisions.lwlrap, abs=1e-12)


def test_a_random_ranking_scores_chance_exactly_over_all_rankings_of_few_classes():
    for n_classes in range(1, 6):
        for n_labels in range(1, n_classes + 1):
            target = np.arange(n_classes)[None, :] < n_labels
            rankings = np.array(list(itertools.permutations(range(n_classes))), dtype=float)
            expected = lwlrap(rankings, np.repeat(target, len(rankings), axis=0))
            assert chance_level(target) == pytest.approx(expected, abs=1e-12)


def test_random_rankings_of_many_classes_score_chance():
    rng = np.random.default_rng(6)
    target = rng.random((2000, 30)) < 0.1
    scores = [lwlrap(rng.random(target.shape), target) for _ in range(10)]
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - chance_level(target)) < max(4 * error, 1e-3)


def test_chance_of_single_labels_is_the_harmonic_number_over_the_classes():
    assert chance_level(np.eye(80)) == pytest.approx(sum(1 / k for k in range(1, 81)) / 80)


def test_the_constant_level_is_the_score_of_one_ranking_by_the_prior():
    rng = np.random.default_rng(7)
    target = rng.random((200, 10)) < np.linspace(0.02, 0.4, 10)
    prior = target.mean(axis=0) + 1e-6 * np.arange(10)  # no two alike
    assert constant_level(target, prior) == pytest.approx(counted(np.tile(prior, (200, 1)), target)[0], abs=1e-12)
    assert constant_level(target, prior) > constant_level(target, -prior)


def test_equal_priors_keep_the_order_of_the_classes_and_do_not_tie():
    target = np.array([[1, 0, 0], [0, 1, 0]])
    assert constant_level(target, np.array([0.5, 0.5, 0.1])) == pytest.approx((1 + 1 / 2) / 2)


def test_nothing_is_learnt_up_to_two_hundredths_above_the_higher_level():
    assert at_constant_level(0.509, chance=0.4, constant=0.49)
    assert not at_constant_level(0.511, chance=0.4, constant=0.49)
    assert at_constant_level(0.41, chance=0.4, constant=float("nan"))
    assert at_constant_level(float("nan"), chance=0.4, constant=0.49) is None


def test_on_real_speech_chance_is_40_and_the_constant_level_49_hundredths():
    if not SPOKEN_TAGS.is_dir():
        pytest.skip(f"no spoken-tags beside the checkout, at {SPOKEN_TAGS}")
    labels = {split: pd.read_csv(SPOKEN_TAGS / f"{split}.csv")["labels"].str.split(",") for split in SPLITS}
    classes = sorted(set(itertools.chain.from_iterable(itertools.chain.from_iterable(labels.values()))))
    hot = {split: np.array([[name in row for name in classes] for row in rows]) for split, rows in labels.items()}
    prior = np.concatenate([hot["train_curated"], hot["train_noisy"]]).mean(axis=0)
    assert len(classes) == 14
    assert round(chance_level(hot["test"]), 2) == 0.40
    assert round(constant_level(hot["test"], prior), 2) == 0.49


def test_clips_without_labels_are_left_out():
    scores, target = np.array([[3.0, 2, 1], [1, 2, 3]]), np.array([[0, 1, 0], [0, 0, 0]])
    assert lwlrap(scores, target) == lrap(scores, target) == 0.5
    assert chance_level(target) == chance_level(target[:1])


@pytest.mark.filterwarnings("error")
def test_no_labels_at_all_are_nan_without_a_warning():
    scores, target = np.zeros((3, 4)), np.zeros((3, 4))
    assert np.isnan([lwlrap(scores, target), lrap(scores, target), chance_level(target)]).all()
    assert np.isnan(constant_level(target, np.ones(4)))
    assert np.isnan(per_class_lwlrap(scores, target)).all()
    assert np.isnan(lwlrap(np.zeros((0, 4)), np.zeros((0, 4))))
    assert np.isnan(lwlrap(scores, target, ties="reference"))
    assert tie_share(np.zeros((0, 4))) == 0


def test_a_single_class_is_always_right():
    target = np.array([[1], [0], [1]])
    assert lwlrap(np.random.default_rng(0).random((3, 1)), target) == chance_level(target) == 1
    assert constant_level(target, np.array([0.7])) == 1
    assert tie_share(np.zeros((3, 1))) == 0


def test_broadcast_and_integer_scores_are_taken():
    one_ranking = np.broadcast_to(np.array([3, 2, 1]), (5, 3))
    target = np.tile([0, 1, 0], (5, 1))
    assert lwlrap(one_ranking, target) == lwlrap(one_ranking, target, ties="reference") == 0.5
    assert lwlrap(one_ranking.tolist(), target.tolist()) == 0.5  # type: ignore[arg-type]


def test_only_the_order_of_scores_counts_infinity_included():
    rng = np.random.default_rng(8)
    logits, target = rng.standard_normal((20, 9)), rng.random((20, 9)) < 0.3
    assert lwlrap(1 / (1 + np.exp(-logits)), target) == lwlrap(logits, target)
    assert lwlrap(np.where(logits == logits.max(axis=1, keepdims=True), np.inf, logits), target) == lwlrap(
        logits, target
    )


def test_a_nan_score_is_an_error_naming_the_clip():
    scores = np.zeros((5, 3))
    scores[[2, 4], 1] = np.nan
    with pytest.raises(ScoreError, match=r"NaN in 2 of 5 clips, the first is clip 2 \(lwlrap\); .*find the iteration"):
        lwlrap(scores, np.ones((5, 3)))


def test_shapes_that_differ_are_an_error_naming_both():
    with pytest.raises(ShapeError, match=r"scores are \(2, 3\) but target is \(2, 4\) \(lwlrap\); both must be"):
        lwlrap(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ShapeError, match=r"prior has 3 classes but target has 4 \(constant_level\); build both"):
        constant_level(np.zeros((2, 4)), np.zeros(3))


def test_the_tie_share_counts_equal_neighbours():
    assert tie_share(np.array([[1, 1, 2], [1, 2, 3]])) == pytest.approx(1 / 4)
