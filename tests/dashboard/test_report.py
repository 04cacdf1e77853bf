"""The report: one page that holds everything, opens from disk, and says what it could not hold."""

import base64
import gzip
import html
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flatline import figures
from flatline.dashboard.markup import Markup, element
from flatline.dashboard.report import MOST_BYTES, report, write_report
from flatline.dashboard.report_figures import CLASSES, COMPARISON, LOCALISATION, VITALS, drawn
from flatline.dashboard.report_pieces import AROUND, Piece, changes, packed_figure, within
from flatline.diagnostics.errors import FlatlineError, RunError
from flatline.runs.localisation_store import Localised, Score, write_localisation
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.summary import summarise
from plotly.offline import get_plotlyjs

NASTY = '<img src=x onerror=alert(1)> & "dog"'


@pytest.fixture(scope="module")
def complete(logs, tmp_path_factory):
    return report([Run(logs / "complete")])


@pytest.fixture(scope="module")
def several(logs):
    return report([Run(logs / name) for name in ("complete", "story double.sigmoid", "interrupted")])


class Elements(HTMLParser):
    """Tags with their attributes, and the page's text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag, **attributes):
        return [held for name, held in self.found if name == tag and attributes.items() <= held.items()]


def unpacked(page, key):
    text = re.search(rf'<script id="{re.escape(key)}-packed" type="text/plain">([^<]+)<', page)[1]
    return json.loads(gzip.decompress(base64.b64decode(text)))


def titles(page):
    keys = re.findall(r'<div id="([^"]+)" class="plot"', page)
    return {key: unpacked(page, key)["figure"]["layout"]["title"]["text"] for key in keys}


def test_the_page_has_every_figure_of_the_dashboards_pages(complete):
    keys = set(titles(complete))
    clips = {f"run-1-{graph}-{number}" for graph in LOCALISATION for number in (1, 2)}
    assert {f"run-1-{graph}" for graph in (*VITALS, *CLASSES)} | clips <= keys


def test_the_findings_are_drawn_in_time_and_with_their_evidence(collapsed):
    n_findings = len(summarise(collapsed)["diagnosis"]["findings"])
    wanted = {f"run-1-evidence-{number}" for number in range(1, min(n_findings, 6) + 1)}
    assert {"run-1-findings-timeline", *wanted} <= set(titles(report([collapsed])))


def test_the_reports_lists_of_figures_are_those_of_the_dashboards_pages():
    from flatline.dashboard.pages import classes, compare, localisation, vitals

    for page, graphs in ((vitals, VITALS), (classes, CLASSES), (localisation, LOCALISATION)):
        assert tuple(card.graph for card in page.CARDS) == graphs
    assert {card.graph for card in compare.CARDS if "localisation" not in card.graph} == set(COMPARISON)


def test_a_figure_is_the_one_that_a_notebook_draws(complete, logs):
    held = unpacked(complete, "run-1-loss")["figure"]
    own = json.loads(figures.loss(Run(logs / "complete")).to_json())
    assert held["data"] == own["data"]


def test_the_dark_drawing_is_the_light_one_with_its_changes(collapsed):
    light, dark = figures.gradient_lines(collapsed), figures.gradient_lines(collapsed, "dark")
    held = json.loads(gzip.decompress(base64.b64decode(packed_figure(light, dark))))
    figure = held["figure"]
    for path, value in held["dark"]:
        at = figure
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
    assert figure == json.loads(dark.to_json())
    assert 0 < len(json.dumps(held["dark"])) < len(light.to_json()) / 4


def test_changes_of_lists_of_other_lengths_are_whole():
    assert list(changes({"a": [1]}, {"a": [1, 2]})) == [(["a"], [1, 2])]
    assert list(changes({"a": 1}, {"b": 1})) == [([], {"b": 1})]


def test_plotly_is_there_once_and_whole(several):
    found = re.findall(r'<script id="plotly-packed" type="text/plain">([^<]+)<', several)
    assert len(found) == 1
    assert gzip.decompress(base64.b64decode(found[0])).decode() == get_plotlyjs()


def test_the_page_asks_no_other_place_for_anything(several):
    for _, attributes in Elements(several).found:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"@import|url\(", several)


def test_the_verdict_is_said_in_the_words_of_the_diagnosis(logs, collapsed):
    page = html.unescape(report([collapsed]))
    summary = summarise(collapsed)
    cause, finding = summary["cause"], summary["diagnosis"]["findings"][0]
    assert ">collapsed</span>" in page
    assert f"<b>{finding['kind']}</b>: {cause['means']}" in page
    for words in (cause["do"], finding["explanation"], f"iteration {finding['onset']:,} of 350", summary["order"]):
        assert words in page
    for entry in summary["diagnosis"]["undetermined"]:
        assert f"<b>{entry['kind']}</b>: {entry['why']}" in page
    for one in summary["diagnosis"]["findings"]:
        assert f"{one['onset']:,} to {one['last']:,}" in page


def test_it_says_the_recipe_and_the_versions(complete, logs):
    words = Elements(complete).words
    info = Run(logs / "complete").info
    assert words[words.index("learning_rate") + 1] == "0.001"
    for name, version in info.get("versions", {}).items():
        assert words[words.index(f"version of {name}") + 1] == version


def test_sounds_are_there_as_they_were_kept_and_only_once(complete, logs):
    sounds = [audio["src"] for audio in Elements(complete).of("audio")]
    kept = [path.read_bytes() for path in sorted((logs / "complete" / "clips").glob("*/audio.wav"))]
    prefix = "data:audio/wav;base64,"
    assert all(sound.startswith(prefix) for sound in sounds)
    assert sorted(base64.b64decode(sound.removeprefix(prefix)) for sound in sounds) == sorted(kept)


def test_the_same_sound_in_two_runs_stands_there_once(logs):
    page = Elements(report([Run(logs / "complete"), Run(logs / "even maps")]))
    players = page.of("audio")
    first, other = [one for one in players if "src" in one], [one for one in players if "data-same" in one]
    assert len(first) == len(other) == 2
    assert {one["id"] for one in first} == {one["data-same"] for one in other}
    assert {one["data-graph"] for one in players} == {
        f"run-{run}-localisation-map-{clip}" for run in (1, 2) for clip in (1, 2)
    }


def test_several_runs_are_put_side_by_side_first(several):
    page = Elements(several)
    assert {*COMPARISON} <= {*titles(several)}
    links = [link["href"] for link in page.of("a")]
    assert links[:4] == ["#comparison", "#run-1-top", "#run-2-top", "#run-3-top"]
    assert several.index('id="comparison"') < several.index('id="run-1-top"') < several.index('id="run-3-top"')
    assert "model.head" in page.words
    assert "This run was interrupted; what it recorded until then is below." in page.words


def test_no_id_is_there_twice_and_every_link_leads_somewhere(several):
    page = Elements(several)
    ids = [held["id"] for _, held in page.found if "id" in held]
    assert len(ids) == len(set(ids))
    wanted = [held[name] for _, held in page.found for name in ("data-graph", "data-same") if name in held]
    wanted += [link["href"][1:] for link in page.of("a")]
    assert set(wanted) <= set(ids)


def test_two_runs_of_one_name_are_told_apart(logs, tmp_path):
    for place in ("one", "two"):
        shutil.copytree(logs / "story double.sigmoid", tmp_path / place / "same")
    page = report([Run(tmp_path / "one" / "same"), Run(tmp_path / "two" / "same")])
    found = Elements(page)
    ids = [held["id"] for _, held in found.found if "id" in held]
    assert len(ids) == len(set(ids))
    assert {"one/same", "two/same"} <= set(found.words)


def test_names_are_text_whatever_they_are(tmp_path):
    log = RunLog(
        tmp_path / NASTY.replace("/", ""),
        {"parameters": [NASTY], "parameter_parts": ["rnn"], "classes": [NASTY, "b"], "recipe": {"name": NASTY}},
    )
    for iteration in range(60):
        row = {"iteration": iteration, "epoch": 0, "wall_time": 0.1, "loss": 0.5, "gradient_norm": [float("nan")]}
        log.append(row)
    log.append_evaluation({"iteration": 60, "lwlrap": 0.5, "chance": 0.4, "class_lwlrap": [0.1, 0.2]})
    log.close()
    page = report([Run(log.path)])
    assert "<img" not in page
    assert NASTY in Elements(page).words


def test_what_shows_nothing_is_said_in_words_and_not_drawn(logs):
    page = report([Run(logs / "own-loop")])
    words = " ".join(Elements(page).words)
    assert "run-1-gradient-heatmap" not in titles(page)
    assert "This run holds no gradient norms." in words
    assert "not recorded" in words


@pytest.mark.parametrize("name", ["empty", "gaps", "own-loop", "even maps", "interrupted"])
def test_every_kind_of_run_has_a_report(logs, name):
    assert "</b>: cannot be drawn" not in report([Run(logs / name)])


def test_a_figure_that_fails_does_not_cost_the_page(collapsed, monkeypatch, caplog):
    def fails(*_, **__):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("flatline.dashboard.figures.loss", fails)
    page = report([collapsed])
    assert "</b>: cannot be drawn: a fault" in page
    assert "run-1-lwlrap" in titles(page)
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


def test_a_page_that_would_be_too_large_leaves_out_the_last_ranks_and_says_so(logs):
    run = Run(logs / "complete")
    whole = report([run])
    small = report([run], len(whole) - 60_000)
    assert len(small.encode()) <= len(whole) - 60_000
    assert "run-1-gradient-heatmap" in titles(small)
    assert "left out" in small
    n_left = int(re.search(r"(\d+) of \d+ figures and sounds are left out", small)[1])
    sounds = len(Elements(whole).of("audio")) - len(Elements(small).of("audio"))
    assert n_left == len(titles(whole)) - len(titles(small)) + sounds > 0
    assert "left out" not in whole


def test_words_that_are_too_many_are_an_error(collapsed):
    with pytest.raises(FlatlineError, match=r"the words of 1 runs take [\d,]+ bytes, a page has 1,000 .*fewer"):
        report([collapsed], 1000)


def test_the_lowest_ranks_are_kept_in_what_room_there_is():
    pieces = [Piece("a", 1, "x" * 500), Piece("b", 0, "x" * 100), Piece("c", 2, "x" * 10), Piece("b", 0, "x" * 100)]
    assert set(within(pieces, 3 * AROUND + 610)) == {"a", "b", "c"}
    assert set(within(pieces, 2 * AROUND + 200)) == {"b", "c"}
    assert within(pieces, 10) == {}


def test_a_child_that_is_not_markup_is_escaped():
    assert element("a", "<b>", Markup("<i>"), href='"x"&') == '<a href="&quot;x&quot;&amp;">&lt;b&gt;<i></a>'


def test_a_failing_figure_says_a_users_error_as_it_is():
    def fails(theme):
        raise RunError("there is nothing")

    assert drawn("run-1-", "loss", 0, fails).words == "there is nothing"


def test_it_is_written_whole_over_an_older_one(collapsed, tmp_path):
    output = tmp_path / "report.html"
    output.write_text("old")
    assert write_report([collapsed], output) == output
    assert output.stat().st_size <= MOST_BYTES
    assert output.read_text(encoding="utf-8").endswith("</html>\n")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    mask = os.umask(0)
    os.umask(mask)
    assert output.stat().st_mode & 0o777 == 0o666 & ~mask


def test_what_cannot_be_written_is_told_and_nothing_is_left(collapsed, tmp_path, monkeypatch):
    with pytest.raises(FlatlineError, match=r"folder .*none of report.html is not there .*make it first"):
        write_report([collapsed], tmp_path / "none" / "report.html")
    with pytest.raises(FlatlineError, match=r"is a folder .*name a file in it"):
        write_report([collapsed], tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FlatlineError, match=r"pipe is no file"):
        write_report([collapsed], tmp_path / "pipe")
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(FlatlineError, match=r"report.html cannot be written \(Permission denied.*another file"):
        write_report([collapsed], tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_full_disk_leaves_the_older_report(collapsed, tmp_path, monkeypatch):
    output = tmp_path / "report.html"
    output.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FlatlineError, match="No space left on device"):
        write_report([collapsed], output)
    assert output.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_run_that_cannot_be_read_leaves_nothing(logs, tmp_path):
    with pytest.raises(RunError, match=r"run\.json"):
        write_report([Run(logs / "broken")], tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_no_run_and_a_run_given_twice_are_errors(collapsed, tmp_path):
    with pytest.raises(RunError, match="no run is given"):
        write_report([], tmp_path / "report.html")
    with pytest.raises(RunError, match=r"sigmoid is given twice .*once"):
        write_report([collapsed, collapsed], tmp_path / "report.html")


def test_writing_a_report_needs_neither_torch_nor_dash(logs, tmp_path):
    code = (
        "import sys, pathlib, flatline\nfrom flatline.dashboard.report import write_report\n"
        f"write_report([flatline.Run({str(logs / 'complete')!r})], pathlib.Path('report.html'))\n"
        "print(sorted({'torch', 'librosa', 'captum', 'dash'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture
def opened(chromium, logs, tmp_path):
    """Opens a report of runs from disk: opened(names, scheme) -> page; afterwards nothing may have gone wrong."""
    pages, troubles = [], []

    def open_report(names, scheme="light"):
        output = write_report([Run(logs / name) for name in names], tmp_path / "a report.html")
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme, accept_downloads=True)
        pages.append(page)
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda sent: troubles.append(sent.url) if not sent.url.startswith(LOCAL) else None)
        page.goto(output.as_uri())
        page.wait_for_selector("[data-ready=true]")
        return page

    yield open_report
    for page in pages:
        page.close()
    assert troubles == []


LOCAL = ("file:", "data:", "blob:")

PAPER = "id => document.querySelector(`#${id} .main-svg`).style.background"


def seen(page, key):
    page.locator(f"#{key}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#{key}.js-plotly-plot .main-svg")


@pytest.mark.browser
def test_every_figure_is_drawn_when_it_comes_into_sight(opened):
    page = opened(["complete", "story double.sigmoid"])
    keys = page.evaluate("[...document.querySelectorAll('.plot[id]')].map(place => place.id)")
    assert len(keys) > 20
    assert page.locator(".js-plotly-plot").count() < len(keys) / 2
    for key in keys:
        seen(page, key)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.browser
def test_the_theme_is_the_readers_and_changes_with_it(opened):
    page = opened(["complete"], "dark")
    key = "run-1-findings-timeline"
    seen(page, "run-1-loss")
    key = "run-1-loss"
    assert page.evaluate(PAPER, key) == "rgb(32, 35, 42)"
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"({PAPER})('{key}') === 'rgb(255, 255, 255)'")


@pytest.mark.browser
def test_the_csv_of_a_figure_holds_its_points(opened, logs):
    page = opened(["complete"])
    seen(page, "run-1-lwlrap")
    with page.expect_download() as started:
        page.click("button[data-graph=run-1-lwlrap][data-form=csv]")
    text = Path(started.value.path()).read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines()]
    scores = Run(logs / "complete").evaluations.lwlrap
    assert rows[0] == ["series", "x", "y", "value"]
    drawn = [(float(row[1]), float(row[2])) for row in rows if row[0] == "lwlrap"]
    assert drawn == [(iteration, pytest.approx(score)) for iteration, score in scores.items()]


@pytest.mark.browser
def test_a_picture_of_a_figure_can_be_saved(opened):
    page = opened(["complete"])
    seen(page, "run-1-loss")
    with page.expect_download() as started:
        page.click("button[data-graph=run-1-loss][data-form=png]")
    assert Path(started.value.path()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.browser
def test_a_clip_plays_and_its_cursor_crosses_the_map(opened):
    page = opened(["complete", "even maps"])
    for key in ("run-1-localisation-map-1", "run-2-localisation-map-1"):
        seen(page, key)
        page.evaluate(f"document.querySelector('audio[data-graph={key}]').muted = true")
        page.evaluate(f"document.querySelector('audio[data-graph={key}]').play()")
        page.wait_for_function(f"document.querySelector('audio[data-graph={key}]').currentTime > 0.3")
        left = f"parseFloat(document.querySelector('#{key} .cursor-line').style.left)"
        first = page.evaluate(left)
        page.wait_for_function(f"{left} > {first} + 20")


@pytest.mark.browser
def test_in_print_every_figure_is_drawn_on_white(opened):
    page = opened(["complete"], "dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    papers = "[...document.querySelectorAll('.plot[id] .main-svg:first-child')].map(one => one.style.background)"
    page.wait_for_function("document.querySelectorAll('.plot[id]:not(.js-plotly-plot)').length === 0")
    assert set(page.evaluate(papers)) == {"rgb(255, 255, 255)"}
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(f"new Set({papers}).has('rgb(32, 35, 42)')")


def test_the_trials_of_a_run_are_told_with_their_arms_and_figure(simulated, tmp_path):
    page = report([Run(simulated.treated(tmp_path))])
    words = " ".join(Elements(page).words)
    assert "Prescription: fix-objective, then prior-bias" in words
    assert "lwlrap 0.495 → 0.870 (chance 0.400, constant level 0.490); the RNN carries 62 % of it" in words
    assert "- loss: bce-with-logits\n+ loss: bce" in words
    assert "Each change was tried on top of those before it" in words
    assert [row for row in Elements(page).of("tr") if row == {"class": "prescribed"}]
    assert unpacked(page, "run-1-revival")["figure"]["layout"]["title"]["text"] == "What was tried, and what it came to"
    assert {"href": "#run-1-tried"} in Elements(page).of("a")


def test_of_a_sick_run_without_trials_it_names_the_command_and_of_a_healthy_one_it_says_nothing(collapsed, healthy):
    assert f"flatline revive {collapsed.name}" in Elements(report([collapsed])).words
    assert 'id="run-1-revival' not in report([collapsed])
    assert "What was tried" not in " ".join(Elements(report([healthy])).words)


def test_the_attributions_of_a_run_are_shown_one_a_clip_and_class(simulated, attributed, tmp_path):
    simulated.complete(tmp_path / "run")
    without = report([Run(tmp_path / "run")])
    assert 'id="run-1-attribution"' not in without
    for number in range(3):
        attributed.keep(tmp_path / "run", attributed.heard(), class_name=f"class {number}")
        attributed.keep(tmp_path / "run", attributed.heard(), class_name=f"class {number}", method="occlusion")
    attributed.keep(tmp_path / "run", attributed.heard(), clip="clip two.wav")
    text = report([Run(tmp_path / "run")])
    assert 'id="run-1-attribution"' in text
    drawn = {key: title for key, title in titles(text).items() if "attribution" in key}
    assert list(drawn) == [f"run-1-attribution-map-{number}" for number in (1, 2, 3)]
    assert [title.split(" · ")[:3] for title in drawn.values()] == [
        ["Attribution of class 0", "clip clip one.wav", "integrated-gradients"],
        ["Attribution of class 0", "clip clip two.wav", "integrated-gradients"],
        ["Attribution of class 1", "clip clip one.wav", "integrated-gradients"],
    ]


def test_scores_against_true_onsets_stand_in_the_report(simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    rows = (Score("localisation", "all", 0.93, 0.19, 0.5, float("nan"), pairs=40),)
    write_localisation(tmp_path / "run", Localised("run", 199, "199", "/data", "/events.csv", 40, 41, 0.06, rows))
    words = " ".join(Elements(report([Run(tmp_path / "run")])).words)
    assert "Against true onsets" in words
    assert "0.93" in words
    assert "40 of 41 clips" in words
