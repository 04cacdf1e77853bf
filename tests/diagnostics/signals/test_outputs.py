import math

import numpy as np
import pytest
import torch
from flatline.diagnostics.signals import Batch, OutputHealth
from flatline.diagnostics.signals.outputs import label_entropy, label_noise_floor, rank_agreement, score_health


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


@pytest.mark.parametrize("kind", ["bce-with-logits", "bce"])
def test_label_entropy_is_the_loss_of_a_constant_predictor_at_the_prior(kind):
    prior = np.array([0.3, 0.015, 0.5, 0.0])
    slow = 0.0
    for q in prior.tolist():
        slow -= sum(p * math.log(p) for p in (q, 1 - q) if p > 0) / len(prior)
    assert label_entropy(prior, kind) == pytest.approx(slow, abs=1e-9)


def test_label_entropy_for_cross_entropy_is_the_prior_s_own():
    prior = np.array([0.5, 0.25, 0.25, 0.0])
    assert label_entropy(prior, "cross-entropy") == pytest.approx(1.5 * math.log(2), abs=1e-9)


def test_the_noise_floor_of_labels_without_noise_is_nan():
    assert math.isnan(label_noise_floor(np.array([0.0, 1.0]), 32, "bce"))


def constant_predictor_rho(kind: str, prior: np.ndarray, n_clips: int, n_batches: int) -> np.ndarray:
    """rho of a linear layer at the prior that ignores its input, over batches of random labels."""
    rng = np.random.default_rng(0)
    layer = torch.nn.Linear(3, len(prior))
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.from_numpy(np.log(prior) if kind == "cross-entropy" else np.log(prior / (1 - prior))))
    signal = OutputHealth()
    signal._model, signal._names = layer, ["weight", "bias"]
    rhos = []
    for _ in range(n_batches):
        if kind == "cross-entropy":
            indices = rng.choice(len(prior), n_clips, p=prior)
            target = np.eye(len(prior))[indices] > 0
            loss = torch.nn.functional.cross_entropy(layer(torch.ones(n_clips, 3)), torch.from_numpy(indices))
        else:
            target = rng.random((n_clips, len(prior))) < prior
            logits, hot = layer(torch.ones(n_clips, 3)), torch.from_numpy(target).float()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, hot)
        (gradient,) = torch.autograd.grad(loss, [layer.bias])
        batch = Batch(0, kind, None, target, prior)
        batch.shared.update(gradient_norm=np.array([0, gradient.norm()]), gradient_norm_total=1.0)
        rhos.append(signal.collect(batch)["rho"])
    return np.array(rhos)


def test_rho_of_a_constant_predictor_at_the_prior_is_about_one():
    prior = np.random.default_rng(1).uniform(0.01, 0.4, 80)
    rho = constant_predictor_rho("bce-with-logits", prior, 32, 200)
    assert np.sqrt(np.mean(rho**2)) == pytest.approx(1, abs=0.02)  # the floor is the root of a mean square
    assert 0.9 < rho.mean() < 1.02


def test_rho_for_cross_entropy_too():
    prior = np.random.default_rng(1).dirichlet(np.ones(20))
    rho = constant_predictor_rho("cross-entropy", prior, 32, 200)
    assert np.sqrt(np.mean(rho**2)) == pytest.approx(1, abs=0.08)


def rho_of(loss_kind: str | None, unclipped: float = float("nan"), total: float = 2.0) -> float:
    signal = OutputHealth()
    signal._model, signal._names = torch.nn.Linear(3, 4), ["weight", "bias"]
    batch = Batch(0, loss_kind, None, np.eye(4) > 0, np.full(4, 0.25), unclipped)
    batch.shared.update(gradient_norm=np.array([1.9, 0.1]), gradient_norm_total=total)
    return signal.collect(batch)["rho"]


def test_clipping_does_not_look_like_a_killed_head():
    assert rho_of("bce", unclipped=20.0) == pytest.approx(10 * rho_of("bce"))
    assert rho_of("bce", unclipped=1.0) == rho_of("bce")  # nothing was clipped


@pytest.mark.parametrize("kind", ["ctc", None])
def test_a_loss_that_is_not_known_leaves_rho_and_label_entropy_nan(kind):
    assert math.isnan(rho_of(kind))
    values = OutputHealth().collect(Batch(0, kind, None, np.eye(4) > 0, np.full(4, 0.25)))
    assert math.isnan(values["label_entropy"])


def test_without_an_output_bias_rho_is_nan_and_label_entropy_is_not():
    signal = OutputHealth()
    signal._model = torch.nn.Linear(3, 4, bias=False)
    signal._names = ["weight"]
    batch = Batch(0, "bce", None, np.eye(4) > 0, np.full(4, 0.25))
    batch.shared.update(gradient_norm=np.array([1.0]), gradient_norm_total=1.0)
    values = signal.collect(batch)
    assert math.isnan(values["rho"])
    assert values["label_entropy"] > 0
