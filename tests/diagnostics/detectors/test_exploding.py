import numpy as np
import pytest

KIND = "exploding-gradients"

AT = np.arange(400)


@pytest.mark.parametrize(("times", "found"), [(65, 0), (75, 1)])
def test_seventy_times_the_beginning_is_an_explosion(times, found, look, made):
    findings = look(KIND, made({"gradient_norm_total": np.where(AT < 100, 0.1, 0.1 * times)})).findings
    assert [finding.severity for finding in findings] == ["warning"] * found  # it learns all the same
    assert all(100 <= finding.onset <= 105 for finding in findings)


@pytest.mark.parametrize(("norm", "found"), [(900, 0), (1100, 1)])
def test_a_norm_of_a_thousand_is_one_by_itself(norm, found, look, made):
    stuck = {"evaluation.lwlrap": 0.3, "gradient_norm_total": norm}
    assert [finding.severity for finding in look(KIND, made(stuck)).findings] == ["critical"] * found
    assert look(KIND, made({"gradient_norm_total": norm})).findings == []  # it learns
    assert look(KIND, made(stuck, loss_kind=None)).findings == []  # a regression's targets may be of any size


def test_a_single_spike_is_none(look, made):
    assert look(KIND, made({"gradient_norm_total": np.where(AT == 100, 200, 1)})).findings == []


def test_the_norm_before_clipping_counts_where_the_loop_told_it(look, made):
    clipped = {"gradient_norm_total": 1.0, "gradient_norm_unclipped": np.where(AT < 100, 1.0, 500)}
    (finding,) = look(KIND, made(clipped)).findings
    assert (finding.evidence["gradient_norm"], finding.evidence["beginning"]) == (500, 1)


def test_infinities_are_another_finding(look, made):
    assert look(KIND, made({"gradient_norm_total": np.where(AT < 100, 1.0, np.inf)})).findings == []


def test_the_parameter_that_grew_most_is_named(look, made, since, of_parameters):
    columns = {"gradient_norm_total": since(500, 1), "gradient_norm": since(of_parameters(attention=400, head=90), 1.0)}
    assert look(KIND, made(columns)).findings[0].where == "looks.weight"
    assert look(KIND, made({**columns, "gradient_norm": None})).findings[0].where == ""


def test_gradients_that_begin_at_zero_have_no_beginning_to_be_held_against(look, made, since):
    """A head that starts at zero gives the rest of the net no gradient at first."""
    assert look(KIND, made({"gradient_norm_total": since(1, 0)})).findings == []
    stuck = {"evaluation.lwlrap": 0.3, "gradient_norm_total": since(2000, 0)}
    (finding,) = look(KIND, made(stuck)).findings
    assert 100 <= finding.onset <= 104


def test_without_norms_it_is_undetermined(look, made):
    assert look(KIND, made({"gradient_norm_total": None})).missing[0].kind == KIND
