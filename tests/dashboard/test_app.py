import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import flatline
import pytest
from flatline.dashboard.addresses import RUN_PAGES
from flatline.dashboard.app import create_app, page_at
from flatline.dashboard.captions import CAPTIONS
from flatline.dashboard.judging import Judge
from flatline.dashboard.pages import attribution, classes, compare, diagnosis, localisation, vitals
from flatline.runs.listing import Listing

CONTRACT = {
    "/run/complete/vitals": ["gradient-heatmap", "gradient-lines", "hidden-gradient-heatmap"],
    "/run/complete/classes": ["class-lwlrap", "class-heatmap"],
    "/run/complete/localisation": ["localisation-map", "clip-audio"],
    "/run/complete/attribution": ["attribution-map"],
    "/compare?runs=complete,even%20maps": ["compare-curves"],
}
"""Ids that other programs look for, by address (DESIGN, section 6)."""


def text_of(component):
    """All that a page says, its ids and links included."""
    return json.dumps(component.to_plotly_json(), default=lambda part: part.to_plotly_json(), ensure_ascii=False)


def at(path, logs):
    judge = Judge(logs)
    try:
        path, _, search = path.partition("?")
        return text_of(page_at(path, logs, Listing(logs), judge, search))
    finally:
        judge.close()


def test_the_root_is_the_table_of_runs(logs):
    page = at("/", logs)
    assert "runs-table" in page
    assert "story double.sigmoid" in page


@pytest.mark.parametrize("address", CONTRACT)
def test_every_page_has_the_contracts_ids(logs, address):
    page = at(address, logs)
    assert [f'"id": "{name}"' for name in CONTRACT[address] if f'"id": "{name}"' not in page] == []


def test_the_frame_has_the_one_cursor_of_the_contract(logs):
    assert '"id": "iteration"' in text_of(create_app(logs).layout)


@pytest.mark.parametrize("run", ["complete", "own-loop", "empty", "gaps"])
@pytest.mark.parametrize("page", RUN_PAGES)
def test_every_page_of_every_kind_of_run_is_there(logs, run, page):
    assert "No such page" not in at(f"/run/{run}/{page}", logs)


def test_every_figure_has_a_caption():
    pages = (vitals, classes, localisation, attribution, diagnosis, compare)
    assert {card.graph for page in pages for card in page.CARDS} == set(CAPTIONS)


def test_no_graph_stands_on_two_pages():
    pages = (vitals, classes, localisation, attribution, diagnosis, compare)
    graphs = [card.graph for page in pages for card in page.CARDS]
    assert len(graphs) == len(set(graphs))


def test_a_comparison_of_fewer_than_two_runs_says_what_to_do(logs):
    assert "Nothing to compare yet" in at("/compare", logs)
    assert "Nothing to compare yet" in at("/compare?runs=complete", logs)


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


@pytest.mark.parametrize("name", ["..%2Foutside", "%2E%2E%2Foutside", "..%5Coutside", "ABSOLUTE"])
@pytest.mark.parametrize("page", [*RUN_PAGES, "compare"])
def test_no_callback_leads_out_of_the_logs(simulated, tmp_path, name, page):
    simulated.collapsed(tmp_path / "outside")
    (tmp_path / "logs").mkdir()
    name = quote(str(tmp_path / "outside"), safe="") if name == "ABSOLUTE" else name
    path, search = ("/compare", f"?runs={name}") if page == "compare" else (f"/run/{name}/{page}", "")
    judge = Judge(tmp_path / "logs")
    client = create_app(tmp_path / "logs", judge).server.test_client()
    known = {"url.pathname": path, "url.search": search, "color-scheme.data": "light", "pulse.n_intervals": 0}
    answered = 0
    for callback in client.get("/_dash-dependencies").get_json():
        if callback["clientside_function"]:
            continue
        several = callback["output"].startswith("..")
        outputs = [
            dict(zip(("id", "property"), one.rsplit(".", 1), strict=True))
            for one in callback["output"].strip(".").split("...")
        ]
        filled = {
            kind: [{**one, "value": known.get(f"{one['id']}.{one['property']}")} for one in callback[kind]]
            for kind in ("inputs", "state")
        }
        asked = {"output": callback["output"], "outputs": outputs if several else outputs[0], **filled}
        answer = client.post("/_dash-update-component", json={**asked, "changedPropIds": []})
        answered += answer.status_code == 200
        words = answer.get_data(as_text=True)
        for private in ("convolutions.0", "cgrnn", "0.495", "constant-predictor", "broken-objective"):
            assert private not in words, callback["output"]
    assert answered > 5
    judge.close()
    assert not (tmp_path / "outside" / "summary.json").exists()


@pytest.mark.parametrize("path", ["/elsewhere", "/run/story-attention/nothing", "/run"])
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
from urllib.parse import quote
from flatline.dashboard import figures
from flatline.dashboard.app import create_app, page_at
from flatline.dashboard.judging import Judge
from flatline.runs.listing import Listing, list_runs
from flatline.runs.run import Run
logs = Path({str(logs)!r})
run = Run(logs / "story-attention")
given = dict.fromkeys(("compare_curves", "compare_heatmaps", "compare_classes"), [run])
for name in figures.__all__:
    if not name.endswith("_figure") and name not in ("findings_timeline", "evidence"):
        getattr(figures, name)(given.get(name, run)).to_json()
create_app(logs)
page_at("/run/story-attention/vitals", logs, Listing(logs), Judge(logs))
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
