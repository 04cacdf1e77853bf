import numpy as np
import pytest

KIND = "non-finite"

AT = np.arange(400)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_loss_that_is_no_number_is_dated_exactly(value, look, made):
    (finding,) = look(KIND, made({"loss": np.where(AT >= 123, value, 0.5)})).findings
    assert (finding.onset, finding.last, finding.severity, finding.evidence["iterations"]) == (
        123,
        399,
        "critical",
        277,
    )


def test_a_loss_that_was_not_passed_at_first_is_not_one(look, made):
    found = look(KIND, made({"loss": np.where(AT < 50, np.nan, 0.5)}))
    assert (found.findings, found.missing) == ([], [])


@pytest.mark.parametrize("name", ["nonfinite_gradients", "nonfinite_inputs"])
def test_gradients_and_inputs_count_too(name, look, made):
    (finding,) = look(KIND, made({name: np.where(AT >= 123, 3.0, 0)})).findings
    assert (finding.onset, finding.severity) == (123, "critical")
    assert finding.evidence["parameters" if name == "nonfinite_gradients" else "inputs"] == 3


def test_without_a_loss_the_gradients_tell(look, made):
    run = made({"loss": None, "nonfinite_gradients": np.where(AT >= 9, 1.0, 0)})
    assert look(KIND, run).findings[0].onset == 9
    assert look(KIND, made({"loss": None, "nonfinite_gradients": None})).missing[0].kind == KIND


@pytest.mark.parametrize(("last", "severity"), [(395, "critical"), (394, "info")])
def test_one_that_has_passed_five_iterations_ago_is_over(last, severity, look, made):
    (finding,) = look(KIND, made({"loss": np.where(last == AT, np.nan, 0.5)})).findings
    assert (finding.severity, finding.onset, finding.last) == (severity, last, last)


@pytest.mark.parametrize(
    ("event", "where"),
    [({"module": "gru", "what": ["loss"]}, "gru"), ({"what": ["conv.weight", "loss"]}, "conv.weight"), ({}, "")],
)
def test_the_place_is_what_the_recorder_saw_first(event, where, look, made):
    events = [{"kind": "gap", "iteration": 3}, {"kind": KIND, "iteration": 100, **event}]
    run = made({"loss": np.where(AT >= 100, np.nan, 0.5)}, events=events)
    assert look(KIND, run).findings[0].where == where


def test_a_step_that_a_scaler_skipped_is_how_it_finds_its_scale(look, made):
    bad = AT % 50 == 7
    run = made({"loss": np.where(bad, np.inf, 0.5), "nonfinite_gradients": bad * 5.0, "skipped": bad})
    assert look(KIND, run).findings == []
