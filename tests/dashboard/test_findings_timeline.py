import pytest
from flatline.dashboard.figures.findings_timeline import (
    MOST,
    SEVERITY_COLOURS,
    findings_timeline,
    findings_timeline_figure,
)
from flatline.runs.read_once import ReadOnce
from flatline.runs.summary import summarise


def finding(kind, severity, onset, last, **more):
    return {"kind": kind, "severity": severity, "onset": onset, "last": last, **more}


FINDINGS = [
    finding("saturation-plateau", "critical", 16, 349, where="gru", explanation="It is saturated."),
    finding("constant-predictor", "critical", 4, 349),
    finding("learning-rate-too-low", "info", 121, 164, is_active=False),
]
ONSETS = [
    {"part": "rnn", "what": "states", "iteration": 16, "where": "gru"},
    {"part": "conv", "what": "gradient", "iteration": 26, "where": ""},
]


@pytest.fixture
def figure():
    return findings_timeline_figure(FINDINGS, ONSETS, iterations=350, cause="saturation-plateau")


def traces(figure):
    return {trace.name: trace for trace in figure.data}


def said(figure):
    return [annotation.text for annotation in figure.layout.annotations]


def test_a_bar_goes_from_onset_to_last_in_the_colour_of_its_severity(figure):
    bars = traces(figure)["critical"]
    assert list(bars.base) == [16, 4]
    assert list(bars.x) == [334, 346]
    assert list(bars.y) == [0, 1]
    assert bars.marker.color == SEVERITY_COLOURS["light"]["critical"]
    over = traces(figure)["info"]
    assert (over.base[0], over.x[0]) == (121, 44)
    assert over.marker.opacity[0] < bars.marker.opacity[0] == 1


def test_the_cause_is_named_and_severity_is_said_in_words(figure):
    words = said(figure)
    assert sum("the cause" in text for text in words) == 1
    assert "<b>the cause</b> · critical · 16–349" in words
    assert "info, over · 121–164" in words


def test_without_a_cause_none_is_named():
    figure = findings_timeline_figure([FINDINGS[2]], ONSETS, iterations=350, cause=None)
    assert not any("the cause" in text for text in said(figure))
    assert "a part stops" not in traces(figure)


def test_onsets_of_parts_are_diamonds_below_the_bars(figure):
    diamonds = traces(figure)["a part stops"]
    assert list(diamonds.x) == [16, 26]
    assert list(diamonds.y) == [3, 4]
    assert diamonds.marker.symbol == "diamond"
    assert "at 16 · first to stop" in said(figure)
    names = figure.layout.yaxis.ticktext
    assert names[0].startswith("<b>saturation-plateau</b><br>")
    assert "states dead" in names[3]
    assert figure.layout.yaxis.range == (4.5, -0.5)


def test_the_whole_run_lies_behind_every_row(figure):
    track = traces(figure)["the whole run"]
    assert list(track.x) == [350] * 5


def test_iterations_that_were_skipped_make_the_run_longer_than_its_count():
    figure = findings_timeline_figure(FINDINGS, iterations=300, cause=None)
    assert list(traces(figure)["the whole run"].x) == [350] * 3


def test_the_axis_is_of_iterations_and_left_to_the_page(figure):
    assert figure.layout.xaxis.title.text == "iteration"
    assert figure.layout.xaxis.range is None


def test_a_long_name_keeps_its_end():
    where = "model." * 12 + "attention.last"
    figure = findings_timeline_figure([finding("dead-units", "warning", 0, 9, where=where)], iterations=10, cause=None)
    assert "…" in figure.layout.yaxis.ticktext[0]
    assert "attention.last<" in figure.layout.yaxis.ticktext[0]


def test_of_many_findings_some_are_drawn_and_all_counted():
    many = [finding("dead-units", "warning", k, k + 5) for k in range(MOST + 6)]
    figure = findings_timeline_figure(many, iterations=100, cause=None)
    assert len(traces(figure)["warning"].y) == MOST
    assert any(f"{MOST} of {MOST + 6} findings" in text for text in said(figure))


@pytest.mark.parametrize(("iterations", "text"), [(0, "Nothing has been recorded yet."), (350, "Nothing was found")])
def test_nothing_found_is_said_in_words(iterations, text):
    figure = findings_timeline_figure([], iterations=iterations, cause=None)
    assert not figure.data
    assert text in said(figure)[0]


def test_a_summary_and_the_json_of_a_diagnosis_are_both_taken(collapsed):
    summary = summarise(ReadOnce(collapsed.path))
    whole, plain = findings_timeline(summary, "dark"), findings_timeline(summary["diagnosis"])
    assert "a part stops" in traces(whole)
    assert list(traces(plain)["critical"].base) == list(traces(whole)["critical"].base)
    assert traces(whole)["critical"].marker.color == SEVERITY_COLOURS["dark"]["critical"]
