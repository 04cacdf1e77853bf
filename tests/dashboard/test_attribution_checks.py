import numpy as np
import pytest
from flatline.dashboard.figures.attribution_checks import (
    NO_CURVES,
    NOT_KEPT,
    attribution_checks,
    attribution_checks_figure,
)
from flatline.runs.run import Run


@pytest.fixture
def run(attributed, simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    attributed.keep(tmp_path / "run", attributed.heard())
    return Run(tmp_path / "run")


def texts(figure):
    return " ".join(note.text for note in figure.layout.annotations)


def test_both_curves_stand_before_the_random_orders(run):
    figure = attribution_checks(run)
    by_name = {trace.name: trace for trace in figure.data}
    np.testing.assert_allclose(by_name["taken away"].y, [0.75, 0.3, 0.26, 0.25, 0.25])
    np.testing.assert_allclose(by_name["brought back"].y, [0.25, 0.6, 0.7, 0.74, 0.75])
    np.testing.assert_allclose(by_name["taken away"].x, [0, 25, 50, 75, 100])
    np.testing.assert_allclose(by_name["taken away, at random"].y, np.linspace(0.75, 0.25, 5), rtol=1e-6)
    low, high = [trace.y for trace in figure.data if trace.name == "taken away, random order"]
    np.testing.assert_allclose(np.array(high) - np.array(low), 0.1, rtol=1e-5)
    assert [trace.name for trace in figure.data][-2:] == ["taken away", "brought back"]
    assert figure.layout.yaxis.title.text == "output (probabilities)"
    assert figure.layout.title.text == "Deletion and insertion · class 0 · integrated-gradients"


def test_the_curves_of_each_way_have_their_own_colour_in_both_themes(run):
    for theme in ("light", "dark"):
        by_name = {trace.name: trace.line.color for trace in attribution_checks(run, theme).data}
        assert by_name["taken away"] == by_name["taken away, at random"] != by_name["brought back"]


def test_what_is_not_there_is_said(run):
    assert NOT_KEPT in texts(attribution_checks(run, method="occlusion"))
    assert NO_CURVES in texts(attribution_checks_figure({"attribution": np.zeros((2, 2))})).replace("<br>", " ")
    assert "unknown method" in texts(attribution_checks(run, method="nix"))
