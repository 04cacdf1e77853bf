import json

import pytest
from dash import html
from flatline.dashboard.judging import Judge
from flatline.dashboard.pages.diagnosis_content import (
    CARRIED,
    MOST_EVIDENCE,
    TIMELINE,
    VERDICTS,
    evidence_words,
    graph_ids,
    headline,
    pieces,
    shown_evidence,
)
from flatline.dashboard.remedies import REMEDIES
from flatline.diagnostics.advice import ADVICE
from flatline.runs.recipe import load_recipe
from flatline.runs.run import Run
from flatline.runs.summary import summarise


def words(component):
    """All text of a component, in order."""
    if component is None or isinstance(component, bool):
        return ""
    if isinstance(component, str | int | float):
        return str(component)
    if isinstance(component, list | tuple):
        return " ".join(filter(None, map(words, component)))
    own = [getattr(component, "title", "") or ""]
    return " ".join(filter(None, [*map(words, own), words(getattr(component, "children", None))]))


def found(component, id):
    """The component of that id."""
    if isinstance(component, list | tuple):
        places = (found(child, id) for child in component)
        return next((place for place in places if place is not None), None)  # a component without children is falsy
    if getattr(component, "id", None) == id:
        return component
    children = getattr(component, "children", None)
    return None if children is None or isinstance(children, str) else found(children, id)


@pytest.fixture
def dead(collapsed):
    return summarise(collapsed)


@pytest.fixture
def well(healthy):
    return summarise(healthy)


def content(name, summary, graph=None):
    """The words with the graphs where the page has them."""
    above, between, below = pieces(name, summary)
    timeline, *others = [*(graph(one) for one in graph_ids(summary)), None] if graph else [None]
    return [above, timeline, between, *others, below]


def place(graph):
    return html.Div(id=graph)


def test_what_died_when_and_what_to_do_come_first(dead):
    page = content("mine", dead, place)
    verdict, timeline = page[:2]
    first, cause = dead["diagnosis"]["findings"][0], dead["cause"]
    text = words(verdict)
    assert found(verdict, "verdict").children == "collapsed"
    assert first["kind"] in text
    assert f"iteration {first['onset']:,}" in text
    assert cause["means"] in text
    assert cause["do"][1:] in text
    assert timeline.id == TIMELINE


def test_the_sentence_says_what_and_when(dead):
    sentence = headline(dead)
    assert sentence.startswith("broken-objective")
    assert "since iteration" in sentence


def test_the_cause_has_reasons_order_and_remedies(dead):
    text = words(content("mine", dead))
    first = dead["diagnosis"]["findings"][0]
    assert first["explanation"] in text
    assert all(sign in text for sign in [*dead["cause"]["pro"], *dead["cause"]["contra"]])
    assert "What stopped first" in text
    assert all(f"{name} : {REMEDIES[name].does}" in text for name in first["remedies"])
    assert "loss=bce" in text
    assert "revive" not in text


def test_all_findings_stand_in_the_table(dead):
    table = words(found(content("mine", dead), "findings"))
    for finding in dead["diagnosis"]["findings"]:
        assert f"{finding['severity']} {finding['kind']}" in table
        assert f"{finding['onset']:,} to {finding['last']:,}" in table
        assert evidence_words(finding["evidence"]) in table


def test_what_was_not_judged_is_folded_away(dead):
    folded = words(found(content("mine", dead), "not-judged"))
    for entry in dead["diagnosis"]["undetermined"]:
        assert entry["why"] in folded
    whole = {**dead, "diagnosis": {**dead["diagnosis"], "undetermined": []}}
    assert found(content("mine", whole), "not-judged") is None


def test_a_healthy_run_has_a_verdict_and_nothing_to_do(well):
    page = content("mine", well, place)
    text = words(page)
    assert found(page, "verdict").children == "healthy"
    assert "There is nothing to do." in text
    assert "What died" not in text
    assert "The cause" not in text


def test_a_short_run_is_undetermined_and_says_what_it_needs(simulated, tmp_path):
    log = simulated.RunLog(tmp_path / "short", simulated.info(350))
    simulated.write(log, 0, 20)
    log.close()
    text = words(content("short", summarise(Run(tmp_path / "short"))))
    assert "undetermined" in text
    assert "20 iterations are too few" in text
    assert "Train on" in text


def test_a_run_at_risk_has_something_wrong_but_not_dead(dead):
    risky = json.loads(json.dumps(dead))
    risky["diagnosis"]["verdict"] = "at-risk"
    text = words(content("mine", risky))
    assert "What is wrong" in text
    assert "What died" not in text


def test_a_run_that_is_being_judged_says_so():
    text = words(content("mine", None, place))
    assert "mine is being judged" in text
    assert graph_ids(None) == shown_evidence(None) == []


def test_a_run_that_cannot_be_judged_says_why_and_what_to_try(logs):
    judge = Judge(logs)
    while (summary := judge.summary("broken")) is None:
        pass
    judge.close()
    text = words(content("broken", summary, place))
    assert "run.json cannot be read" in text
    assert "flatline diagnose broken" in text
    assert graph_ids(summary) == []


def test_a_verdict_of_fewer_iterations_than_there_are_says_so(dead):
    live = {**dead, "status": "running", "is_current": False}
    assert "so far, still training; more were recorded since" in words(content("mine", live))
    assert "more were recorded" not in words(content("mine", {**live, "is_current": True}))


def test_the_page_has_the_graphs_that_it_names(dead, well):
    for summary in (dead, well):
        page = content("mine", summary, place)
        ids = graph_ids(summary)
        assert ids[-1] == CARRIED
        assert all(found(page, graph) is not None for graph in ids)
    assert TIMELINE not in graph_ids({**well, "diagnosis": {**well["diagnosis"], "findings": []}})


def test_evidence_is_drawn_of_the_cause_and_what_is_grave(dead):
    findings = [{**dead["diagnosis"]["findings"][0], "severity": severity} for severity in ["warning", "info"] * 8]
    many = {**dead, "diagnosis": {**dead["diagnosis"], "findings": findings}}
    shown = shown_evidence(many)
    assert len(shown) == MOST_EVIDENCE
    assert {finding["severity"] for finding in shown} == {"warning"}
    only = {**dead, "diagnosis": {**dead["diagnosis"], "findings": findings[1:2]}}
    assert len(shown_evidence(only)) == 1


def test_what_was_not_measured_is_said_and_is_not_zero():
    assert evidence_words({"rho": None, "loss": 0.0}) == "rho not measured, loss 0"


def test_every_remedy_has_words_and_every_setting_fits_a_recipe():
    names = {name for advice in ADVICE.values() for name in advice.remedies}
    assert names <= REMEDIES.keys()
    for remedy in REMEDIES.values():
        if remedy.setting:
            load_recipe("story-plain", [remedy.setting])


def test_every_verdict_has_a_mark_of_its_own():
    assert len({mark for mark, _, _ in VERDICTS.values()}) == len(VERDICTS) == 4


@pytest.mark.parametrize(
    "name", ["story-attention", "story double.sigmoid", "interrupted", "own-loop", "gaps", "empty"]
)
def test_the_content_of_every_kind_of_run_can_be_sent(logs, name):
    summary = summarise(Run(logs / name))
    assert all(part.to_plotly_json() for part in content(name, summary, place) if part is not None)
    assert words(content(name, summary))
