from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures import hidden_gradient_heatmap, hidden_gradient_heatmap_figure
from flatline.dashboard.figures.hidden_gradient_heatmap import recorded_rnns
from flatline.dashboard.figures.marks import Mark
from flatline.diagnostics.errors import UnknownNameError
from flatline.runs.log import RunLog
from flatline.runs.run import Run

FRAMES = 6


def norms(rows=100, every=1):
    values = 10.0 ** np.arange(-FRAMES, 0) * np.ones((rows, 1))
    table = pd.DataFrame(values.astype("f4"), index=pd.Index(range(rows), name="iteration"))
    table.loc[table.index % every != 0] = np.nan
    return table


def record(folder, columns, rows=60):
    """A run with a row each iteration: column -> function of the iteration."""
    with closing(RunLog(folder, {})) as log:
        for at in range(rows):
            values = {name: value(at) for name, value in columns.items()}
            log.append({"iteration": at, "epoch": 0, "wall_time": 0.0, "skipped": False, **values})
    return Run(folder)


def at_every(step, value):
    return lambda at: np.full(FRAMES, value if at % step == 0 else np.nan)


def said(figure):
    return " ".join(note.text for note in figure.layout.annotations).replace("<br>", " ")


def test_early_frames_are_at_the_bottom_and_dark_where_the_gradient_vanishes():
    figure = hidden_gradient_heatmap_figure(norms())
    trace = figure.data[0]
    np.testing.assert_allclose(trace.z[:, 0], np.arange(-FRAMES, 0), atol=1e-6)
    np.testing.assert_allclose(trace.customdata[:, 0], 10.0 ** np.arange(-FRAMES, 0), rtol=1e-6)
    assert figure.layout.yaxis.range == (-0.5, FRAMES - 0.5)
    assert figure.layout.yaxis.title.text == "frame bin of 6, early at the bottom"
    assert figure.layout.xaxis.title.text == "iteration"


def test_measurements_between_which_iterations_lie_are_columns_as_wide_and_it_is_said():
    figure = hidden_gradient_heatmap_figure(norms(100, every=10))
    trace = figure.data[0]
    assert trace.z.shape == (FRAMES, 10)
    assert not np.isnan(trace.z).any()
    np.testing.assert_allclose(np.diff(trace.x), 10)
    assert "measured at 10 of 100 iterations" in said(figure)


def test_iterations_without_a_measurement_stay_a_gap():
    table = norms(200, every=5)
    table.loc[100:149] = np.nan
    trace = hidden_gradient_heatmap_figure(table).data[0]
    gap = np.isnan(trace.z).all(axis=0)
    assert gap.sum() == 10
    assert ((trace.x[gap] >= 100) & (trace.x[gap] < 150)).all()


def test_a_gradient_of_exactly_zero_is_dark_and_no_gap():
    table = norms()
    table[0] = 0.0
    trace = hidden_gradient_heatmap_figure(table).data[0]
    assert (trace.z[0] == trace.zmin).all()
    assert (trace.customdata[0] == 0).all()


def test_the_total_is_drawn_where_it_was_measured(tmp_path):
    columns = {"hidden_gradient_direct.gru": at_every(1, 1e-2), "hidden_gradient.gru": at_every(20, 1e-4)}
    figure = hidden_gradient_heatmap(record(tmp_path / "run", columns))
    assert np.unique(figure.data[0].customdata) == np.float32(1e-4)
    assert "total dL/dh · measured at 3 of 60 iterations" in said(figure)
    assert "direct" not in said(figure)


@pytest.mark.parametrize("total", [{}, {"hidden_gradient.gru": at_every(1, np.nan)}])
def test_the_direct_term_stands_in_and_it_is_said(tmp_path, total):
    figure = hidden_gradient_heatmap(
        record(tmp_path / "run", {"hidden_gradient_direct.gru": at_every(1, 1e-2), **total})
    )
    assert np.unique(figure.data[0].customdata) == np.float32(1e-2)
    assert "direct term of dL/dh only, no total recorded" in said(figure)


def test_the_first_rnn_is_drawn_unless_another_or_a_layer_is_asked_for(tmp_path):
    names = [
        "hidden_gradient_direct.a",
        "hidden_gradient_direct.b",
        "hidden_gradient.a",
        "hidden_gradient.a.l0_reverse",
    ]
    values = dict(zip(names, (1e-1, 1e-2, 1e-3, 1e-4), strict=True))
    run = record(tmp_path / "run", {name: at_every(1, value) for name, value in values.items()})
    assert recorded_rnns(run) == ["a", "b"]
    drawn = {rnn: hidden_gradient_heatmap(run, rnn=rnn) for rnn in (None, "b", "a.l0_reverse")}
    assert [figure.data[0].customdata[0, 0] for figure in drawn.values()] == [np.float32(v) for v in (1e-3, 1e-2, 1e-4)]
    assert drawn["b"].layout.title.text.endswith(": b")
    with pytest.raises(UnknownNameError, match="a, b"):
        hidden_gradient_heatmap(run, rnn="c")


def test_a_cell_shows_its_total_alone(tmp_path):
    run = record(tmp_path / "run", {"hidden_gradient.cell": at_every(1, 1e-3)})
    assert recorded_rnns(run) == ["cell"]
    assert "total dL/dh" in said(hidden_gradient_heatmap(run))


def test_a_zoom_without_a_measurement_says_so_and_one_with_is_exact(tmp_path):
    run = record(tmp_path / "run", {"hidden_gradient.gru": at_every(20, 1e-4)})
    assert "No hidden gradient was measured in these iterations" in said(
        hidden_gradient_heatmap(run, first=21, last=39)
    )
    zoomed = hidden_gradient_heatmap(run, first=15, last=45)
    assert "measured at 2 of 31 iterations" in said(zoomed)


def test_a_long_run_is_binned_by_its_lowest(tmp_path):
    def spiked(at):
        return np.full(FRAMES, 1e-9 if at == 2345 else 1e-3)

    run = record(tmp_path / "run", {"hidden_gradient.gru": spiked}, rows=4000)
    figure = hidden_gradient_heatmap(run)
    assert figure.data[0].customdata.min() == np.float32(1e-9)
    assert "of 4,000 iterations (each column the lowest of" in said(figure)


def test_a_run_without_an_rnn_says_what_is_recorded(healthy):
    assert "records them of nn.RNN, nn.GRU, nn.LSTM" in said(hidden_gradient_heatmap(healthy))


def test_onsets_are_marked(tmp_path):
    run = record(tmp_path / "run", {"hidden_gradient.gru": at_every(20, 1e-4)})
    figure = hidden_gradient_heatmap(run, marks=(Mark(0, "vanishing-through-time", "critical"),))
    assert "vanishing-through-time" in said(figure)
