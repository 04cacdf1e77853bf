"""Trials of a small LSTM loop of one's own, with a fault in its objective."""

import json
import os
import random
import signal
import threading
import time

import flatline
import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import RunError
from flatline.runs.read_once import ReadOnce
from flatline.runs.revive import loop_session
from flatline.runs.revive.arms import Arm
from flatline.runs.revive.loop_trials import LoopTrials
from torch import nn

ITERATIONS, EVERY, CLASSES = 60, 10, 6


class Tagger(nn.Module):
    output_layer = "output"

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(CLASSES, 8, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.output = nn.Linear(8, CLASSES)

    def forward(self, clips):
        return self.output(self.dropout(self.lstm(clips)[0][:, -1]))


def batch(n):
    target = torch.eye(CLASSES)[torch.randint(CLASSES, (n,))]
    return target[:, None] * 2 + torch.randn(n, 6, CLASSES) / 2, target


def fit(log, iterations, context=None, at=lambda iteration: None, evaluates=True, rate=None):
    """A sigmoid before a loss on logits; draws from torch, numpy and random at every iteration."""
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    model, criterion, kind = Tagger(), nn.BCEWithLogitsLoss(), "bce-with-logits"
    held_out, answers = batch(40)
    has = context.has if context else lambda name: False
    if context:
        context.model(model, prior=answers.mean(dim=0), n_frames=6, loss=kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    if context:
        context.optimizer(optimizer)
        criterion = context.criterion(criterion, gives="logits" if has("no-sigmoid") else "probabilities")
        kind = context.loss(kind)
    drawn = []

    def given(scores):
        return {"logits": scores} if has("no-sigmoid") else {"probabilities": scores.sigmoid()}

    with flatline.Recorder(model, optimizer, log=log, loss=kind) as recorder:
        for iteration in range(iterations):
            if context and not context.goes_on(iteration):
                break
            at(iteration)
            drawn.append((torch.rand(1).item(), random.random(), np.random.rand()))  # noqa: NPY002
            for group in optimizer.param_groups:
                group["lr"] = rate(iteration) if rate else group["lr"]
            model.train()
            inputs, target = batch(16)
            scores = given(model(inputs))
            loss = criterion(*scores.values(), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, target=target, **scores)
            if evaluates and (iteration + 1) % EVERY == 0:
                model.eval()
                with torch.no_grad():
                    scores = given(model(held_out))
                recorder.evaluation(target=answers, loss=criterion(*scores.values(), answers), **scores)
    return drawn


@pytest.fixture(autouse=True)
def one_thread():
    threads, states = torch.get_num_threads(), (random.getstate(), np.random.get_state())  # noqa: NPY002
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(threads)
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    assert [one.name for one in threading.enumerate() if one.name in NAMES] == []


NAMES = {"unchanged", "no-sigmoid", "lower-rate", "prior-bias", "fix-objective"}

NO_SIGMOID = flatline.Switch("no-sigmoid", "leave the sigmoid out", ["broken-objective"])


@pytest.fixture
def patient(tmp_path):
    fit(tmp_path / "mine", ITERATIONS)
    return ReadOnce(tmp_path / "mine")


def trial(**more):
    """A trial function, and what each arm drew."""
    drawn = {}

    def of(context):
        drawn[context.name] = fit(context.log, context.iterations, context, **more)
        return flatline.Run(context.log)

    return of, drawn


def curve(path):
    run = ReadOnce(path)
    evaluations = run.evaluation_scalars
    return run.series("loss").tolist(), evaluations[["loss", "lwlrap"]].to_numpy().tolist()


def arms_of(trials, *names):
    control = trials.control()
    return [trials.prescribe(control, name) for name in names]


def test_the_patient_is_what_the_tests_take_it_for(patient):
    diagnosis = flatline.diagnose(patient)
    assert diagnosis.cause == "broken-objective"
    assert patient.info["seed"] == 3


def test_the_loop_with_nothing_changed_is_the_run_bit_for_bit(patient):
    function, _ = trial()
    trials = LoopTrials(patient, function)
    (arm,) = trials.train([Arm(())], ITERATIONS)
    trials.close()
    assert arm.path != patient.path
    assert curve(arm.path) == curve(patient.path)


def test_a_control_that_repeats_the_run_is_not_trained_further(patient):
    function, drawn = trial()
    trials = LoopTrials(patient, function)
    control = trials.control()
    trials.close()
    assert control.path == patient.path
    assert control.standing.iterations == ITERATIONS
    assert "repeats to the bit (up to 10)" in control.note
    assert len(drawn["unchanged"]) == trials.spent == 10


def test_a_control_that_is_another_is_trained_to_its_end_and_stands_for_itself(patient):
    function, drawn = trial(rate=lambda iteration: 0.001)
    trials = LoopTrials(patient, function)
    control = trials.control()
    trials.close()
    assert control.path != patient.path
    assert len(drawn["unchanged"]) == ITERATIONS


def test_pauses_at_rungs_between_other_arms_change_nothing_of_an_arm(patient):
    paused, drawn = trial()
    trials = LoopTrials(patient, paused)
    arms = arms_of(trials, "lower-rate", "fix-objective", "prior-bias")
    before = torch.get_rng_state(), random.getstate()
    for until in (20, 40, ITERATIONS):
        arms = trials.train(arms, until)
        assert [arm.standing.iterations for arm in arms] == [until] * 3
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    trials.close()
    paths = [arm.path.rename(arm.path.with_name(f"paused{number}")) for number, arm in enumerate(arms)]
    whole, alone = trial()
    others = LoopTrials(patient, whole)
    again = [others._advanced(arm, others._session(arm, 3), ITERATIONS) for arm in _again(others, arms)]
    others.close()
    for arm, path in zip(again, paths, strict=True):
        assert curve(arm.path) == curve(path)
        assert drawn[arm.name] == alone[arm.name]
        assert len(drawn[arm.name]) == ITERATIONS


def _again(trials, arms):
    control = trials.control()
    return [trials.prescribe(control, arm.name) for arm in arms]


def test_an_arm_that_raises_is_out_and_the_others_go_on(patient):
    def function(context):
        def at(iteration):
            if context.has("lower-rate") and iteration == 15:
                raise ValueError("no such file: clips.csv")

        fit(context.log, context.iterations, context, at)
        return flatline.Run(context.log)

    revived = flatline.revive(patient, trial=function, arms=["lower-rate", "no-sigmoid"], own=[NO_SIGMOID], seeds=1)
    rows = {arm["intervention"]: arm for arm in revived.arms}
    assert rows["lower-rate"]["note"] == "could not be trained: no such file: clips.csv"
    assert rows["lower-rate"]["verdict"] is None
    assert revived.best.startswith("no-sigmoid")
    assert ReadOnce(patient.path.with_name("mine~lower-rate")).status == "failed"


def test_the_right_loss_and_the_switch_are_found_without_being_told_and_all_logs_are_closed(patient):
    function, _ = trial()
    revived = flatline.revive(patient, trial=function, own=[NO_SIGMOID], seeds=2)
    assert revived.stages[0]["cause"] == "broken-objective"
    assert {"fix-objective", "no-sigmoid"} <= set(revived.stages[0]["arms"])
    assert revived.best.split("+")[0] in ("fix-objective", "no-sigmoid")
    assert [seed["seed"] for seed in revived.seeds] == [3, 3]  # the loop seeds itself; its own affair
    assert revived.cost <= 0.6
    for path in patient.path.parent.glob("mine~*"):
        info = json.loads((path / "run.json").read_text())
        assert info["status"] == "finished", path.name
        assert info["parent"]["run"] == "mine"
        assert "~".join(["mine", *(info["parent"]["given"] or ["unchanged"])]) in path.name


def test_a_switch_is_told_to_the_loop_and_takes_the_place_of_one_of_its_name(patient):
    function, _ = trial()
    mine = flatline.Switch("fix-labels", "other labels", ["label-problem"])
    trials = LoopTrials(patient, function, own=[mine, NO_SIGMOID])
    assert trials.known["fix-labels"] is mine
    assert list(trials.known)[:2] == ["fix-labels", "no-sigmoid"]
    (arm,) = trials.train(arms_of(trials, "no-sigmoid"), 20)
    trials.close()
    assert ReadOnce(arm.path).info["output_kind"] == "logits"
    assert ReadOnce(patient.path).info["output_kind"] == "probabilities"
    assert "Switch" in trials.why_not(arm, "input-attention")
    assert trials.why_not(arm, "no-sigmoid") is None


def test_an_arm_that_changes_nothing_ends_at_the_first_look(patient):
    function, drawn = trial()
    idle = flatline.Switch("other-names", "call the files otherwise", ["broken-objective"])
    trials = LoopTrials(patient, function, own=[idle])
    (arm,) = trials.train(arms_of(trials, "other-names"), 40)
    trials.close()
    assert arm.is_out
    assert arm.note == "changes nothing: the same as unchanged to the bit, up to 10"
    assert len(drawn["other-names"]) == 10


def test_a_dropped_arm_s_loop_ends_and_closes_its_log(patient):
    function, drawn = trial()
    trials = LoopTrials(patient, function)
    arms = trials.train(arms_of(trials, "lower-rate", "prior-bias"), 20)
    assert ReadOnce(arms[0].path).status == "running"
    trials.drop(arms[:1])
    assert ReadOnce(arms[0].path).status == "finished"
    assert ReadOnce(arms[1].path).status == "running"
    assert len(drawn["lower-rate"]) == 20
    trials.close()
    assert ReadOnce(arms[1].path).status == "finished"


def test_a_run_without_evaluations_is_one_message(tmp_path):
    fit(tmp_path / "mine", 20, evaluates=False)
    function, drawn = trial()
    with pytest.raises(RunError, match=r"run mine has no evaluation to compare arms by; call recorder\.evaluation"):
        flatline.revive(tmp_path / "mine", trial=function)
    assert drawn == {}


def test_a_trial_without_evaluations_is_one_message(patient):
    function, _ = trial(evaluates=False)
    with pytest.raises(RunError, match=r"^the trial of mine with nothing changed made no evaluation$"):
        flatline.revive(patient, trial=function)


def test_a_trial_that_gives_no_run_is_told_what_to_give(patient):
    with pytest.raises(RunError, match=r"of mine with nothing changed: .* gave NoneType, not its flatline\.Run"):
        flatline.revive(patient, trial=lambda context: fit(context.log, context.iterations, context) and None)


def test_a_loop_that_never_asks_whether_to_go_on_is_trained_to_its_end(patient):
    def function(context):
        fit(context.log, context.iterations)
        return flatline.Run(context.log)

    trials = LoopTrials(patient, function)
    assert trials.control().path == patient.path
    (arm,) = trials.train(arms_of(trials, "lower-rate"), 20)
    trials.close()
    assert len(ReadOnce(arm.path)) == ITERATIONS


def test_a_loop_that_does_not_end_when_told_is_named(patient, monkeypatch):
    monkeypatch.setattr(loop_session, "FORGIVEN_S", 0.05)
    trials = LoopTrials(patient, trial()[0])
    released = threading.Event()
    session = loop_session.Session(released.wait, trials._session(Arm(()), 3).context)
    waiting = threading.Thread(target=session.advance, args=(10,))
    waiting.start()
    while session._thread is None or not session._thread.is_alive():
        time.sleep(0.001)
    with pytest.warns(UserWarning, match=r"loop of unchanged goes on 0\.05 s after .* Call context\.goes_on before"):
        session.end()
    released.set()
    waiting.join()


@pytest.mark.parametrize("by", ["an exception in the loop", "a signal"])
def test_ctrl_c_in_a_trial_ends_all_of_them_and_closes_their_logs(patient, by):
    def at(iteration):
        if iteration == 15 and by == "a signal":
            os.kill(os.getpid(), signal.SIGINT)
        elif iteration == 15:
            raise KeyboardInterrupt

    def function(context):
        fit(context.log, context.iterations, context, at if context.has("no-sigmoid") else lambda iteration: None)
        return flatline.Run(context.log)

    with pytest.raises(KeyboardInterrupt):
        flatline.revive(patient, trial=function, arms=["lower-rate", "no-sigmoid"], own=[NO_SIGMOID])
    logs = sorted(patient.path.parent.glob("mine~*"))
    assert [path.name for path in logs] == ["mine~lower-rate", "mine~no-sigmoid", "mine~unchanged"]
    assert "running" not in {ReadOnce(path).status for path in logs}
    assert not (patient.path / "revive.json").exists()


def test_a_rate_that_is_scaled_stays_so_whatever_the_loop_sets_it_to(patient):
    function, _ = trial(rate=lambda iteration: 0.02 if iteration < 30 else 0.04)
    trials = LoopTrials(patient, function)
    (arm,) = trials.train(arms_of(trials, "lower-rate"), ITERATIONS)
    trials.close()
    rates = ReadOnce(arm.path).series("learning_rate")
    factor = rates[0] / 0.02
    assert factor in (pytest.approx(1 / 3), pytest.approx(0.1), pytest.approx(1 / 30), pytest.approx(0.01))
    assert rates[59] == pytest.approx(0.04 * factor)


def test_a_scaled_rate_is_put_back_after_the_step_for_the_loop_s_own_schedule(patient, tmp_path):
    trials = LoopTrials(patient, trial()[0])
    (arm,) = arms_of(trials, "lower-rate")
    context = trials._session(arm, 3).context
    weight = nn.Parameter(torch.ones(1))
    optimizer = context.optimizer(torch.optim.SGD([weight], lr=0.5))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    moved = []
    for _ in range(3):
        weight.grad, before = torch.ones(1), weight.item()
        optimizer.step()
        schedule.step()
        moved.append(before - weight.item())
    trials.close()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0005)
    assert moved[1] / moved[0] == pytest.approx(0.1, rel=1e-3)
    assert 0.005 - 1e-6 <= moved[0] <= 0.5 / 3 + 1e-6
