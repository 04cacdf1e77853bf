import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from flatline.dashboard.attributing import Desk
from flatline.dashboard.browser import browser
from flatline.dashboard.serving import in_thread
from flatline.diagnostics.errors import FlatlineError
from flatline.runs.run import Run

NO_BROWSER = "no browser"


def beside(name):
    """A module beside this file; importlib mode puts no test folder on sys.path."""
    spec = importlib.util.spec_from_file_location(f"{name}_runs", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def simulated():
    """Seeded run logs in the shapes that training leaves behind."""
    return beside("simulated")


@pytest.fixture(scope="session")
def attributed():
    """Attributions written straight into a run."""
    return beside("attributed")


@pytest.fixture(scope="session")
def heard():
    """Runs whose attributions can be computed."""
    return beside("heard")


@pytest.fixture(scope="session")
def trained_logs(heard, tmp_path_factory, request):
    """Two trained runs on real audio, spoken where it is there; nobody writes there."""
    folder = tmp_path_factory.mktemp("trained")
    spoken = heard.SPOKEN if heard.SPOKEN.is_dir() else None
    root = heard.few(spoken, folder / "data") if spoken else request.getfixturevalue("tiny_data")
    heard.make(folder / "logs", root)
    return folder / "logs"


@pytest.fixture
def trained(trained_logs, tmp_path):
    """A copy of them to write into."""
    return shutil.copytree(trained_logs, tmp_path / "logs")


@pytest.fixture(scope="session")
def logs(simulated, tmp_path_factory):
    """One run of every kind; nobody writes there."""
    folder = tmp_path_factory.mktemp("logs")
    simulated.every_kind(folder)
    return folder


@pytest.fixture
def healthy(logs):
    return Run(logs / "story-attention")


@pytest.fixture
def collapsed(logs):
    return Run(logs / "story double.sigmoid")


@pytest.fixture
def live(simulated, tmp_path):
    """An open log under a folder of its own: (folder, log)."""
    log = simulated.running(tmp_path / "live one")
    yield tmp_path, log
    log.close()


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium; without one the test is skipped, or fails where FLATLINE_REQUIRE_BROWSER is 1."""
    try:
        with browser() as found:
            yield found
    except FlatlineError as error:
        if os.environ.get("FLATLINE_REQUIRE_BROWSER") == "1":
            pytest.fail(f"FLATLINE_REQUIRE_BROWSER=1, but {error}")
        pytest.skip(f"{NO_BROWSER}: {error}")


@pytest.fixture(scope="session")
def desk():
    """One for all tests: its process loads torch once."""
    found = Desk()
    yield found
    found.close()


@pytest.fixture
def open_page(chromium, desk):
    """Opens a page on a server of its own: open_page(logs, path, ...) -> page.

    Afterwards no page may have logged an error or asked another machine for anything.
    """
    from flatline.dashboard.app import create_app

    pages, troubles, servers = [], [], []

    def opened(logs, path="/", **context):
        server = in_thread(create_app(logs, desk=desk).server)
        base = server.__enter__()
        servers.append(server)
        page = chromium.new_page(**{"viewport": {"width": 1280, "height": 900}, **context})
        pages.append(page)
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda sent: None if sent.url.startswith((base, "data:", "blob:")) else troubles.append(sent.url)
        )
        page.goto(base + path)
        return page

    yield opened
    for page in pages:
        page.close()
    for server in servers:
        server.__exit__(None, None, None)
    assert troubles == []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Outside of the terminal's own report, so that this is the last line."""
    result = yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [] if terminal is None else terminal.stats.get("skipped", [])
    # A module that was skipped whole has a report without keywords.
    marked = [report for report in skipped if "browser" in getattr(report, "keywords", ())]
    count = sum(NO_BROWSER in str(report.longrepr) for report in marked)
    if count:
        terminal.write_line(f"{count} browser tests skipped: no Chromium or Playwright here", yellow=True)
    return result
