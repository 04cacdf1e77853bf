import copy
import math
import warnings

import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import AttachError, ShapeError, UnknownNameError
from flatline.diagnostics.lwlrap import per_class_lwlrap
from flatline.diagnostics.recorder import UNSTEPPED_CALLS, Recorder
from flatline.diagnostics.signals import ClassScores, LabelHealth


@pytest.fixture
def optimizer(net):
    return torch.optim.Adam(net.parameters(), lr=1e-2)


def test_each_iteration_is_a_row_with_what_the_level_records(net, optimizer, batch, log, train_step):
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        losses = [train_step(net, optimizer, batch, recorder).item() for _ in range(3)]
    assert [row["iteration"] for row in log] == [0, 1, 2]
    assert [row["loss"] for row in log] == pytest.approx(losses)
    assert log.closed == ["finished"]
    named = set(log.info["signals"])
    assert {"gradient_norm", "lwlrap", "attention_entropy", "rho", "label_entropy", "rank_agreement"} <= named
    assert set(log[0]) == named | {"iteration", "epoch", "wall_time"}
    assert recorder.iteration == 3
    assert recorder.last_gradient_norm == log[2]["gradient_norm_total"]
    assert [iteration for iteration, _, _ in log.maps] == [0, 1, 2]


def test_the_row_holds_what_can_be_computed_from_the_batch(net, optimizer, batch, log, train_step):
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        with torch.no_grad():
            logits = net(batch.clips).numpy()
        train_step(net, optimizer, batch, recorder, unclipped_norm=torch.tensor(3.0))
    target = batch.target.numpy() > 0
    np.testing.assert_allclose(log[0]["lwlrap"], per_class_lwlrap(logits, target))
    assert log[0]["positives"].tolist() == target.sum(axis=0).tolist()
    assert log[0]["output_max"] == pytest.approx(logits.max(), rel=1e-5)
    assert log[0]["gradient_norm_unclipped"] == 3
    assert log[0]["skipped"] is False
    q = target.mean(axis=0)
    entropy = -np.mean([sum(p * math.log(p) for p in (x, 1 - x) if p > 0) for x in q])
    assert log[0]["label_entropy"] == pytest.approx(entropy, abs=1e-6)


def test_a_run_is_described_once_to_a_log_that_asks(net, optimizer, batch, log, train_step):
    with Recorder(net, optimizer, log=log, loss="bce-with-logits", pinned={"a": torch.zeros(3, 6)}) as recorder:
        train_step(net, optimizer, batch, recorder)
    info = log.info
    assert info["parameters"] == [name for name, _ in net.named_parameters()]
    assert set(info["parameter_parts"]) == {"rnn", "attention", "head"}
    assert info["classes"] == ["0", "1", "2", "3"]
    assert (info["loss_kind"], info["output_kind"]) == ("bce-with-logits", "logits")
    assert info["maps"] == {"looks": "sigmoid"}
    assert info["clips"] == ["a"]
    assert all(entry["unit"] and entry["meaning"] for entry in info["signals"].values())


def test_a_plain_list_is_log_enough(net, optimizer, batch, train_step):
    rows = []
    with Recorder(net, optimizer, log=rows) as recorder:
        train_step(net, optimizer, batch, recorder)
        recorder.evaluation(logits=net(batch.clips), target=batch.target)
    assert len(rows) == 1


def test_a_batch_of_one_clip_is_a_row(net, optimizer, batch, log, train_step):
    one = copy.copy(batch)
    one.clips, one.target = batch.clips[:1], batch.target[:1]
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        train_step(net, optimizer, one, recorder)
    assert math.isnan(log[0]["rank_agreement"])
    assert log[0]["gradient_norm_total"] > 0
    assert log.events == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_and_outputs_that_are_not_finite_are_recorded_as_they_are(net, optimizer, log, value):
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        optimizer.step()
        logits = torch.zeros(2, 4)
        logits[0, 1] = value
        recorder.step(loss=torch.tensor(value), logits=logits, target=torch.eye(4)[:2])
    np.testing.assert_equal([log[0]["loss"], log[0]["output_max"]], [value, value])
    assert [event["kind"] for event in log.events] == (["non-finite"] if math.isinf(value) else [])


def test_class_indices_are_a_target(net, optimizer, batch, log):
    indices = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
    with Recorder(net, optimizer, log=log, loss="cross-entropy", classes="abcd") as recorder:
        logits = net(batch.clips)
        loss = torch.nn.functional.cross_entropy(logits, indices)
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss, logits=logits, target=indices)
    assert log[0]["positives"].tolist() == [2, 2, 2, 2]
    assert log[0]["label_entropy"] == pytest.approx(math.log(4))


def test_without_outputs_and_target_the_gradients_are_recorded_all_the_same(net, optimizer, batch, log):
    with Recorder(net, optimizer, log=log) as recorder:
        loss = net(batch.clips).sum()
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss)
    assert log[0]["gradient_norm_total"] > 0
    assert math.isnan(log[0]["rho"])
    assert math.isnan(log[0]["output_max"])
    assert "lwlrap" not in log[0]


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (
            {"logits": torch.zeros(2, 4), "probabilities": torch.zeros(2, 4)},
            r"both logits= and probabilities= were given \(Recorder.step, iteration 0\); give the one the model gives",
        ),
        (
            {"logits": torch.zeros(2, 4), "target": torch.zeros(2, 3)},
            r"target has 3 classes but the output has 4 \(Recorder.step, iteration 0\); build both from the same class",
        ),
        (
            {"logits": torch.zeros(2, 4), "target": torch.zeros(3, 4)},
            r"target has 3 clips but the output has 2 \(Recorder.step, iteration 0\); pass one batch's",
        ),
        (
            {"logits": torch.zeros(2, 5)},
            r"the output has 5 classes but classes= names 4 \(Recorder.step, iteration 0\); build both from the same",
        ),
        ({"logits": torch.zeros(2, 4, 3)}, r"output has shape \(2, 4, 3\) \(Recorder.step, iteration 0\); give"),
        ({"loss": torch.zeros(2)}, r"loss has shape \(2,\) \(Recorder.step, iteration 0\); pass one number"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_what_where_and_what_to_do(net, optimizer, log, passed, said):
    recorder = Recorder(net, optimizer, log=log, classes="abcd")
    with pytest.raises(ShapeError, match=said):
        recorder.step(**{"loss": 0.0, **passed})


def test_unknown_levels_and_losses_are_refused_with_those_that_are_known(net, optimizer, log):
    with pytest.raises(UnknownNameError, match=r"unknown level 'all' \(Recorder\); known: .*deep.*light.*standard"):
        Recorder(net, optimizer, log=log, level="all")
    with pytest.raises(UnknownNameError, match=r"unknown loss 'mse' \(Recorder\); known: None, bce"):
        Recorder(net, optimizer, log=log, loss="mse")


def test_accumulated_batches_are_pooled_into_the_row_of_their_step(net, optimizer, batch, log):
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        for count in (1, 3):
            losses = []
            for part in range(count):
                logits = net(batch.clips + part)
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.target) / count
                loss.backward()
                losses.append(loss.item())
                if part == count - 1:
                    optimizer.step()
                    optimizer.zero_grad()
                recorder.step(loss=loss, logits=logits, target=batch.target)
    assert [row["loss"] for row in log][1] == pytest.approx(sum(losses) / 3)
    assert len(log) == 2
    assert (log[1]["positives"] == 3 * log[0]["positives"]).all()
    assert not log[1]["skipped"]


def test_outputs_that_wait_are_not_changed_by_a_loop_that_uses_its_tensor_again(net, optimizer, batch, log):
    buffer = torch.zeros(8, 4)
    with Recorder(net, optimizer, log=log) as recorder:
        recorder.step(loss=0.0, logits=buffer, target=batch.target)
        buffer.fill_(7)
        optimizer.step()
        recorder.step(loss=0.0, logits=buffer, target=batch.target)
    assert (log[0]["output_min"], log[0]["output_max"]) == (0, 7)


class SkippingScaler:
    """A scaler that finds an overflow."""

    enabled = True

    def is_enabled(self) -> bool:
        return self.enabled


def test_with_a_scaler_an_iteration_without_a_step_is_a_skipped_row(net, optimizer, batch, log, train_step):
    with Recorder(net, optimizer, log=log, scaler=SkippingScaler()) as recorder:
        train_step(net, optimizer, batch, recorder)
        recorder.step(loss=1.0, logits=torch.zeros(8, 4), target=batch.target)
        train_step(net, optimizer, batch, recorder)
    assert [row["skipped"] for row in log] == [False, True, False]
    assert np.isnan(log[1]["gradient_norm"]).all()
    assert math.isnan(log[1]["gradient_norm_total"])
    assert log.events == [{"kind": "skipped-step", "iteration": 1}]


def test_a_real_scaler_s_overflow_is_a_skipped_row(net, optimizer, batch, log):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    with Recorder(net, optimizer, log=log, scaler=scaler) as recorder:
        for factor in (1.0, float("inf"), 1.0):
            optimizer.zero_grad()
            logits = net(batch.clips)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.target)
            scaler.scale(loss * factor).backward()
            scaler.step(optimizer)
            scaler.update()
            recorder.step(loss=loss, logits=logits, target=batch.target)
    assert [row["skipped"] for row in log] == [False, True, False]


def test_a_scaler_that_is_not_enabled_skips_nothing(net, optimizer, batch, log, train_step):
    scaler = SkippingScaler()
    scaler.enabled = False
    with Recorder(net, optimizer, log=log, scaler=scaler) as recorder:
        recorder.step(loss=1.0, logits=torch.zeros(8, 4), target=batch.target)
        train_step(net, optimizer, batch, recorder)
    assert [row["skipped"] for row in log] == [False]


def test_an_optimiser_that_never_steps_is_told_and_nothing_piles_up(net, batch, log):
    stranger = torch.optim.SGD(net.parameters())
    recorder = Recorder(net, stranger, log=log)
    for _ in range(UNSTEPPED_CALLS - 1):
        net(batch.clips[:1, :2])
        recorder.step(loss=1.0)
    with pytest.warns(UserWarning, match=r"no optimiser .* has stepped in 256 calls of step.*give Recorder the optim"):
        recorder.step(loss=1.0)
    assert log == []
    assert [event["kind"] for event in log.events] == ["gap"]
    recorder.close()
    assert len(log.events) == 1


def test_calls_that_no_step_followed_are_a_gap_and_not_lost_silently(net, optimizer, log):
    with Recorder(net, optimizer, log=log) as recorder:
        recorder.step(loss=1.0)
    assert [(event["kind"], event["calls"]) for event in log.events] == [("gap", 1)]


def test_hooks_are_gone_after_the_end_after_an_exception_and_after_close(net, optimizer, log, hooks_on):
    with Recorder(net, optimizer, log=log):
        assert hooks_on(net, optimizer) > 4
    assert hooks_on(net, optimizer) == 0
    with pytest.raises(RuntimeError, match="loop"), Recorder(net, optimizer, log=log):
        raise RuntimeError("loop")
    assert hooks_on(net, optimizer) == 0
    with pytest.raises(KeyboardInterrupt), Recorder(net, optimizer, log=log):
        raise KeyboardInterrupt
    assert hooks_on(net, optimizer) == 0
    recorder = Recorder(net, optimizer, log=log)
    recorder.close("stopped")
    recorder.close()
    assert hooks_on(net, optimizer) == 0
    assert log.closed == ["finished", "failed", "interrupted", "stopped"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attention": {"looks": "sigmoid", "gone": "sigmoid"}}, r"'gone', which the model does not have .*: .*looks"),
        ({"attention": {"looks": "tanh"}}, r"kind 'tanh' of 'looks' is not known \(Recorder\); known: weights"),
        ({"optimizer": [None]}, r"optimizer is NoneType"),
    ],
)
def test_a_failed_attachment_leaves_no_hook(net, optimizer, log, hooks_on, options, said):
    with pytest.raises(AttachError, match=said):
        Recorder(**{"model": net, "optimizer": optimizer, "log": log, **options})
    assert hooks_on(net, optimizer) == 0


def test_nor_does_a_log_that_fails(net, optimizer, log, hooks_on, monkeypatch):
    monkeypatch.setattr(type(log), "update", lambda self, **info: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Recorder(net, optimizer, log=log)
    assert hooks_on(net, optimizer) == 0


def test_a_closed_recorder_says_so(net, optimizer, log):
    recorder = Recorder(net, optimizer, log=log)
    recorder.close()
    with pytest.raises(AttachError, match=r"the recorder is closed \(Recorder.step, iteration 0\); call step inside"):
        recorder.step(loss=1.0)
    said = r"the recorder is closed \(Recorder.evaluation, iteration 0\); call evaluation inside its with block"
    with pytest.raises(AttachError, match=said):
        recorder.evaluation(logits=torch.zeros(8, 4), target=torch.ones(8, 4))
    assert log.evaluations == []


def test_ignored_class_indices_count_in_neither_prior_nor_levels(net, optimizer, batch, log):
    target = torch.tensor([1] + [-100] * 7)
    with Recorder(net, optimizer, log=log, loss="cross-entropy") as recorder:
        logits = net(batch.clips)
        loss = torch.nn.functional.cross_entropy(logits, target)
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss, logits=logits, target=target)
        np.testing.assert_array_equal(recorder.prior.value, [0, 1, 0, 0])
    assert log[0]["label_entropy"] == pytest.approx(0, abs=1e-9)


def test_a_net_whose_gradients_are_all_zero_is_recorded_with_a_clipped_norm_too(net, optimizer, batch, log):
    with Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder:
        logits = net(batch.clips)
        (logits.sum() * 0).backward()
        unclipped = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        recorder.step(loss=0.7, logits=logits, target=batch.target, unclipped_norm=unclipped)
    assert log.events == []
    assert log[0]["rho"] == 0
    assert math.isfinite(log[0]["rank_agreement"])


def test_a_fault_in_rho_does_not_take_the_scores_health_with_it(net, optimizer, batch, log, train_step, monkeypatch):
    monkeypatch.setattr(LabelHealth, "_bias_norm", lambda self, batch: 1 / 0)
    with (
        Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder,
        pytest.warns(UserWarning, match="LabelHealth could not be recorded"),
    ):
        train_step(net, optimizer, batch, recorder)
    assert "rho" not in log[0]
    assert math.isfinite(log[0]["clip_spread"])


def looped(net, optimizer, batch, log, stepping, *, early=True, **options):
    """A loop whose optimiser steps in the calls named True in `stepping`, the recorder called before it or after."""
    with Recorder(net, optimizer, log=log, **options) as recorder:
        for steps in stepping:
            logits = net(batch.clips)
            logits.square().mean().backward()
            if early:
                recorder.step(loss=0.5, logits=logits)
            if steps:
                optimizer.step()
                optimizer.zero_grad()
            if not early:
                recorder.step(loss=0.5, logits=logits)


@pytest.mark.parametrize("calls", [2, 3, 30])
def test_a_recorder_that_is_called_before_the_optimiser_steps_says_so_once(net, optimizer, batch, log, calls):
    said = r"step is called before the optimiser steps.*\(Recorder.step, iteration \d+\); call recorder.step after opt"
    with pytest.warns(UserWarning, match=said) as told:
        looped(net, optimizer, batch, log, [True] * calls)
    assert len(told) == 1
    assert [event["kind"] for event in log.events] == ["wrong-order"]
    assert log.events[0]["iteration"] <= 8  # not only at the end of a long loop


@pytest.mark.parametrize(
    "stepping",
    [
        [True] * 12,
        [False, True] * 12,
        [False, False, False, True] * 6,
        [False, True, True] * 6,  # three batches an epoch, accumulated by two
        [False, True, True],
        [False, True],
        [False],
        [True],
        [False, True] * 3 + [False],
    ],
)
def test_a_recorder_that_is_called_after_it_is_left_in_peace(net, optimizer, batch, log, stepping):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        looped(net, optimizer, batch, log, stepping, early=False)
    assert {event["kind"] for event in log.events} <= {"gap"}


def test_a_first_step_that_a_scaler_skipped_is_no_wrong_order(net, optimizer, batch, log):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        looped(net, optimizer, batch, log, [False] + [True] * 12, early=False, scaler=SkippingScaler())


def trained(net, batch, recorded: bool, log) -> tuple[dict, torch.Tensor]:
    """Weights and random state after 30 iterations with dropout and evaluations in the loop."""
    torch.manual_seed(7)
    model = torch.nn.Sequential(copy.deepcopy(net), torch.nn.Dropout(0.3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    options = {"attention": {"0.looks": "sigmoid"}, "pinned": {"a": torch.ones(4, 6)}, "level": "deep"}
    recorder = Recorder(model, optimizer, log=log, loss="bce-with-logits", **options) if recorded else None
    for iteration in range(30):
        optimizer.zero_grad()
        logits = model(batch.clips + 0.1 * torch.randn_like(batch.clips))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        if recorder is not None:
            recorder.step(loss=loss, logits=logits, target=batch.target)
        if recorder is not None and iteration % 10 == 0:
            recorder.evaluation(logits=logits, target=batch.target)
            assert all(module.training for module in model.modules())
    if recorder is not None:
        recorder.close()
    return model.state_dict(), torch.get_rng_state()


def test_weights_and_random_state_are_bit_identical_with_and_without_the_recorder(net, batch, log):
    (bare, bare_state), (recorded, state) = (trained(net, batch, on, log) for on in (False, True))
    assert len(log) == 30
    assert len(log.evaluations) == 3
    assert torch.equal(bare_state, state)
    for name, weights in bare.items():
        assert torch.equal(weights, recorded[name]), name


def test_modes_of_single_modules_stay_as_they_are(net, optimizer, batch, log, train_step):
    net.looks.eval()
    with Recorder(net, optimizer, log=log, pinned={"a": torch.ones(4, 6)}) as recorder:
        train_step(net, optimizer, batch, recorder)
        recorder.evaluation(logits=torch.zeros(8, 4), target=batch.target)
        assert (net.training, net.gru.training, net.looks.training) == (True, True, False)


def test_an_evaluation_pass_between_two_steps_is_not_the_iteration_s_map(net, optimizer, batch, log, train_step):
    with Recorder(net, optimizer, log=log) as recorder:
        for _ in range(2):
            with torch.no_grad():
                expected = net.looks(batch.clips).sigmoid().mean(dim=0)
            logits = net(batch.clips)
            net.eval()
            with torch.no_grad():
                net(torch.zeros(8, 10, 6))
            net.train()
            loss = logits.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=batch.target)
            np.testing.assert_allclose(log.maps[-1][2]["looks"], expected, rtol=1e-5)


def test_a_mask_reaches_the_maps(net, optimizer, batch, log, train_step):
    mask = torch.arange(10)[None, :] < torch.tensor([7] * 8)[:, None]
    with Recorder(net, optimizer, log=log) as recorder:
        train_step(net, optimizer, batch, recorder, mask=mask)
    (_, _, maps), *_ = log.maps
    assert np.isnan(maps["looks"][7:]).all()
    assert np.isfinite(maps["looks"][:7]).all()


def test_a_fault_inside_a_signal_is_told_once_and_the_others_go_on(net, optimizer, batch, log, train_step, monkeypatch):
    with Recorder(net, optimizer, log=log) as recorder:
        train_step(net, optimizer, batch, recorder)
        monkeypatch.setattr(ClassScores, "collect", lambda self, batch, taken: 1 / 0)
        said = r"ClassScores could not be recorded at iteration 1.*ZeroDivisionError"
        with pytest.warns(UserWarning, match=said) as told:
            train_step(net, optimizer, batch, recorder)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            train_step(net, optimizer, batch, recorder)
    assert told[0].filename == __file__.replace("test_recorder", "conftest")  # where the loop calls step
    assert "lwlrap" in log[0]
    assert "lwlrap" not in log[1]
    assert all(row["gradient_norm_total"] > 0 for row in log)
    assert [(event["kind"], event["signal"]) for event in log.events] == [("signal-fault", "ClassScores")]


def test_a_fault_with_a_pinned_clip_is_told_and_the_evaluation_recorded(net, optimizer, batch, log):
    recorder = Recorder(net, optimizer, log=log, pinned={"a": torch.ones(4, 7)})
    with pytest.warns(UserWarning, match="pinned clips could not be recorded"):
        row = recorder.evaluation(logits=torch.zeros(8, 4), target=batch.target)
    assert row["lwlrap"] > 0
    assert len(log.evaluations) == 1


def test_an_attention_that_is_a_module_is_no_announcement(batch, log):
    model = torch.nn.Module()
    model.attention = torch.nn.Linear(6, 4)
    model.forward = lambda clips: model.attention(clips).mean(dim=1)  # type: ignore[method-assign, operator]
    optimizer = torch.optim.SGD(model.parameters())
    with Recorder(model, optimizer, log=log) as recorder:
        logits = model(batch.clips)
        logits.sum().backward()
        optimizer.step()
        recorder.step(loss=0.0, logits=logits, target=batch.target)
    assert log.info["maps"] == {}
    assert log.maps == []
    assert log[0]["gradient_norm_total"] > 0


def test_a_map_that_is_none_is_told_and_training_goes_on(net, optimizer, batch, log, train_step):
    recorder = Recorder(net, optimizer, log=log, attention={"gru": "weights", "": "weights"})
    with pytest.warns(UserWarning, match=r"gives \(8, 4\), but a map is \(clip, frame, class\)"):
        train_step(net, optimizer, batch, recorder)
    assert "attention_entropy" not in log[0]
    assert log[0]["gradient_norm_total"] > 0


def test_the_light_level_records_no_maps_and_says_so(net, optimizer, batch, log, train_step, hooks_on):
    with Recorder(net, optimizer, log=log, level="light", pinned={"a": torch.ones(4, 6)}) as recorder:
        assert hooks_on(net) == 0
        train_step(net, optimizer, batch, recorder)
        recorder.evaluation(logits=torch.zeros(8, 4), target=batch.target)
    assert log.info["maps"] == {}
    assert log.maps == []
    assert "scores.a" in log.evaluations[0]
    assert "attention" in log.info["parameter_parts"]


def test_the_deep_level_records_weights(net, optimizer, batch, log, train_step):
    with Recorder(net, optimizer, log=log, level="deep") as recorder:
        train_step(net, optimizer, batch, recorder)
    expected = [float(parameter.detach().norm()) for parameter in net.parameters()]
    assert log[0]["weight_norm"].tolist() == pytest.approx(expected, rel=1e-6)


def test_an_evaluation_stands_beside_chance_and_the_prior_seen_in_training(net, optimizer, batch, log, train_step):
    with Recorder(net, optimizer, log=log, pinned={"a": batch.clips[0]}) as recorder:
        before = recorder.evaluation(logits=torch.zeros(8, 4), target=batch.target)
        train_step(net, optimizer, batch, recorder)
        after = recorder.evaluation(probabilities=torch.rand(8, 4), target=batch.target, loss=0.5)
    assert (before["iteration"], after["iteration"]) == (0, 1)
    assert math.isnan(before["constant"])
    assert 0 < after["constant"] <= 1
    assert after["loss"] == 0.5
    assert log.evaluations == [before, after]
    assert [(iteration, clip) for iteration, clip, _ in log.maps if clip] == [(0, "a"), (1, "a")]
    assert log.info["output_kind"] == "logits"  # what was said first


def test_an_evaluation_without_scores_or_with_other_clips_is_refused(net, optimizer, batch, log):
    recorder = Recorder(net, optimizer, log=log)
    with pytest.raises(ShapeError, match=r"lacks its scores or its target \(Recorder.evaluation, iteration 0\); pass"):
        recorder.evaluation(target=batch.target)
    with pytest.raises(ShapeError, match="target has 8 clips but the output has 2"):
        recorder.evaluation(logits=torch.zeros(2, 4), target=batch.target)


@pytest.mark.parametrize("wrap", [torch.nn.DataParallel, lambda net: torch.compile(net, backend="eager")])
def test_a_wrapped_network_is_recorded_under_its_own_names(net, optimizer, batch, log, train_step, wrap):
    wrapped = wrap(net)
    pinned = {"a": torch.ones(4, 6)}
    with Recorder(wrapped, optimizer, log=log, loss="bce-with-logits", pinned=pinned) as recorder:
        train_step(wrapped, optimizer, batch, recorder)
        recorder.evaluation(logits=torch.zeros(8, 4), target=batch.target)
    assert log.info["parameters"] == [name for name, _ in net.named_parameters()]
    assert "looks" in log.maps[0][2]
    assert "scores.a" in log.evaluations[0]
    assert math.isfinite(log[0]["rho"])
    assert np.isfinite(log[0]["gradient_norm"]).all()
