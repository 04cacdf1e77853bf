import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import Batch, LabelHealth, OutputHealth
from flatline.diagnostics.signals.outputs import prediction_entropy

LN_2 = math.log(2)
BINARY = ["bce-with-logits", "bce"]


def surprise(p: Decimal) -> Decimal:
    return -p * p.ln() if p else Decimal(0)


def of_yes_or_no(logit: float) -> float:
    """Binary entropy of a sigmoid in 600 digits: those of exp(-1000) next to 1 are among them."""
    with localcontext(prec=600):
        p = 1 / (1 + (-Decimal(logit)).exp())
        return float(surprise(p) + surprise(1 - p))


def of_one_of_many(logits: list[float]) -> float:
    with localcontext(prec=600):
        weights = [Decimal(logit).exp() for logit in logits]
        return float(sum(surprise(weight / sum(weights)) for weight in weights))


@pytest.mark.parametrize("loss_kind", BINARY)
def test_the_entropy_of_binary_logits_is_the_mean_over_clips_and_classes(loss_kind):
    logits = np.random.default_rng(0).normal(0, 3, (5, 4))
    slow = sum(of_yes_or_no(logit) for row in logits.tolist() for logit in row) / 20
    assert prediction_entropy(logits, "logits", loss_kind) == pytest.approx(slow, rel=1e-12)


@pytest.mark.parametrize("loss_kind", BINARY)
def test_the_entropy_of_probabilities_is_not_that_of_logits_of_the_same_values(loss_kind):
    p = np.random.default_rng(0).random((5, 4))
    p[0, :2] = 0, 1  # no surprise
    slow = sum(-x * math.log(x) for row in p.tolist() for y in row for x in (y, 1 - y) if x > 0) / 20
    assert prediction_entropy(p, "probabilities", loss_kind) == pytest.approx(slow, rel=1e-12)
    as_logits = prediction_entropy(p, "logits", loss_kind)
    assert as_logits == pytest.approx(np.mean([of_yes_or_no(x) for x in p.ravel()]), rel=1e-12)
    assert as_logits != pytest.approx(slow, rel=0.05)


def test_cross_entropy_takes_the_softmax_of_logits_and_probabilities_as_they_are():
    logits = np.random.default_rng(0).normal(0, 2, (5, 4))
    slow = sum(of_one_of_many(row) for row in logits.tolist()) / 5
    assert prediction_entropy(logits, "logits", "cross-entropy") == pytest.approx(slow, rel=1e-12)
    p = torch.from_numpy(logits).softmax(dim=1).numpy()
    assert prediction_entropy(p, "probabilities", "cross-entropy") == pytest.approx(slow, rel=1e-12)
    certain = np.eye(4)
    assert prediction_entropy(certain, "probabilities", "cross-entropy") == 0


def test_one_that_knows_nothing_has_ln_2_a_class_or_ln_of_the_classes():
    zeros = np.zeros((3, 8))
    assert prediction_entropy(zeros, "logits", "bce-with-logits") == pytest.approx(LN_2)
    assert prediction_entropy(zeros + 0.5, "probabilities", "bce") == pytest.approx(LN_2)
    assert prediction_entropy(zeros, "logits", "cross-entropy") == pytest.approx(3 * LN_2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("logit", [20.0, -20.0, 40.0, -60.0, 300.0, -700.0])
def test_large_logits_have_their_exact_entropy_and_not_zero(logit):
    expected = of_yes_or_no(logit)
    assert expected > 0
    assert prediction_entropy(np.array([[logit]]), "logits", "bce-with-logits") == pytest.approx(expected, rel=1e-12)
    in_single = prediction_entropy(np.array([[logit]], dtype=np.float32), "logits", "bce-with-logits")
    assert in_single == pytest.approx(expected, rel=1e-5, abs=1e-37)
    pair = np.array([[logit, 0.0]])
    assert prediction_entropy(pair, "logits", "cross-entropy") == pytest.approx(of_one_of_many([logit, 0]), abs=1e-15)


@pytest.mark.filterwarnings("error")
def test_logits_beyond_what_exp_can_hold_are_certain_and_not_nan():
    for huge in (1e4, -1e4, 3e38, math.inf, -math.inf):
        assert prediction_entropy(np.array([[huge]], dtype=np.float32), "logits", "bce-with-logits") == 0
    pairs = np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -1e5]])
    assert prediction_entropy(pairs, "logits", "cross-entropy") == pytest.approx(LN_2)
    assert prediction_entropy(np.array([[1e4, 0.0]]), "logits", "cross-entropy") == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("outside", [-1e-6, 1 + 1e-6, -3.0, 4.0, math.nan])
def test_a_probability_outside_0_and_1_makes_the_entropy_nan(outside):
    assert math.isnan(prediction_entropy(np.array([[0.5, outside], [0.2, 0.1]]), "probabilities", "bce"))


@pytest.mark.filterwarnings("error")
def test_a_distribution_with_a_negative_share_has_no_entropy():
    assert math.isnan(prediction_entropy(np.array([[1.2, -0.2]]), "probabilities", "cross-entropy"))


@pytest.mark.parametrize("loss_kind", ["ctc", None, "mse"])
@pytest.mark.parametrize("output_kind", ["logits", "probabilities", None])
def test_a_loss_that_is_not_known_has_no_entropy(loss_kind, output_kind):
    assert math.isnan(prediction_entropy(np.full((2, 3), 0.5), output_kind, loss_kind))


def test_without_outputs_there_is_no_entropy():
    assert math.isnan(prediction_entropy(None, "logits", "bce-with-logits"))
    assert math.isnan(prediction_entropy(np.zeros((0, 3)), "logits", "cross-entropy"))


def test_the_signal_goes_by_what_the_loop_called_its_outputs():
    outputs = np.array([[0.1, 0.9], [0.3, 0.3]], dtype=np.float32)
    found = set()
    kinds = [("bce", "probabilities"), ("bce-with-logits", "logits"), ("cross-entropy", "logits")]
    for loss_kind, output_kind in kinds:
        batch = Batch(0, loss_kind, outputs, None, None, output_kind=output_kind)
        value = OutputHealth().collect(batch, {})["prediction_entropy"]
        assert value == prediction_entropy(outputs, output_kind, loss_kind)
        found.add(round(value, 4))
    assert len(found) == 3


@pytest.mark.parametrize("named", ["logits", "probabilities"])
def test_a_recorder_s_row_has_the_entropy_of_the_batch_and_the_distance_of_its_loss(net, batch, log, named):
    kind = "bce" if named == "probabilities" else "bce-with-logits"
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log, loss=kind, level="light") as recorder:
        logits = net(batch.clips)
        p = logits.sigmoid()
        loss = torch.nn.functional.binary_cross_entropy(p, batch.target)
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss, target=batch.target, **{named: p if named == "probabilities" else logits})
    slow = torch.distributions.Bernoulli(probs=p.detach().double()).entropy().mean()
    assert log[0]["prediction_entropy"] == pytest.approx(float(slow), rel=1e-5)
    assert log[0]["ln2_distance"] == pytest.approx(abs(loss.item() - LN_2), abs=1e-7)


def distance(loss_kind, loss, target=None, prior=None):
    return LabelHealth().collect(Batch(0, loss_kind, None, target, prior, loss=loss), {})["ln2_distance"]


@pytest.mark.parametrize("loss_kind", BINARY)
@pytest.mark.parametrize("with_labels", [True, False])
def test_the_distance_from_ln_2_is_the_same_on_both_sides(loss_kind, with_labels):
    labels = (np.eye(4) > 0, np.full(4, 0.25)) if with_labels else ()
    assert distance(loss_kind, LN_2 + 0.25, *labels) == pytest.approx(0.25)
    assert distance(loss_kind, LN_2 - 0.25, *labels) == pytest.approx(0.25)
    assert distance(loss_kind, 0.0, *labels) == pytest.approx(LN_2)
    assert distance(loss_kind, LN_2, *labels) == 0
    assert math.isnan(distance(loss_kind, math.nan, *labels))


@pytest.mark.parametrize("loss_kind", ["cross-entropy", "ctc", None])
def test_a_loss_that_is_not_binary_is_no_distance_from_ln_2(loss_kind):
    assert math.isnan(distance(loss_kind, 0.5))
    assert math.isnan(distance(loss_kind, 0.5, np.eye(4) > 0, np.full(4, 0.25)))


def test_shares_beyond_one_have_no_entropy_under_cross_entropy_either():
    assert np.isnan(prediction_entropy(np.array([[1.2, 0.3]], dtype=np.float32), "probabilities", "cross-entropy"))
