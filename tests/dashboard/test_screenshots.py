import sys

import pytest
from flatline.dashboard.screenshots import PAGES, main, telling_runs

PNG = b"\x89PNG\r\n"


def test_the_telling_runs_are_the_best_and_the_worst(logs, tmp_path):
    assert telling_runs(logs) == ["story-attention", "story double.sigmoid"]
    assert telling_runs(tmp_path) == []


@pytest.mark.parametrize(
    ("lacking", "expected"), [("browser", "no browser found"), ("playwright", "Playwright is not installed")]
)
def test_without_what_it_needs_it_says_so_and_ends_with_2(logs, tmp_path, monkeypatch, capsys, lacking, expected):
    monkeypatch.setattr("shutil.which", lambda name: None if lacking == "browser" else "/bin/true")
    if lacking == "playwright":
        monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    assert main([str(logs), str(tmp_path / "out")]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.browser
def test_one_command_takes_every_page_light_and_dark(chromium, logs, tmp_path, capsys):
    import subprocess

    command = [
        sys.executable,
        "-m",
        "flatline.dashboard.screenshots",
        str(logs),
        str(tmp_path),
        "--widths",
        "1280",
        "--runs",
        "own-loop",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    names = {path.name for path in tmp_path.glob("*.png") if path.read_bytes().startswith(PNG)}
    pages = ("runs", *(f"{page}-own-loop" for page in PAGES))
    assert names == {f"{page}-{scheme}-1280.png" for page in pages for scheme in ("light", "dark")}
