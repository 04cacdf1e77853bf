"""`flatline report` on the command line: the file it writes, what it prints, and what is wrong with its arguments."""

import pytest
from flatline.cli import main
from flatline.runs.log import RunLog


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Two short runs under ./logs."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        log = RunLog(tmp_path / "logs" / name, {"classes": ["a"], "parameters": ["w"], "recipe": {"name": name}})
        for iteration in range(60):
            row = {"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": 0.5, "gradient_norm": [1.0]}
            log.append(row)
        log.close()
    return tmp_path / "logs"


def test_it_writes_the_page_and_prints_where(logs, tmp_path, capsys):
    assert main(["report", "one", "two", "-o", "page.html"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert 'id="comparison"' in page
    assert "Flatline report: 2 runs" in page


def test_without_an_output_it_is_report_html_here(logs, tmp_path):
    assert main(["report", str(logs / "one")]) == 0
    assert "Flatline report: one" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["one", "-o", "none/page.html"], "the folder none of page.html is not there"),
        (["one", "-o", "logs"], "logs is a folder"),
        (["three"], "three"),
        (["one", "one"], "is given twice"),
    ],
)
def test_a_mistake_is_one_message_and_2(logs, tmp_path, capsys, arguments, expected):
    assert main(["report", *arguments]) == 2
    said = capsys.readouterr()
    assert expected in said.err
    assert said.out == ""
    assert "Traceback" not in said.err
    assert not list(tmp_path.glob("*.html"))
