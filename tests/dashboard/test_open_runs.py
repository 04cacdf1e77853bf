import shutil
import threading
import time

import pytest
from flatline.dashboard.open_runs import OpenRuns, Turns
from flatline.diagnostics.errors import RunError
from flatline.runs.log import RunLog
from flatline.runs.run import Run


def in_threads(works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads


def test_of_those_who_wait_the_lowest_rank_is_next_and_of_equals_the_first():
    turns, order, inside = Turns(), [], threading.Event()
    release = threading.Event()

    def hold():
        with turns.turn():
            inside.set()
            release.wait(5)

    def take(rank, name):
        with turns.turn(rank):
            order.append(name)

    holder = in_threads([hold])
    assert inside.wait(5)
    waiting = []
    for rank, name in [(2, "third"), (0, "first"), (2, "last"), (1, "second")]:
        waiting += in_threads([lambda rank=rank, name=name: take(rank, name)])
        time.sleep(0.05)
    release.set()
    for thread in holder + waiting:
        thread.join(5)
    assert order == ["first", "second", "third", "last"]


def test_a_turn_ends_with_an_exception_too():
    turns = Turns()
    with pytest.raises(ValueError, match="of the figure"), turns.turn():
        raise ValueError("of the figure")
    done = in_threads([lambda: turns.turn().__enter__()])[0]
    done.join(2)
    assert not done.is_alive()


def test_a_run_stays_open_and_is_nobody_elses_meanwhile(logs):
    runs, path = OpenRuns(), logs / "complete"
    with runs.lent([path]) as (first,):
        other = in_threads([lambda: runs.lent([path]).__enter__()])[0]
        other.join(0.2)
        assert other.is_alive()
    other.join(2)
    assert not other.is_alive()
    fresh = OpenRuns()
    with fresh.lent([path]) as (first,):
        pass
    with fresh.lent([path]) as (second,):
        assert second is first


def test_two_runs_do_not_wait_for_each_other(logs):
    runs = OpenRuns()
    with runs.lent([logs / "complete"]), runs.lent([logs / "story-attention"]) as (other,):
        assert other.name == "story-attention"


def test_runs_come_in_the_order_asked_for_and_one_may_be_asked_for_twice(logs):
    paths = [logs / name for name in ("story-attention", "complete", "story-attention")]
    with OpenRuns().lent(paths) as runs:
        assert [run.name for run in runs] == ["story-attention", "complete", "story-attention"]


def test_who_wants_the_same_runs_in_another_order_is_not_locked_out(logs):
    runs, paths = OpenRuns(), [logs / "complete", logs / "story-attention"]

    def many(order):
        for _ in range(50):
            with runs.lent(order):
                pass

    threads = in_threads([lambda: many(paths), lambda: many(paths[::-1])])
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_the_longest_unused_run_is_closed(logs):
    runs = OpenRuns(most=2)
    names = ("complete", "story-attention", "interrupted")
    with runs.lent([logs / names[0]]) as (first,):
        pass
    for name in names[1:]:
        with runs.lent([logs / name]):
            pass
    with runs.lent([logs / names[0]]) as (again,):
        assert again is not first


def test_a_run_that_is_deleted_is_refused_as_a_new_one_would_be(tmp_path, logs):
    runs, path = OpenRuns(), tmp_path / "run"
    shutil.copytree(logs / "complete", path)
    with runs.lent([path]):
        pass
    shutil.rmtree(path)
    with pytest.raises(RunError), runs.lent([path]):
        pass
    with pytest.raises(RunError):
        Run(path)


def test_an_open_run_shows_what_was_recorded_since(tmp_path):
    runs, path = OpenRuns(), tmp_path / "run"
    log = RunLog(path, {"parameters": [], "classes": []})
    lasts = []
    for iteration in (0, 1):
        log.append({"iteration": iteration, "epoch": 0, "wall_time": 0.0, "loss": 1.0})
        log.flush()
        with runs.lent([path]) as (run,):
            lasts.append(run.window("loss")["mean"].index[-1])
    log.close()
    assert lasts == [0, 1]
