import shutil

import pytest
from flatline.dashboard.figures.theme import DARK, LIGHT
from flatline.dashboard.pages.vitals import CARDS

pytestmark = pytest.mark.browser

GRAPHS = tuple(card.graph for card in CARDS)

DRAWN = """id => {
    const graph = document.querySelector(`#${id} .js-plotly-plot`) || document.getElementById(id);
    return Boolean(graph && graph._fullLayout && graph._fullLayout.title.text);
}"""

LAST = """() => {
    const graph = document.querySelector('#gradient-heatmap .js-plotly-plot');
    return graph.calcdata ? Math.max(...graph._fullData[0].x) : -1;
}"""

RANGE = "() => document.querySelector('#gradient-heatmap .js-plotly-plot')._fullLayout.xaxis.range.map(Number)"


def wait_for_figures(page, graphs=GRAPHS):
    for graph in graphs:
        page.wait_for_function(DRAWN, arg=graph, timeout=15_000)


@pytest.mark.parametrize(
    "run", ["story-attention", "story%20double.sigmoid", "gaps", "own-loop", "empty", "interrupted"]
)
def test_the_vitals_of_every_kind_of_run_load_without_an_error(open_page, logs, run):
    page = open_page(logs, f"/run/{run}/vitals")
    page.wait_for_selector("#run-state")
    page.wait_for_selector(".main-svg")
    page.wait_for_load_state("networkidle")
    assert page.locator(".js-plotly-plot").count() == len(GRAPHS)


def test_a_recorded_run_draws_all_its_figures_and_a_collapse_is_said(open_page, logs):
    page = open_page(logs, "/run/story%20double.sigmoid/vitals")
    wait_for_figures(page)
    assert "At the constant level" in page.locator("#constant-level").inner_text()
    assert page.locator("#gradient-heatmap .hm image, #gradient-heatmap .heatmaplayer image").count() == 1
    assert page.locator("#gradient-lines .scatterlayer .trace").count() == 6


def test_a_click_on_a_name_opens_the_runs_vitals(open_page, logs):
    page = open_page(logs)
    page.get_by_role("link", name="story double.sigmoid").click()
    page.wait_for_url("**/run/story%20double.sigmoid/vitals")
    wait_for_figures(page)
    assert page.locator("h2").inner_text() == "story double.sigmoid"
    page.go_back()
    page.wait_for_selector("#runs-table .ag-row")


def test_the_table_shows_every_run_and_filters_and_sorts(open_page, logs):
    page = open_page(logs)
    page.wait_for_selector(".ag-row")
    names = page.locator(".ag-cell.run-name")
    assert names.count() == 9
    page.locator(".ag-header-cell[col-id=lwlrap] .ag-header-cell-label").click()
    page.locator(".ag-header-cell[col-id=lwlrap] .ag-header-cell-label").click()
    page.wait_for_function(
        "document.querySelector('.ag-row[row-index=\"0\"] .run-name').innerText === 'story-attention'"
    )
    page.locator(".ag-floating-filter input").first.fill("sigmoid")
    page.wait_for_function("document.querySelectorAll('.ag-cell.run-name').length === 1")


def test_the_table_grows_by_itself(open_page, simulated, tmp_path):
    page = open_page(tmp_path)
    page.get_by_text("No runs yet").wait_for()
    assert "flatline demo" in page.locator("#runs-empty").inner_text()
    simulated.nearly_nothing(tmp_path / "first")
    page.locator(".ag-cell.run-name", has_text="first").wait_for(timeout=10_000)
    assert not page.locator("#runs-empty").is_visible()


def test_an_unknown_run_lists_the_known_ones(open_page, logs):
    page = open_page(logs, "/run/nobody/vitals")
    page.get_by_text("Unknown run").wait_for()
    page.get_by_role("link", name="story-attention", exact=True).click()
    wait_for_figures(page)


def test_an_unreadable_run_and_an_unknown_page_are_said(open_page, logs):
    open_page(logs, "/run/broken/vitals").get_by_text("broken cannot be read").wait_for()
    open_page(logs, "/nowhere").get_by_text("No such page").wait_for()


def test_a_running_log_grows_without_a_reload_and_the_zoom_survives(open_page, simulated, live):
    logs, log = live
    page = open_page(logs, "/run/live%20one/vitals")
    wait_for_figures(page)
    assert page.evaluate(LAST) == 119
    page.evaluate("window.untouched = true")
    zoom(page, "#gradient-heatmap")
    page.wait_for_function(f"({RANGE})()[0] % 1 === 0.5")  # drawn anew, from one whole iteration to another
    zoomed = page.evaluate(RANGE)
    assert zoomed[1] - zoomed[0] < 70
    simulated.write(log, 120, 220)
    page.wait_for_function("document.querySelector('#iteration [role=slider]').ariaValueMax === '219'")
    page.wait_for_function("document.querySelector('#vitals-header').innerText.includes('220')")
    assert page.evaluate(RANGE) == zoomed
    assert page.evaluate("window.untouched")
    page.mouse.dblclick(*middle(page, "#gradient-heatmap"))
    page.wait_for_function(f"({RANGE})()[1] === 219.5")
    simulated.write(log, 220, 240)
    page.wait_for_function(f"({RANGE})()[1] === 239.5", timeout=15_000)


def middle(page, graph):
    box = page.locator(f"{graph} .nsewdrag").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def zoom(page, graph):
    """Drag over the middle half of a figure, as a reader does."""
    box = page.locator(f"{graph} .nsewdrag").first.bounding_box()
    y = box["y"] + 20
    page.mouse.move(box["x"] + box["width"] * 0.25, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, y + 1, steps=8)
    page.mouse.up()
    page.wait_for_function(f"({RANGE})()[1] - ({RANGE})()[0] < 70")


def test_a_run_that_ended_is_asked_no_more(open_page, live):
    logs, log = live
    page = open_page(logs, "/run/live%20one/vitals")
    wait_for_figures(page)
    assert page.locator("#run-state").inner_text() == "running"
    log.close()
    page.wait_for_function("document.querySelector('#run-state').innerText === 'finished'", timeout=10_000)
    page.wait_for_timeout(6_000)  # the last verdict comes, and with it the figures' marks
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda sent: asked.append(sent.post_data or ""))
    page.wait_for_timeout(5_000)
    assert all("pulse.n_intervals" in body for body in asked)
    assert len(asked) <= 1


def test_nothing_is_drawn_again_while_nothing_is_recorded(open_page, live):
    logs, _ = live
    page = open_page(logs, "/run/live%20one/vitals")
    wait_for_figures(page)
    page.wait_for_function("document.querySelector('#run-verdict')?.innerText.includes('judged') === false")
    page.wait_for_timeout(2_500)  # the marks of what was found are drawn
    page.wait_for_load_state("networkidle")
    asked = []
    page.on("request", lambda sent: asked.append(sent.post_data or ""))
    page.wait_for_timeout(5_000)
    assert asked
    assert all("pulse.n_intervals" in body for body in asked)


def test_dark_and_light_are_switched_and_kept(open_page, logs):
    page = open_page(logs, "/run/story-attention/vitals", color_scheme="dark")
    background = "document.querySelector('#gradient-lines .js-plotly-plot')?._fullLayout?.paper_bgcolor"
    page.wait_for_function(f"{background} === '{DARK.paper}'")
    page.locator("#color-scheme-switch").click()
    page.wait_for_function(f"{background} === '{LIGHT.paper}'")
    page.reload()
    page.wait_for_function(f"{background} === '{LIGHT.paper}'")
    page.goto(page.url.split("/run/")[0])
    page.wait_for_selector(".ag-row")
    assert page.evaluate("document.body.getAttribute('data-ag-theme-mode')") == "light"


@pytest.mark.parametrize("width", [420, 1280, 1920, 2560])
@pytest.mark.parametrize("path", ["/", "/run/story-attention/vitals"])
def test_no_page_is_wider_than_its_window(open_page, logs, width, path):
    page = open_page(logs, path, viewport={"width": width, "height": 900})
    page.wait_for_selector(".ag-row, .main-svg")
    page.wait_for_load_state("networkidle") if path != "/" else page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("field", ["status", "head", "loss_kind", "started", "iterations"])
def test_no_short_cell_of_the_table_is_cut_at_1280_pixels(open_page, logs, field):
    page = open_page(logs)
    page.wait_for_selector(".ag-row")
    cut = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.innerText)"
    assert page.locator(f".ag-cell[col-id={field}]").evaluate_all(cut) == []


def test_on_a_narrow_window_figures_keep_the_width_that_their_labels_need(open_page, logs):
    page = open_page(logs, "/run/story-attention/vitals", viewport={"width": 420, "height": 900})
    wait_for_figures(page)
    widths = page.locator(".js-plotly-plot .main-svg:first-child").evaluate_all(
        "all => all.map(one => one.clientWidth)"
    )
    assert min(widths) >= 560


def test_a_log_with_lost_files_says_so(open_page, simulated, tmp_path):
    simulated.healthy(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "iterations")
    page = open_page(tmp_path, "/run/run/vitals")
    page.locator("#damaged").wait_for()
    assert "evaluated at iteration 349, but iterations 0 to 348 are not there" in page.locator("#damaged").inner_text()
