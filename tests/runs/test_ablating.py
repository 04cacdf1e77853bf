"""Ablations while a recipe trains: when, of how many clips, and that they change nothing else."""

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.lwlrap import lwlrap
from flatline.runs import train as module
from flatline.runs.ablating import COST, FEWEST_CLIPS, Schedule, ablation_of
from flatline.runs.checkpoints import find
from flatline.runs.evaluate import scores_of
from flatline.runs.network import make_model
from flatline.runs.recipe import load_recipe
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import train


def schedule(n_passes=7, n_validation=240, **changed):
    recipe = load_recipe("story-attention", [f"{key}={value}" for key, value in changed.items()])
    return Schedule(recipe, n_passes, n_validation)


def due(planned):
    recipe = planned.recipe
    at = [*range(0, recipe.iterations + 1, recipe.evaluate_every), recipe.iterations]
    return [iteration for iteration in dict.fromkeys(at) if planned.is_due(iteration)]


def test_a_story_is_ablated_at_its_end_and_a_long_run_at_doubling_distances_before_it():
    assert due(schedule()) == [350]
    assert due(schedule(iterations=3000)) == [350, 700, 1400, 3000]
    assert due(schedule(iterations=3010)) == [350, 700, 1400, 3010]
    assert due(schedule(iterations=40_000, evaluate_every=500)) == [500, 1000, 1500, 3000, 6000, 11500, 40_000]


def test_without_the_key_it_is_never():
    assert due(schedule(ablate="false", iterations=3000)) == []


@pytest.mark.parametrize("iterations", [93, 350, 351, 700, 1000, 2800, 20_000])
@pytest.mark.parametrize("n_passes", [3, 7, 12])
@pytest.mark.parametrize("n_validation", [100, 240, 5000])
def test_it_costs_no_more_than_its_share_of_the_passes_of_training(iterations, n_passes, n_validation):
    planned = schedule(n_passes, n_validation, iterations=iterations)
    if planned.n_clips == FEWEST_CLIPS:
        return  # fewer would say nothing
    spent = len(due(planned)) * n_passes * planned.n_clips
    assert spent <= COST * 3 * 32 * iterations
    assert planned.n_clips <= min(256, n_validation)


def test_a_short_run_takes_few_clips_and_never_more_than_there_are():
    assert schedule(iterations=10).n_clips == FEWEST_CLIPS
    assert schedule(iterations=200, n_validation=900).n_clips == 137
    assert schedule(iterations=9000, n_validation=900).n_clips == 256
    assert schedule(n_validation=16).n_clips == 16


@pytest.fixture(scope="module")
def trained(small_recipe, small_task, tmp_path_factory):
    return Run(train(small_recipe("story-attention"), small_task, tmp_path_factory.mktemp("logs")).path)


def test_the_last_evaluation_has_the_shares_and_run_json_says_what_they_are(trained, small_task):
    table = trained.evaluation_scalars
    assert table.index.tolist() == [0, 3, 6]
    assert table["ablation_clips"].isna().tolist() == [True, True, False]
    parts = ["rnn.gru", "rnns", "attention.head.attention", "attention.head.localisation", "attentions"]
    parts += ["frame_shuffle.rnn.gru", "frame_shuffle.input"]
    names = [f"ablation.{part}{end}" for part in parts for end in ("", ".low", ".high", ".score")]
    assert {name for name in table if name.startswith("ablation.")} == set(names)
    assert set(names) <= set(trained.info["signals"])
    last = table.iloc[-1]
    assert last["ablation_score"] == pytest.approx(last["lwlrap"])  # all 16 clips
    assert last["ablation_floor"] == pytest.approx(max(last["chance"], last["constant"]))
    assert trained.ablations.index.tolist() == [6]
    pd.testing.assert_series_equal(
        trained.ablations.loc[6], last[trained.ablations.columns].astype(float), check_names=False
    )


def test_ablating_changes_no_weight_and_no_other_number(trained, small_recipe, small_task, tmp_path):
    plain = Run(train(small_recipe("story-attention", "ablate=false"), small_task, tmp_path).path)
    assert find(plain.path, "last")[-1].read_bytes() == find(trained.path, "last")[-1].read_bytes()
    assert plain.ablations.empty
    assert not any(name.startswith("ablation") for name in plain.evaluation_scalars)
    pd.testing.assert_frame_equal(
        plain.evaluation_scalars, trained.evaluation_scalars[plain.evaluation_scalars.columns]
    )


def test_an_early_stop_is_ablated_where_it_stops(small_recipe, small_task, tmp_path):
    settings = ("early_stop=2", "evaluate_every=1", "iterations=50", "learning_rate=1e-30")
    run = Run(train(small_recipe("story-plain", *settings), small_task, tmp_path).path)
    assert run.ablations.index.tolist() == [run.evaluations.index[-1]]
    assert run.evaluations.index[-1] < 50


def test_a_fault_in_it_does_not_end_the_training(small_recipe, small_task, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise MemoryError("no room")

    monkeypatch.setattr(module, "ablation_of", fail)
    with pytest.warns(UserWarning, match=r"iteration 6 could not be ablated \(no room\)"):
        run = Run(train(small_recipe(), small_task, tmp_path).path)
    assert (run.status, len(run.evaluations)) == ("finished", 3)
    assert run.ablations.empty


def test_all_clips_give_the_score_of_the_evaluation_and_few_are_evenly_spaced(small_recipe, small_task):
    recipe = small_recipe("story-published")
    model = make_model(recipe, small_task)
    whole = ablation_of(model, small_task, recipe, what=["rnn"])
    scores, _ = scores_of(model, small_task.validation_batches(), use_mask=False)
    target = small_task.targets[small_task.validation]
    assert whole.score == pytest.approx(lwlrap(scores, target))
    some = ablation_of(model, small_task, recipe, what=["rnn"], n_clips=4)
    places = [0, 5, 10, 15]
    assert some.n_clips == 4
    assert some.score == pytest.approx(lwlrap(scores[places], target[places]))


@pytest.mark.parametrize("mask", ["true", "false"])
def test_padding_is_left_where_it_is_whether_the_model_is_told_or_not(tiny_data, small_recipe, mask):
    recipe = small_recipe("story-published", f"data.mask={mask}")
    task = prepare(recipe, tiny_data)
    model = make_model(recipe, task)
    seen, masks = [], []

    def look(module, args):
        seen.append(args[0].clone())
        masks.append(args[1])

    model.register_forward_pre_hook(look)  # before ablate's own: what was given
    encode = model.encode
    model.encode = lambda clips: (seen.append(clips.clone()), encode(clips))[1]
    ablation_of(model, task, recipe, what=["frame_shuffle"])
    given, shuffled = seen[-2], seen[-1]
    real = task.batch(task.validation).mask
    assert not real.all()
    assert bool((given[~real] == shuffled[~real]).all())
    assert bool((given[real] != shuffled[real]).any())
    assert all((given is not None) == (mask == "true") for given in masks)


def test_silence_is_what_clips_are_padded_with(tiny_data, small_recipe):
    recipe = small_recipe("story-published", "data.scaling=standardise")
    task = prepare(recipe, tiny_data)
    model = make_model(recipe, task)
    seen = []
    encode = model.encode
    model.encode = lambda clips: (seen.append(clips.clone()), encode(clips))[1]
    ablation_of(model, task, recipe, what=["silence"])
    padded = task.batch(task.validation)
    silent = padded.inputs[~padded.mask][0]
    second_half = seen[-1]
    last_real = padded.mask.sum(dim=1) - 1
    for clip, frame in enumerate(last_real.tolist()):
        if frame:
            np.testing.assert_array_equal(second_half[clip, frame], silent)
