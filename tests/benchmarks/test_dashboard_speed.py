"""That the dashboard's benchmark waits for what it says it does; how long that takes, it does not ask."""

import asyncio
import importlib
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from flatline.dashboard.browser import browser
from flatline.diagnostics.errors import FlatlineError
from flatline.runs.kept_clips import kept_clips
from flatline.runs.run import Run
from flatline.runs.summary import stored_summary

HERE = Path(__file__).parent
NAMES = (
    *("timing", "run_log_rows", "run_log_forms", "diagnose_speed", "dashboard_logs", "dashboard_browser"),
    *("dashboard_server", "dashboard_tensorboard", "dashboard_speed"),
)


@pytest.fixture(scope="module")
def scripts():
    """The scripts by their bare names, which other tests do not find."""
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    sys.path.insert(0, str(HERE))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(HERE))
        for name in NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@pytest.fixture(scope="module")
def chromium():
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        pytest.skip("Playwright can be started once at a time, and another test holds it: run this file by itself")
    try:
        with browser() as found:
            yield found
    except FlatlineError as error:
        if os.environ.get("FLATLINE_REQUIRE_BROWSER") == "1":
            pytest.fail(f"FLATLINE_REQUIRE_BROWSER=1, but {error}")
        pytest.skip(f"no browser: {error}")


@pytest.fixture(scope="module")
def logs(scripts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    scripts.dashboard_logs.judged_runs(folder, 5)
    scripts.dashboard_logs.shown_log(folder / "9000", 9000)
    return folder


@pytest.fixture(scope="module")
def server(scripts, logs):
    with scripts.dashboard_server.served(logs) as server:
        yield server


def test_the_long_run_has_what_the_pages_draw(logs):
    run = Run(logs / "9000")
    assert (len(run), len(run.parameters), len(run.classes)) == (9000, 60, 80)
    assert {"gradient_norm", "update_ratio", "running_lwlrap", "hidden_gradient.gru", "rho"} <= set(run.columns)
    assert run.evaluation_lwlrap.shape == run.evaluation_top.shape == (10, 80)
    assert kept_clips(run) == ["pinned.wav"]
    assert run.attention(9000, clip="pinned.wav").shape == (252, 80)


def test_every_run_is_judged_before_anything_is_measured(logs):
    assert all(stored_summary(path) is not None for path in logs.iterdir())


@pytest.mark.browser
def test_a_tour_waits_for_all_that_the_benchmarks_name(scripts, server, chromium):
    with scripts.dashboard_browser.visit(chromium) as visited:
        waited = scripts.dashboard_browser.tour(visited, server.address, "9000")
    assert set(waited) == set(scripts.dashboard_speed.TARGETS_MS)
    assert all(0 < milliseconds < 60_000 for milliseconds in waited.values())
    assert waited["first contentful paint"] < waited["first figure"]
    assert waited["zoom, the old picture larger"] <= waited["zoom"]


@pytest.mark.browser
def test_a_figure_is_asked_for_once_a_page(scripts, server, chromium):
    with scripts.dashboard_browser.visit(chromium) as visited:
        visited.open(f"{server.address}run/9000/vitals")
        visited.since_start("drawn", "gradient-heatmap")
        visited.rest()
        figures = [asked for asked in visited.asked if asked.endswith("-drawing.data")]
    assert "gradient-heatmap-drawing.data" in figures
    assert len(figures) == len(set(figures)) == 7


@pytest.mark.browser
def test_what_never_comes_is_not_taken_for_there(scripts, server, chromium, monkeypatch):
    monkeypatch.setattr(scripts.dashboard_browser, "PATIENCE_MS", 2500)
    with scripts.dashboard_browser.visit(chromium) as visited:
        visited.open(f"{server.address}run/9000/diagnosis")
        with pytest.raises(Exception, match="Timeout"):
            visited.since_start("drawn", "gradient-heatmap")
        visited.open(f"{server.address}run/9000/vitals")
        visited.since_start("drawn", "gradient-heatmap")
        visited.rest()
        for kind in ("drawn", "moved", "stretched", "finer", "retitled"):
            visited.watch(kind, "gradient-heatmap")
        visited.page.wait_for_timeout(500)
        assert list(visited.page.evaluate("bench.at")) == ["drawn"]


@pytest.mark.browser
def test_the_list_is_there_when_its_rows_are(scripts, server, chromium):
    assert 0 < scripts.dashboard_speed._list(chromium, server) < 60_000


def test_memory_is_the_servers_own_and_its_childrens_apart(scripts, server):
    assert 100 < server.peak_mb() < 1000
    assert scripts.dashboard_server.peak_kb(os.getpid()) > 0
    assert scripts.dashboard_server.peak_kb(2**22 + 1) == 0
    assert server.pid in scripts.dashboard_server.children_of(os.getpid())


def test_the_memory_of_a_process_that_the_server_started_is_seen_while_it_lives(scripts):
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(2)'])"
    process = scripts.dashboard_server.subprocess.Popen([sys.executable, "-c", code])
    parent = scripts.dashboard_server.Served("", process.pid)
    scripts.dashboard_server._watch(process, parent)
    assert len(parent.children) == 1
    assert 1 < parent.children_mb() < 100


def test_outcomes_have_the_issues_targets_and_their_units(scripts):
    speed = scripts.dashboard_speed
    targets = {one.name.removeprefix("dashboard: "): one.target for one in speed.GROUPS[0].benchmarks}
    assert [targets[name] for name in ("first contentful paint", "first figure", "zoom")] == [1000, 2000, 300]
    assert {target for name, target in targets.items() if name.startswith("page switch")} == {500, 1.5}
    assert targets["runs page, cold server"] == 2000
    assert targets["server memory"] == 400
    found = {name: [3.0, 1.0, 2.0] for name in targets}
    outcomes = {name: speed._outcome(name, found) for name in targets}
    assert {name: outcomes[name].unit for name in ("zoom", speed.longer("zoom"), "server memory")} == {
        "zoom": "ms",
        speed.longer("zoom"): "x",
        "server memory": "MB",
    }
    assert (outcomes["zoom"].figure, outcomes["zoom"].lowest, outcomes["zoom"].highest) == (2, 1, 3)


def test_a_machine_without_a_browser_is_told_and_not_failed(scripts, monkeypatch):
    def absent():
        raise FlatlineError("no browser found")

    speed = scripts.dashboard_speed
    monkeypatch.setattr(speed, "browser", absent)
    for group in speed.GROUPS:
        outcomes = group.measure(group.benchmarks, 1)
        assert [str(outcome) for outcome in outcomes] == ["no browser found"] * len(group.benchmarks)


@pytest.mark.browser
def test_tensorboard_is_waited_for_until_it_has_read_everything(scripts, chromium, tmp_path):
    pytest.importorskip("tensorboard")
    started = time.monotonic()
    assert scripts.dashboard_tensorboard.write_events(tmp_path, 300) == 84
    with scripts.dashboard_tensorboard.tensorboard(tmp_path, 299) as address:
        waited = scripts.dashboard_speed._peer(chromium, address)
    assert 0 < waited["first contentful paint"] <= waited["first chart"] < 1000 * (time.monotonic() - started)
