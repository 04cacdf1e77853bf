from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures import output_health, output_health_figure


def scalars(**columns):
    signals = {"rho": 0.9, "rank_agreement": 0.6, "top_class_share": 0.1, **columns}
    return pd.DataFrame(signals, index=pd.Index(range(50), name="iteration"))


def texts(figure):
    return " | ".join(annotation.text for annotation in figure.layout.annotations)


def test_the_three_signals_have_a_panel_each_with_its_level():
    figure = output_health_figure(scalars())
    drawn = {trace.name: (trace.yaxis, trace.y[0]) for trace in figure.data}
    assert drawn["rho"] == ("y", np.float32(0.9))
    assert drawn["rank_agreement"] == ("y2", np.float32(0.6))
    assert drawn["top_class_share"] == ("y3", np.float32(0.1))
    assert drawn["- - killed below 0.3"] == ("y", 0.3)
    assert drawn["- - one ranking for all above 0.98"] == ("y2", 0.98)
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis3.range == (-0.05, 1.05)


@pytest.mark.parametrize("signal", ["rho", "rank_agreement", "top_class_share"])
@pytest.mark.parametrize("how", ["absent", "nan"])
def test_a_signal_that_was_not_recorded_is_said_in_its_place(signal, how):
    table = scalars().drop(columns=signal) if how == "absent" else scalars(**{signal: np.nan})
    figure = output_health_figure(table)
    assert signal not in {trace.name for trace in figure.data}
    assert f"{signal} was not recorded" in texts(figure)
    assert len(figure.data) >= 3


def test_a_rho_of_zero_is_said_since_the_axis_cannot_show_it():
    table = scalars()
    table.loc[40:, "rho"] = 0.0
    assert "rho is exactly zero, below the axis, at 10 iterations" in texts(output_health_figure(table))


def test_nothing_recorded_says_what_to_do():
    said = texts(output_health_figure(pd.DataFrame())).replace("<br>", " ")
    assert "give the recorder logits or probabilities" in said


def test_a_recorded_run_is_drawn(collapsed):
    rho = next(trace for trace in output_health(collapsed).data if trace.name == "rho")
    assert rho.y[-1] < 0.3


def test_the_panels_share_the_axis_of_iterations():
    figure = output_health_figure(scalars())
    assert {trace.xaxis for trace in figure.data} <= {None, "x"}
    assert figure.layout.xaxis.title.text == "iteration"
    assert figure.layout.xaxis.anchor == "y3"
    domains = [figure.layout[axis].domain for axis in ("yaxis3", "yaxis2", "yaxis")]
    assert all(low[1] < high[0] for low, high in pairwise(domains))


def test_a_stretch_of_a_run_is_drawn(healthy):
    figure = output_health(healthy, first=100, last=149)
    assert list(next(trace for trace in figure.data if trace.name == "rho").x) == list(range(100, 150))
    assert "50 of 50 points" in texts(figure)
