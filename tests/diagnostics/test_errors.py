import pytest
from flatline.diagnostics import errors


def test_an_unknown_name_lists_the_known_ones_in_order():
    error = errors.unknown("signal", "rhoo", ["rho", "loss"], "run a")
    assert str(error) == "unknown signal 'rhoo' (run a); known: loss, rho"
    assert str(errors.unknown("run", "a", [], "logs")).endswith("known: none")


@pytest.mark.parametrize("name", ["ShapeError", "ScoreError", "AttachError", "RunError", "UnknownNameError"])
def test_whoever_catches_flatline_errors_or_value_errors_catches_all(name):
    assert issubclass(getattr(errors, name), errors.FlatlineError)
    assert issubclass(errors.FlatlineError, ValueError)
