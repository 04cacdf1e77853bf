import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures import lwlrap, lwlrap_figure
from flatline.dashboard.figures.marks import Mark


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


def test_many_evaluations_are_thinned_and_keep_their_extremes():
    random = np.random.default_rng(0)
    table = evaluations()
    table = table.iloc[[0] * 20_000].set_index(np.arange(20_000) * 50)
    table["lwlrap"] = 0.5 + 0.1 * random.random(20_000)
    table.iloc[12_345, 0] = 0.02
    figure = lwlrap_figure(table)
    drawn = traces(figure)["lwlrap"]
    assert len(drawn.x) <= 1200
    assert drawn.y.min() == np.float32(0.02)
    assert "of 20,000 points a line" in figure.layout.annotations[-1].text


def test_a_zoom_reaches_over_its_edges_and_keeps_the_levels_of_the_run(healthy):
    figure = lwlrap(healthy, first=60, last=140, marks=(Mark(55, "a", "critical"), Mark(70, "b", "critical")))
    drawn = traces(figure)
    assert list(drawn["lwlrap"].x) == [49, 99, 149]
    assert list(drawn["chance"].x) == [60, 140]
    assert [note.text for note in figure.layout.annotations if note.text in "ab"] == ["b"]


def test_an_onset_before_the_first_evaluation_is_marked(healthy):
    figure = lwlrap(healthy, marks=(Mark(3, "a", "critical"),))
    assert "a" in [note.text for note in figure.layout.annotations]
