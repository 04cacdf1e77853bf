"""What the recorded numbers mean, in the loops that people write."""

import copy
import math
import shutil

import flatline
import numpy as np
import pytest
import torch
from flatline.diagnostics.cadence import Cadence
from flatline.diagnostics.recorder import Recorder
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.checkpoint import checkpoint


def by_hand(model) -> list[float]:
    """Norms of the gradients as they stand now, in double precision; NaN where there is none."""
    return [math.nan if p.grad is None else float(p.grad.double().norm()) for p in model.parameters()]


def by_name(recorder, row, column="gradient_norm") -> dict[str, float]:
    return dict(zip(recorder.description()["parameters"], row[column].tolist(), strict=True))


@pytest.fixture
def sgd(net):
    return torch.optim.SGD(net.parameters(), lr=0.1)


def backward(net, batch, factor=1.0) -> tuple[torch.Tensor, torch.Tensor]:
    logits = net(batch.clips)
    loss = bce(logits, batch.target)
    (loss * factor).backward()
    return loss, logits


def test_norms_are_those_after_clipping_and_what_clipping_returned_stands_beside_them(net, sgd, batch, log):
    with Recorder(net, sgd, log=log) as recorder:
        loss, logits = backward(net, batch)
        before = by_hand(net)
        total = nn.utils.clip_grad_norm_(net.parameters(), 1e-3)
        clipped = by_hand(net)
        sgd.step()
        sgd.zero_grad()
        recorder.step(loss=loss, logits=logits, target=batch.target, unclipped_norm=total)
    np.testing.assert_allclose(log[0]["gradient_norm"], clipped, rtol=1e-5)
    assert log[0]["gradient_norm_total"] == pytest.approx(1e-3, rel=1e-3)
    assert log[0]["gradient_norm_unclipped"] == pytest.approx(math.sqrt(sum(norm**2 for norm in before)), rel=1e-5)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unscales", [False, True])
def test_under_a_scaler_values_are_unscaled_and_a_skipped_step_is_a_row_and_an_event(net, batch, log, fused, unscales):
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    expected = []
    with Recorder(net, optimizer, log=log, loss="bce-with-logits", scaler=scaler, level="deep") as recorder:
        for factor in (1.0, math.inf, 1.0):
            optimizer.zero_grad()
            logits = net(batch.clips)
            loss = bce(logits, batch.target)
            gradients = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
            expected.append([float(gradient.norm()) for gradient in gradients])
            scaler.scale(loss * factor).backward()
            if unscales:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            recorder.step(loss=loss, logits=logits, target=batch.target)
    assert [row["skipped"] for row in log] == [False, True, False]
    np.testing.assert_allclose(log[0]["gradient_norm"], expected[0], rtol=1e-4)
    np.testing.assert_allclose(log[2]["gradient_norm"], expected[2], rtol=1e-4)
    for column in ("gradient_norm", "gradient_norm_total", "gate_gradient_norm", "update_ratio", "gate_update_ratio"):
        assert np.isnan(log[1][column]).all(), column
        assert np.isfinite(log[0][column]).any(), column
    assert math.isnan(log[1]["rho"])
    assert log[1]["loss"] > 0
    assert np.isfinite(log[1]["weight_norm"]).all()
    assert [(event["kind"], event["iteration"]) for event in log.events] == [("skipped-step", 1)]
    np.testing.assert_allclose(log[0]["hidden_gradient.gru"][0], 0, atol=1)  # not times the scale


@pytest.mark.parametrize("fused", [False, True])
def test_of_two_optimisers_the_one_whose_step_was_skipped_alone_is_nan(net, batch, log, fused):
    first = torch.optim.Adam(net.gru.parameters(), fused=fused)
    second = torch.optim.Adam([*net.looks.parameters(), *net.classification.parameters()], fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    with Recorder(net, [first, second], log=log, scaler=scaler) as recorder:
        loss = bce(net(batch.clips), batch.target)
        scaler.scale(loss).backward()
        net.looks.bias.grad[0] = math.inf
        scaler.step(first)
        scaler.step(second)
        scaler.update()
        recorder.step(loss=loss)
    assert log[0]["skipped"] is False
    for column in ("gradient_norm", "update_ratio"):
        values = by_name(recorder, log[0], column)
        assert all(math.isfinite(values[name]) == name.startswith("gru") for name in values), column


def test_accumulated_batches_are_one_row_of_their_summed_gradient_and_not_skipped_steps(net, sgd, batch, log):
    with Recorder(net, sgd, log=log, loss="bce-with-logits") as recorder:
        losses = []
        for half in (slice(0, 4), slice(4, 8)):
            logits = net(batch.clips[half])
            loss = bce(logits, batch.target[half])
            (loss / 2).backward()
            if half.start:
                expected = by_hand(net)
                sgd.step()
            recorder.step(loss=loss, logits=logits, target=batch.target[half])
            losses.append(loss.item())
    assert len(log) == 1
    assert log[0]["skipped"] is False
    np.testing.assert_allclose(log[0]["gradient_norm"], expected, rtol=1e-5)
    assert log[0]["loss"] == pytest.approx(sum(losses) / 2)
    assert log[0]["positives"].sum() == batch.target.sum()
    assert log.events == []


def test_optimisers_that_step_in_turns_leave_the_other_s_parameters_nan(net, batch, log):
    """As a GAN's do, with a call of `step` after each."""
    first = torch.optim.SGD(net.gru.parameters(), lr=0.1)
    second = torch.optim.Adam([*net.looks.parameters(), *net.classification.parameters()], lr=0.01)
    with Recorder(net, [first, second], log=log) as recorder:
        for optimizer in (first, second, first):
            net.zero_grad()
            loss, logits = backward(net, batch)
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=batch.target)
    for row, part in zip(log, ("gru", "rest", "gru"), strict=True):
        for column in ("gradient_norm", "update_ratio"):
            values = by_name(recorder, row, column)
            seen = {name for name, value in values.items() if value > 0}
            assert seen == {name for name in values if name.startswith("gru") == (part == "gru")}
            assert all(math.isnan(values[name]) for name in values.keys() - seen)


def test_of_two_steps_between_two_calls_the_newest_is_the_row_s(net, sgd, batch, log):
    with Recorder(net, sgd, log=log) as recorder:
        for _ in range(2):
            sgd.zero_grad()
            loss, _ = backward(net, batch)
            expected, before = by_hand(net), [p.detach().clone() for p in net.parameters()]
            sgd.step()
        recorder.step(loss=loss)
    assert len(log) == 1
    np.testing.assert_allclose(log[0]["gradient_norm"], expected, rtol=1e-5)
    ratios = [float((p.detach() - old).norm() / old.norm()) for p, old in zip(net.parameters(), before, strict=True)]
    np.testing.assert_allclose(log[0]["update_ratio"], ratios, rtol=1e-4)


def test_frozen_unused_and_unheld_parameters_are_nan_and_not_zero(net, batch, log):
    net.unused, net.unheld = nn.Linear(2, 2), nn.Linear(6, 6)
    net.gru.requires_grad_(False)
    held = [p for name, p in net.named_parameters() if not name.startswith("unheld")]
    optimizer = torch.optim.SGD(held, lr=0.1, momentum=0.9, weight_decay=0.1)
    with Recorder(net, optimizer, log=log, level="deep") as recorder:
        for _ in range(2):
            optimizer.zero_grad()
            net(net.unheld(batch.clips)).square().mean().backward()
            optimizer.step()
            recorder.step(loss=0.0)
    for row in log:
        for column in ("gradient_norm", "update_ratio"):
            unseen = {name for name, value in by_name(recorder, row, column).items() if math.isnan(value)}
            assert {name.split(".")[0] for name in unseen} == {"gru", "unused", "unheld"}, column
            assert not (row[column] == 0).any()
        assert np.isnan(row["gate_gradient_norm"]).all()
        assert np.isfinite(row["weight_norm"]).all()


def test_shared_weights_are_one_parameter_under_their_first_name(batch, log):
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    model[2].weight = model[0].weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, log=log) as recorder:
        model(batch.clips).square().mean().backward()
        expected = by_hand(model)
        optimizer.step()
        recorder.step(loss=0.0)
    assert log.info["parameters"] == ["0.weight", "0.bias", "2.bias"]
    np.testing.assert_allclose(log[0]["gradient_norm"], expected, rtol=1e-6)
    assert log[0]["gradient_norm_total"] == pytest.approx(math.sqrt(sum(norm**2 for norm in expected)), rel=1e-6)


class Dense(nn.Module):
    """No recurrence, on which the compiler would break its graph: (clip, frame, 6) -> (clip, 4)."""

    def __init__(self):
        super().__init__()
        self.looks, self.hidden, self.classification = nn.Linear(6, 4), nn.Linear(6, 5), nn.Linear(5, 4)

    attention = {"looks": "sigmoid"}  # noqa: RUF012
    output_layer = "classification"

    def forward(self, clips):
        return (self.classification(self.hidden(clips).tanh()) * self.looks(clips).sigmoid()).mean(dim=1)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler for torch.compile")
@pytest.mark.parametrize("order", ["compiled, attached", "attached, compiled", "compiled, called, attached"])
def test_a_compiled_network_s_norms_are_those_of_its_gradients(batch, log, train_step, order):
    """Compiled for real. After a first call the compiler sees no new forward hooks: no maps then, never zeros."""
    torch._dynamo.reset()
    net = Dense()
    compiled = torch.compile(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    if "called" in order:
        train_step(compiled, optimizer, batch)
    on = net if order.startswith("attached") else compiled
    with Recorder(on, optimizer, log=log, loss="bce-with-logits") as recorder:
        expected = []
        for _ in range(2):
            train_step(compiled, optimizer, batch, recorder)
            expected.append(by_hand(net))
    np.testing.assert_allclose([row["gradient_norm"] for row in log], expected, rtol=1e-5)
    assert log.info["parameters"] == [name for name, _ in net.named_parameters()]
    assert all(math.isfinite(row["rho"]) for row in log)
    assert len(log.maps) == (0 if "called" in order else 2)
    assert all(("attention_entropy" in row) == ("called" not in order) for row in log)
    assert log.events == []
    torch._dynamo.reset()


class Checkpointed(nn.Module):
    """The fixture's net, its forward pass computed again in the backward pass."""

    output_layer = "net.classification"

    def __init__(self, net, reentrant: bool) -> None:
        super().__init__()
        self.net, self.reentrant = net, reentrant

    def forward(self, clips):
        return checkpoint(self.net, clips.requires_grad_(), use_reentrant=self.reentrant)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_activations_count_once(net, batch, log, train_step, reentrant, monkeypatch):
    monkeypatch.setattr(Cadence, "is_due", lambda self: True)  # and not as often as the time allows
    plain, rows = copy.deepcopy(net), type(log)()
    for model, sink in ((plain, rows), (Checkpointed(net, reentrant), log)):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        kinds = {"looks" if model is plain else "net.looks": "sigmoid"}
        level = ["standard", "activations"]
        with Recorder(model, optimizer, log=sink, loss="bce-with-logits", attention=kinds, level=level) as recorder:
            for _ in range(3):
                train_step(model, optimizer, batch, recorder)
    assert len(log.maps) == len(rows.maps) == 3
    for (_, _, maps), (_, _, once) in zip(log.maps, rows.maps, strict=True):
        np.testing.assert_array_equal(maps["net.looks"], once["looks"])
    for row, once in zip(log, rows, strict=True):
        for column in once.keys() - {"wall_time"}:
            name = column.replace(".gru", ".net.gru").replace(".looks", ".net.looks").replace(".class", ".net.class")
            np.testing.assert_array_equal(row[name], once[column], err_msg=column)
    assert log.events == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_gradients_that_are_not_finite_are_recorded_as_they_are(net, sgd, batch, log, value):
    with Recorder(net, sgd, log=log, loss="bce-with-logits", level="deep") as recorder:
        loss, logits = backward(net, batch)
        net.looks.bias.grad[0] = value
        sgd.step()
        recorder.step(loss=loss * value, logits=logits * value, target=batch.target)
        loss, logits = backward(net, batch)  # and then the weights are not finite either
        sgd.step()
        recorder.step(loss=loss, logits=logits, target=batch.target)
    norms = by_name(recorder, log[0])
    np.testing.assert_equal(norms.pop("looks.bias"), value)
    assert all(norm > 0 for norm in norms.values())
    assert log[0]["nonfinite_gradients"] == 1
    np.testing.assert_equal(log[0]["gradient_norm_total"], value)
    np.testing.assert_equal(log[0]["loss"], value)
    assert not math.isfinite(by_name(recorder, log[0], "weight_norm")["looks.bias"])
    assert len(log) == 2
    assert [(event["kind"], event["iteration"]) for event in log.events] == [("non-finite", 0)]
    assert log.events[0]["what"] == (["loss", "looks.bias"] if math.isinf(value) else ["looks.bias"])


def test_a_single_clip_has_norms_and_no_spread_between_clips(net, sgd, batch, log):
    with Recorder(net, sgd, log=log, loss="bce-with-logits", level="deep") as recorder:
        logits = net(batch.clips[:1])
        loss = bce(logits, batch.target[:1])
        loss.backward()
        sgd.step()
        recorder.step(loss=loss, logits=logits, target=batch.target[:1])
    assert log[0]["gradient_norm_total"] > 0
    for column in ("clip_spread", "rank_agreement", "top_class_share", "hidden_spread.gru", "activation_spread.gru"):
        assert math.isnan(log[0][column]), column
    assert log.events == []


def test_class_indices_and_multi_hot_targets_of_the_same_labels_count_alike(net, sgd, batch, log):
    indices = torch.arange(8) % 4
    rows = []
    for target, sink in ((indices, log), (nn.functional.one_hot(indices, 4), rows)):
        recorder = Recorder(net, sgd, log=sink, loss="cross-entropy")
        logits = net(batch.clips)
        sgd.step()
        recorder.step(loss=nn.functional.cross_entropy(logits, indices), logits=logits, target=target)
        recorder.close()
    for column in ("positives", "lwlrap", "label_entropy"):
        np.testing.assert_array_equal(log[0][column], rows[0][column])


def test_sparse_gradients_are_recorded_with_the_dense_one_s_norm(log):
    norms = []
    for sparse in (True, False):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(10, 6, sparse=sparse), nn.Linear(6, 4))
        optimizers = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in model]
        with Recorder(model, optimizers, log=log, level="deep") as recorder:
            model(torch.tensor([[1, 4, 1]])).square().sum().backward()
            for optimizer in optimizers:
                optimizer.step()
            recorder.step(loss=0.0)
        norms.append(log[-1])
    for column in ("gradient_norm", "update_ratio", "weight_norm"):
        np.testing.assert_allclose(norms[0][column], norms[1][column], rtol=1e-6)
    assert log.events == []


def test_networks_in_double_precision_are_recorded(net, batch, log, train_step):
    net.double()
    batch.clips, batch.target = batch.clips.double(), batch.target.double()
    optimizer = torch.optim.Adam(net.parameters())
    with Recorder(net, optimizer, log=log, loss="bce-with-logits", level="deep") as recorder:
        train_step(net, optimizer, batch, recorder)
        expected = by_hand(net)
    np.testing.assert_allclose(log[0]["gradient_norm"], expected, rtol=1e-6)
    assert np.isfinite(log[0]["hidden_gradient.gru"]).all()
    assert log.events == []


def test_a_network_converted_while_it_is_recorded_goes_on(net, sgd, batch, log, train_step):
    with Recorder(net, sgd, log=log, level="deep") as recorder:
        train_step(net, sgd, batch, recorder)
        net.double()
        batch.clips, batch.target = batch.clips.double(), batch.target.double()
        train_step(net, sgd, batch, recorder)
        before = [p.detach().clone() for p in net.parameters()]
        train_step(net, sgd, batch, recorder)
        expected = by_hand(net)
        moved = [float((p.detach() - old).norm() / old.norm()) for p, old in zip(net.parameters(), before, strict=True)]
    np.testing.assert_allclose(log[2]["gradient_norm"], expected, rtol=1e-6)
    np.testing.assert_allclose(log[2]["update_ratio"], moved, rtol=1e-6)
    assert log.events == []


def test_parameters_that_were_replaced_or_came_later_are_nan_and_the_others_go_on(net, sgd, batch, log, train_step):
    with Recorder(net, sgd, log=log) as recorder:
        train_step(net, sgd, batch, recorder)
        net.looks = nn.Linear(6, 4)
        net.gru.weight_hh_l0 = nn.Parameter(net.gru.weight_hh_l0.detach().clone())
        net.late = nn.Linear(3, 3)
        sgd.add_param_group({"params": [*net.looks.parameters(), *net.late.parameters(), net.gru.weight_hh_l0]})
        train_step(net, sgd, batch, recorder)
    assert np.isfinite(log[0]["weight_norm"]).all()
    gone = {"looks.weight", "looks.bias", "gru.weight_hh_l0"}
    for column in ("gradient_norm", "update_ratio", "weight_norm"):
        values = by_name(recorder, log[1], column)
        assert {name for name, value in values.items() if math.isnan(value)} == gone, column
    for column in ("gate_gradient_norm", "gate_update_ratio", "gate_weight_norm"):
        values = dict(zip(recorder.description()["gates"], log[1][column], strict=True))
        assert {name for name, value in values.items() if math.isnan(value)} == {
            f"gru.weight_hh_l0/{gate}" for gate in "rzn"
        }, column
    assert log.events == []


def test_a_group_that_an_optimiser_is_given_later_is_seen(net, batch, log, train_step):
    optimizer = torch.optim.SGD(net.gru.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log) as recorder:
        train_step(net, optimizer, batch, recorder)
        optimizer.add_param_group({"params": net.looks.parameters(), "lr": 0.5})
        net.zero_grad()
        train_step(net, optimizer, batch, recorder)
    for column in ("gradient_norm", "update_ratio"):
        before, after = (by_name(recorder, row, column) for row in log)
        assert math.isnan(before["looks.weight"])
        assert after["looks.weight"] > 0
        assert math.isnan(after["classification.weight"])


class ByData(torch.optim.Optimizer):
    """Changes weights by way of `.data`, as older optimisers do, which no version counter sees."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.5})

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data.add_(parameter.grad.data, alpha=-group["lr"])


def test_weights_that_change_by_way_of_data_have_the_norms_of_now(net, batch, log, train_step):
    optimizer = ByData(net.parameters())
    with Recorder(net, optimizer, log=log) as recorder:
        for row in range(3):
            before = [p.detach().clone() for p in net.parameters()]
            train_step(net, optimizer, batch, recorder)
            np.testing.assert_allclose(
                log[row]["weight_norm"], [float(p.detach().norm()) for p in net.parameters()], rtol=1e-6
            )
            moved = [
                float((p.detach() - old).norm() / old.norm()) for p, old in zip(net.parameters(), before, strict=True)
            ]
            np.testing.assert_allclose(log[row]["update_ratio"], moved, rtol=1e-4)


def test_weights_that_are_clamped_by_way_of_data_after_the_step_have_the_norms_of_now(net, sgd, batch, log):
    """As the first GANs of Wasserstein's distance did."""
    with Recorder(net, sgd, log=log) as recorder:
        for bound in (1.0, 0.1):
            loss, _ = backward(net, batch)
            sgd.step()
            for parameter in net.parameters():
                parameter.data.clamp_(-bound, bound)
            recorder.step(loss=loss)
    np.testing.assert_allclose(log[1]["weight_norm"], [float(p.detach().norm()) for p in net.parameters()], rtol=1e-6)


def test_of_two_steps_by_way_of_data_the_ratio_is_over_the_weights_before_the_second(net, batch, log):
    optimizer = ByData(net.parameters())
    with Recorder(net, optimizer, log=log) as recorder:
        for size in (50.0, 1.0):
            optimizer.zero_grad()
            loss, _ = backward(net, batch, size)
            before = [p.detach().clone() for p in net.parameters()]
            optimizer.step()
        recorder.step(loss=loss)
    moved = [float((p.detach() - old).norm() / old.norm()) for p, old in zip(net.parameters(), before, strict=True)]
    np.testing.assert_allclose(log[0]["update_ratio"], moved, rtol=1e-4)


@pytest.mark.parametrize("kind", ["lbfgs", "sgd"])
def test_of_a_closure_the_first_gradients_are_recorded(net, batch, log, kind):
    is_lbfgs = kind == "lbfgs"
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=3) if is_lbfgs else torch.optim.SGD(net.parameters())
    found = []

    def closure():
        optimizer.zero_grad()
        loss = bce(net(batch.clips), batch.target)
        loss.backward()
        found.append(by_hand(net))
        return loss

    with Recorder(net, optimizer, log=log, level="deep") as recorder:
        for _ in range(2):
            found.clear()
            loss = optimizer.step(closure)
            recorder.step(loss=loss)
            np.testing.assert_allclose(log[-1]["gradient_norm"], found[0], rtol=1e-5)
            assert (log[-1]["update_ratio"] > 0).all()
    assert len(log) == 2
    assert log.events == []


@pytest.mark.parametrize("before", [False, True])
def test_a_scheduler_that_wraps_the_optimiser_s_step_hides_nothing(net, batch, log, train_step, before):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1) if before else None
    with Recorder(net, optimizer, log=log) as recorder:
        scheduler = scheduler or torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1)
        for _ in range(3):
            train_step(net, optimizer, batch, recorder)
            scheduler.step()
    assert [row["learning_rate"] for row in log] == pytest.approx([0.1, 0.01, 0.001])
    assert all(row["gradient_norm_total"] > 0 for row in log)


def test_averaged_copies_of_a_recorded_network_are_not_recorded(net, sgd, batch, log, train_step):
    with Recorder(net, sgd, log=log, loss="bce-with-logits") as recorder:
        averaged = torch.optim.swa_utils.AveragedModel(net)
        for _ in range(2):
            logits = net(batch.clips)
            loss = bce(logits, batch.target)
            averaged.train()
            averaged(torch.full_like(batch.clips, 9.0)).sum().backward()
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            averaged.update_parameters(net)
            with torch.no_grad():
                expected = net.looks(batch.clips).sigmoid()
            recorder.step(loss=loss, logits=logits, target=batch.target)
    assert log.maps[1][2]["looks"].max() < expected.max()
    torch.optim.swa_utils.update_bn([batch.clips], averaged)
    assert log.events == []


@pytest.mark.filterwarnings("ignore:the optimizer holds none")
@pytest.mark.parametrize("level", ["standard", "deep"])
def test_functional_training_does_not_break(net, batch, log, level):
    """Its parameters are not the model's: their norms are not seen."""
    weights = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    optimizer = torch.optim.SGD(weights.values(), lr=0.1)

    def loss_of(weights, clips, target):
        return bce(torch.func.functional_call(net, weights, (clips,)), target)

    with Recorder(net, optimizer, log=log, level=level) as recorder:
        for _ in range(2):
            optimizer.zero_grad()
            loss = loss_of(weights, batch.clips, batch.target)
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss)
    assert len(log) == 2
    assert np.isnan(log[1]["gradient_norm"]).all()
    assert [event["kind"] for event in log.events] == ["unheld"]


@pytest.mark.filterwarnings("ignore:.*could not be recorded")
def test_gradients_of_a_function_do_not_break_either(batch, log):
    net = Dense()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    weights = {name: p.detach().clone() for name, p in net.named_parameters()}

    def loss_of(weights):
        return bce(torch.func.functional_call(net, weights, (batch.clips,)), batch.target)

    bare = torch.func.grad(loss_of)(weights)
    with Recorder(net, optimizer, log=log, level="deep") as recorder:
        for _ in range(2):
            gradients = torch.func.grad(loss_of)(weights)
            for name, parameter in net.named_parameters():
                parameter.grad = gradients[name]
                assert torch.equal(gradients[name], bare[name])
            optimizer.step()
            recorder.step(loss=0.0)
    np.testing.assert_allclose(log[0]["gradient_norm"], [float(g.norm()) for g in bare.values()], rtol=1e-5)


def test_the_public_recorder_writes_what_the_inner_one_records(net, batch, log, train_step, tmp_path):
    twin = copy.deepcopy(net)
    for model, kind, sink in ((net, Recorder, log), (twin, flatline.Recorder, str(tmp_path / "run"))):
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        with kind(model, optimizer, log=sink, loss="bce-with-logits") as recorder:
            for _ in range(3):
                train_step(model, optimizer, batch, recorder)
    run = flatline.Run(tmp_path / "run")
    np.testing.assert_array_equal(run.gradient_norms.to_numpy(), [row["gradient_norm"] for row in log])
    for name in ("loss", "rho", "clip_spread", "gradient_norm_total"):
        np.testing.assert_array_equal(run.scalars[name].to_numpy(), np.float32([row[name] for row in log]), name)
