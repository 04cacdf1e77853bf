import json
import subprocess
import sys
from pathlib import Path

import flatline
import pytest
from flatline.dashboard.app import create_app, page_at
from flatline.runs.listing import Listing


def text_of(component):
    """All that a page says, its ids and links included."""
    return json.dumps(component.to_plotly_json(), default=lambda part: part.to_plotly_json(), ensure_ascii=False)


def at(path, logs):
    return text_of(page_at(path, logs, Listing(logs)))


def test_the_root_is_the_table_of_runs(logs):
    page = at("/", logs)
    assert "runs-table" in page
    assert "story double.sigmoid" in page


def test_a_runs_address_is_its_vitals_with_the_contracts_graphs(logs):
    page = at("/run/story%20double.sigmoid/vitals", logs)
    for graph in ("gradient-heatmap", "gradient-lines", "loss", "lwlrap", "output-health"):
        assert f'"id": "{graph}"' in page


def test_an_unknown_run_lists_the_known_ones_with_links(logs):
    page = at("/run/nobody/vitals", logs)
    assert "There is no run named 'nobody'" in page
    assert "/run/story%20double.sigmoid/vitals" in page
    assert '"href": "/"' in page


@pytest.mark.parametrize(
    "path", ["/run/../logs/vitals", "/run/..%2Foutside/vitals", "/run/%2e%2e/vitals", "/run/..%5Coutside/vitals"]
)
def test_no_path_leads_out_of_the_logs(simulated, tmp_path, path):
    simulated.nearly_nothing(tmp_path / "outside")
    (tmp_path / "logs").mkdir()
    page = at(path, tmp_path / "logs")
    assert "gradient-heatmap" not in page
    assert "There is no run named" in page or "No such page" in page


@pytest.mark.parametrize("path", ["/elsewhere", "/run/story-attention/nothing", "/run/story-attention"])
def test_an_unknown_page_says_so_and_links_home(logs, path):
    page = at(path, logs)
    assert "No such page" in page
    assert '"href": "/"' in page


def test_an_unreadable_run_says_why(logs):
    assert "cannot be read" in at("/run/broken/vitals", logs)


def test_the_server_answers_at_every_address_and_from_this_machine_only(logs):
    client = create_app(logs).server.test_client()
    for path in ("/", "/run/story-attention/vitals", "/_dash-layout", "/_dash-dependencies", "/assets/flatline.css"):
        assert client.get(path).status_code == 200
    page = client.get("/").get_data(as_text=True)
    assert "http://" not in page
    assert "https://" not in page


def test_two_apps_do_not_share_their_logs(logs, tmp_path):
    first, second = create_app(logs), create_app(tmp_path)
    assert str(logs) in text_of(first.layout)
    assert str(tmp_path) in text_of(second.layout)


def test_reading_drawing_and_serving_a_run_never_import_torch(logs):
    program = f"""
import sys
from pathlib import Path
from flatline.dashboard import figures
from flatline.dashboard.app import create_app, page_at
from flatline.runs.listing import Listing, list_runs
from flatline.runs.run import Run
logs = Path({str(logs)!r})
run = Run(logs / "story-attention")
for name in figures.__all__:
    if not name.endswith("_figure"):
        getattr(figures, name)(run).to_json()
create_app(logs)
page_at("/run/story-attention/vitals", logs, Listing(logs))
list_runs(logs)
import flatline.dashboard.screenshots
assert "torch" not in sys.modules, "torch was imported"
assert "playwright" not in sys.modules, "playwright was imported"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_holds_its_assets():
    assets = Path(flatline.__file__).parent / "dashboard" / "assets"
    assert {"flatline.css", "flatline.js", "mark.svg"} <= {path.name for path in assets.iterdir()}
