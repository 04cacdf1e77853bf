"""A sweep's charts and page, of runs that were written and not trained."""

import math
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flatline.dashboard import sweep_figures
from flatline.dashboard.sweep_report import CAPTIONS, CHARTS, write_sweep_report
from flatline.diagnostics.errors import FlatlineError
from flatline.runs.log import RunLog
from flatline.runs.sweep import Sweep
from flatline.runs.sweep_table import Row, Swept

PER_EPOCH = 5


def written(path, seconds, top, kind="constant"):
    """Two epochs of five iterations, an evaluation after each."""
    info = {
        "recipe": {"batch_size": 4},
        "data": {"counts": {"train": 22}},
        "classes": ["a", "b", "c"],
        "parameters": [],
    }
    with closing(RunLog(path, info)) as log:
        for at in range(2 * PER_EPOCH):
            rate = 1e-3 if kind == "constant" else 1e-3 * (1 + at % 3)
            row = {"iteration": at, "epoch": at // PER_EPOCH, "wall_time": at * seconds, "skipped": False}
            log.append({**row, "loss": 0.5, "learning_rate": rate, "gradient_norm_mean": 0.1 / (at + 1)})
        for at, lwlrap in ((0, 0.06), (PER_EPOCH, top / 2), (2 * PER_EPOCH, top)):
            levels = {"lrap": lwlrap, "loss": 0.5 - lwlrap / 10, "chance": 0.06, "constant": 0.07}
            scores = {f"lwlrap.{name}": lwlrap for name in "abc"}
            log.append_evaluation({"iteration": at, "lwlrap": lwlrap, **levels, **scores})
    return path


def row(path, variant, choice, **more):
    facts = {"name": path.name, "label": f"{variant} {choice}", "variant": variant, "choices": {"s": choice}, "seed": 0}
    given = {"lwlrap": 0.4, "lrap": 0.4, "chance": 0.06, "constant": 0.07, "seconds_per_epoch": 2.5, "iterations": 10}
    return Row(**{**facts, "run": str(path), "status": "finished", "verdict": "healthy", **given, **more})


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    kinds = [("net", "constant"), ("net", "cycle"), ("other", "constant")]
    return [row(written(logs / f"{net}-{kind}", 0.5, 0.4, kind), net, kind) for net, kind in kinds]


def lines(figure):
    return {trace.name: trace for trace in figure.data if trace.showlegend is not False}


def test_scores_stand_by_epoch_between_chance_and_constant_level(rows):
    figure = sweep_figures.lwlrap_by_epoch(rows)
    drawn = lines(figure)
    assert list(drawn) == ["net constant", "net cycle", "other constant"]
    assert list(drawn["net constant"].x) == [0, 1, 2]
    np.testing.assert_allclose(drawn["net constant"].y, [0.06, 0.2, 0.4], rtol=1e-6)
    levels = {trace.name: trace.y[0] for trace in figure.data if trace.showlegend is False}
    assert levels == {"chance 0.060": pytest.approx(0.06), "constant level 0.070": pytest.approx(0.07)}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_variant_has_one_colour_and_a_schedule_one_dash(rows, theme):
    drawn = lines(sweep_figures.lwlrap_by_epoch(rows, theme))
    constant, cycle, other = (drawn[row.label].line for row in rows)
    assert constant.color == cycle.color != other.color
    assert constant.dash == other.dash != cycle.dash


def test_the_rate_the_gradient_and_the_loss_are_those_that_were_recorded(rows):
    rates = lines(sweep_figures.rate_by_epoch(rows))["net cycle"]
    np.testing.assert_allclose(rates.y, [1e-3 * (1 + at % 3) for at in range(10)], rtol=1e-6)
    np.testing.assert_allclose(rates.x, np.arange(10) / PER_EPOCH)
    gradients = sweep_figures.gradient_by_epoch(rows)
    assert gradients.layout.yaxis.type == "log"
    assert lines(gradients)["net cycle"].y[-1] == pytest.approx(0.01)
    assert lines(sweep_figures.loss_by_epoch(rows))["net cycle"].y[-1] == pytest.approx(0.46)


def test_seeds_of_one_label_share_an_entry_of_the_legend(rows):
    figure = sweep_figures.lwlrap_by_epoch([rows[0], replace(rows[0], seed=1)])
    assert [trace.showlegend for trace in figure.data if trace.name == "net constant"] == [True, False]


def test_seconds_an_epoch_are_bars_and_a_run_without_them_has_none(rows):
    (bars,) = sweep_figures.seconds_by_run([*rows, replace(rows[0], label="no clock", seconds_per_epoch=math.nan)]).data
    assert list(bars.y) == [row.label for row in rows]
    assert list(bars.x) == [2.5] * 3


def test_a_sweep_of_which_nothing_was_recorded_says_so(rows):
    nothing = [replace(rows[0], iterations=0, seconds_per_epoch=math.nan)]
    for _, draw in CHARTS:
        figure = draw(nothing)
        assert not figure.data
        assert "No run" in figure.layout.annotations[0].text


def swept(rows, **more):
    facts = {"data": Path("clips"), "logs": Path("logs"), "range_tests": [], "seconds": 1.0}
    return Swept(Sweep("mine", "What <this> is."), rows=rows, **{**facts, **more})


def test_the_page_is_one_file_with_the_table_the_charts_and_their_captions(rows, tmp_path):
    path = write_sweep_report(swept(rows), tmp_path / "report")
    page = path.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="https?://', page)
    assert "What &lt;this&gt; is." in page
    for key, _ in CHARTS:
        assert f'id="{key}"' in page
        assert CAPTIONS[key][:40] in page
    assert page.count("net constant") >= 2
    assert "1, 1/2, 1/3" in page
    assert {file.name for file in (tmp_path / "report").iterdir()} == {"index.html", "runs.csv", "table.md"}


def test_a_run_that_failed_is_told_at_the_top_and_only_the_first_of_a_variant_shows_its_classes(rows, tmp_path):
    broken = replace(rows[2], failed="no such data", iterations=0, lwlrap=math.nan)
    page = write_sweep_report(swept([*rows[:2], broken]), tmp_path).read_text(encoding="utf-8")
    assert "other-constant failed: no such data" in page
    assert page.count("<h4>") == 1


def test_a_folder_that_cannot_be_written_is_one_message(rows, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FlatlineError, match=r"file cannot be written .*-o\); name another"):
        write_sweep_report(swept(rows), tmp_path / "file")
