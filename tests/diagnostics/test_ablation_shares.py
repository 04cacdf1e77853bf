import numpy as np
import pytest
from flatline.diagnostics.ablation_shares import (
    Ablation,
    LwlrapOf,
    OwnMetric,
    PartShare,
    in_words,
    is_ablation_column,
    shares,
)
from flatline.diagnostics.lwlrap import chance_level, constant_level, lwlrap


def drawn(n_clips=200, n_classes=8, seed=0, quality=1.0):
    rng = np.random.default_rng(seed)
    target = rng.random((n_clips, n_classes)) < 0.25
    target[np.arange(n_clips), rng.integers(0, n_classes, n_clips)] = True
    return rng.standard_normal(target.shape) + quality * target, target


def test_a_resample_is_scored_as_if_its_clips_were_scored_alone():
    scores, target = drawn(30)
    target[3] = False  # a clip without labels counts for nothing
    prior = np.linspace(0, 1, 8)
    scorer = LwlrapOf(target, prior, resamples=20, seed=4)
    score, resampled = scorer(scores)
    assert score == pytest.approx(lwlrap(scores, target))
    rng = np.random.default_rng(4)
    weights = rng.multinomial(30, np.full(30, 1 / 30), 20)
    for counts, value, floor in zip(weights, resampled, scorer.floors, strict=True):
        clips = np.repeat(np.arange(30), counts)
        assert value == pytest.approx(lwlrap(scores[clips], target[clips]))
        levels = chance_level(target[clips]), constant_level(target[clips], prior)
        assert floor == pytest.approx(max(levels))


def test_without_a_prior_the_clips_own_is_taken():
    _, target = drawn()
    scorer = LwlrapOf(target, None, 10, 0)
    assert scorer.constant == constant_level(target, target.mean(axis=0))


def test_a_share_is_what_is_lost_of_what_lies_above_the_floor():
    whole, target = drawn(quality=3.0)
    less, _ = drawn(quality=1.0)
    found = shares(LwlrapOf(target, None, 200, 0), whole, {"rnn.a": less, "rnn.b": whole}, {"rnn.a": "a", "rnn.b": "b"})
    expected = (lwlrap(whole, target) - lwlrap(less, target)) / (lwlrap(whole, target) - found.floor)
    assert found["rnn.a"].share == pytest.approx(expected)
    assert found["rnn.a"].low < expected < found["rnn.a"].high
    assert (found["rnn.b"].share, found["rnn.b"].low, found["rnn.b"].high) == (0, 0, 0)


def test_the_interval_covers_the_share_of_all_clips_in_about_95_of_100_draws():
    """Of a hundred sets of 100 clips, drawn from one population whose share is known from 20,000."""
    population, target = drawn(20_000, quality=2.0)
    worse = population - 1.0 * target
    truth = shares(LwlrapOf(target, None, 2, 0), population, {"rnn": worse}, {"rnn": ""})["rnn"].share
    rng, covered = np.random.default_rng(1), 0
    for seed in range(100):
        clips = rng.choice(20_000, 100, replace=False)
        scorer = LwlrapOf(target[clips], target.mean(axis=0), 300, seed)
        found = shares(scorer, population[clips], {"rnn": worse[clips]}, {"rnn": ""})["rnn"]
        covered += found.low <= truth <= found.high
    assert covered >= 88


def test_more_clips_narrow_the_interval():
    widths = []
    for n_clips in (50, 800):
        whole, target = drawn(n_clips, quality=3.0)
        less, _ = drawn(n_clips, quality=1.0)
        found = shares(LwlrapOf(target, None, 300, 0), whole, {"rnn": less}, {"rnn": ""})["rnn"]
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_the_seed_decides_the_interval():
    whole, target = drawn(60, quality=3.0)
    less, _ = drawn(60)
    intervals = [
        shares(LwlrapOf(target, None, 300, seed), whole, {"rnn": less}, {"rnn": ""})["rnn"] for seed in (0, 0, 1)
    ]
    assert intervals[0] == intervals[1] != intervals[2]


def test_no_interval_is_infinite_though_resamples_are_at_the_floor():
    whole, target = drawn(12, quality=1.5)
    less, _ = drawn(12, seed=9, quality=0.0)
    found = shares(LwlrapOf(target, None, 500, 0), whole, {"rnn": less}, {"rnn": ""}, margin=0.0)["rnn"]
    assert np.isfinite([found.low, found.high]).all()


def test_nan_scores_have_no_share():
    whole, target = drawn()
    broken = np.where(target, np.nan, whole)
    found = shares(LwlrapOf(target, None, 10, 0), whole, {"rnn": broken}, {"rnn": "the GRU"})
    assert np.isnan([found["rnn"].share, found["rnn"].low, found["rnn"].score]).all()
    of_broken = shares(LwlrapOf(target, None, 10, 0), broken, {"rnn": whole}, {"rnn": "the GRU"})
    assert np.isnan([of_broken.score, of_broken["rnn"].share]).all()
    assert "NaN" in in_words(found["rnn"])


def test_a_metric_is_called_for_each_resample_with_the_same_clips():
    seen = []

    def metric(outputs, target):
        seen.append((outputs[:, 0].astype(int).tolist(), target.tolist()))
        return float(outputs.mean())

    outputs = np.arange(10.0)[:, None] + np.zeros((1, 3))
    scorer = OwnMetric(metric, np.arange(10), 0.0, 7, 0)
    scorer(outputs)
    first = seen.copy()
    seen.clear()
    scorer(outputs)
    assert seen == first
    assert len(seen) == 8
    assert all(clips == labels for clips, labels in seen)


def test_a_row_has_four_columns_a_part_and_says_what_they_are_of():
    row = Ablation(0.5, 0.1, 0.2, 0.2, 40, (PartShare("rnn.gru", "the GRU", 0.3, 0.6, 0.5, 0.7),)).row()
    assert row == {
        "ablation_score": 0.5,
        "ablation_floor": 0.2,
        "ablation_clips": 40,
        "ablation.rnn.gru": 0.6,
        "ablation.rnn.gru.low": 0.5,
        "ablation.rnn.gru.high": 0.7,
        "ablation.rnn.gru.score": 0.3,
    }
    assert all(map(is_ablation_column, row))


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("rnn.gru", (0.02, 0.0, 0.04), "the part carries 2 % of the score (0 to 4 %): it is bypassed"),
        ("rnns", (0.02, 0.0, 0.04), "the part carry 2 % of the score (0 to 4 %): they are bypassed"),
        ("rnn.gru", (0.1, 0.0, 0.3), "the part carries 10 % of the score (0 to 30 %)"),
        ("rnn.gru", (1.0, 0.9, 1.1), "the part carries 100 % of the score (90 to 110 %): nearly all is lost without"),
        ("attention.a", (-0.002, -0.01, 0.01), "the part carries 0 % of the score (-1 to 1 %): nearly nothing is lost"),
        ("attention.a", (-0.2, -0.3, -0.1), "the part carries -20 % of the score (-30 to -10 %): the score is better"),
        ("frame_shuffle.input", (0.0, 0.0, 0.1), "the part carries 0 % of the score (0 to 10 %): it hardly matters"),
    ],
)
def test_a_sentence_says_share_interval_and_what_follows(part, values, words):
    assert in_words(PartShare(part, "the part", 0.5, *values)).startswith(words)
