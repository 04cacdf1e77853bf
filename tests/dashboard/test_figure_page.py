import inspect
import json
import logging
import shutil

import pytest
from flatline.dashboard.addresses import Address
from flatline.dashboard.judging import Judge
from flatline.dashboard.pages import classes, compare, localisation, vitals
from flatline.dashboard.pages.cards import ASKED, Card
from flatline.dashboard.pages.cursor import cursor_of, newest_iteration
from flatline.dashboard.pages.figure_page import drawn
from flatline.runs.run import Run

OF_RUNS = {card.graph: card for page in (vitals, classes, localisation) for card in page.CARDS}
KINDS = ["complete", "story-attention", "story double.sigmoid", "gaps", "own-loop", "empty", "interrupted"]


@pytest.fixture(scope="module")
def judge(logs):
    found = Judge(logs)
    yield found
    found.close()


def of(card, logs, judge, run, scheme="light", page="vitals", **asked):
    return drawn(card, logs, judge, Address(page, run), asked, scheme)


def words(figure):
    return " ".join(note.text or "" for note in figure.layout.annotations)


@pytest.mark.parametrize("graph", OF_RUNS)
@pytest.mark.parametrize("run", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_of_every_kind_of_run_can_be_sent(logs, judge, graph, run, scheme, caplog):
    assert of(OF_RUNS[graph], logs, judge, run, scheme).to_json()
    faults = [record for record in caplog.records if record.exc_info and record.exc_info[0] in (TypeError, KeyError)]
    assert faults == []


@pytest.mark.parametrize("graph", OF_RUNS)
def test_every_figure_of_a_complete_run_shows_data(logs, judge, graph):
    assert of(OF_RUNS[graph], logs, judge, "complete").data


@pytest.mark.parametrize("graph", OF_RUNS)
@pytest.mark.parametrize("run", ["broken", "gone"])
def test_a_run_that_is_gone_or_broken_is_a_message_and_no_exception(logs, judge, graph, run):
    figure = of(OF_RUNS[graph], logs, judge, run)
    assert not figure.data
    assert words(figure)


@pytest.mark.parametrize("graph", [graph for graph, card in OF_RUNS.items() if "zoom" in card.asks])
def test_a_zoomed_figure_holds_the_stretch_and_nothing_else(logs, judge, graph):
    figure = of(OF_RUNS[graph], logs, judge, "complete", zoom=[60, 160])
    lines = [list(trace.x) for trace in figure.data if trace.x is not None and len(trace.x) > 1]
    assert lines
    for xs in lines:  # evaluations go on to their neighbours, which lie outside
        assert sum(x < 59 for x in xs) <= 2
        assert sum(x > 161 for x in xs) <= 2


@pytest.mark.parametrize("graph", [graph for graph, card in OF_RUNS.items() if "iteration" in card.asks])
def test_an_iteration_that_holds_nothing_is_said_and_nothing_old_is_shown(logs, judge, graph):
    """199 is an evaluation, 151 a recorded iteration without one, 5000 is beyond the run's end."""
    there = of(OF_RUNS[graph], logs, judge, "complete", iteration=199)
    beyond = of(OF_RUNS[graph], logs, judge, "complete", iteration=5000)
    assert "199" in there.layout.title.text + words(there)
    assert "5,000" in (beyond.layout.title.text or "") + words(beyond)
    assert not [trace for trace in beyond.data if trace.type == "bar"]


def test_the_cursor_stands_at_the_newest_evaluation_until_it_is_moved(logs):
    run = Run(logs / "complete")
    assert newest_iteration([run]) == 199
    assert cursor_of([run]) == {"last": 199, "newest": 199, "evaluations": [49, 99, 149, 199]}
    assert newest_iteration([run, Run(logs / "interrupted")]) == 149
    assert cursor_of([Run(logs / "own-loop")]) == {"last": 39, "newest": 39, "evaluations": []}


def test_what_a_figure_asks_for_is_what_its_function_takes():
    assert OF_RUNS["class-lwlrap"].asks == {"iteration"}
    assert {"zoom", "marks"} <= OF_RUNS["gradient-heatmap"].asks
    for card in [*OF_RUNS.values(), *compare.CARDS]:
        taken = set(inspect.signature(card.draw).parameters) & {*ASKED, "last"}
        assert {"first": "last"}.get("first" if "first" in taken else "", "last") in {*taken, "last"}


def test_the_onsets_of_findings_are_marked_once_the_run_is_judged(simulated, tmp_path):
    simulated.collapsed(tmp_path / "run")
    judge = Judge(tmp_path)
    try:
        while judge.summary(tmp_path / "run") is None:
            pass
        figure = of(OF_RUNS["gradient-heatmap"], tmp_path, judge, "run")
        names = {shape.name for shape in figure.layout.shapes}
        kinds = {finding["kind"] for finding in judge.summary(tmp_path / "run")["diagnosis"]["findings"]}
        assert {name.removeprefix("onset ") for name in names if name and name.startswith("onset ")} & kinds
    finally:
        judge.close()


def test_a_corrupt_segment_is_a_message_and_no_exception(simulated, tmp_path):
    simulated.healthy(tmp_path / "run")
    judge = Judge(tmp_path)
    for file in (tmp_path / "run" / "iterations").glob("*.parquet"):
        file.write_bytes(b"not parquet")
    shutil.rmtree(tmp_path / "run" / "pyramid", ignore_errors=True)
    assert not of(OF_RUNS["gradient-heatmap"], tmp_path, judge, "run").data
    assert of(OF_RUNS["lwlrap"], tmp_path, judge, "run").data
    judge.close()


def test_a_fault_is_logged_with_its_traceback(logs, judge, caplog):
    with caplog.at_level(logging.ERROR):
        figure = of(Card("loss", lambda run, scheme: {}["no such"]), logs, judge, "story-attention")
    assert figure.layout.annotations[0].text == "'no such'"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "loss cannot be shown" in caplog.text
    assert "Traceback" in caplog.text


def test_a_comparison_draws_its_runs_and_says_which_is_missing(logs, judge):
    both = Address("compare", runs=("complete", "even maps"))
    for card in compare.CARDS:
        assert drawn(card, logs, judge, both, {}, "light").data, card.graph
    missing = Address("compare", runs=("complete", "even maps", "nobody"))
    assert drawn(compare.CARDS[0], logs, judge, missing, {}, "light").data
    nothing = Address("compare", runs=("nobody", "none"))
    assert "no run named 'nobody'" in words(drawn(compare.CARDS[0], logs, judge, nothing, {}, "light"))


def test_two_runs_maps_are_of_one_clip_and_on_one_scale(simulated, tmp_path):
    simulated.complete(tmp_path / "sharp")
    simulated.complete(tmp_path / "even", sharp=0.0)
    info = json.loads((tmp_path / "even" / "run.json").read_text())
    (tmp_path / "even" / "run.json").write_text(json.dumps({**info, "clips": info["clips"][::-1]}))
    judge, both = Judge(tmp_path), Address("compare", runs=("sharp", "even"))
    cards = {card.graph: card for card in compare.CARDS}
    one, other = (drawn(cards[f"compare-localisation-{place}"], tmp_path, judge, both, {}) for place in (1, 2))
    judge.close()
    assert "clip one.wav" in one.layout.title.text
    assert "clip one.wav" in other.layout.title.text
    scales = [
        {trace.name: trace.zmax for trace in figure.select_traces({"type": "heatmap"})} for figure in (one, other)
    ]
    assert scales[0]
    assert scales[0] == scales[1]
