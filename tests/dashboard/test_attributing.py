"""Attributions that pages ask for: one at a time, few that wait, cancelled at once, a process that may die."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from flatline.dashboard import attributing_process
from flatline.dashboard.attributing import MOST_KEPT, Desk, Job, Request
from flatline.dashboard.attributing_process import AttributingProcess

ANSWERS = """
import json, os, signal, sys, time

def stop(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, stop)
for line in iter(sys.stdin.readline, ""):
    asked = json.loads(line)
    say = lambda **more: print(json.dumps({"id": asked["id"], **more}), flush=True)
    clip = asked.get("clip", "warm")
    if clip == "dies":
        os._exit(1)
    if clip == "garbage":
        print("no JSON", flush=True)
    if clip == "wrong":
        say(error="that is wrong")
        continue
    if clip in ("slow", "stubborn"):
        say(done=0, of=7)
        try:
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            while clip == "stubborn":
                try:
                    time.sleep(60)
                except KeyboardInterrupt:
                    pass
            say(cancelled=True)
        continue
    say(**{"class": "zero", "refused": {"deep-lift": "not here"} if clip == "refused" else {}})
"""


@pytest.fixture
def process():
    return AttributingProcess([sys.executable, "-c", ANSWERS])


@pytest.fixture
def desk(process):
    found = Desk(most_waiting=2, process=process)
    yield found
    found.close()


def request(tmp_path, clip, **changed):
    return Request(
        **{
            "run": tmp_path,
            "iteration": 6,
            "clip": clip,
            "class_name": "zero",
            "methods": ("saliency",),
            "baseline": "silence",
            **changed,
        }
    )


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def state(desk, asked):
    job = desk.job(asked)
    return None if job is None else job.state


def test_what_was_asked_is_done_and_told(desk, tmp_path):
    asked = request(tmp_path, "a.wav", class_name=None)
    assert desk.job(asked) is None
    assert desk.ask(asked).is_open
    until(lambda: state(desk, asked) == "done")
    job = desk.job(asked)
    assert (job.class_name, job.refused) == ("zero", ())
    assert 0 < job.seconds < 60


def test_one_is_computed_at_a_time_and_only_so_many_wait(desk, tmp_path):
    slow = request(tmp_path, "slow")
    desk.ask(slow)
    until(lambda: state(desk, slow) == "running")
    first, second, third = (request(tmp_path, name) for name in "abc")
    assert [desk.ask(one).ahead for one in (first, second)] == [1, 2]
    full = desk.ask(third)
    assert full.state == "failed"
    assert "2 others wait already" in full.said
    assert desk.ask(first).ahead == 1  # it waits already
    desk.cancel(slow)
    until(lambda: state(desk, second) == "done")
    assert state(desk, first) == "done"
    assert desk.ask(third).is_open


def test_a_cancel_is_at_once_and_the_process_stays_for_the_next(desk, process, tmp_path):
    slow, other = request(tmp_path, "slow"), request(tmp_path, "a.wav")
    desk.ask(slow)
    until(lambda: desk.job(slow).of == 7)
    pid = process.pid
    desk.cancel(slow)
    assert state(desk, slow) == "cancelled"
    desk.ask(other)
    until(lambda: state(desk, other) == "done")
    assert process.pid == pid
    assert state(desk, slow) == "cancelled"


def test_a_cancel_while_the_process_starts_lets_it_start(desk, process, tmp_path):
    slow, other = request(tmp_path, "slow"), request(tmp_path, "a.wav")
    desk.ask(slow)
    desk.cancel(slow)
    desk.ask(other)
    assert state(desk, slow) == "cancelled"
    until(lambda: state(desk, other) == "done")
    slow_again = request(tmp_path, "slow", baseline="mean")
    desk.ask(slow_again)
    until(lambda: state(desk, slow_again) == "running")
    pid = process.pid
    desk.cancel(slow_again)  # perhaps before it was heard
    desk.ask(other)
    until(lambda: state(desk, other) == "done")
    assert process.pid == pid


def test_a_process_that_does_not_heed_a_cancel_is_ended(desk, process, tmp_path, monkeypatch):
    stubborn, other = request(tmp_path, "stubborn"), request(tmp_path, "a.wav")
    desk.ask(stubborn)
    until(lambda: desk.job(stubborn).of == 7)
    pid = process.pid
    desk.ask(other)
    desk.cancel(stubborn)
    assert state(desk, stubborn) == "cancelled"
    until(lambda: state(desk, other) == "done")
    assert process.pid != pid


def test_one_that_waits_is_cancelled_without_disturbing_the_other(desk, tmp_path):
    slow, waits = request(tmp_path, "slow"), request(tmp_path, "a.wav")
    desk.ask(slow)
    until(lambda: state(desk, slow) == "running")
    desk.ask(waits)
    desk.cancel(waits)
    assert (state(desk, waits), state(desk, slow)) == ("cancelled", "running")
    assert desk.ask(waits).is_open
    desk.cancel(slow)
    until(lambda: state(desk, waits) == "done")


def test_one_that_is_asked_again_after_a_cancel_is_computed(desk, tmp_path):
    slow = request(tmp_path, "slow")
    for _ in range(3):
        desk.ask(slow)
        until(lambda: state(desk, slow) == "running")
        desk.cancel(slow)
    assert state(desk, slow) == "cancelled"


def test_a_process_that_dies_is_said_and_another_answers_the_next(desk, process, tmp_path):
    dies, other = request(tmp_path, "dies"), request(tmp_path, "a.wav")
    desk.ask(dies)
    until(lambda: state(desk, dies) == "failed")
    assert "ended (for lack of memory, perhaps)" in desk.job(dies).said
    desk.ask(other)
    until(lambda: state(desk, other) == "done")


def test_one_that_dies_between_two_requests_is_started_anew(desk, process, tmp_path):
    first, second = request(tmp_path, "a.wav"), request(tmp_path, "b.wav")
    desk.ask(first)
    until(lambda: state(desk, first) == "done")
    os.kill(process.pid, 9)
    until(lambda: not process.is_there)
    desk.ask(second)
    until(lambda: state(desk, second) == "done")


def test_what_is_wrong_is_told_in_the_process_s_own_words(desk, tmp_path):
    for clip, said in (("wrong", "that is wrong"), ("garbage", "ended")):
        asked = request(tmp_path, clip)
        desk.ask(asked)
        until(lambda asked=asked: state(desk, asked) == "failed")
        assert said in desk.job(asked).said


def test_what_a_network_does_not_allow_is_remembered_of_that_run(desk, tmp_path):
    asked = request(tmp_path, "refused")
    desk.ask(asked)
    until(lambda: state(desk, asked) == "done")
    assert desk.refused(tmp_path) == {"deep-lift": "not here"}
    assert desk.refused(tmp_path / "other") == {}


def test_an_idle_process_is_ended(process, tmp_path):
    desk = Desk(idle_s=0.05, process=process)
    try:
        desk.warm(tmp_path, 6)
        until(lambda: process.is_there)
        until(lambda: not process.is_there)
        asked = request(tmp_path, "a.wav")
        desk.ask(asked)
        until(lambda: state(desk, asked) == "done")
    finally:
        desk.close()


def test_nobody_waits_while_an_idle_process_ends_and_the_next_is_answered(process, tmp_path, monkeypatch):
    desk, ending, may_end, whole = Desk(idle_s=0.05, process=process), Event(), Event(), process.end

    def slow():
        if process.is_there:
            ending.set()
            may_end.wait(30)
        whole()

    monkeypatch.setattr(process, "end", slow)
    try:
        desk.warm(tmp_path, 6)
        assert ending.wait(60)
        asked, other = request(tmp_path, "a.wav"), request(tmp_path, "b.wav")
        with ThreadPoolExecutor(1) as pool:
            try:
                assert pool.submit(lambda: desk.ask(asked)).result(5).is_open
                assert pool.submit(lambda: desk.job(asked)).result(5).state == "waiting"
                assert pool.submit(lambda: (desk.ask(other), desk.cancel(other))).result(5)
            finally:
                may_end.set()
        until(lambda: state(desk, asked) == "done")
        assert state(desk, other) == "cancelled"
    finally:
        may_end.set()
        desk.close()


def test_warming_starts_one_and_only_where_there_is_none(desk, process, tmp_path):
    desk.warm(tmp_path, 6)
    until(lambda: process.is_there)
    pid = process.pid
    desk.warm(tmp_path, 3)
    asked = request(tmp_path, "a.wav")
    desk.ask(asked)
    until(lambda: state(desk, asked) == "done")
    assert process.pid == pid


def test_closing_ends_what_goes_on(process, tmp_path):
    desk = Desk(process=process)
    slow = request(tmp_path, "slow")
    desk.ask(slow)
    until(lambda: state(desk, slow) == "running")
    desk.close()
    assert not process.is_there
    assert desk.ask(request(tmp_path, "a.wav")).state == "failed"


def test_outcomes_do_not_pile_up(desk, tmp_path):
    for number in range(MOST_KEPT + 20):
        desk._keep(Job(request(tmp_path, str(number)), "done"))
    assert len(desk._jobs) == MOST_KEPT
    assert desk.job(request(tmp_path, "0")) is None


def test_a_process_that_cannot_be_started_is_said(tmp_path):
    desk = Desk(process=AttributingProcess(["/nowhere/python"]))
    try:
        asked = request(tmp_path, "a.wav")
        desk.ask(asked)
        until(lambda: state(desk, asked) == "failed")
        assert "/nowhere/python" in desk.job(asked).said
    finally:
        desk.close()


def test_the_command_is_the_project_s_own():
    assert attributing_process.COMMAND[1:] == ("-P", "-m", "flatline.runs.attribution_worker")
