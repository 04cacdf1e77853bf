import numpy as np
import pytest
from flatline.diagnostics.nonfinite import FirstNonFinite

NAN, INF = float("nan"), float("inf")


def row(loss, *norms):
    values = np.array(norms, dtype=np.float32)
    return {"loss": loss, "gradient_norm": values, "nonfinite_gradients": int(np.isinf(values).sum())}


def test_the_first_loss_and_gradient_that_are_not_finite_are_named_once():
    first = FirstNonFinite(["a", "b"])
    assert first.names(row(0.5, 1.0, 1.0)) == []
    assert first.names(row(INF, 1.0, INF)) == ["loss", "b"]
    assert first.names(row(INF, INF, INF)) == []


def test_a_nan_gradient_is_told_from_one_that_is_missing():
    first = FirstNonFinite(["a", "unused"])
    assert first.names({**row(0.5, 1.0, NAN), "nonfinite_gradients": 0}) == []
    assert first.names({**row(0.5, NAN, NAN), "nonfinite_gradients": 1}) == ["a"]


def test_a_loss_that_was_never_passed_is_no_finding_and_one_that_turns_nan_is():
    assert FirstNonFinite([]).names({"loss": NAN}) == []
    first = FirstNonFinite([])
    first.names({"loss": 1.0})
    assert first.names({"loss": NAN}) == ["loss"]


def test_the_recorder_tells_it_to_the_person_and_the_log(net, batch, log, train_step):
    import torch
    from flatline.diagnostics.recorder import Recorder

    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with Recorder(net, optimizer, log=log) as recorder:
        train_step(net, optimizer, batch, recorder)
        with torch.no_grad():
            net.gru.weight_hh_l0[0, 0] = NAN
        with pytest.warns(UserWarning, match=r"loss, .*not finite from iteration 1 on; recorded as it is"):
            train_step(net, optimizer, batch, recorder)
        train_step(net, optimizer, batch, recorder)
    assert [(event["kind"], event["iteration"]) for event in log.events] == [("non-finite", 1)]
    assert {"loss", "gru.weight_hh_l0"} <= set(log.events[0]["what"])
