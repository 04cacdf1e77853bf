import numpy as np
import pytest

KIND = "dead-units"

STUCK = {"evaluation.lwlrap": 0.3, "loss": 0.36}


@pytest.mark.parametrize("column", ["zero_share.conv", "activation_saturation.dense"])
@pytest.mark.parametrize(("share", "found"), [(0.94, 0), (0.96, 1)])
def test_95_of_a_hundred_at_zero_or_a_bound_are_dead(column, share, found, look, made, since):
    findings = look(KIND, made({**STUCK, column: since(share, 0.5)})).findings
    assert [(finding.onset, finding.severity, finding.where) for finding in findings] == [
        (100, "critical", column.partition(".")[2])
    ] * found


def test_a_warning_where_the_net_learns(look, made):
    assert [finding.severity for finding in look(KIND, made({"zero_share.conv": 1.0})).findings] == ["warning"]


@pytest.mark.parametrize("name", ["gru", "looks"])
def test_rnns_and_attention_have_detectors_of_their_own(name, look, made):
    assert look(KIND, made({**STUCK, f"activation_saturation.{name}": 1.0})).findings == []


def test_so_has_a_module_whose_output_is_a_map(look, made):
    assert look(KIND, made({**STUCK, "zero_share.pool": 1.0}, maps={"pool": "softmax-time"})).findings == []


def test_of_several_the_first_that_is_dead_still_is_named(look, made):
    at = np.arange(400)
    columns = {
        "zero_share.conv": np.where((at > 50) & (at < 150), 1.0, 0.5),
        "zero_share.dense": np.where(at >= 200, 1.0, 0.5),
        "activation_saturation.other": np.where(at >= 100, 1.0, 0.5),
    }
    (finding,) = look(KIND, made({**STUCK, **columns})).findings
    assert (finding.where, finding.variant, finding.onset) == ("other", "bound", 100)


def test_without_activations_it_is_undetermined(look, made):
    found = look(KIND, made({"zero_share.conv": None, "activation_saturation.looks": None}))
    assert (found.findings, "level deep" in found.missing[0].why) == ([], True)
