import math

import numpy as np
import pytest
import torch
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import Batch, LabelHealth
from flatline.diagnostics.signals.labels import label_entropy, label_noise_floor


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
    signal = LabelHealth()
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
        rhos.append(signal.collect(batch, {})["rho"])
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


def rho_of(loss_kind: str | None, unclipped: float = float("nan"), total: float = 2.0, norms=(1.9, 0.1)) -> float:
    signal = LabelHealth()
    signal._model, signal._names = torch.nn.Linear(3, 4), ["weight", "bias"]
    batch = Batch(0, loss_kind, None, np.eye(4) > 0, np.full(4, 0.25), unclipped)
    batch.shared.update(gradient_norm=np.array(norms), gradient_norm_total=total)
    return signal.collect(batch, {})["rho"]


def test_clipping_does_not_look_like_a_killed_head():
    assert rho_of("bce", unclipped=20.0) == pytest.approx(10 * rho_of("bce"))
    assert rho_of("bce", unclipped=1.0) == rho_of("bce")  # nothing was clipped


def test_rho_of_an_exactly_dead_gradient_is_zero_whatever_norm_was_told():
    for unclipped in (0.0, float("nan")):
        assert rho_of("bce", unclipped, total=0.0, norms=(0.0, 0.0)) == 0


def test_a_gradient_that_clipping_took_away_whole_leaves_rho_nan():
    assert math.isnan(rho_of("bce", unclipped=float("inf")))
    assert math.isnan(rho_of("bce", unclipped=5.0, total=0.0, norms=(0.0, 0.0)))


def test_a_batch_of_which_no_clip_counts_has_no_noise_floor():
    assert math.isnan(label_noise_floor(np.full(4, 0.25), 0, "cross-entropy"))


def test_the_noise_floor_is_of_the_clips_that_count():
    norms = {"gradient_norm": np.array([1.9, 0.1]), "gradient_norm_total": 2.0}
    rhos = []
    for n_clips in (None, 1):
        signal = LabelHealth()
        signal._model, signal._names = torch.nn.Linear(3, 4), ["weight", "bias"]
        batch = Batch(0, "cross-entropy", None, np.eye(4) > 0, np.full(4, 0.25), n_clips=n_clips, shared=norms)
        rhos.append(signal.collect(batch, {})["rho"])
    assert rhos[0] == pytest.approx(2 * rhos[1])  # four clips, then one: the floor is sqrt(4) times higher


@pytest.mark.parametrize("kind", ["ctc", None])
def test_a_loss_that_is_not_known_leaves_rho_and_label_entropy_nan(kind):
    assert math.isnan(rho_of(kind))
    values = LabelHealth().collect(Batch(0, kind, None, np.eye(4) > 0, np.full(4, 0.25)), {})
    assert math.isnan(values["label_entropy"])


def test_without_an_output_bias_rho_is_nan_and_label_entropy_is_not():
    signal = LabelHealth()
    signal._model = torch.nn.Linear(3, 4, bias=False)
    signal._names = ["weight"]
    batch = Batch(0, "bce", None, np.eye(4) > 0, np.full(4, 0.25))
    batch.shared.update(gradient_norm=np.array([1.0]), gradient_norm_total=1.0)
    values = signal.collect(batch, {})
    assert math.isnan(values["rho"])
    assert values["label_entropy"] > 0


TARGETS = {
    "multi-hot": (lambda hot: hot, (0, 1)),
    "soft": (lambda hot: 0.05 + 0.9 * hot, (0.05, 0.95)),
    "out of range": (lambda hot: 255 * hot, (0, 255)),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_row_has_the_range_of_the_targets_as_they_were_passed(name, net, batch, log, train_step):
    change, (low, high) = TARGETS[name]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        train_step(net, optimizer, batch, recorder, target=change(batch.target))
    assert (log[0]["target_min"], log[0]["target_max"]) == pytest.approx((low, high))


def test_class_indices_have_no_range(net, batch, log, train_step):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log, loss="cross-entropy") as recorder:
        train_step(net, optimizer, batch, recorder, target=batch.target.argmax(dim=1))
    assert np.isnan([log[0]["target_min"], log[0]["target_max"]]).all()


def test_of_accumulated_batches_the_row_has_the_range_of_all(net, batch, log):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        for target in (batch.target, batch.target * 3, batch.target - 2):
            logits = net(batch.clips)
            logits.sum().backward()
            if target.min() < 0:
                optimizer.step()
            recorder.step(loss=1.0, logits=logits, target=target)
    assert (len(log), log[0]["target_min"], log[0]["target_max"]) == (1, -2, 3)
