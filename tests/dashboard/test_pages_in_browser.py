"""What a reader does, on every page, in a real browser."""

import csv
import shutil
import urllib.request

import flatline
import numpy as np
import pytest
from flatline.runs.kept_clips import kept_clip
from flatline.runs.run import Run

pytestmark = pytest.mark.browser

PAGES = {
    "vitals": ("gradient-heatmap", "gradient-lines", "loss", "lwlrap", "hidden-gradient-heatmap", "update-ratios"),
    "classes": ("class-lwlrap", "class-heatmap", "class-shares"),
    "localisation": ("localisation-map", "clip-scores", "map-growth"),
}

TITLE = "id => document.querySelector(`#${id} .js-plotly-plot`)?._fullLayout?.title?.text || ''"

DATA = "id => (document.querySelector(`#${id} .js-plotly-plot`)?.data || []).length"

RANGE = "id => document.querySelector(`#${id} .js-plotly-plot`)?._fullLayout?.xaxis?.range?.map(Number)"


def wait_for(page, *graphs):
    for graph in graphs:
        page.wait_for_function(f"id => ({DATA})(id) > 0 && ({TITLE})(id)", arg=graph)


def slider(page):
    return int(page.locator("#iteration [role=slider]").get_attribute("aria-valuenow"))


def wait_for_cursor(page, iteration):
    page.wait_for_function(
        "at => Number(document.querySelector('#iteration [role=slider]').ariaValueNow) === at", arg=iteration
    )


def at(page, **wanted):
    """Wait until the address says this; None is that it does not speak of it."""
    page.wait_for_function(
        "wanted => Object.entries(wanted).every(([name, value]) => "
        "new URLSearchParams(location.search).get(name) === value)",
        arg={name: None if value is None else str(value) for name, value in wanted.items()},
    )


@pytest.mark.parametrize("page_name", PAGES)
def test_every_page_draws_all_its_figures(open_page, logs, page_name):
    page = open_page(logs, f"/run/complete/{page_name}")
    wait_for(page, *PAGES[page_name])


@pytest.mark.parametrize("page_name", [*PAGES, "attribution", "diagnosis"])
@pytest.mark.parametrize("run", ["own-loop", "empty", "gaps", "broken"])
def test_a_run_that_lacks_something_says_so_without_an_error(open_page, logs, run, page_name):
    page = open_page(logs, f"/run/{run}/{page_name}")
    page.locator("#page .card").first.wait_for()
    page.wait_for_load_state("networkidle")


def test_the_diagnosis_says_what_died_and_what_to_do(open_page, logs):
    page = open_page(logs, "/run/story%20double.sigmoid/diagnosis")
    wait_for(page, "findings-timeline")
    assert "collapsed" in page.locator("#diagnosis-words").inner_text()
    assert "collapsed" in page.locator("#run-verdict").inner_text()


def test_tabs_keep_the_cursor_and_the_zoom(open_page, logs):
    page = open_page(logs, "/run/complete/vitals?iteration=149&from=100&to=180")
    wait_for(page, "gradient-heatmap")
    assert page.evaluate(RANGE, "gradient-heatmap") == [99.5, 180.5]
    page.locator(".page-tab", has_text="Classes").click()
    page.wait_for_url("**/classes?**")
    wait_for(page, "class-lwlrap", "class-heatmap")
    assert "149" in page.evaluate(TITLE, "class-lwlrap")
    assert page.evaluate(RANGE, "class-heatmap") == [99.5, 180.5]
    page.go_back()
    page.wait_for_url("**/vitals?**")
    wait_for(page, "gradient-heatmap")
    assert slider(page) == 149


def test_a_link_opens_the_same_view(open_page, logs):
    address = "/run/complete/localisation?iteration=99&clip=clip%20two.wav&class=class%201"
    page = open_page(logs, address)
    wait_for(page, "localisation-map")
    assert slider(page) == 99
    assert page.locator("#clip").input_value() == "clip two.wav"
    assert page.locator("#class").input_value() == "class 1"
    assert "clip%20two" in page.locator("#clip-audio").get_attribute("src")
    at(page, iteration=99, clip="clip two.wav", **{"class": "class 1"})


def test_keys_move_the_one_cursor_and_every_figure_with_it(open_page, logs):
    page = open_page(logs, "/run/complete/classes")
    wait_for(page, "class-lwlrap", "class-heatmap")
    assert slider(page) == 199
    page.keyboard.press("Shift+PageDown")
    at(page, iteration=149)
    page.wait_for_function(f"({TITLE})('class-lwlrap').includes('149')")
    page.keyboard.press("ArrowLeft")
    at(page, iteration=148)
    page.wait_for_function(f"({TITLE})('class-lwlrap').includes('148')")
    page.keyboard.press("Shift+ArrowRight")
    at(page, iteration=158)
    page.keyboard.press("Shift+End")
    at(page, iteration=None)
    page.wait_for_function(f"({TITLE})('class-lwlrap').includes('199')")


def test_the_cursor_is_a_line_across_every_axis_of_iterations(open_page, logs):
    page = open_page(logs, "/run/complete/vitals?iteration=100")
    wait_for(page, *PAGES["vitals"])
    place = """() => [...document.querySelectorAll('.card[data-axis=iteration]')].map(card => {
        const graph = card.querySelector('.js-plotly-plot'), line = card.querySelector('.cursor-line');
        const axis = graph._fullLayout.xaxis;
        return line && axis.p2l(parseFloat(line.style.left) - axis._offset);
    })"""
    page.wait_for_function(f"({place})().length > 5 && ({place})().every(at => at !== null && Math.abs(at - 100) < 2)")
    page.keyboard.press("Shift+Home")
    page.wait_for_function(f"({place})().every(at => at !== null && Math.abs(at) < 2)")


def test_a_zoom_is_of_the_whole_page_and_ends_by_a_button(open_page, logs):
    page = open_page(logs, "/run/complete/vitals")
    wait_for(page, *PAGES["vitals"])
    box = page.locator("#gradient-heatmap .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 21, steps=8)
    page.mouse.up()
    page.wait_for_function(f"Math.abs(({RANGE})('loss')[0] - ({RANGE})('gradient-heatmap')[0]) < 1")
    page.wait_for_function(f"({RANGE})('loss')[0] > 20")
    at(page, **{"from": page.evaluate("() => new URLSearchParams(location.search).get('from')")})
    page.locator("#unzoom").click()
    at(page, **{"from": None})
    page.wait_for_function(f"({RANGE})('gradient-heatmap')[0] < 1 && ({RANGE})('loss')[0] < 1")


def test_an_iteration_that_holds_nothing_is_said_on_the_page(open_page, logs):
    page = open_page(logs, "/run/complete/localisation?iteration=151")
    page.wait_for_function(
        "document.querySelector('#clip-scores .js-plotly-plot')?._fullLayout?.annotations"
        "?.some(note => note.text.includes('151'))"
    )
    assert page.evaluate(DATA, "clip-scores") == 0


def test_sound_plays_and_a_line_runs_across_the_map(open_page, logs):
    page = open_page(logs, "/run/complete/localisation")
    wait_for(page, "localisation-map")
    page.wait_for_function("document.getElementById('clip-audio').readyState >= 2")
    assert page.evaluate("Math.round(document.getElementById('clip-audio').duration * 10)") == 20
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    page.wait_for_function("document.getElementById('clip-audio').currentTime > 0.4")
    line = "() => parseFloat(document.querySelector('[data-graph=localisation-map] .cursor-line')?.style.left)"
    first = page.evaluate(line)
    page.wait_for_function(f"first => ({line})() > first + 5", arg=first)
    page.keyboard.press("Space")
    page.wait_for_function("document.getElementById('clip-audio').paused")


def test_another_clip_changes_sound_and_map(open_page, logs):
    page = open_page(logs, "/run/complete/localisation")
    wait_for(page, "localisation-map")
    page.locator("#clip").click()
    page.get_by_role("option", name="clip two.wav").click()
    page.wait_for_function("document.getElementById('clip-audio').src.includes('clip%20two')")
    at(page, clip="clip two.wav")
    page.wait_for_function(f"({TITLE})('localisation-map').includes('clip two')")


def test_two_marked_runs_are_compared_side_by_side(open_page, logs):
    page = open_page(logs)
    for name in ("complete", "even maps"):
        page.locator(".ag-row", has_text=name).first.locator("input[type=checkbox]").click()
    page.get_by_role("link", name="Compare 2 runs").click()
    page.wait_for_url("**/compare?runs=**")
    wait_for(page, "compare-curves", "compare-heatmaps", "compare-classes", "compare-localisation-2")
    assert {"complete", "even maps"} <= set(page.locator("#run-bar b").all_inner_texts())
    page.locator("#run-bar a[title='Leave this run out']").first.click()
    page.get_by_text("Nothing to compare yet").wait_for()


def test_runs_are_put_together_in_groups(open_page, logs):
    page = open_page(logs, "/compare?runs=complete,even%20maps,story%20double.sigmoid")
    wait_for(page, "compare-curves")
    page.locator("#compare-by").click()
    page.get_by_role("option", name="by head").click()
    page.wait_for_url("**by=head**")
    wait_for(page, "compare-curves")
    page.wait_for_function(
        "[...document.querySelectorAll('#compare-curves .legendtext')].some(one => one.textContent.includes('2 runs'))"
    )


@pytest.mark.parametrize("form", ["PNG", "SVG", "CSV"])
def test_a_figure_is_saved(open_page, logs, form):
    page = open_page(logs, "/run/complete/vitals")
    wait_for(page, "gradient-heatmap")
    with page.expect_download() as waiting:
        page.locator("[data-graph=gradient-heatmap] button.download", has_text=form).click()
    saved = waiting.value.path().read_bytes()
    if form == "CSV":
        lines = saved.decode().splitlines()
        assert lines[0] == "series,x,y,value"
        assert len(lines) - 1 == 30 * 200
        series, x, _, value = lines[1].split(",")
        assert (series, x, float(value) > 0) == ("gradient norm", "0", True)
    else:
        assert saved.startswith({"PNG": b"\x89PNG", "SVG": b"<svg"}[form])


def saved_csv(page, graph):
    """Rows of a figure's CSV: (series, x, y, value), numbers where they are."""
    with page.expect_download() as waiting:
        page.locator(f"[data-graph={graph}] button.download", has_text="CSV").click()
    rows = list(csv.reader(waiting.value.path().read_text().splitlines()))
    assert rows[0] == ["series", "x", "y", "value"]
    return rows[1:]


def test_the_csv_of_a_clips_figures_holds_what_was_recorded(open_page, logs):
    page = open_page(logs, "/run/complete/localisation")
    wait_for(page, *PAGES["localisation"])
    run = Run(logs / "complete")
    recorded = run.attention(199, clip="clip one.wav")  # (frame, class)
    growth = saved_csv(page, "map-growth")
    newest = [float(value) for _, x, _, value in growth if x == max({row[1] for row in growth}, key=float)]
    np.testing.assert_allclose(newest, recorded[:, 0], rtol=1e-3)
    kept = kept_clip(run, "clip one.wav")
    mel = [row for row in saved_csv(page, "localisation-map") if "mel" in row[0]]
    assert len(mel) == kept.mel.size
    np.testing.assert_allclose(sorted(float(row[3]) for row in mel), np.sort(kept.mel.ravel()), rtol=1e-3, atol=1e-3)
    scores = {y: float(value) for _, _, y, value in saved_csv(page, "clip-scores")}
    assert scores["● class 0"] == pytest.approx(2.0)
    assert scores["class 3"] == pytest.approx(-2.0)


def test_the_csv_of_the_findings_names_them_with_onset_and_last(open_page, logs):
    page = open_page(logs, "/run/story%20double.sigmoid/diagnosis")
    wait_for(page, "findings-timeline")
    finding = flatline.diagnose(logs / "story double.sigmoid").findings[0]
    row = next(row for row in saved_csv(page, "findings-timeline") if finding.kind in row[2])
    assert (float(row[1]), float(row[3])) == pytest.approx((finding.onset, finding.last), abs=1.1)


def test_the_diagnosis_of_a_live_run_keeps_the_zoom(open_page, simulated, tmp_path):
    log = simulated.RunLog(tmp_path / "live", simulated.info(350, collapsed=True))
    simulated.write(log, 0, 200, collapsed=True)
    try:
        page = open_page(tmp_path, "/run/live/diagnosis?from=50&to=150")
        wait_for(page, "findings-timeline", "evidence-1")
        assert page.evaluate(RANGE, "evidence-1") == [49.5, 150.5]
        assert page.evaluate(RANGE, "findings-timeline") == [49.5, 150.5]
        simulated.write(log, 200, 260, collapsed=True)
        page.wait_for_function("document.querySelector('#diagnosis-words').innerText.includes('260')", timeout=60_000)
        assert page.evaluate(RANGE, "evidence-1") == [49.5, 150.5]
        at(page, **{"from": 50, "to": 150})
    finally:
        log.close()


def test_a_run_that_is_deleted_under_the_page_is_said(open_page, simulated, live):
    logs, log = live
    page = open_page(logs, "/run/live%20one/vitals")
    wait_for(page, "gradient-heatmap")
    log.close()
    shutil.rmtree(log.path)
    page.keyboard.press("Shift+PageDown")
    page.locator("#run-gone").wait_for(timeout=45_000)


def test_a_live_run_grows_under_a_moved_cursor_which_stays(open_page, simulated, live):
    logs, log = live
    page = open_page(logs, "/run/live%20one/vitals?iteration=60")
    wait_for(page, "gradient-heatmap")
    simulated.write(log, 120, 220)
    page.wait_for_function("document.querySelector('#iteration [role=slider]').ariaValueMax === '219'")
    assert slider(page) == 60
    at(page, iteration=60)


def test_two_people_look_at_two_runs(open_page, logs):
    """One server, two browsers: what one does to the cursor is nothing to the other."""
    one = open_page(logs, "/run/complete/classes?iteration=99")
    base = one.url.split("/run/")[0]
    other = one.context.browser.new_context().new_page()
    try:
        other.goto(f"{base}/run/even%20maps/classes")
        wait_for(one, "class-lwlrap")
        wait_for(other, "class-lwlrap")
        other.keyboard.press("Shift+PageDown")
        at(other, iteration=149)
        assert slider(one) == 99
        assert "complete" in one.locator("h2").inner_text()
        assert "even maps" in other.locator("h2").inner_text()
    finally:
        other.context.close()


def test_the_sound_is_served_in_parts(open_page, logs):
    page = open_page(logs, "/run/complete/localisation")
    page.wait_for_function("document.getElementById('clip-audio')?.getAttribute('src')")
    source = page.evaluate("document.getElementById('clip-audio').src")
    asked = urllib.request.Request(source, headers={"Range": "bytes=0-99"})
    with urllib.request.urlopen(asked) as answer:
        assert (answer.status, len(answer.read())) == (206, 100)


def test_what_was_tried_stands_on_the_diagnosis_and_leads_to_its_arms(open_page, simulated, tmp_path):
    simulated.treated(tmp_path)
    page = open_page(tmp_path, "/run/mine/diagnosis")
    wait_for(page, "revival")
    assert "Prescription: fix-objective, then prior-bias" in page.locator("#tried").inner_text()
    page.locator("#arms a", has_text="fix-objective + prior-bias").click()
    page.wait_for_url("**/run/mine~fix-objective~prior-bias/diagnosis**")
    page.locator("#arm-of").wait_for()
    assert page.locator("#arm-of").inner_text() == "an arm of mine: fix-objective, then prior-bias"
    page.locator("#arm-of a").click()
    page.wait_for_url("**/run/mine/diagnosis**")
    page.locator("#compare-arms").click()
    page.wait_for_url("**/compare?runs=**")
    wait_for(page, "compare-curves")


def test_the_diagnosis_shows_trials_that_end_while_it_is_open(open_page, simulated, tmp_path):
    path = simulated.treated(tmp_path)
    kept = path / "revive.json"
    text = kept.read_text()
    kept.unlink()
    page = open_page(tmp_path, "/run/mine/diagnosis")
    page.locator("#revive-command").wait_for()
    assert page.locator("#revive-command").inner_text() == "flatline revive mine"
    kept.write_text(text)
    page.locator("#prescription").wait_for()
    wait_for(page, "revival")
