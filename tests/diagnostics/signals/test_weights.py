from contextlib import ExitStack

import pytest
from flatline.diagnostics.signals import Batch, WeightNorms


def test_norms_are_those_of_the_parameters_now(net):
    signal = WeightNorms()
    with ExitStack() as stack:
        signal.attach(net, [], stack)
        values = signal.collect(Batch(0, None, None, None, None))
    expected = [float(parameter.detach().norm()) for parameter in net.parameters()]
    assert values["weight_norm"].tolist() == pytest.approx(expected, rel=1e-6)
