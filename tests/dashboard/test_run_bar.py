import shutil

import pytest
from dash import no_update
from flatline.dashboard.addresses import Address
from flatline.dashboard.judging import Judge
from flatline.dashboard.pages.run_bar import bar, news
from flatline.dashboard.shell import ENDED_MS, LIVE_MS

SEEN, RECORDED, PACE, BAR, HIDDEN, SHOWS, CURSOR, CLIPS, CLASSES, MAPS = range(10)


@pytest.fixture
def judge(logs):
    found = Judge(logs)
    yield found
    found.close()


def test_news_come_once_and_grow_with_the_run(simulated, live):
    logs, log = live
    judge, address = Judge(logs), Address("vitals", "live one")
    first = news(logs, judge, address, None)
    assert (first[PACE], first[HIDDEN], first[CURSOR]["last"]) == (LIVE_MS, False, 119)
    simulated.write(log, 120, 180)
    second = news(logs, judge, address, first[SEEN], first[RECORDED])
    assert second[RECORDED] not in (first[RECORDED], no_update)
    assert second[CURSOR]["last"] == 179
    judge.close()


def test_nothing_new_is_not_said_again(logs, judge):
    address = Address("vitals", "broken")
    first = news(logs, judge, address, None)
    while (again := news(logs, judge, address, first[SEEN], first[RECORDED]))[SEEN] is not no_update:
        first = again if again[RECORDED] is not no_update else (*again[:1], first[1], *again[2:])
    assert again[RECORDED] is no_update
    assert again[3:] == (no_update,) * 7


def test_another_page_of_a_run_changes_the_bar_and_leaves_the_figures(logs, judge):
    while judge.summary(logs / "complete") is None:
        pass
    first = news(logs, judge, Address("vitals", "complete"), None)
    other = news(logs, judge, Address("classes", "complete"), first[SEEN], first[RECORDED])
    assert other[RECORDED] is no_update
    assert other[BAR] is not no_update


def test_a_run_that_ended_and_is_judged_is_asked_rarely(logs, judge):
    while judge.summary(logs / "complete") is None:
        pass
    found = news(logs, judge, Address("localisation", "complete"), None)
    assert found[PACE] == ENDED_MS
    assert found[SHOWS] == "iteration clip class map"
    assert found[CLIPS] == ["clip one.wav", "clip two.wav"]
    assert found[MAPS] == ["head.localisation"]
    assert len(found[CLASSES]) == 14


def test_a_run_that_was_deleted_is_news(simulated, tmp_path):
    simulated.nearly_nothing(tmp_path / "run")
    judge, address = Judge(tmp_path), Address("vitals", "run")
    first = news(tmp_path, judge, address, None)
    shutil.rmtree(tmp_path / "run")
    gone = news(tmp_path, judge, address, first[SEEN], first[RECORDED])
    assert gone[RECORDED] not in (first[RECORDED], no_update)
    assert "was deleted or renamed" in repr(gone[BAR])
    judge.close()


def test_the_bar_says_what_a_run_is_and_what_became_of_it(logs, judge):
    while judge.summary(logs / "story double.sigmoid") is None:
        pass
    said = repr(bar(logs, judge, Address("vitals", "story double.sigmoid")))
    for expected in ("cgrnn", "bce-with-logits", "finished", "collapsed", "/run/story%20double.sigmoid/diagnosis"):
        assert expected in said


def test_the_bar_of_a_comparison_names_every_run_and_the_way_without_it(logs, judge):
    said = repr(bar(logs, judge, Address("compare", runs=("complete", "gaps", "nobody"), by="head")))
    assert "no run named 'nobody'" in said
    assert "/compare?runs=gaps,nobody&by=head" in said


def test_pages_of_no_run_have_no_bar_and_no_cursor(logs, judge):
    found = news(logs, judge, Address("runs"), "before")
    assert (found[BAR], found[HIDDEN], found[CURSOR]) == (None, True, None)
