import logging
import math
import shutil

import pytest
from dash import no_update
from dash.exceptions import PreventUpdate
from flatline.dashboard.captions import CAPTIONS
from flatline.dashboard.pages.vitals import FIGURES, drawn, news, run_at, safe_header
from flatline.runs.listing import recorded_mark
from flatline.runs.log import RunLog


def said(path):
    """The words of the header, without those of the markup."""
    return repr(safe_header(path))


def test_every_figure_has_a_caption():
    assert list(CAPTIONS) == list(FIGURES)


@pytest.mark.parametrize("graph", FIGURES)
@pytest.mark.parametrize("run", ["story-attention", "story double.sigmoid", "gaps", "own-loop", "empty", "interrupted"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_of_every_kind_of_run_can_be_sent(logs, graph, run, scheme):
    assert drawn(graph, logs / run, scheme).to_json()


@pytest.mark.parametrize("graph", FIGURES)
def test_a_run_that_is_gone_or_broken_is_a_message_and_no_exception(logs, tmp_path, graph):
    for path in (logs / "broken", tmp_path / "gone"):
        figure = drawn(graph, path, "light")
        assert not figure.data
        assert figure.layout.annotations[0].text


def test_a_corrupt_segment_is_a_message_and_no_exception(simulated, tmp_path):
    simulated.healthy(tmp_path / "run")
    for file in (tmp_path / "run" / "iterations").glob("*.parquet"):
        file.write_bytes(b"not parquet")
    assert not drawn("gradient-heatmap", tmp_path / "run", "light").data
    assert drawn("lwlrap", tmp_path / "run", "light").data
    assert "cannot be read" in said(tmp_path / "run")


def test_news_come_once_and_end_with_the_run(simulated, live):
    _, log = live
    path = log.path
    first, ended = news(path, None)
    assert (first, ended) == (recorded_mark(path), False)
    assert news(path, first) == (no_update, False)
    simulated.write(log, 120, 180)
    second, ended = news(path, first)
    assert second not in (first, no_update)
    assert not ended
    log.close()
    third, ended = news(path, second)
    assert third != second
    assert ended


def test_asking_for_news_ends_where_the_run_was_deleted(simulated, tmp_path):
    simulated.nearly_nothing(tmp_path / "run")
    mark, _ = news(tmp_path / "run", None)
    shutil.rmtree(tmp_path / "run")
    changed, ended = news(tmp_path / "run", mark)
    assert changed != no_update
    assert ended


def test_the_address_names_the_run_and_another_page_names_none(logs):
    assert run_at(logs, "/run/story%20double.sigmoid/vitals") == logs / "story double.sigmoid"
    with pytest.raises(PreventUpdate):
        run_at(logs, "/")


def test_the_header_of_a_collapsed_run_says_so_in_words(logs):
    header = said(logs / "story double.sigmoid")
    for expected in ("At the constant level", "0.495", "0.490", "0.400", "cgrnn", "bce-with-logits", "finished", "350"):
        assert expected in header
    assert "At the constant level" not in said(logs / "story-attention")


def test_the_header_says_how_a_run_stopped(logs):
    assert "was interrupted after 170 iterations of 350" in said(logs / "interrupted")
    assert "failed after 300 iterations" in said(logs / "gaps")
    assert "stopped" not in said(logs / "story-attention")


def test_the_header_of_an_empty_run_says_that_nothing_came(simulated, logs, tmp_path):
    assert "Nothing recorded yet" in said(logs / "empty")
    assert "look for the error" in said(logs / "empty")


def test_what_was_not_recorded_is_a_dash_in_the_header(logs):
    header = said(logs / "own-loop")
    assert "not evaluated yet" in header
    assert "not recorded" in header
    assert "nan" not in header.lower()


NAN = float("nan")


def diverging(simulated, path, value=NAN, evaluated=None):
    """A run of ten iterations whose loss and gradients are `value` from iteration 5, as its second evaluation is."""
    log = RunLog(path, simulated.info(10))
    score = {"chance": 0.4, "constant": 0.49, "loss": 0.1}
    for iteration in range(10):
        bad = iteration >= 5
        measured = value if bad else 0.1
        log.append({"iteration": iteration, "loss": measured, "gradient_norm_total": measured, "learning_rate": 1e-3})
        if iteration == 4:
            log.append_evaluation({"iteration": 4, "lwlrap": 0.9, **score})
    log.append_evaluation({"iteration": 10, "lwlrap": NAN, **score, **(evaluated or {})})
    log.close()
    return path


def test_a_run_that_diverged_does_not_look_healthy(simulated, tmp_path):
    header = said(diverging(simulated, tmp_path / "run"))
    assert header.count("not finite since iteration 5") == 2
    assert "not finite since iteration 10" in header
    assert header.count("'NaN'") == 3
    for stale in ("0.900", "0.100", "100.00%", "flatline-good", "of the last batch", "of its peak"):
        assert stale not in header
    assert "the loss since iteration 5, the gradient since iteration 5, the lwlrap since iteration 10" in header
    assert "id='not-finite'" in header


def test_infinity_is_shown_as_it_is(simulated, tmp_path):
    header = said(diverging(simulated, tmp_path / "run", math.inf, {"lwlrap": 0.9}))
    assert header.count("'inf'") == 2
    assert "0.900" in header
    assert "the lwlrap since" not in header


def test_a_run_with_gaps_that_recovered_has_not_diverged(logs):
    for run in ("gaps", "own-loop", "empty", "story-attention"):
        assert "not-finite" not in said(logs / run)


def test_a_fault_is_logged_with_its_traceback(logs, caplog, monkeypatch):
    monkeypatch.setitem(FIGURES, "loss", lambda run, scheme: {}["no such"])
    with caplog.at_level(logging.ERROR):
        assert drawn("loss", logs / "story-attention", "light").layout.annotations[0].text == "'no such'"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "loss cannot be shown" in caplog.text
    assert "Traceback" in caplog.text
