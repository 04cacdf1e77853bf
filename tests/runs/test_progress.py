import warnings

import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import RunError
from flatline.runs import checkpointing, progress
from flatline.runs.checkpoints import checkpoints_of, find, load_state
from flatline.runs.progress import Progress, put_back
from flatline.runs.run import Run
from flatline.runs.train import Training, train
from torch import nn


def evaluation(iteration, lwlrap):
    return {"iteration": iteration, "lwlrap": lwlrap, "class_lwlrap": np.array([lwlrap, np.nan]), "loss": np.float64(1)}


def test_the_best_stays_and_those_since_are_counted():
    done = Progress()
    for iteration, score in enumerate([0.2, 0.5, 0.4, 0.5]):
        done = done.after(evaluation(iteration, score))
    assert (done.best["iteration"], done.last["iteration"], done.since_best) == (1, 3, 2)
    assert done.after(evaluation(4, 0.6)).since_best == 0


def test_progress_comes_back_from_what_torch_loads_with_weights_only(tmp_path):
    done = Progress().after(evaluation(3, 0.2))
    torch.save(done.state(), tmp_path / "state.pt")
    again = Progress.of(torch.load(tmp_path / "state.pt", weights_only=True))
    assert (again.last["iteration"], again.since_best, again.last["loss"]) == (3, 0, 1.0)
    np.testing.assert_array_equal(again.best["class_lwlrap"], done.best["class_lwlrap"])


def test_a_checkpoint_is_visible_only_once_the_rows_and_maps_before_it_are_on_disk(
    small_recipe, small_task, tmp_path, monkeypatch
):
    monkeypatch.setattr(progress, "CHECKPOINT_S", 0)
    seen = []

    def spy(weights, path, metadata):
        run = Run(tmp_path / "story-attention")
        seen.append((len(run), len(run.map_iterations()), run.evaluations.index.tolist()[-1]))
        return save_file(weights, path, metadata)

    save_file = checkpointing.save_file
    monkeypatch.setattr(checkpointing, "save_file", spy)
    train(small_recipe("story-attention"), small_task, tmp_path)
    assert seen == [(0, 0, 0), (1, 1, 0), (2, 2, 0), (3, 3, 3), (4, 4, 3), (5, 5, 3), (6, 6, 6)]


def test_between_evaluations_one_is_written_when_its_time_has_come(small_recipe, small_task, tmp_path, monkeypatch):
    now, held, path = [0.0], [], tmp_path / "story-plain"
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])

    def watch(reached):
        now[0] += 25
        held.append([checkpoint.iteration for checkpoint in checkpoints_of(path)])

    train(small_recipe("story-plain", "iterations=7", "evaluate_every=7"), small_task, tmp_path, watch=watch)
    assert held == [[0], [0], [0], [0, 4], [0, 4], [0, 4], [0, 7]]


def test_one_that_cannot_be_written_is_told_once_and_training_goes_on(small_recipe, small_task, tmp_path, monkeypatch):
    full = OSError(28, "No space left on device")
    calls = []

    def fail(*arguments, **given):
        calls.append(arguments)
        if len(calls) < 3:
            raise full
        return save(*arguments, **given)

    save = checkpointing.Checkpoints.save
    monkeypatch.setattr(checkpointing.Checkpoints, "save", fail)
    with pytest.warns(UserWarning, match=r"no checkpoint of iteration 0 .*No space left.*make room") as said:
        ended = train(small_recipe(), small_task, tmp_path)
    assert len(said) == 1
    assert (ended.status, [c.iteration for c in checkpoints_of(ended.path)]) == ("finished", [6])


def test_a_loss_that_is_not_finite_makes_the_checkpoint_unhealthy(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-plain", "learning_rate=1e30", "evaluate_every=2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = train(recipe, small_task, tmp_path).path
    healthy = {c.iteration: c.healthy for c in checkpoints_of(path)}
    assert healthy[0]
    assert not healthy[6]


def test_as_many_are_kept_as_the_recipe_says(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-plain", "evaluate_every=1", "keep_checkpoints=3")
    path = train(recipe, small_task, tmp_path).path
    best = Run(path).evaluations.lwlrap.idxmax()
    kept = {checkpoint.iteration for checkpoint in checkpoints_of(path)}
    assert {0, 6, best} <= kept
    assert len(kept - {best}) <= 3


@pytest.fixture
def checkpoint(small_recipe, small_task, tmp_path):
    return find(train(small_recipe("story-plain", "iterations=1"), small_task, tmp_path).path, "last")[-1]


def test_a_checkpoint_of_an_earlier_version_or_another_optimiser_is_refused(checkpoint, small_recipe, small_task):
    training = Training(small_recipe(), small_task)
    state = load_state(checkpoint.parent.parent)
    with pytest.raises(RunError, match="lacks scaler, progress, recorder: an earlier Flatline wrote it"):
        put_back(
            {key: state[key] for key in ("iteration", "optimizer", "random")}, checkpoint, training.optimizer, None
        )
    other = torch.optim.Adam(nn.Linear(2, 2).parameters())
    with pytest.raises(RunError, match="does not fit the optimiser"):
        put_back(state, checkpoint, other, None)


def test_the_scaler_goes_on_too(checkpoint, small_recipe, small_task, tmp_path):
    training = Training(small_recipe("story-plain", "iterations=3"), small_task)
    training.scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    ended = training.run(tmp_path / "scaled")
    again = torch.amp.GradScaler("cpu")
    state = load_state(ended.path)
    put_back(state, find(ended.path, "last")[-1], training.optimizer, again)
    assert (again.get_scale(), again.state_dict()["_growth_tracker"]) == (16.0, 1)
