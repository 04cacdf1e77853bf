import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures import lwlrap, lwlrap_figure


def evaluations(**columns):
    scores = {"lwlrap": [0.4, 0.6], "lrap": [0.38, 0.55], "chance": 0.31, "constant": 0.42, **columns}
    return pd.DataFrame(scores, index=pd.Index([49, 99], name="iteration"))


def traces(figure):
    return {trace.name.split()[0]: trace for trace in figure.data}


def test_scores_and_both_levels_are_drawn_and_labelled():
    figure = lwlrap_figure(evaluations())
    drawn = traces(figure)
    np.testing.assert_allclose(drawn["lwlrap"].y, [0.4, 0.6], rtol=1e-6)
    assert drawn["lrap"].line.width < drawn["lwlrap"].line.width
    assert list(drawn["chance"].y) == [0.31, 0.31]
    assert list(drawn["constant"].y) == [0.42, 0.42]
    labels = {note.text: (note.y, note.yanchor) for note in figure.layout.annotations}
    assert labels["chance 0.310 (random ranking)"] == (0.31, "top")
    assert labels["constant level 0.420 (one ranking for all clips)"] == (0.42, "bottom")


def test_the_axis_is_the_whole_range_of_the_score():
    assert lwlrap_figure(evaluations()).layout.yaxis.range == (0, 1.02)


@pytest.mark.parametrize("absent", ["chance", "constant", "lrap"])
def test_what_is_not_recorded_is_said_and_not_drawn(absent):
    figure = lwlrap_figure(evaluations(**{absent: np.nan}))
    assert absent not in traces(figure)
    assert f"not recorded: {absent}" in figure.layout.annotations[-1].text


def test_a_run_without_evaluations_says_so():
    figure = lwlrap_figure(evaluations().iloc[:0])
    assert not figure.data
    assert "no evaluation" in figure.layout.annotations[0].text


def test_one_evaluation_is_a_dot_and_the_levels_still_cross_the_figure():
    figure = lwlrap_figure(evaluations().iloc[1:])
    assert "markers" in traces(figure)["lwlrap"].mode
    assert list(traces(figure)["chance"].x) == [0, 99]


def test_a_recorded_run_is_drawn(healthy):
    assert len(traces(lwlrap(healthy))["lwlrap"].x) == 7
