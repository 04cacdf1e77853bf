"""docs/figures.md: every public figure stands there, with a picture that exists, and its calls run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from flatline import figures
from flatline.dashboard import figure_pictures
from flatline.dashboard.figure_table import PICTURES, names, with_table
from flatline.runs.diagnosing import diagnose
from flatline.runs.run import Run
from flatline.runs.summary import summarise

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE = (DOCS / "figures.md").read_text(encoding="utf-8")
PUBLIC = [name for name in figures.__all__ if not name.endswith("_figure")]

PNG = b"\x89PNG\r\n"
MOST_BYTES = 110_000


def test_the_list_of_figures_is_the_one_that_the_code_makes():
    assert with_table(PAGE) == PAGE, "run: python -m flatline.dashboard.figure_table docs/figures.md"


def test_every_public_figure_stands_in_the_list_once_and_has_one_of_tables():
    assert sorted(names()) == sorted(PUBLIC)
    for name in PUBLIC:
        assert PAGE.count(f"### {name}\n") == 1
        assert f"{name}_figure" in figures.__all__
        assert f"`{name}_figure(" in PAGE


@pytest.mark.parametrize("name", PUBLIC)
def test_every_figure_has_a_picture_that_is_not_large(name):
    picture = DOCS / PICTURES / f"{name}.png"
    assert f"![{name}]({PICTURES}/{name}.png)" in PAGE
    assert picture.read_bytes().startswith(PNG)
    assert 4_000 < picture.stat().st_size < MOST_BYTES


def test_no_picture_is_left_of_a_figure_that_is_gone():
    assert {path.stem for path in (DOCS / PICTURES).iterdir()} == set(PUBLIC)


@pytest.mark.parametrize("call", re.findall(r"flatline\.figures\.\w+\(.*\)", PAGE))
def test_the_calls_of_the_page_draw_a_run(logs, call):
    import flatline

    run, other = Run(logs / "story double.sigmoid"), Run(logs / "story-attention")
    summary = summarise(run)
    finding = summary["diagnosis"]["findings"][0]
    figure = eval(call, {"flatline": flatline, "run": run, "other": other, "summary": summary, "finding": finding})
    assert figure.layout.title.text


def test_the_marks_of_the_page_are_those_of_a_diagnosis(collapsed):
    from flatline.dashboard.figures.marks import marks_of

    marks = marks_of(diagnose(collapsed).findings)
    figure = figures.gradient_heatmap(collapsed, marks=marks)
    assert any(shape.name == f"onset {marks[0].kind}" for shape in figure.layout.shapes)


def test_each_picture_is_of_the_figure_of_its_name(collapsed, logs):
    learning = Run(logs / "story-attention")
    drawn = figure_pictures.figures_of(collapsed, learning)
    assert list(drawn) == names()
    assert drawn["lwlrap"].data[0].y[-1] == pytest.approx(learning.evaluations.lwlrap.iloc[-1])
    assert drawn["loss"].data[0].y[-1] == pytest.approx(collapsed.series("loss").iloc[-1])


def test_without_a_browser_it_says_so_and_ends_with_2(logs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda name: None)
    runs = [str(logs / "story double.sigmoid"), str(logs / "story-attention")]
    assert figure_pictures.main([*runs, str(tmp_path / "out")]) == 2
    assert "no browser found" in capsys.readouterr().err
    assert figure_pictures.main([str(tmp_path / "none"), runs[1], str(tmp_path / "out")]) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.browser
def test_one_command_takes_a_picture_of_every_figure(chromium, logs, tmp_path):
    command = [sys.executable, "-m", "flatline.dashboard.figure_pictures"]
    runs = [str(logs / "story double.sigmoid"), str(logs / "complete")]
    done = subprocess.run([*command, *runs, str(tmp_path)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    found = {path.stem for path in tmp_path.glob("*.png") if path.read_bytes().startswith(PNG)}
    assert found == set(PUBLIC)
