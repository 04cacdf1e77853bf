"""Findings while the training runs: from the recorder's rows to the function, the event and the end of the loop."""

import copy
import json
import warnings
from types import SimpleNamespace

import pytest
import torch
from flatline.diagnostics import cadence, live
from flatline.diagnostics.diagnosis import Diagnosis
from flatline.diagnostics.errors import AttachError
from flatline.diagnostics.findings import Finding
from flatline.diagnostics.live import FIRST, Live
from flatline.diagnostics.recorder import Recorder
from flatline.runs.recording import Recorder as RunRecorder
from flatline.runs.run import Run


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def row(iteration: int) -> dict:
    return {"iteration": iteration, "loss": 0.5, "skipped": False}


def found(kind="gradient-death", severity="critical", active=True, variant="") -> Finding:
    return Finding(kind, severity, 0, 9, {}, variant, "", active, severity)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    monkeypatch.setattr(cadence, "time", clock)
    return clock


@pytest.fixture
def looks(monkeypatch, clock) -> SimpleNamespace:
    """Looks cost a second of the clock and say what `.says` holds; `.rows` are how many rows each had."""
    looks = SimpleNamespace(rows=[], says=[], cost=1.0)

    def diagnose(signals):
        clock.now += looks.cost
        looks.rows.append(len(signals))
        return Diagnosis("collapsed", None, tuple(looks.says), (), len(signals))

    monkeypatch.setattr(live, "diagnose", diagnose)
    return looks


def test_the_first_look_is_taken_as_soon_as_a_detector_can_say_anything(looks):
    watch = Live(dict)
    for iteration in range(FIRST - 1):
        watch.see(row(iteration))
    assert (looks.rows, watch.newest) == ([], None)
    watch.see(row(FIRST))
    assert looks.rows == [FIRST]
    assert watch.newest is not None


@pytest.mark.parametrize("share", [0.005, 0.001])
def test_looks_take_no_more_than_their_share_of_the_time_whatever_they_cost(share, looks, clock):
    watch = Live(dict, share)
    spent = []
    for iteration in range(20_000):
        clock.now += 0.1
        watch.see(row(iteration))
        spent.append((len(looks.rows) - 1) * looks.cost / clock.now)
    assert max(spent) <= share
    assert len(looks.rows) >= 20_000 * 0.1 * share - 1


def test_what_it_says_is_new_once_and_again_where_it_gets_worse(looks):
    watch = Live(dict)

    def told(*entries):
        looks.says = entries
        return [finding.severity for finding in watch.look()]

    assert told(found(severity="warning")) == ["warning"]
    assert told(found(severity="warning")) == []
    assert told(found(severity="critical")) == ["critical"]
    assert told(found(severity="critical")) == told(found(severity="warning")) == []
    assert told(found(severity="critical"), found("dead-units", variant="zero")) == ["critical"]


def test_another_variant_is_another_finding(looks):
    watch = Live(dict)
    for variant in ("", "zero"):
        looks.says = [found(variant=variant)]
        assert len(watch.look()) == 1


def test_what_is_over_or_only_worth_knowing_is_not_told(looks):
    looks.says = [found(active=False), found("label-problem", "info", variant="class-without")]
    assert Live(dict).look() == []


def test_at_the_end_there_is_a_last_look_at_what_ended(looks):
    watch = Live(dict)
    for iteration in range(FIRST):
        watch.see(row(iteration))
    looks.says = [found()]
    assert len(watch.end("finished")) == 1
    assert watch.history.status == "finished"
    assert Live(dict).end("finished") == []


def test_a_look_that_fails_costs_its_time_too(clock, monkeypatch):
    def broken(signals):
        clock.now += 7
        raise RuntimeError("no")

    monkeypatch.setattr(live, "diagnose", broken)
    watch = Live(dict)
    with pytest.raises(RuntimeError):
        watch.look()
    assert watch._cadence.state()["spent"] == 7


@pytest.fixture
def optimizer(net):
    return torch.optim.Adam(net.parameters(), lr=0.01)


def double_sigmoid(net, optimizer, batch, recorder, iterations):
    """A loss on logits that is fed probabilities."""
    for _ in range(iterations):
        optimizer.zero_grad()
        output = net(batch.clips).sigmoid()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(output, batch.target)
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss, logits=output, target=batch.target)


def test_a_broken_objective_is_told_within_a_few_iterations_and_once(net, optimizer, batch, log):
    called = []
    with Recorder(net, optimizer, log=log, loss="bce-with-logits", on_finding=called.append) as recorder:
        double_sigmoid(net, optimizer, batch, recorder, FIRST)
        assert [(finding.kind, finding.severity, finding.onset) for finding in called] == [
            ("broken-objective", "critical", 0)
        ]
        assert recorder.diagnosis is not None
        assert (recorder.diagnosis.verdict, recorder.diagnosis.cause) == ("collapsed", "broken-objective")
        double_sigmoid(net, optimizer, batch, recorder, 200)
    assert [finding.kind for finding in called].count("broken-objective") == 1


def test_the_event_is_on_disk_before_the_function_is_called(net, optimizer, batch, tmp_path):
    seen = []

    def look(finding):
        events = [json.loads(line) for line in (tmp_path / "mine" / "events.jsonl").read_text().splitlines()]
        seen.extend(event for event in events if event["kind"] == "finding")

    with RunRecorder(net, optimizer, log=tmp_path / "mine", loss="bce-with-logits", on_finding=look) as recorder:
        double_sigmoid(net, optimizer, batch, recorder, FIRST)
        assert len(seen) == 1
        assert (seen[0]["iteration"], seen[0]["finding"]["kind"]) == (FIRST, "broken-objective")
        assert {"severity", "onset", "last", "evidence", "explanation", "remedies"} <= set(seen[0]["finding"])


def test_without_a_function_the_events_are_written_all_the_same(net, optimizer, batch, tmp_path):
    with RunRecorder(net, optimizer, log=tmp_path / "mine", loss="bce-with-logits") as recorder:
        double_sigmoid(net, optimizer, batch, recorder, 30)
    events = [event for event in Run(tmp_path / "mine").events() if event["kind"] == "finding"]
    assert [event["finding"]["kind"] for event in events].count("broken-objective") == 1


def test_into_a_bare_list_nothing_is_looked_for_unless_it_is_asked(net, optimizer, batch):
    with Recorder(net, optimizer, log=[], loss="bce-with-logits") as recorder:
        double_sigmoid(net, optimizer, batch, recorder, 30)
        assert recorder.diagnosis is None
    called = []
    with Recorder(net, optimizer, log=[], loss="bce-with-logits", on_finding=called.append) as recorder:
        double_sigmoid(net, optimizer, batch, recorder, 30)
    assert "broken-objective" in [finding.kind for finding in called]


class Stop(Exception):
    """What a user's function raises to end the loop."""


def stop(finding):
    raise Stop(finding.kind)


def test_what_the_function_raises_ends_the_loop_and_the_log_is_closed_with_every_row(
    net, optimizer, batch, tmp_path, hooks_on
):
    path = tmp_path / "mine"
    with (
        pytest.raises(Stop, match="broken-objective"),
        RunRecorder(net, optimizer, log=path, loss="bce-with-logits", on_finding=stop) as recorder,
    ):
        double_sigmoid(net, optimizer, batch, recorder, 100)
    run = Run(path)
    assert (run.status, len(run)) == ("failed", FIRST)
    assert hooks_on(net, optimizer) == 0


def test_a_recorder_whose_function_raised_can_be_closed_as_one_likes(net, optimizer, batch, tmp_path):
    recorder = RunRecorder(net, optimizer, log=tmp_path / "mine", loss="bce-with-logits", on_finding=stop)
    with pytest.raises(Stop):
        double_sigmoid(net, optimizer, batch, recorder, 100)
    recorder.close("interrupted")
    assert Run(tmp_path / "mine").status == "interrupted"


def test_rows_that_arrive_together_are_all_written_before_the_function_may_raise(net, optimizer, batch, log):
    """From a GPU fifty rows arrive at once."""
    recorder = Recorder(net, optimizer, log=log, loss="bce-with-logits", on_finding=stop)
    put, held = recorder._readback.put, []
    recorder._readback.put = lambda captured: held.extend(put(captured)) or []
    double_sigmoid(net, optimizer, batch, recorder, 50)
    assert (len(held), len(log)) == (50, 0)
    with pytest.raises(Stop):
        recorder._write_arrived(held)
    assert len(log) == 50
    recorder.close()


def test_a_healthy_net_is_never_told_anything_critical(net, optimizer, batch, log, train_step):
    called = []
    with Recorder(net, optimizer, log=log, loss="bce-with-logits", on_finding=called.append) as recorder:
        for iteration in range(300):
            train_step(net, optimizer, batch, recorder)
            if iteration % 50 == 0:
                recorder.evaluation(logits=net(batch.clips).detach(), target=batch.target)
        recorder._live.look()  # whatever the clock says
    assert [finding.kind for finding in called if finding.severity == "critical"] == []
    assert recorder.diagnosis is not None
    assert recorder.diagnosis.iterations == 300


def test_looking_changes_nothing_that_is_trained(net, batch, log, train_step):
    other = copy.deepcopy(net)
    for model, ask in ((net, print), (other, None)):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        torch.manual_seed(1)
        with Recorder(model, optimizer, log=[], loss="bce-with-logits", on_finding=ask) as recorder:
            for _ in range(60):
                train_step(model, optimizer, batch, recorder)
                assert torch.is_grad_enabled()
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_detector_that_fails_is_told_once_and_training_goes_on(net, optimizer, batch, log, train_step, monkeypatch):
    def broken(signals):
        raise ValueError("a detector's fault")

    monkeypatch.setattr(live, "diagnose", broken)
    with (
        warnings.catch_warnings(record=True) as warned,
        Recorder(net, optimizer, log=log, loss="bce-with-logits") as recorder,
    ):
        warnings.simplefilter("always")
        for _ in range(40):
            train_step(net, optimizer, batch, recorder)
    assert [str(warning.message) for warning in warned] == [
        "findings could not be recorded at iteration 20 (told once): ValueError: a detector's fault"
    ]
    assert len(log) == 40
    assert [event["kind"] for event in log.events].count("signal-fault") == 1


def test_what_cannot_be_called_is_refused(net, optimizer, log, hooks_on):
    with pytest.raises(
        AttachError, match=r"on_finding is 'print', which cannot be called \(Recorder\); give a function"
    ):
        Recorder(net, optimizer, log=log, on_finding="print")
    assert hooks_on(net, optimizer) == 0
