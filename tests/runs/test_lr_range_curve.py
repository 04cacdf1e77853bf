"""The maths of a range test, by hand and on losses whose answer is known."""

import math

import numpy as np
import pytest
from flatline.runs.lr_range_curve import (
    DIVERGED,
    LEAST_FALL,
    SMOOTHING,
    Divergence,
    RunningMean,
    range_curve,
    suggest,
)

N = 200
RATES = np.geomspace(1e-6, 1, N)


def falling(start=0.7, end=0.1, at=1e-3, width=0.25, rises_at=0.1):
    """A loss that falls from one level to another around a rate, and rises from another on."""
    logs = np.log10(RATES)
    fall = (start - end) / (1 + np.exp(-(logs - math.log10(at)) / width))
    return start - fall + np.where(rises_at < RATES, 3 * (logs - math.log10(rises_at)), 0)


def noisy(losses, sigma=0.01, seed=0):
    return losses + np.random.default_rng(seed).normal(0, sigma, len(losses))


def test_the_running_mean_is_the_weighted_mean_of_all_values_so_far():
    values = np.random.default_rng(0).normal(size=30)
    mean = RunningMean(0.8)
    for n in range(1, 31):
        weights = 0.8 ** np.arange(n)[::-1]
        assert mean.add(values[n - 1]) == pytest.approx(np.average(values[:n], weights=weights))


def test_a_smoothed_loss_stands_at_the_rate_of_the_same_mean_so_that_it_does_not_lag():
    logs = np.log10(RATES)
    curve = range_curve(RATES, 5 - logs)  # a straight line must stay the same straight line
    np.testing.assert_allclose(curve.losses, 5 - np.log10(curve.rates), rtol=1e-12)
    assert len(curve.rates) == N


def test_the_test_is_over_where_the_mean_exceeds_four_times_its_lowest():
    divergence = Divergence()
    means = [divergence.add(loss) for loss in [1.0] * 50]
    assert not divergence.is_over
    assert means[-1] == pytest.approx(1)
    added = 0
    while not divergence.is_over:  # of 10 each: 1 + 9 (1 - .9^n) > 4, so n = 4
        divergence.add(10.0)
        added += 1
    assert added == math.ceil(math.log(1 - (DIVERGED - 1) / 9) / math.log(SMOOTHING))
    divergence.add(0.0)
    assert divergence.is_over, "a test that is over stays so"


@pytest.mark.parametrize("last", [math.nan, math.inf])
def test_the_test_is_over_at_a_loss_that_is_no_number(last):
    curve = range_curve(RATES[:40], [0.5] * 39 + [last])
    assert curve.diverged == RATES[39]
    assert len(curve.losses) == 39
    assert np.isfinite(curve.losses).all()


def test_a_loss_below_zero_is_no_divergence():
    assert math.isnan(range_curve(RATES, np.linspace(-1, -5, N)).diverged)


def test_the_suggested_rates_are_those_of_the_fall():
    found = suggest(range_curve(RATES, noisy(falling())))
    assert found.falls
    assert 1e-4 < found.lowest < 5e-4
    assert 4e-4 < found.steepest < 2.5e-3
    assert 0.02 < found.highest < 0.2
    assert found.lowest < found.steepest < found.highest
    assert found.first_loss == pytest.approx(0.7, abs=0.02)
    assert "rises" in found.why or "diverges" in found.why


@pytest.mark.parametrize("at", [1e-4, 1e-3, 1e-2])
def test_the_suggestion_moves_with_the_fall(at):
    steepest = suggest(range_curve(RATES, falling(at=at))).steepest
    assert abs(math.log10(steepest / at)) < 0.35


def test_a_loss_that_still_falls_at_the_end_says_that_a_higher_rate_says_more():
    found = suggest(range_curve(RATES, falling(at=0.1, rises_at=10)))
    assert math.isnan(found.diverged)
    assert "still does not rise" in found.why
    assert found.highest > 0.5


@pytest.mark.parametrize("seed", range(40))
def test_noise_alone_suggests_nothing(seed):
    found = suggest(range_curve(RATES, noisy(np.full(N, 0.7), 0.03, seed)))
    assert not found.falls
    assert math.isnan(found.lowest)
    assert math.isnan(found.highest)
    assert "no rate lowers the loss" in found.why
    assert "flatline check" in found.why


def test_of_noise_alone_hardly_one_test_in_a_thousand_suggests_anything():
    falls = [suggest(range_curve(RATES, noisy(np.full(N, 10.0), 3.0, seed))).falls for seed in range(1000)]
    assert sum(falls) <= 2, LEAST_FALL


def test_a_loss_that_only_rises_suggests_nothing():
    found = suggest(range_curve(RATES, np.linspace(0.7, 1.5, N)))
    assert not found.falls


def test_a_double_sigmoid_that_comes_to_rest_at_ln_2_suggests_nothing():
    losses = noisy(falling(0.97, math.log(2), rises_at=10), 0.002)
    found = suggest(range_curve(RATES, losses), loss_kind="bce-with-logits", label_entropy=0.07)
    assert not found.falls
    assert "1/2 for every class" in found.why
    assert found.least_loss == pytest.approx(math.log(2), abs=0.01)
    fair = suggest(range_curve(RATES, losses), loss_kind="bce-with-logits", label_entropy=0.6)
    assert fair.falls, "where the label prior itself costs ln 2, that level means nothing"
    assert suggest(range_curve(RATES, losses), loss_kind="bce").falls


def test_too_short_a_test_says_so():
    found = suggest(range_curve(RATES[:4], [0.7, 0.6, 0.5, math.nan]))
    assert not found.falls
    assert "only 3 iterations" in found.why


def test_a_test_that_is_no_number_from_the_first_iteration_on_says_so():
    found = suggest(range_curve(RATES, [math.nan] * N))
    assert not found.falls
    assert "only 0 iterations" in found.why
    assert found.diverged == RATES[0]
