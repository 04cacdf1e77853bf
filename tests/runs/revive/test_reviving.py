"""Trials of real runs, small: what they leave on disk, and that they can be told, gone on with and trusted."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from flatline.data import DataError
from flatline.diagnostics.errors import RunError, UnknownNameError
from flatline.runs.checkpoints import checkpoints_of
from flatline.runs.diagnosing import diagnose
from flatline.runs.interventions import named
from flatline.runs.locking import FolderLock
from flatline.runs.network import make_model
from flatline.runs.recipe import load_recipe
from flatline.runs.revive.forking import fork, last_healthy
from flatline.runs.revive.revived import stored_revival
from flatline.runs.revive.reviving import Budget, revive
from flatline.runs.revive.trials import RecipeTrials
from flatline.runs.revive.worker import answer
from flatline.runs.revive.workers import Workers
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import train

ROWS = ["intervention", "run", "lwlrap", "chance", "constant", "verdict", "cause", "gradient_ratio", "rnn_share"]


class Here:
    """Workers in this process: starting others takes longer than training what is tested here."""

    def __init__(self, n, threads):
        pass

    def run(self, jobs, progress):
        return [answer(json.loads(json.dumps(job))) for job in jobs]

    def close(self):
        pass


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr("flatline.runs.revive.trials.Workers", Here)


@pytest.fixture(scope="module")
def recipe(small_recipe):
    return small_recipe("story-double-sigmoid", "iterations=14", "evaluate_every=2", "keep_checkpoints=20")


@pytest.fixture(scope="module")
def trained(recipe, tiny_data, tmp_path_factory):
    return train(recipe, prepare(recipe, tiny_data), tmp_path_factory.mktemp("logs"), name="patient").path


@pytest.fixture
def patient(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "logs" / "patient")
    return tmp_path / "logs" / "patient"


@pytest.fixture
def trials(patient, tiny_data, here):
    """trials(**given) of the patient, ended with the test."""
    made = []

    def make(**given):
        made.append(RecipeTrials(Run(patient), tiny_data, **given))
        return made[-1]

    yield make
    for one in made:
        one.close()


def weights(path, iteration):
    from safetensors.torch import load_file

    (found,) = [one.path for one in checkpoints_of(path) if one.iteration == iteration]
    return load_file(found)


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def test_revive_tries_keeps_and_tells(patient):
    said = []
    revived = revive(patient, arms=["fix-objective", "clip-gradients"], seeds=2, depth=1, say=said.append)
    assert revived.arms[0]["intervention"] == "unchanged"
    assert {arm["intervention"] for arm in revived.arms[1:]} == {"fix-objective", "clip-gradients"}
    assert all(list(arm)[:9] == ROWS for arm in revived.arms)
    assert revived.best == "fix-objective"
    assert revived.diff == "- loss: bce-with-logits\n+ loss: bce"
    assert revived.from_iteration == 0
    arm = Run(revived.best_arm["run"])
    assert arm.path.parent == patient.parent
    assert arm.info["parent"] == {
        **{"run": "patient", "path": str(patient), "from_iteration": 0, "given": ["fix-objective"]}
    }
    assert [seed["seed"] for seed in revived.seeds] == [0, 1]
    assert revived.mean == pytest.approx(np.mean([seed["lwlrap"] for seed in revived.seeds]))
    assert load_recipe(revived.recipe).loss == "bce"
    assert stored_revival(patient) == revived
    assert any("trying fix-objective, clip-gradients" in words for words in said)
    assert 0 < revived.cost <= 1


def test_an_arm_that_paused_at_a_rung_is_to_the_bit_the_one_that_did_not(trials, patient):
    control = trials().control()
    arm = trials().prescribe(control, "fix-objective")
    one = trials()
    one.prescribe(control, "fix-objective")
    (paused,) = one.train([arm], 4)
    assert Run(paused.path).status == "interrupted"
    assert paused.standing.iterations == 4
    (whole,) = one.train([paused], 14)
    assert Run(whole.path).status == "finished"
    shutil.move(whole.path, patient.parent / "elsewhere")
    other = trials()
    other.prescribe(control, "fix-objective")
    (straight,) = other.train([arm], 14)
    assert same(weights(patient.parent / "elsewhere", 14), weights(straight.path, 14))
    before, after = Run(patient.parent / "elsewhere").scalars, Run(straight.path).scalars
    assert np.array_equal(before["loss"], after["loss"])


def test_the_control_is_the_run_itself_where_it_went_that_far(trials, patient):
    assert trials().control().path == patient
    assert trials(iterations=8).control().standing.iterations == 8
    longer = trials(iterations=16).control()
    assert longer.path.name == "patient~unchanged"
    assert longer.standing.iterations == 16


def test_a_fork_without_a_change_goes_on_as_the_run_did(trials, patient):
    forked = trials(begin=6)
    control = forked.control()
    assert control.path == patient
    (arm,) = forked.train([_nothing(forked, control)], 14)
    info = Run(arm.path).info
    assert info["parent"]["from_iteration"] == 6
    assert same(weights(arm.path, 14), weights(patient, 14))
    assert list(Run(arm.path).evaluations.index) == list(Run(patient).evaluations.index)
    assert not (arm.path / "superseded").exists()


def _nothing(trials, control):
    """An arm whose recipe says the same and whose interventions do nothing to weights."""
    arm = trials.prescribe(control, "fix-objective")
    trials._recipes[arm.given] = trials.own
    return arm


def test_an_intervention_is_made_in_the_weights_of_the_checkpoint_that_its_arm_begins_at(trials, patient):
    forked = trials(begin=6)
    arm = forked.prescribe(forked.control(), "prior-bias")
    (arm,) = forked.train([arm], 8)
    before, after = weights(patient, 6), weights(arm.path, 6)
    changed = [key for key in before if not np.array_equal(before[key], after[key])]
    assert changed == ["head.classification.bias"]


def test_an_arm_whose_network_has_other_parameters_begins_at_0(trials):
    forked = trials(begin=6)
    arm = forked.prescribe(forked.control(), "input-attention")
    (arm,) = forked.train([arm], 8)
    assert arm.standing.iterations == 8
    assert 0 in Run(arm.path).evaluations.index
    assert len(Run(arm.path)) == 8


def test_a_second_call_trains_nothing_that_the_first_one_trained(patient, here):
    first = revive(patient, arms=["fix-objective"], seeds=1, depth=1)
    begun = {path: path.stat().st_mtime_ns for path in patient.parent.glob("*/run.json")}
    second = revive(patient, arms=["fix-objective"], seeds=1, depth=1)
    assert [arm["run"] for arm in second.arms] == [arm["run"] for arm in first.arms]
    assert begun == {path: path.stat().st_mtime_ns for path in patient.parent.glob("*/run.json")}


def test_a_fork_needs_its_checkpoint(patient, tmp_path, recipe):
    with pytest.raises(RunError, match="no checkpoint of iteration 5 to fork from; start from 0"):
        fork(Run(patient), 5, tmp_path / "arm", recipe, {})


@pytest.mark.parametrize(("onset", "expected"), [(0, 0), (2, 0), (3, 2), (9, 8), (100, 14)])
def test_arms_begin_at_the_last_healthy_checkpoint_before_the_onset(patient, onset, expected):
    assert last_healthy(Run(patient), onset) == expected


def test_a_checkpoint_that_is_not_finite_is_nowhere_to_begin(patient):
    from flatline.runs.checkpoints import Facts
    from safetensors.torch import load_file, save_file

    (path,) = [one.path for one in checkpoints_of(patient) if one.iteration == 8]
    facts = Facts.read(path)
    save_file(load_file(path), path, Facts(8, False, facts.kept, facts.best).written())
    assert last_healthy(Run(patient), 9) == 6


def test_what_cannot_be_tried_is_refused_before_anything_is_trained(patient, tmp_path):
    with pytest.raises(UnknownNameError, match=r"unknown intervention 'voodoo' \(revive\); known: .*prior-bias"):
        revive(patient, arms=["voodoo"])
    with pytest.raises(RunError, match=r"data of run patient are no longer at .*--data"):
        revive(patient, data=tmp_path / "nowhere")
    info = json.loads((patient / "run.json").read_text())
    (patient / "run.json").write_text(json.dumps({**info, "recipe": None}))
    with pytest.raises(RunError, match=r"training loop of your own.*trial function"):
        revive(patient)
    assert [path.name for path in patient.parent.iterdir()] == ["patient"]


def test_an_arm_that_cannot_be_trained_says_why(patient, here, monkeypatch):
    (clip,) = named(["clip-gradients"])
    from dataclasses import replace

    monkeypatch.setattr(type(clip), "recipe", lambda self, recipe, patient: replace(recipe, device="cuda:77"))
    revived = revive(patient, arms=["clip-gradients"], depth=1)
    assert revived.best == "unchanged"
    assert revived.arms[1]["verdict"] is None
    assert "could not be trained: device 'cuda:77' is not to be had" in revived.arms[1]["note"]


def test_a_budget_that_is_spent_is_told(patient, here):
    revived = revive(patient, budget=Budget(minutes=1e-9))
    assert "budget of 1e-09 minutes is spent" in revived.stopped
    assert [arm["intervention"] for arm in revived.arms] == ["unchanged"]
    assert Budget(iterations=5).spent(0, type("T", (), {"spent": 5})()) == "the budget of 5 iterations is spent"


def test_ctrl_c_closes_the_arms_in_order_and_a_second_call_goes_on(patient, tiny_data):
    command = [
        sys.executable,
        "-m",
        "flatline",
        "revive",
        "patient",
        "--logs",
        patient.parent,
        "--arms",
        "fix-objective",
    ]
    child = subprocess.Popen([*command, "--iterations", "4000"], stderr=subprocess.PIPE, text=True)
    arm = patient.parent / "patient~unchanged"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (arm.exists() and len(list((arm / "checkpoints").glob("*.pt"))) > 2):
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    assert child.stderr.read().splitlines()[-1] == "flatline: interrupted"
    run = Run(arm)
    assert run.status == "interrupted"
    reached = checkpoints_of(arm)[-1].iteration
    assert len(run) == reached > 0


def test_a_process_that_dies_is_told_with_its_exit_code_and_another_takes_its_place():
    with Workers(1, 1) as workers:
        worker = workers._all[0]
        worker._started().kill()
        worker._child.wait()
        worker._child.poll = lambda: None  # seen alive a moment ago
        (said,) = workers.run([{"path": "mine"}], lambda path, at: None)
        assert said["error"].startswith("its process ended with exit code -9")
        (said,) = workers.run([{"path": "mine"}], lambda path, at: None)
        assert "recipe" in said["error"]


def test_no_process_begins_once_all_are_told_to_end():
    workers = Workers(1, 1)
    workers.close()
    assert workers.run([{"path": "mine"}], lambda path, at: None) == [{"error": "it was ended before it began"}]


def test_random_weights_of_a_fork_are_those_of_its_seed_whatever_was_done_before(trials, patient):
    drawn = []
    for noise in (0, 7):
        torch.manual_seed(noise)
        forked = trials(begin=6)
        (arm,) = forked.train([forked.prescribe(forked.control(), "orthogonal-init")], 8)
        drawn.append(weights(arm.path, 6))
        shutil.rmtree(arm.path)
    assert same(*drawn)


def test_a_forked_prior_bias_is_where_the_recipe_would_start_it(trials, patient, tiny_data):
    forked = trials(begin=6)
    arm = forked.prescribe(forked.control(), "prior-bias")
    (arm,) = forked.train([arm], 8)
    recipe = forked.recipe_of(arm)
    expected = make_model(recipe, prepare(recipe, tiny_data)).head.classification.bias
    assert np.allclose(weights(arm.path, 6)["head.classification.bias"], expected.detach())


def test_a_fork_that_was_killed_half_made_leaves_no_arm(trials, patient, monkeypatch):
    forked = trials(begin=6)
    arm = forked.prescribe(forked.control(), "prior-bias")
    monkeypatch.setattr("flatline.runs.revive.worker.load_weights_at", lambda path, model: 1 / 0)
    (failed,) = forked.train([arm], 8)
    assert failed.note == "could not be trained: division by zero"
    assert not (failed.path / "run.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr("flatline.runs.revive.trials.Workers", Here)
    (whole,) = forked.train([failed], 8)
    assert "head.classification.bias" in weights(whole.path, 6)
    assert not [path for path in patient.parent.iterdir() if path.name.startswith(".")]


def test_a_fork_keeps_no_scores_of_its_parents_and_no_clips_that_its_recipe_scales_otherwise(trials, patient):
    (patient / "localisation.json").write_text("{}")
    forked = trials(begin=6)
    control = forked.control()
    arms = [forked.prescribe(control, name) for name in ("clip-gradients", "standardise-features")]
    clipped, scaled = forked.train(arms, 8)
    mels = [next((one.path / "clips").glob("*/mel.npy")) for one in (clipped, scaled)]
    before, after = (np.load(path) for path in mels)
    assert not np.allclose(before, after)
    assert np.array_equal(np.load(patient / "clips" / mels[0].parent.name / "mel.npy"), before)
    assert not (clipped.path / "localisation.json").exists()


def test_the_seeds_of_a_fork_all_begin_at_the_beginning(patient, monkeypatch, here):
    monkeypatch.setattr("flatline.runs.revive.reviving.last_healthy", lambda run, before: 6)
    revived = revive(patient, arms=["fix-objective"], seeds=2, depth=1)
    assert revived.from_iteration == 6
    assert [seed["seed"] for seed in revived.seeds] == [0, 1]
    assert all(Run(seed["run"]).info["parent"]["from_iteration"] == 0 for seed in revived.seeds)
    assert Run(revived.best_arm["run"]).info["parent"]["from_iteration"] == 6


def test_where_an_arm_stood_does_not_depend_on_what_it_did_later(trials, patient):
    control = trials().control()
    one = trials()
    arm = one.prescribe(control, "fix-objective")
    (early,) = one.train([arm], 4)
    (late,) = one.train([early], 14)
    again = late.stands(4)
    assert again.standing.iterations == 4
    assert (again.standing.lwlrap, again.standing.diagnosis) == (early.standing.lwlrap, early.standing.diagnosis)


def test_an_earlier_answer_is_moved_aside(patient, here):
    first = revive(patient, arms=["fix-objective"], seeds=1, depth=1)
    revive(patient, arms=["clip-gradients"], seeds=1, depth=1)
    assert json.loads((patient / "revive.1.json").read_text())["best"] == first.best == "fix-objective"
    assert load_recipe(patient / "prescription.1.yaml").loss == "bce"
    assert stored_revival(patient).best == "unchanged"
    assert not (patient / "prescription.yaml").exists()


def test_two_at_once_on_one_run_are_refused(patient, here):
    (patient / ".revive").mkdir()
    lock = FolderLock(patient / ".revive")
    with pytest.raises(RunError, match=r"run patient is being revived already .*process"):
        revive(patient, arms=["fix-objective"])
    lock.close()
    assert [path.name for path in patient.parent.iterdir()] == ["patient"]


def test_iterations_between_evaluations_go_up_to_the_next_one(trials):
    assert [trials(iterations=n).iterations for n in (1, 3, 4, 13, 14, 17)] == [2, 4, 4, 14, 14, 17]


def test_the_patient_is_judged_by_all_that_it_recorded(trials, patient):
    whole = diagnose(Run(patient))
    assert trials(iterations=2).control().standing.diagnosis == whole


def test_data_that_are_none_are_refused_before_anything_is_trained(patient, tmp_path, here):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        revive(patient, data=tmp_path / "empty", arms=["fix-objective"])
    assert [path.name for path in patient.parent.iterdir()] == ["patient"]


def test_the_recipe_of_a_run_that_was_moved_is_where_the_run_is_now(patient, here):
    revive(patient, arms=["fix-objective"], seeds=1, depth=1)
    moved = patient.rename(patient.with_name("moved"))
    assert stored_revival(moved).recipe == str(moved / "prescription.yaml")


def test_a_folder_that_an_ended_call_left_empty_is_taken(trials, patient):
    (patient.parent / "patient~fix-objective").mkdir()
    one = trials()
    (arm,) = one.train([one.prescribe(one.control(), "fix-objective")], 4)
    assert arm.path.name == "patient~fix-objective"
