import math

import numpy as np
import pytest
from flatline.diagnostics.signals.outputs import rank_agreement, score_health


def slow_rank_agreement(outputs: np.ndarray) -> float:
    """Ranks by counting, Pearson correlation by its definition, mean over clips."""
    ranks = []
    for row in outputs.tolist():
        ranks.append(
            [sum((other, at) < (value, place) for at, other in enumerate(row)) for place, value in enumerate(row)]
        )
    mean = [sum(column) / len(ranks) for column in zip(*ranks, strict=True)]

    def correlation(x: list[float], y: list[float]) -> float:
        x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
        above = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True))
        return above / math.sqrt(sum((a - x_mean) ** 2 for a in x) * sum((b - y_mean) ** 2 for b in y))

    return sum(correlation(row, mean) for row in ranks) / len(ranks)


def test_rank_agreement_equals_the_slow_reference_with_and_without_ties():
    rng = np.random.default_rng(0)
    for _ in range(50):
        outputs = rng.standard_normal((rng.integers(2, 12), rng.integers(3, 20)))
        if rng.random() < 0.3:
            outputs = np.round(outputs)
        assert rank_agreement(outputs) == pytest.approx(slow_rank_agreement(outputs), abs=1e-12)


def test_rank_agreement_tells_one_ranking_from_many():
    rng = np.random.default_rng(0)
    ranking = rng.standard_normal(80)
    shared = ranking * rng.random((32, 1)) + rng.standard_normal((32, 1))  # scaled and shifted, the same order
    assert rank_agreement(shared) == pytest.approx(1)
    assert rank_agreement(np.zeros((32, 80))) == pytest.approx(1)
    assert rank_agreement(rng.standard_normal((32, 80))) == pytest.approx(1 / math.sqrt(32), abs=0.05)
    assert rank_agreement(np.array([[1, 2, 3], [3, 2, 1]])) == 0


def test_rank_agreement_of_a_single_class_or_nan_is_nan():
    assert math.isnan(rank_agreement(np.zeros((3, 1))))
    assert math.isnan(rank_agreement(np.array([[0.0, np.nan]])))


def test_spreads_and_range_equal_slow_loops():
    outputs = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
    health = score_health(outputs)

    def spread(values: list[float]) -> float:
        mean = sum(values) / len(values)
        return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))

    rows = outputs.tolist()
    columns = list(zip(*rows, strict=True))
    tops = [row.index(max(row)) for row in rows]
    expected = {
        "output_min": min(map(min, rows)),
        "output_max": max(map(max, rows)),
        "clip_spread": sum(spread(list(column)) for column in columns) / 5,
        "class_spread": sum(spread(row) for row in rows) / 7,
        "rank_agreement": slow_rank_agreement(outputs),
        "top_class_share": max(tops.count(label) for label in tops) / 7,
    }
    assert health == pytest.approx(expected, rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_batch_of_one_clip_cannot_tell_what_lies_between_clips():
    health = score_health(np.array([[0.1, 0.9]], dtype=np.float32))
    missing = {name for name, value in health.items() if math.isnan(value)}
    assert missing == {"clip_spread", "rank_agreement", "top_class_share"}


@pytest.mark.filterwarnings("error")
def test_nan_and_infinity_are_recorded_as_they_are_without_a_warning():
    with_nan = score_health(np.array([[0.0, np.nan], [1, 2]], dtype=np.float32))
    assert all(math.isnan(value) for value in with_nan.values())
    with_infinity = score_health(np.array([[0.0, np.inf], [1, 2]], dtype=np.float32))
    assert (with_infinity["output_max"], with_infinity["output_min"]) == (math.inf, 0)
    assert math.isnan(with_infinity["clip_spread"])
    assert (with_infinity["rank_agreement"], with_infinity["top_class_share"]) == pytest.approx((1, 1))
    huge = score_health(np.array([[0.0, 3e38], [0, -3e38]], dtype=np.float32))
    assert huge["output_max"] == pytest.approx(3e38)


def test_without_outputs_everything_is_nan():
    assert all(math.isnan(value) for value in score_health(None).values())
    assert all(math.isnan(value) for value in score_health(np.zeros((0, 4))).values())
