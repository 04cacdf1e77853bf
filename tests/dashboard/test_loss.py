import math
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures import loss, loss_figure
from flatline.dashboard.figures.marks import Mark
from flatline.runs.log import RunLog
from flatline.runs.run import Run


def tables(rows=100):
    index = pd.Index(range(rows), name="iteration")
    scalars = pd.DataFrame({"loss": np.linspace(0.9, 0.1, rows), "label_entropy": 0.5}, index=index)
    return scalars, pd.DataFrame({"loss": [0.6, 0.2]}, index=[49, 99])


def levels(figure):
    return {trace.name: trace.y[0] for trace in figure.data if trace.showlegend is False}


def texts(figure):
    return [annotation.text for annotation in figure.layout.annotations]


@pytest.mark.parametrize("kind", ["bce", "bce-with-logits"])
def test_ln_2_and_h0_are_drawn_and_labelled(kind):
    scalars, evaluations = tables()
    scalars.loc[99, "label_entropy"] = 0.52
    figure = loss_figure(scalars, evaluations, loss_kind=kind)
    assert sorted(levels(figure).values()) == [pytest.approx(0.52), pytest.approx(math.log(2))]
    assert {"ln 2 = 0.693 (all probabilities ½)", "H0 = 0.520 (the label prior)"} <= set(texts(figure))
    labels = {note.text: note.y for note in figure.layout.annotations}
    assert labels["H0 = 0.520 (the label prior)"] == pytest.approx(math.log10(0.52))
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.title.text == "loss / nats"


def test_training_and_evaluation_loss_are_drawn():
    figure = loss_figure(*tables(), loss_kind="bce")
    drawn = {trace.name: trace for trace in figure.data if trace.showlegend is not False}
    assert list(drawn) == ["training", "evaluation"]
    assert list(drawn["evaluation"].x) == [49, 99]
    np.testing.assert_allclose(drawn["training"].y[[0, -1]], [0.9, 0.1], rtol=1e-6)


def test_levels_of_a_binary_loss_are_not_drawn_for_another():
    figure = loss_figure(*tables(), loss_kind="cross-entropy")
    assert not levels(figure)
    assert "do not apply to cross-entropy" in texts(figure)[-1]
    assert figure.layout.yaxis.title.text == "loss"


def test_an_unsaid_loss_has_no_levels_and_says_why():
    figure = loss_figure(*tables(), loss_kind=None)
    assert not levels(figure)
    assert "does not say its loss" in texts(figure)[-1]


@pytest.mark.parametrize("entropy", [None, np.nan])
def test_h0_that_was_not_recorded_is_said_and_never_zero(entropy):
    scalars, evaluations = tables()
    scalars = scalars.drop(columns="label_entropy") if entropy is None else scalars.assign(label_entropy=entropy)
    figure = loss_figure(scalars, evaluations, loss_kind="bce")
    assert list(levels(figure).values()) == [math.log(2)]
    assert "H0 not recorded" in texts(figure)[-1]


def test_a_loss_below_zero_gets_a_linear_axis():
    scalars, evaluations = tables()
    figure = loss_figure(scalars.assign(loss=-1.0), evaluations, loss_kind=None)
    assert figure.layout.yaxis.type is None


def test_infinite_losses_are_counted_not_drawn():
    scalars, evaluations = tables()
    scalars.loc[10:12, "loss"] = np.inf
    figure = loss_figure(scalars, evaluations, loss_kind="bce")
    assert np.isfinite(figure.data[0].y[~np.isnan(figure.data[0].y)]).all()
    assert "infinite at 3 iterations" in texts(figure)[-1]


def test_nothing_recorded_says_so():
    assert "no loss" in texts(loss_figure(pd.DataFrame(), pd.DataFrame(), loss_kind="bce"))[0]


def test_a_recorded_run_brings_its_own_kind_and_entropy(collapsed):
    assert sorted(levels(loss(collapsed)).values()) == [pytest.approx(0.52), pytest.approx(math.log(2))]


def test_a_zoom_keeps_the_level_of_the_run_and_the_evaluations_beside_it(tmp_path):
    with closing(RunLog(tmp_path / "run", {"loss_kind": "bce"})) as log:
        for at in range(300):
            row = {"iteration": at, "epoch": 0, "wall_time": 0.0, "skipped": False}
            log.append({**row, "loss": 0.5, "label_entropy": 0.3 + at / 1000})
            if at % 50 == 49:
                log.append_evaluation({"iteration": at, "loss": 0.4, "lwlrap": 0.5})
    figure = loss(
        Run(tmp_path / "run"), first=110, last=140, marks=(Mark(120, "a", "critical"), Mark(5, "b", "critical"))
    )
    drawn = {trace.name: trace for trace in figure.data if trace.showlegend is not False}
    assert list(drawn["training"].x) == list(range(110, 141))
    assert list(drawn["evaluation"].x) == [99, 149]
    assert min(levels(figure).values()) == pytest.approx(0.599)
    assert "a" in texts(figure)
    assert "b" not in texts(figure)


def test_a_long_run_keeps_its_highest_loss_and_says_how_many_points_there_are(tmp_path):
    with closing(RunLog(tmp_path / "run", {})) as log:
        for at in range(5000):
            row = {"iteration": at, "epoch": 0, "wall_time": 0.0, "skipped": False}
            log.append({**row, "loss": {3210: 99.0, 4000: np.inf}.get(at, 0.5)})
    figure = loss(Run(tmp_path / "run"))
    assert np.nanmax(figure.data[0].y) == 99
    assert "of 5,000 points a line (every lowest and highest kept)" in texts(figure)[-1]
    assert "infinite at 1 of the points drawn" in texts(figure)[-1]
