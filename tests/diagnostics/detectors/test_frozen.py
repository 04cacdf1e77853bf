import numpy as np
import pytest
from flatline.diagnostics.detectors.frozen import modules

KIND = "frozen-parameters"


def judged(look, run):
    return [(finding.variant, finding.severity, finding.where) for finding in look(KIND, run).findings]


def without(of_parameters, **parts):
    return {"gradient_norm": of_parameters(**dict.fromkeys(parts, np.nan))}


def test_parameters_go_by_the_module_that_holds_them():
    assert modules(["a.w", "a.b", "w", "b.c.w"]) == {"a": [0, 1], "": [2], "b.c": [3]}


def test_a_part_without_gradient_is_a_warning_while_the_rest_learns_and_critical_where_nothing_does(
    look, made, of_parameters
):
    columns = without(of_parameters, conv=None)
    assert judged(look, made(columns)) == [("no-gradient", "warning", "conv")]
    assert judged(look, made({**columns, "evaluation.lwlrap": 0.3})) == [("no-gradient", "critical", "conv")]


def test_one_parameter_of_a_module_with_a_gradient_keeps_the_module_alive(look, made):
    norms = np.full(7, 0.3)
    norms[0] = np.nan  # conv.weight, while conv.bias learns
    assert judged(look, made({"gradient_norm": norms})) == []


def test_a_gradient_of_exactly_0_is_another_finding(look, made, of_parameters):
    assert judged(look, made({"gradient_norm": of_parameters(conv=0)})) == []


def test_what_has_a_gradient_and_never_moves_is_held_by_no_optimiser(look, made, of_parameters):
    assert judged(look, made({"update_ratio": 1e-3 * of_parameters(rnn=0)})) == [("unheld", "warning", "gru")]


def test_where_nothing_moves_at_all_the_rate_may_be_zero_and_no_part_is_unheld(look, made):
    assert judged(look, made({"update_ratio": 0.0})) == []


def test_a_network_none_of_whose_parameters_has_a_gradient_is_told_as_one(look, made):
    (finding,) = look(KIND, made({"gradient_norm": np.nan, "evaluation.lwlrap": 0.3})).findings
    assert (finding.variant, finding.severity) == ("all", "critical")
    assert (finding.evidence["modules"], finding.evidence["of_modules"]) == (4, 4)


@pytest.mark.parametrize(
    ("part", "severity"),
    [("other", "info"), ("conv", "info"), ("rnn", "warning"), ("head", "warning"), ("attention", "warning")],
)
def test_what_was_frozen_on_purpose_is_worth_knowing_if_it_is_a_part_that_often_is(
    part, severity, look, made, of_parameters
):
    parts = {**made().parts, "conv.weight": part, "conv.bias": part}
    run = made(without(of_parameters, conv=None), parts=parts, frozen=["conv.weight", "conv.bias"])
    assert judged(look, run) == [("no-gradient", severity, "conv")]


def test_frozen_in_mid_run_though_nobody_said_so_at_the_start_is_no_purpose(look, made, since, of_parameters):
    parts = {**made().parts, "conv.weight": "other", "conv.bias": "other"}
    run = made({"gradient_norm": since(of_parameters(conv=np.nan), 1.0)}, parts=parts)
    assert judged(look, run) == [("no-gradient", "warning", "conv")]
    assert look(KIND, run).findings[0].onset == 100


def test_of_several_the_first_is_named_and_all_are_counted(look, made, since, of_parameters):
    norms = since(of_parameters(conv=np.nan, rnn=np.nan), 1.0)
    norms[50:, 2:4] = np.nan
    (finding,) = look(KIND, made({"gradient_norm": norms})).findings
    assert (finding.where, finding.onset, finding.evidence["modules"]) == ("gru", 50, 2)


def test_without_any_step_of_the_optimiser_it_is_undetermined(look, made):
    assert look(KIND, made({"gradient_norm": None, "gradient_norm_total": None})).missing[0].kind == KIND


def test_a_gradient_that_is_nan_is_not_a_missing_one(look, made):
    columns = {"gradient_norm": np.nan, "nonfinite_gradients": 7.0, "evaluation.lwlrap": 0.3}
    assert judged(look, made(columns)) == []
