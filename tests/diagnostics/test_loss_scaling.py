import torch
from flatline.diagnostics.loss_scaling import LossScaling
from flatline.diagnostics.recorder import Recorder


class Scaler:
    """One of another make."""

    def is_enabled(self):
        return True


def test_without_a_scaler_and_with_one_that_is_off_nothing_is_scaled_or_left_out():
    for scaler in (None, torch.amp.GradScaler("cpu", enabled=False)):
        scaling = LossScaling(scaler)
        assert (scaling.is_on, scaling.factor(), scaling.left_out()) == (False, 1.0, False)


def test_a_scaler_of_another_make_is_taken_to_have_left_out_every_step_that_did_not_happen():
    scaling = LossScaling(Scaler())
    assert (scaling.is_on, scaling.factor(), scaling.left_out()) == (True, 1.0, True)


def test_the_factor_is_a_copy_that_an_update_does_not_change():
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(torch.ones(1))
    factor = LossScaling(scaler).factor()
    scaler.update(4.0)
    assert float(factor) == 8


def loop(net, optimizer, batch, log, factors, every=2):
    """Accumulation of `every` batches under a scaler, each batch's loss times a factor: infinity overflows."""
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    with Recorder(net, optimizer, log=log, scaler=scaler) as recorder:
        for number, factor in enumerate(factors):
            logits = net(batch.clips)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.target)
            scaler.scale(loss * factor / every).backward()
            if number % every == every - 1:
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
            recorder.step(loss=loss, logits=logits, target=batch.target)


def test_accumulated_batches_under_a_scaler_are_pooled_and_a_step_it_leaves_out_is_one_skipped_row(net, batch, log):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    inf = float("inf")
    loop(net, optimizer, batch, log, [1, 1, inf, 1, 1, 1, 1, inf])
    assert [row["skipped"] for row in log] == [False, True, False, True]
    assert [row["positives"].sum() for row in log] == [2 * batch.target.numpy().sum()] * 4
    assert [event["kind"] for event in log.events] == ["skipped-step", "skipped-step"]
