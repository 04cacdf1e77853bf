import math

import pytest
from flatline.dashboard.newest import ROWS
from flatline.dashboard.pages.vitals import safe_header
from flatline.runs.log import RunLog


def said(path):
    """The words of the header, without those of the markup."""
    return repr(safe_header(path))


def test_the_header_of_a_collapsed_run_says_so_in_words(logs):
    header = said(logs / "story double.sigmoid")
    for expected in ("At the constant level", "0.495", "0.490", "0.400", "350"):
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


@pytest.mark.parametrize("bad", [5, ROWS, 2 * ROWS])
def test_a_long_run_that_has_not_been_finite_for_long_says_since_when(tmp_path, bad):
    log = RunLog(tmp_path / "run", {"parameters": [], "classes": []})
    for iteration in range(5 * ROWS):
        log.append({"iteration": iteration, "loss": 0.1 if iteration < bad else NAN, "gradient_norm_total": 1.0})
    log.close()
    assert f"not finite since iteration {bad:,}" in said(tmp_path / "run")


def test_a_corrupt_segment_is_said(simulated, tmp_path):
    simulated.healthy(tmp_path / "run")
    for file in (tmp_path / "run" / "iterations").glob("*.parquet"):
        file.write_bytes(b"not parquet")
    assert "cannot be read" in said(tmp_path / "run")
