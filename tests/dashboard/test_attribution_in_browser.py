"""What a reader does on the page of attributions, with real audio: picks, computes, sees, listens, compares."""

import io
import json
import urllib.request
import wave

import numpy as np
import pytest
from flatline.runs.attributed_clips import attributed_clip
from flatline.runs.attribution_store import all_stored
from flatline.runs.resynthesis import read_wav
from flatline.runs.run import Run

pytestmark = pytest.mark.browser

SLOW_MS = 180_000
"""Milliseconds for the first answer of a new process, which loads torch, where the machine is busy."""

HAS = """([id, name]) => (document.querySelector(`#${id} .js-plotly-plot`)?.data || [])
    .some(trace => trace.name === name)"""

TITLE = "id => document.querySelector(`#${id} .js-plotly-plot`)?._fullLayout?.title?.text || ''"

NOTES = """id => (document.querySelector(`#${id} .js-plotly-plot`)?._fullLayout?.annotations || [])
    .map(note => note.text).join(' | ')"""

SOUND = "document.getElementById('clip-audio')"


def at(page, **wanted):
    page.wait_for_function(
        "wanted => Object.entries(wanted).every(([name, value]) => "
        "new URLSearchParams(location.search).get(name) === value)",
        arg=wanted,
    )


def compute(page, button="#compute"):
    page.wait_for_function("id => document.querySelector(id)?.disabled === false", arg=button)
    page.locator(button).click()


def wait_for_map(page, graph="attribution-map"):
    page.wait_for_function(HAS, arg=[graph, "attribution"], timeout=SLOW_MS)


def pick(page, choice, option):
    page.locator(f"#{choice}").click()
    page.get_by_role("option", name=option, exact=True).click()


@pytest.fixture
def published(trained):
    return Run(trained / "story-published")


def test_an_attribution_is_computed_shown_kept_and_found_again(open_page, trained, published):
    page = open_page(trained, "/run/story-published/attribution")
    page.wait_for_function(f"({NOTES})('attribution-map').includes('Not computed')")
    compute(page)
    wait_for_map(page)
    (stored,) = all_stored(published.path)
    assert stored.iteration == 6
    assert stored.class_name in attributed_clip(published, stored.clip).labels
    assert f"Attribution of {stored.class_name}" in page.evaluate(TITLE, "attribution-map")
    drawn = page.evaluate(
        "id => { const trace = document.querySelector(`#${id} .js-plotly-plot`).data"
        ".find(one => one.name === 'attribution'); return [trace.zmin, trace.zmax]; }",
        "attribution-map",
    )
    assert drawn[0] == -drawn[1] < 0
    page.wait_for_function(HAS, arg=["attribution-checks", "taken away"])
    page.locator("#attribution-said .facts").wait_for()
    assert "64 steps" in page.locator("#attribution-said").inner_text()
    page.wait_for_function("document.querySelector('#compute').disabled")
    assert "done in" in page.locator("#compute-state").inner_text()
    page.reload()
    wait_for_map(page)
    assert len(all_stored(published.path)) == 1


def test_picks_stand_in_the_address_and_a_link_opens_the_same(open_page, trained, published):
    clip = published.info["clips"][1]
    page = open_page(trained, "/run/story-published/attribution")
    pick(page, "method", "occlusion")
    pick(page, "clip", clip)
    pick(page, "class", published.classes[-1])
    at(page, method="occlusion", clip=clip, **{"class": published.classes[-1]})
    compute(page)
    wait_for_map(page)
    (stored,) = all_stored(published.path)
    assert (stored.clip, stored.class_name, stored.method) == (clip, published.classes[-1], "occlusion")
    other = page.context.browser.new_page()
    other.goto(page.url)
    wait_for_map(other)
    assert "occlusion" in other.evaluate(TITLE, "attribution-map")
    row = other.locator("#attributions a").first
    row.click()
    at(other, method="occlusion", clip=clip, iteration="6")
    other.close()


def test_sound_plays_and_changes_to_what_the_net_used_and_back(open_page, trained, published):
    page = open_page(trained, "/run/story-published/attribution")
    compute(page)
    wait_for_map(page)
    page.wait_for_function("document.querySelectorAll('#heard input').length === 2")
    page.wait_for_function(f"{SOUND}?.readyState >= 2")
    original = page.evaluate(f"[{SOUND}.src, {SOUND}.duration]")
    page.evaluate(f"{SOUND}.playbackRate = .25")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    page.wait_for_function(f"{SOUND}.currentTime > 0.2")
    line = "() => parseFloat(document.querySelector('[data-graph=attribution-map] .cursor-line')?.style.left)"
    first = page.evaluate(line)
    page.wait_for_function(f"first => ({line})() > first", arg=first)
    before = page.evaluate(f"{SOUND}.currentTime")
    page.locator("#heard label", has_text="what the net used").click()
    page.wait_for_function(f"{SOUND}.src.includes('/used/') && {SOUND}.readyState >= 2")
    page.wait_for_function(f"before => {SOUND}.currentTime >= before - .05 && !{SOUND}.paused", arg=before)
    used = page.evaluate(f"[{SOUND}.src, {SOUND}.duration]")
    assert used[1] == original[1]
    page.wait_for_function(f"before => {SOUND}.currentTime > before || {SOUND}.ended", arg=before)
    page.evaluate(f"{SOUND}.pause(); {SOUND}.currentTime = .3")
    page.keyboard.press("b")
    page.wait_for_function(f"{SOUND}.src.includes('/audio/') && {SOUND}.readyState >= 2")
    page.wait_for_function(f"Math.abs({SOUND}.currentTime - .3) < .05 && {SOUND}.paused")
    kept = attributed_clip(published, all_stored(published.path)[0].clip)
    assert_of_the_same_length(used[0], kept)


def assert_of_the_same_length(address, kept):
    with urllib.request.urlopen(address) as answer:
        content = answer.read()
        assert answer.headers["Content-Type"] == "audio/wav"
    with wave.open(io.BytesIO(content)) as used, wave.open(str(kept.audio)) as whole:
        assert used.getparams()[:4] == whole.getparams()[:4]
    samples, rate_hz = read_wav(content, kept.name)
    first, _ = read_wav(kept.audio.read_bytes(), kept.name)
    assert rate_hz == kept.sample_rate_hz
    assert (samples**2).sum() < (first**2).sum()
    assert np.abs(samples).max() < 1


def test_what_goes_on_is_cancelled_at_once_and_can_be_asked_again(open_page, trained, published):
    page = open_page(trained, "/run/story-published/attribution")
    compute(page, "#compute-every")
    page.locator("#compute-cancel").wait_for()
    page.locator("#compute-cancel").click()
    page.get_by_text("cancelled.").wait_for()
    page.locator("#compute-cancel").wait_for(state="hidden")
    compute(page)
    wait_for_map(page)


def test_every_method_is_laid_beside_and_what_cannot_be_is_said(open_page, trained, published):
    page = open_page(trained, "/run/story-published/attribution")
    compute(page, "#compute-every")
    page.get_by_text("deep-lift is not defined through GRU").wait_for(timeout=SLOW_MS)
    wait_for_map(page)
    page.wait_for_function("document.querySelectorAll('#attribution-methods tbody tr').length === 10")
    assert len(all_stored(published.path)) == 10
    page.locator("#method").click()
    page.get_by_role("option", name="deep-lift (not for this network)").wait_for()
    page.keyboard.press("Escape")
    page.locator("#attribution-methods a", has_text="rollout").click()
    at(page, method="rollout")
    page.wait_for_function(f"({TITLE})('attribution-map').includes('rollout')")


def test_two_runs_stand_side_by_side_on_one_scale(open_page, trained):
    page = open_page(trained, "/run/story-published/attribution")
    pick(page, "beside", "story-double-sigmoid")
    at(page, beside="story-double-sigmoid")
    compute(page)
    for graph, run in (("attribution-map", "story-published"), ("attribution-map-beside", "story-double-sigmoid")):
        wait_for_map(page, graph)
        page.wait_for_function(f"([id, run]) => ({TITLE})(id).startsWith(run)", arg=[graph, run])
    for run in ("story-published", "story-double-sigmoid"):
        assert len(all_stored(trained / run)) == 1
    page.wait_for_function("document.querySelectorAll('#attribution-said .facts').length === 2")
    page.wait_for_function("document.querySelectorAll('#heard input').length === 3")


def test_two_iterations_stand_side_by_side(open_page, trained, published):
    page = open_page(trained, "/run/story-published/attribution?beside=story-published&beside_iteration=0")
    compute(page)
    wait_for_map(page)
    wait_for_map(page, "attribution-map-beside")
    page.wait_for_function(f"({TITLE})('attribution-map-beside').includes('iteration 0')")
    assert {one.iteration for one in all_stored(published.path)} == {0, 6}
    limits = page.evaluate(
        "['attribution-map', 'attribution-map-beside'].map(id => document.querySelector(`#${id} .js-plotly-plot`)"
        ".data.find(one => one.name === 'attribution').zmax)"
    )
    assert limits[0] == limits[1] > 0


def test_a_clip_of_the_data_is_named_computed_and_heard(open_page, trained, heard, published):
    name = heard.others(published)[0]
    page = open_page(trained, "/run/story-published/attribution")
    page.locator("#another-clip").fill(name)
    page.locator("#another-clip").press("Enter")
    at(page, clip=name)
    compute(page)
    wait_for_map(page)
    page.wait_for_function(f"name => {SOUND}?.getAttribute('src')?.includes(encodeURIComponent(name))", arg=name)
    page.wait_for_function(f"{SOUND}.readyState >= 2")
    (stored,) = all_stored(published.path)
    assert stored.class_name in attributed_clip(published, name).labels
    page.wait_for_function(
        f"wanted => ({TITLE})('attribution-map').includes(wanted)", arg=f"Attribution of {stored.class_name}"
    )


@pytest.mark.parametrize("name", ["/etc/passwd", "../run.json", "nothing.wav"])
def test_what_is_no_clip_of_the_run_is_said_and_never_opened(open_page, trained, published, name):
    page = open_page(trained, "/run/story-published/attribution")
    page.locator("#another-clip").fill(name)
    page.locator("#another-clip").press("Enter")
    at(page, clip=name)
    if "/" in name:
        page.get_by_text("is no clip of the run or its data").wait_for()
        assert page.locator("#compute").is_disabled()
    else:
        compute(page)
        page.get_by_text("no clip is called 'nothing.wav'").wait_for(timeout=SLOW_MS)
    assert all_stored(published.path) == []


def test_an_iteration_without_weights_is_said_and_the_nearest_are_a_click_away(open_page, trained):
    page = open_page(trained, "/run/story-published/attribution?iteration=4")
    page.get_by_text("There are no weights of iteration 4.").wait_for()
    assert page.locator("#compute").is_disabled()
    page.get_by_role("button", name="go to 3").click()
    at(page, iteration="3")
    page.wait_for_function("!document.querySelector('#compute').disabled")


def test_one_that_carries_no_information_says_so_first_and_is_drawn_pale(open_page, trained, published):
    page = open_page(trained, "/run/story-published/attribution")
    compute(page)
    wait_for_map(page)
    (stored,) = all_stored(published.path)
    facts = json.loads(stored.file.with_suffix(".json").read_text())
    facts |= {"informative": False, "why": "this attribution carries no information: nothing moves"}
    stored.file.with_suffix(".json").write_text(json.dumps(facts))
    page.reload()
    wait_for_map(page)
    alert = page.locator("#attribution-said [role=alert]")
    alert.wait_for()
    assert "This attribution carries no information" in alert.inner_text()
    page.wait_for_function(f"({TITLE})('attribution-map').includes('carries no information')")
    pale = page.evaluate(
        "document.querySelector('#attribution-map .js-plotly-plot').data"
        ".find(one => one.name === 'attribution').opacity"
    )
    assert 0 < pale < 0.5


def test_the_best_scored_class_is_picked_by_what_the_evaluation_says(open_page, trained, published):
    page = open_page(trained, "/run/story-published/attribution")
    pick(page, "class", "the best-scored")
    page.wait_for_function(
        "names => names.includes(new URLSearchParams(location.search).get('class'))", arg=published.classes
    )
