import math

import numpy as np
import pytest
from flatline.diagnostics.passed import Passed
from flatline.diagnostics.rows import Captured, Rows
from flatline.diagnostics.signals import Signal
from flatline.diagnostics.telling import Teller

OUTPUTS = np.array([[0.1, 0.9], [0.8, 0.2]], dtype=np.float32)
TARGET = np.array([[True, False], [True, True]])


class Seen(Signal):
    """Records what it is given."""

    subject, cost = "seen", "nothing"

    def __init__(self, values=None):
        self.values, self.batches = values or {}, []

    def collect(self, batch, taken):
        self.batches.append((batch, taken))
        return dict(self.values)


class Faulty(Signal):
    subject, cost = "faulty", "nothing"

    def collect(self, batch, taken):
        raise ZeroDivisionError("no")


def captured(number=0, fired=True, taken=None, **passed) -> Captured:
    given = {"loss": 0.5, "outputs": OUTPUTS, "target": TARGET, "n_clips": 2, "unclipped_norm": 3.0, **passed}
    return Captured(number, 7, 123.0, fired, "logits", [Passed(**given)], {"seen": {}} if taken is None else taken)


def rows_of(log, *signals) -> Rows:
    return Rows(list(signals), Teller(log), "bce-with-logits", {"b": "weights", "a": "sigmoid"})


def test_a_row_is_the_facts_and_what_the_signals_found(log):
    signal = Seen({"x": 1.0})
    rows_of(log, signal).write(captured())
    assert log == [
        {
            **{"iteration": 0, "epoch": 7, "wall_time": 123.0, "loss": 0.5, "skipped": False},
            **{"gradient_norm_unclipped": 3.0, "x": 1.0},
        }
    ]
    ((batch, _),) = signal.batches
    assert (batch.loss, batch.loss_kind, batch.output_kind, batch.n_clips) == (0.5, "bce-with-logits", "logits", 2)
    np.testing.assert_array_equal(batch.outputs, OUTPUTS)


def test_the_prior_is_of_the_targets_up_to_the_row(log):
    signal = Seen()
    rows = rows_of(log, signal)
    rows.write(captured(0))
    rows.write(captured(1, target=np.array([[False, False], [False, False]])))
    assert [batch.prior.tolist() for batch, _ in signal.batches] == [[1.0, 0.5], [0.5, 0.25]]
    assert rows.prior.value.tolist() == [0.5, 0.25]


def test_a_signal_that_took_nothing_is_not_asked(log):
    signal = Seen({"x": 1.0})
    rows_of(log, signal).write(captured(taken={}))
    assert "x" not in log[0]
    assert signal.batches == []


def test_the_newest_loss_and_norm_are_those_of_the_newest_row(log):
    signal = Seen({"gradient_norm_total": 2.0})
    rows = rows_of(log, signal)
    assert math.isnan(rows.last_loss)
    rows.write(captured())
    assert (rows.last_loss, rows.last_gradient_norm) == (0.5, 2.0)
    rows.write(captured(1, taken={}, loss=0.25))
    assert rows.last_loss == 0.25
    assert math.isnan(rows.last_gradient_norm)


def test_a_skipped_step_is_a_row_and_an_event_whoever_knows_of_it(log):
    rows_of(log, Seen()).write(captured(0, fired=False))
    rows_of(log, Seen({"skipped": True})).write(captured(1))
    assert [row["skipped"] for row in log] == [True, True]
    assert log.events == [{"kind": "skipped-step", "iteration": 0}, {"kind": "skipped-step", "iteration": 1}]


def test_maps_are_no_column_and_a_new_one_is_made_known_before_it_comes(log):
    signal = Seen({"maps": {"b": np.ones((3, 2))}})
    rows = rows_of(log, signal)
    rows.write(captured())
    assert "maps" not in log[0]
    assert log.info["maps"] == {"b": "weights"}
    signal.values = {"maps": {"a": np.ones((3, 2)), "b": np.ones((3, 2))}}
    rows.write(captured(1))
    assert list(log.info["maps"].items()) == [("b", "weights"), ("a", "sigmoid")]
    assert [(iteration, clip, set(maps)) for iteration, clip, maps in log.maps] == [
        (0, None, {"b"}),
        (1, None, {"a", "b"}),
    ]


def test_a_faulty_signal_costs_its_own_columns_alone(log):
    rows = rows_of(log, Faulty(), Seen({"x": 1.0}))
    with pytest.warns(UserWarning, match="Faulty could not be recorded at iteration 0"):
        rows.write(captured(taken={"faulty": {}, "seen": {}}))
    assert log[0]["x"] == 1.0


def test_outputs_and_targets_that_cannot_be_read_leave_a_row_without_them(log):
    signal = Seen({"x": 1.0})
    indices = np.array([0, 9])
    with pytest.warns(UserWarning, match=r"outputs and targets could not be recorded.*target holds class 9"):
        rows_of(log, signal).write(captured(target=indices, n_clips=-1))
    ((batch, _),) = signal.batches
    assert (batch.outputs, batch.target) == (None, None)
    assert log[0]["loss"] == 0.5


def test_clips_of_other_processes_count_in_what_the_gradient_is_the_mean_of(log, monkeypatch):
    monkeypatch.setattr("flatline.diagnostics.rows.n_processes", lambda: 3)
    signal = Seen()
    rows = rows_of(log, signal)
    rows.write(captured())
    assert signal.batches[0][0].n_clips == 6
    assert rows.prior.value.tolist() == [1.0, 0.5]
