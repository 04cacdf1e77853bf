"""A run that was stopped and resumed is, to the last bit, the run that was not."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import torch
from flatline.diagnostics.errors import FlatlineError, RunError
from flatline.runs import progress
from flatline.runs.checkpoints import checkpoints_of, find
from flatline.runs.log import RunLog
from flatline.runs.recipe import RecipeError
from flatline.runs.resume import recipe_of, resume, run_to_resume
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import train

ITERATIONS = 12


@pytest.fixture(scope="module")
def recipe(small_recipe):
    return small_recipe("story-attention", f"iterations={ITERATIONS}", "evaluate_every=5", "batch_size=24")


@pytest.fixture(scope="module")
def reference(recipe, small_task, tmp_path_factory):
    return train(recipe, small_task, tmp_path_factory.mktemp("logs"), name="reference").path


def at(number, act):
    def watch(reached):
        if reached.iteration == number:
            act()

    return watch


def interrupted(recipe, task, logs, iteration, **given):
    ended = train(recipe, task, logs, watch=at(iteration, lambda: signal.raise_signal(signal.SIGINT)), **given)
    assert ended.status == "interrupted"
    return Run(ended.path)


def killed(recipe, task, logs, iteration):
    """What kill -9 at that moment leaves on disk: a copy made while the training ran."""
    copy = logs / "killed"
    train(recipe, task, logs, name="copied", watch=at(iteration, lambda: shutil.copytree(logs / "copied", copy)))
    return Run(copy)


def resumes(run):
    return [event for event in run.events() if event["kind"] == "resume"]


@pytest.mark.parametrize("iteration", sorted(random.Random(3).sample(range(1, ITERATIONS), 4)))
def test_after_ctrl_c_it_goes_on_from_that_very_iteration(recipe, reference, small_task, tmp_path, unlike, iteration):
    run = interrupted(recipe, small_task, tmp_path, iteration)
    ended = resume(run, recipe, small_task)
    assert (ended.path, ended.status, run.status) == (run.path, "finished", "finished")
    assert unlike(reference, run.path) == []
    assert [(event["iteration"], event["superseded_rows"]) for event in resumes(run)] == [(iteration, 0)]
    assert not (run.path / "superseded").exists()


@pytest.mark.parametrize(
    ("iteration", "every_s", "start"), [(1, 60, 0), (4, 60, 0), (7, 60, 5), (8, 0, 7), (11, 60, 10), (11, 0, 10)]
)
def test_after_kill_9_it_goes_on_from_the_newest_checkpoint(
    recipe, reference, small_task, tmp_path, unlike, monkeypatch, iteration, every_s, start
):
    monkeypatch.setattr(progress, "CHECKPOINT_S", every_s)
    run = killed(recipe, small_task, tmp_path, iteration)
    newest = checkpoints_of(run.path)[-1].iteration
    assert newest == (iteration if every_s == 0 else start)
    resume(run, recipe, small_task)
    assert unlike(reference, run.path) == []
    assert resumes(run)[0]["iteration"] == newest


def test_rows_after_the_checkpoint_are_superseded_and_stand_in_a_run_of_their_own(
    recipe, reference, small_task, tmp_path, monkeypatch
):
    run = killed(recipe, small_task, tmp_path, 8)
    log = RunLog(run.path, resume=True)  # seals what was flushed: nothing after iteration 5's evaluation
    for row in pq.read_table(reference / "iterations").to_pylist()[5:8]:
        log.append(row)
    log.event("skipped-step", 6)
    log.close("interrupted")
    resume(run, recipe, small_task)
    before = Run(run.path / "superseded" / "1")
    assert before.scalars.index.tolist() == [5, 6, 7]
    assert (before.status, before.events()[0]["kind"]) == ("interrupted", "skipped-step")
    assert before.parameters == run.parameters
    assert run.scalars.index.tolist() == list(range(ITERATIONS))
    assert [event["kind"] for event in run.events()] == ["resume"]
    assert resumes(run)[0] | {"wall_time": 0} == {
        "kind": "resume",
        "iteration": 5,
        "wall_time": 0,
        "superseded_rows": 3,
        "superseded": 1,
    }


def test_it_can_be_stopped_and_resumed_again_and_again(recipe, reference, small_task, tmp_path, unlike):
    run = interrupted(recipe, small_task, tmp_path, 2)
    for iteration in (3, 5, 9, 11):
        resume(run, recipe, small_task, watch=at(iteration, lambda: signal.raise_signal(signal.SIGINT)))
        assert run.status == "interrupted"
    resume(run, recipe, small_task)
    assert unlike(reference, run.path) == []
    assert [event["iteration"] for event in resumes(run)] == [2, 3, 5, 9, 11]


def test_dropout_clipping_masks_and_early_stopping_go_on_too(tiny_data, small_recipe, tmp_path, unlike):
    settings = ("data.mask=true", "data.scaling=standardise", "clip_norm=0.05", "iterations=40", "early_stop=3")
    net = (
        "model.architecture=simple-cgrnn",
        "model.options={n_hidden: 6, frame_dropout: 0.3, kernel: 6, pool: 2}",
        "learning_rate=1e-30",
    )
    recipe = small_recipe("story-published", *settings, *net, "evaluate_every=2", "level=deep")
    task = prepare(recipe, tiny_data)
    whole = Run(train(recipe, task, tmp_path / "whole").path)
    assert len(whole) < 40
    run = interrupted(recipe, task, tmp_path, 3)
    resume(run, recipe, task)
    assert unlike(whole.path, run.path) == []


def test_with_two_threads_too(recipe, small_task, tmp_path, unlike):
    torch.set_num_threads(2)
    try:
        whole = train(recipe, small_task, tmp_path / "whole").path
        run = interrupted(recipe, small_task, tmp_path, 7)
        resume(run, recipe, small_task)
    finally:
        torch.set_num_threads(1)
    assert unlike(whole, run.path) == []


def test_the_comparison_sees_a_single_bit(reference, tmp_path, unlike):
    copy = shutil.copytree(reference, tmp_path / "copy")
    assert unlike(reference, copy) == []
    path = find(copy, "last")[-1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert len(unlike(reference, copy)) == 1


def test_more_iterations_extend_it_and_fewer_than_it_has_are_refused(recipe, reference, small_task, tmp_path, unlike):
    run = interrupted(small(recipe, iterations=8), small_task, tmp_path, 7)
    with pytest.raises(RecipeError, match="iterations is 6, and run story-attention has a checkpoint at 7 already"):
        resume(run, small(recipe, iterations=6), small_task)
    assert run.status == "interrupted"
    resume(run, recipe, small_task)
    assert unlike(reference, run.path) == []
    assert run.recipe["iterations"] == run.info["iterations_planned"] == ITERATIONS


def small(recipe, **changed):
    return type(recipe)(**{**vars(recipe), **changed})


def test_resumed_at_what_is_now_its_last_iteration_it_is_evaluated_there(recipe, small_task, tmp_path):
    run = interrupted(recipe, small_task, tmp_path, 7)
    ended = resume(run, small(recipe, iterations=7), small_task)
    assert (ended.status, ended.last["iteration"], len(run)) == ("finished", 7, 7)
    assert run.evaluations.index.tolist() == [0, 5, 7]


KILL = """
import sys
from pathlib import Path
from flatline.runs import progress
from flatline.runs.recipe import load_recipe
from flatline.runs.task import prepare
from flatline.runs.train import train

progress.CHECKPOINT_S = 0.02
recipe = load_recipe("story-attention", sys.argv[3:])
train(recipe, prepare(recipe, Path(sys.argv[1])), Path(sys.argv[2]), name="killed",
      watch=lambda reached: print(reached.iteration, flush=True))
"""


def test_a_process_that_was_killed_is_resumed_by_another(tiny_data, small_recipe, small_task, tmp_path, unlike):
    settings = ["model.options.channels=2", "model.options.n_hidden=4", "batch_size=24", "iterations=60"]
    arguments = [sys.executable, "-c", KILL, str(tiny_data), str(tmp_path), *settings]
    threads = str(torch.get_num_threads())  # the same bits take as many threads in both processes
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
    for _ in range(random.Random(5).randint(20, 40)):
        process.stdout.readline()
    process.kill()
    process.communicate()
    run = run_to_resume("killed", tmp_path)
    resume(run, recipe_of(run, None, []), small_task)
    whole = train(recipe_of(run, None, []), small_task, tmp_path, name="whole").path
    assert unlike(whole, run.path) == []


@pytest.fixture
def stopped(recipe, small_task, tmp_path):
    return interrupted(recipe, small_task, tmp_path, 7)


def test_a_damaged_newest_checkpoint_makes_way_for_the_one_before(stopped, recipe, reference, small_task, unlike):
    find(stopped.path, "last")[-1].with_suffix(".pt").write_bytes(b"")
    resume(stopped, recipe, small_task)
    assert resumes(stopped)[0] | {"wall_time": 0} == {
        "kind": "resume",
        "iteration": 5,
        "wall_time": 0,
        "superseded_rows": 2,
        "superseded": 1,
    }
    assert unlike(reference, stopped.path) == []
    assert len(list((stopped.path / "superseded" / "1" / "checkpoints").iterdir())) == 2


def test_rows_that_were_lost_before_the_checkpoint_are_told_as_a_gap(stopped, recipe, small_task):
    for path in (stopped.path / "iterations").iterdir():
        path.unlink()
    resume(stopped, recipe, small_task)
    gap, _ = stopped.events()
    assert (gap["kind"], gap["iteration"], gap["rows"]) == ("gap", 0, 7)
    assert stopped.scalars.index.tolist() == list(range(7, ITERATIONS))


def test_what_cannot_be_resumed_says_what_to_do(stopped, recipe, small_task, tmp_path):
    own = tmp_path / "own"
    RunLog(own, {"recipe": None}).close("interrupted")
    with pytest.raises(RunError, match="recorded from a training loop of your own"):
        run_to_resume("own", tmp_path)
    with RunLog_open(stopped.path), pytest.raises(RunError, match="is being written by process"):
        run_to_resume(stopped.name, tmp_path)
    shutil.rmtree(stopped.path / "checkpoints")
    with pytest.raises(RunError, match=r"no checkpoint to go on from .*; train a new run"):
        resume(stopped, recipe, small_task)
    assert not (stopped.path / "superseded").exists()


class RunLog_open:
    def __init__(self, path):
        self.log = RunLog(path, resume=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.log.close("interrupted")


def test_the_runs_own_recipe_counts_and_what_would_train_something_else_is_refused(stopped, tmp_path):
    assert recipe_of(stopped, None, []).to_dict() == stopped.recipe
    assert recipe_of(stopped, None, ["evaluate_every=2"], iterations=99).iterations == 99
    path = tmp_path / "same.yaml"
    path.write_text(json.dumps(stopped.recipe | {"iterations": 3, "name": "other"}))
    assert recipe_of(stopped, str(path), []).iterations == ITERATIONS
    with pytest.raises(RecipeError, match=r"learning_rate is 0\.5 here and 0\.001 in run story-attention"):
        recipe_of(stopped, None, ["learning_rate=0.5"])
    with pytest.raises(RecipeError, match=r"seed is 4 here and 0"):
        recipe_of(stopped, None, [], seed=4)
    with pytest.raises(RecipeError, match=r"(model|batch_size|description).* here and "):
        recipe_of(stopped, "story-plain", [])


def test_another_data_set_is_refused_and_a_moved_one_is_not(stopped, recipe, tiny_data, tmp_path, unlike, reference):
    def copied(name):
        return shutil.copytree(tiny_data, tmp_path / name)

    def refused(root, match):
        with pytest.raises(FlatlineError, match=match):
            resume(stopped, recipe, prepare(recipe, root))
        assert stopped.status == "interrupted"

    clips = sorted((tiny_data / "train_curated").iterdir())
    fewer = copied("fewer")
    table = (fewer / "train_curated.csv").read_text().splitlines(keepends=True)
    (fewer / "train_curated.csv").write_text("".join(table[:-1]))
    refused(fewer, "not the data set that run .* 63 training and 16 validation clips where it had 64 training")
    other = copied("other")
    shutil.copy(clips[0], other / "train_curated" / clips[1].name)
    refused(other, "clips of other names, labels or content")
    relabelled = copied("relabelled")
    (relabelled / "train_curated.csv").write_text("".join([table[0], *table[2:], table[1]]))
    refused(relabelled, "clips of other names, labels or content")
    resume(stopped, recipe, prepare(recipe, copied("moved")))
    assert unlike(reference, stopped.path) == []
    assert stopped.info["data"]["root"].endswith("moved")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu_a_run_in_mixed_precision_goes_on(recipe, small_task, tmp_path):
    mixed = small(recipe, device="cuda", mixed_precision=True)
    run = interrupted(mixed, small_task, tmp_path, 7)
    resume(run, mixed, small_task)
    assert (run.status, run.scalars.index.tolist()) == ("finished", list(range(ITERATIONS)))
