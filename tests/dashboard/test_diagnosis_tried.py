import importlib.util
from pathlib import Path

import pytest
from flatline.dashboard.judging import Judge
from flatline.dashboard.pages.diagnosis import CARDS, filled
from flatline.dashboard.pages.diagnosis_tried import REVIVAL, arm_line, has_trials, trials_mark, tried
from flatline.runs.revive.revived import FILE
from flatline.runs.run import Run
from flatline.runs.summary import summarise

spec = importlib.util.spec_from_file_location("words_of_pages", Path(__file__).with_name("test_diagnosis_content.py"))
content = importlib.util.module_from_spec(spec)
spec.loader.exec_module(content)
words, found = content.words, content.found


@pytest.fixture(scope="module")
def treated(simulated, tmp_path_factory):
    return simulated.treated(tmp_path_factory.mktemp("treated"))


def card(path):
    return tried(path.parent, path, summarise(Run(path)))


def links(component):
    """Addresses of a component's links, by their words."""
    if isinstance(component, list | tuple):
        return {text: address for child in component for text, address in links(child).items()}
    own = {words(component): component.href} if getattr(component, "href", None) else {}
    children = getattr(component, "children", None)
    return own | (links(children) if children is not None and not isinstance(children, str) else {})


def test_the_prescription_comes_first_with_the_score_before_and_after(treated):
    text = words(card(treated))
    assert "Prescription: fix-objective, then prior-bias" in text
    assert "lwlrap 0.495 → 0.870 (chance 0.400, constant level 0.490); the RNN carries 62 % of it" in text
    assert "Mean of 3 seeds: lwlrap 0.850 (0.870, 0.850, 0.830); 95 % interval 0.800 to 0.900." in text
    assert "Against it Each change was tried on top of those before it" in text
    assert f"flatline train {treated / 'prescription.yaml'}" in text


def test_the_diff_says_what_goes_and_what_comes(treated):
    lines = found(card(treated), "prescription-diff").children
    assert [line.children for line in lines][:2] == ["- loss: bce-with-logits\n", "+ loss: bce\n"]
    assert lines[0].style != lines[1].style


def test_each_arm_is_a_row_with_its_numbers_and_a_way_to_its_run(treated):
    table = found(card(treated), "arms")
    rows = [words(row) for row in table.children[1].children]
    assert rows[0].startswith("unchanged 0.495 0.400 0.490 collapsed: broken-objective 0.001 – 350 31")
    assert rows[1].endswith("200 31 the cause is gone")
    assert rows[2].startswith("lower-rate – 0.400 0.490 could not be trained")
    assert rows[3].startswith("fix-objective + prior-bias prescribed 0.870 0.400 0.490 healthy 0.001 62 %")
    ways = links(table)
    assert ways["fix-objective + prior-bias"] == "/run/mine~fix-objective~prior-bias/diagnosis"
    assert "lower-rate" not in ways  # that run is not there


def test_the_stages_are_told_in_order_with_what_was_not_tried(treated):
    text = words(card(treated))
    first = text.index("The run as it is (broken-objective): tried fix-objective, lower-rate; fix-objective removes")
    assert first < text.index("With fix-objective (saturation-plateau): tried prior-bias;")
    assert "Not tried: warm-up (it changes nothing here)." in text
    assert "3 arms from iteration 0, 94 seconds, 0.52 of the iterations" in text


def test_the_run_and_its_cure_can_be_compared(treated):
    assert found(card(treated), "compare-arms").href == "/compare?runs=mine,mine~fix-objective~prior-bias"


def test_a_sick_run_without_trials_names_the_command(collapsed):
    text = words(card(collapsed.path))
    assert "Nothing yet." in text
    assert f"flatline revive {collapsed.name}" in text


def test_a_run_that_is_well_or_not_judged_yet_has_no_card(healthy, collapsed):
    assert card(healthy.path) is None
    assert tried(collapsed.path.parent, collapsed.path, None) is None


def test_trials_in_which_nothing_helped_say_so(simulated, tmp_path):
    path = simulated.treated(tmp_path)
    kept = (path / FILE).read_text()
    (path / FILE).write_text(kept.replace('"best": "fix-objective+prior-bias"', '"best": "unchanged"'))
    text = words(card(path))
    assert "Nothing that was tried made it better." in text
    assert "Prescription" not in text
    assert "prescribed" not in text


def test_a_file_of_trials_that_makes_no_sense_costs_the_page_nothing_else(simulated, tmp_path):
    path = simulated.treated(tmp_path)
    (path / FILE).write_text('{"run": "mine", "from_iteration": 0, "arms": [], "stages": [], "best": "x"}')
    assert "What was tried" in words(card(path))
    (path / FILE).write_text("{")
    assert not has_trials(path)
    assert "Nothing yet." in words(card(path))


def test_an_arm_says_of_which_run_it_is_one(treated):
    logs = treated.parent
    line = arm_line(logs, Run(logs / "mine~fix-objective~prior-bias").info)
    assert " ".join(words(line).split()) == "an arm of mine : fix-objective, then prior-bias"
    assert links(line) == {"mine": "/run/mine/diagnosis"}
    assert arm_line(logs, Run(treated).info) is None
    assert links(arm_line(logs, {"parent": {"run": "gone", "given": []}})) == {}


def test_the_page_has_the_card_and_its_figure(treated, collapsed):
    judge = Judge(treated.parent)
    try:
        while judge.summary(treated) is None:
            judge._thread.join(0.05)
        *_, trials, timeline, revival = filled(treated.parent, judge, "mine")[: 3 + 1 + 2]
        assert CARDS[1].graph == REVIVAL
        assert found(trials, "prescription") is not None
        assert (timeline, revival) == (False, False)
    finally:
        judge.close()


def test_the_page_learns_that_trials_ended(simulated, tmp_path):
    path = tmp_path / "mine"
    simulated.collapsed(path)
    assert trials_mark(path) is None
    (path / FILE).write_text("{}")
    assert trials_mark(path) is not None
