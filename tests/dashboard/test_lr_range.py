import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from flatline.dashboard import figure_file
from flatline.dashboard.figure_file import check_figure_file, write_figure
from flatline.dashboard.figures import lr_range, lr_range_figure
from flatline.diagnostics.errors import FlatlineError
from flatline.runs.lr_range_curve import range_curve, suggest

RATES = np.geomspace(1e-6, 1, 200)
LOSSES = 0.7 - 0.5 / (1 + np.exp(-(np.log10(RATES) + 3) * 5))


def drawn(losses, theme="light"):
    curve = range_curve(RATES, losses)
    return curve, suggest(curve), lr_range_figure(RATES, np.asarray(losses), curve, suggest(curve), theme=theme)


def test_raw_and_smoothed_losses_stand_on_a_logarithmic_axis():
    curve, _, figure = drawn(LOSSES)
    raw, smoothed = figure.data
    assert figure.layout.xaxis.type == "log"
    np.testing.assert_array_equal(raw.y, LOSSES)
    np.testing.assert_array_equal(smoothed.x, curve.rates)
    np.testing.assert_array_equal(smoothed.y, curve.losses)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_range_is_shaded_and_its_rates_are_named(theme):
    _, found, figure = drawn(LOSSES, theme)
    band = next(shape for shape in figure.layout.shapes if shape.name == "range")
    assert (band.x0, band.x1) == (found.lowest, found.highest)
    texts = [note.text for note in figure.layout.annotations]
    for name in ("lowest", "steepest", "highest"):
        assert f"{name} {getattr(found, name):.2g}" in texts
    places = {note.text.split()[0]: note.x for note in figure.layout.annotations if note.xref == "x"}
    assert places["steepest"] == pytest.approx(math.log10(found.steepest))


def test_without_a_suggestion_nothing_is_shaded_and_the_figure_says_why():
    _, _, figure = drawn([0.7] * 200)
    assert not figure.layout.shapes
    said = " ".join(note.text.replace("<br>", " ") for note in figure.layout.annotations)
    assert "no rate lowers the loss" in said


def test_a_loss_that_explodes_does_not_flatten_the_curve():
    losses = [*LOSSES[:150], *[1e6] * 50]
    curve, _, figure = drawn(losses)
    assert figure.layout.yaxis.range[1] < 2
    assert any(note.text == f"diverged {curve.diverged:.2g}" for note in figure.layout.annotations)


def test_losses_that_are_no_numbers_say_so():
    _, _, figure = drawn([math.nan] * 200)
    assert not figure.data
    assert "no number" in figure.layout.annotations[0].text


def test_a_run_that_is_no_range_test_says_how_to_make_one(collapsed):
    assert "flatline lr-range" in lr_range(collapsed).layout.annotations[0].text.replace("<br>", " ")


def test_a_page_holds_the_figure_and_plotly(tmp_path):
    path = write_figure(drawn(LOSSES)[2], tmp_path / "curve.html")
    text = path.read_text(encoding="utf-8")
    assert "Plotly.newPlot" in text
    assert len(text) > 1_000_000
    assert 'src="http' not in text


@pytest.mark.browser
@pytest.mark.parametrize(("form", "begins"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_a_picture_is_taken_by_the_browser(chromium, tmp_path, form, begins):
    with ThreadPoolExecutor(1) as thread:  # this one has the fixture's browser, and its loop
        path = thread.submit(write_figure, drawn(LOSSES)[2], tmp_path / f"curve.{form}").result()
    content = path.read_bytes()
    assert content.startswith(begins)
    assert len(content) > 3000


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    with pytest.raises(FlatlineError, match=r"curve.pdf ends in none of .html, .png, .svg"):
        check_figure_file(tmp_path / "curve.pdf")
    with pytest.raises(FlatlineError, match=r"the folder .*none of curve.html is not there"):
        check_figure_file(tmp_path / "none" / "curve.html")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(FlatlineError, match="no browser found"):
        check_figure_file(tmp_path / "curve.png")
    check_figure_file(tmp_path / "curve.html")
    assert figure_file.FORMS == (".html", ".png", ".svg")
