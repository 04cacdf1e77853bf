import math

import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.evidence import (
    Chart,
    charts,
    evidence,
    evidence_figure,
    evidence_height,
)
from flatline.dashboard.figures.evidence_signals import PANELS, RANKING, RHO, WORDS, Source
from flatline.diagnostics.advice import ADVICE
from flatline.diagnostics.detectors import broken_objective, constant_predictor, gradient_death, recurrent_state
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.summary import summarise


def finding(kind, variant="", onset=20, last=99, where="", severity="critical", **measured):
    found = {"kind": kind, "variant": variant, "severity": severity, "onset": onset, "last": last}
    return {**found, "where": where, "evidence": measured}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a signal of nearly every kind, with values that are known by iteration."""
    path = tmp_path_factory.mktemp("evidence") / "mine"
    parameters = {"cnn.weight": "conv", "gru.weight_hh": "rnn", "gru.bias_hh": "rnn", "head.weight": "head"}
    info = {"parameters": list(parameters), "parameter_parts": list(parameters.values()), "classes": ["a", "b", "c"]}
    log = RunLog(path, {**info, "loss_kind": "bce-with-logits", "maps": {"att": "softmax-time", "loc": "sigmoid"}})
    for iteration in range(100):
        row = {"loss": 0.7, "label_entropy": 0.5, "rho": 0.0 if iteration == 50 else 2.0 / (1 + iteration)}
        row |= {"gradient_norm_total": 0.1, "gradient_norm_unclipped": 5.0, "rank_agreement": 0.99}
        row |= {"saturation.gru": iteration / 100, "hidden_spread.gru": 1.0, "top_class_share": 0.5}
        row |= {"gradient_norm": np.array([1.0, 2.0, 4.0, 30.0]), "update_ratio": np.array([0.1, 0.3, 9.0, 0.2])}
        row |= {"attention_entropy": np.array([0.1, 0.5, 0.6]), "attention_entropy.loc": np.array([0.9, 0.8, 0.7])}
        row |= {"attention_sum": np.array([1.0, 2.0, 1.0]), "hidden_gradient.gru": np.array([0.001, 0.1, 1.0, 0.5])}
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 0.0, **row})
    log.close()
    return Run(path)


def lines(run, found, panel=0):
    return charts(Source(run, found))[panel].lines


def levels(run, found, panel=0):
    return list(charts(Source(run, found))[panel].levels.values())


def said(figure):
    return " | ".join(annotation.text for annotation in figure.layout.annotations).replace("<br>", " ")


def test_every_kind_and_variant_has_charts_or_words():
    assert PANELS.keys() == ADVICE.keys()
    assert all(PANELS[known] or WORDS[known] for known in PANELS)
    assert WORDS.keys() <= PANELS.keys()


def test_thresholds_are_those_of_the_detectors(run, monkeypatch):
    assert RANKING.levels(Source(run, {})) == {"one ranking for all": constant_predictor.AGREEMENT}
    assert list(RHO.levels(Source(run, {})).values()) == [broken_objective.KILLED]
    monkeypatch.setattr(gradient_death, "OF_PEAK", 0.25)
    assert levels(run, finding("gradient-death", peak=8.0)) == [2.0, gradient_death.ROUNDING]


def test_a_level_that_rests_on_what_was_not_measured_is_left_out(run):
    assert levels(run, finding("gradient-death", peak=None)) == [gradient_death.ROUNDING]
    assert levels(run, finding("single-class-collapse", label_share=0.2)) == pytest.approx([0.95, 0.6])
    assert levels(run, finding("single-class-collapse")) == [0.95]


def test_the_norm_before_clipping_is_drawn_where_it_is_known(run):
    (name,) = found = lines(run, finding("gradient-death", peak=8.0))
    assert name == "gradient_norm_unclipped"
    assert set(found[name]) == {5.0}


def test_signals_of_a_module_are_those_of_the_finding(run):
    (values,) = lines(run, finding("saturation-plateau", where="gru")).values()
    assert values.to_numpy() == pytest.approx(np.arange(100) / 100)
    assert lines(run, finding("saturation-plateau", where="lstm")) == {}
    gradients = lines(run, finding("gradient-death", "part", where="gru"))
    assert {name: values.iloc[0] for name, values in gradients.items()} == {"gru.weight_hh": 2.0, "gru.bias_hh": 4.0}


def test_the_spread_is_held_against_its_own_peak(run):
    measured = {"hidden_spread": 0.02, "hidden_spread_share_of_peak": 0.1}
    found = levels(run, finding("saturation-plateau", where="gru", **measured), panel=1)
    assert found == pytest.approx([recurrent_state.SPREAD_LOST * 0.2])


def test_the_update_ratio_is_the_median_of_the_weights_alone(run):
    (values,) = lines(run, finding("learning-rate-too-low")).values()
    assert values.to_numpy() == pytest.approx(np.full(100, 0.2))


def test_gradients_of_rnn_and_head_are_compared(run):
    (values,) = lines(run, finding("bypassed-recurrence", "suspected", where="gru"), panel=2).values()
    assert values.iloc[0] == pytest.approx(3 / 30)


def test_frames_are_followed_back_from_the_largest(run):
    (values,) = lines(run, finding("vanishing-through-time", where="gru")).values()
    assert values.iloc[0] == pytest.approx(0.001)


@pytest.mark.parametrize(("where", "expected"), [("att", 0.5), ("loc", 0.8)])
def test_a_map_is_the_one_of_the_finding(run, where, expected):
    (values,) = lines(run, finding("attention-collapse", "uniform", where=where)).values()
    assert values.iloc[0] == pytest.approx(expected)


def test_the_largest_class_of_a_map_is_a_share(run):
    (values,) = lines(run, finding("attention-collapse", "competition", where="att")).values()
    assert values.iloc[0] == pytest.approx(0.5)


def test_the_zoom_is_read_and_no_more(run):
    source = Source(run, finding("constant-predictor"), 10, 19)
    (values,) = charts(source)[0].lines.values()
    assert list(values.index) == list(range(10, 20))
    assert "10 of 10 points" in said(evidence(run, source.finding, first=10, last=19))


def test_the_figure_shows_line_level_onset_and_what_is_missing(run):
    figure = evidence(run, finding("constant-predictor", onset=20, last=90))
    names = [trace.name for trace in figure.data]
    assert names == ["rank_agreement", "one ranking for all"]
    assert list(figure.data[1].y) == [constant_predictor.AGREEMENT] * 2
    held, onset = figure.layout.shapes
    assert (held.x0, held.x1, onset.x0, onset.x1) == (20, 90, 20, 20)
    assert "since 20" in said(figure)
    assert "not recorded: Spread of the scores between clips" in said(figure)
    assert figure.layout.xaxis.title.text == "iteration"
    assert figure.layout.xaxis.range is None


def test_charts_share_one_axis_of_iterations(run):
    figure = evidence(run, finding("saturation-plateau", where="gru"), "dark")
    assert {trace.xaxis or "x" for trace in figure.data} == {"x"}
    assert {trace.yaxis or "y" for trace in figure.data} == {"y", "y2", "y3"}
    assert figure.layout.xaxis.anchor == "y3"
    assert figure.layout.height == evidence_height(finding("saturation-plateau"))


def test_zeros_are_not_hidden_by_a_logarithmic_axis(run):
    figure = evidence(run, finding("broken-objective", "effects"))
    rho = next(trace for trace in figure.data if trace.name == "rho")
    assert math.isnan(rho.y[50])
    assert "exactly 0, below the axis, at 1 points" in said(figure)


@pytest.mark.parametrize("known", [key for key in PANELS if not PANELS[key]])
def test_kinds_without_a_signal_say_what_they_rest_on(run, known):
    figure = evidence(run, finding(*known))
    assert not figure.data
    assert said(figure) == WORDS[known]


def test_nothing_recorded_is_said(run):
    figure = evidence(run, finding("dead-units", "zero", where="cnn"))
    assert not figure.data
    assert "Nothing of it was recorded: Share of activations that are 0" in said(figure)


def test_a_kind_of_another_version_is_no_error(run):
    assert "No chart is known" in said(evidence(run, finding("moon-phase")))


def test_long_lines_are_sampled_and_counted():
    values = pd.Series(np.random.default_rng(0).random(5000), name="rank_agreement")
    figure = evidence_figure(finding("constant-predictor"), [Chart(RANKING, {"rank_agreement": values}, {})])
    assert len(figure.data[0].x) <= 1200
    assert "1,200 of 5,000 points" in said(figure)


@pytest.mark.parametrize("kind", sorted(PANELS))
def test_every_kind_is_drawn_of_runs_that_lack_its_signals(healthy, kind):
    evidence(healthy, finding(*kind, where="recurrence.gru"))


def test_the_findings_of_a_judged_run_are_drawn(collapsed):
    for found in summarise(collapsed)["diagnosis"]["findings"]:
        assert evidence(collapsed, found).data
