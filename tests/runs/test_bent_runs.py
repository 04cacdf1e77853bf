"""Runs whose loss is bent or whose batches are balanced: what is recorded of them, and how they resume."""

import signal

import numpy as np
import pytest
import torch
from flatline.diagnostics.diagnosis import diagnose
from flatline.runs import resume as resuming
from flatline.runs.losses import criterion
from flatline.runs.network import make_model
from flatline.runs.run import Run
from flatline.runs.train import train

QUICK = ("ablate=false", "pinned=0")


@pytest.fixture(scope="module")
def bent(small_recipe, small_task, tmp_path_factory):
    recipe = small_recipe("story-plain", "focus=focal", *QUICK)
    return recipe, Run(train(recipe, small_task, tmp_path_factory.mktemp("logs")).path)


def test_the_recorded_loss_is_the_one_that_was_differentiated(bent, small_task):
    recipe, run = bent
    model = make_model(recipe, small_task).train()
    epoch_0 = np.random.default_rng([0, 0]).permutation(small_task.train)[:16]
    batch = small_task.batch(epoch_0)
    with torch.no_grad():
        loss = criterion("bce-with-logits", "logits", "focal")(model(batch.inputs), batch.target)
    assert run.scalars.loss[0] == pytest.approx(float(loss), rel=1e-5)
    assert run.evaluations.loss.notna().all()


def test_what_would_hold_a_bent_loss_against_cross_entropy_is_not_recorded(bent):
    _, run = bent
    assert run.scalars[["rho", "label_entropy", "ln2_distance"]].isna().all(axis=None)
    assert run.scalars[["target_max", "output_max", "rank_agreement"]].notna().all(axis=None)
    assert run.info["loss_kind"] == "bce-with-logits"


@pytest.mark.parametrize("focus", ["focal", "asymmetric"])
def test_a_bent_loss_that_stays_above_h0_is_no_broken_objective(small_recipe, small_task, tmp_path, focus):
    recipe = small_recipe("story-plain", f"focus={focus}", "iterations=60", "evaluate_every=60", "level=light", *QUICK)
    run = Run(train(recipe, small_task, tmp_path).path)
    assert [finding.kind for finding in diagnose(run).findings if finding.severity != "info"] == []


def test_probabilities_under_a_bent_loss_on_logits_are_still_found(small_recipe, small_task, tmp_path):
    settings = ("focus=asymmetric", "iterations=12", "evaluate_every=12", *QUICK)
    run = Run(train(small_recipe("story-double-sigmoid", *settings), small_task, tmp_path).path)
    assert "broken-objective" in {finding.kind for finding in diagnose(run).findings}


def test_the_constant_level_is_that_of_all_training_clips_whatever_is_drawn(small_recipe, small_task, tmp_path):
    levels, entropies = [], []
    for sampling in ("shuffled", "class-balanced"):
        recipe = small_recipe("story-plain", f"sampling={sampling}", "iterations=1", *QUICK)
        run = Run(train(recipe, small_task, tmp_path, name=sampling).path)
        levels.append(run.evaluations[["chance", "constant"]].to_numpy())
        entropies.append(float(run.scalars.label_entropy[0]))
    np.testing.assert_array_equal(*levels)
    assert entropies[0] != entropies[1]


def test_a_run_with_balanced_batches_resumes_bit_by_bit(small_recipe, small_task, tmp_path, unlike):
    settings = ("sampling=class-balanced", "init=orthogonal-chrono", "schedule.kind=cosine", "focus=asymmetric")
    recipe = small_recipe("story-plain", *settings, *QUICK)
    whole = train(recipe, small_task, tmp_path, name="whole").path

    def interrupt(reached):
        if reached.iteration == 4:
            signal.raise_signal(signal.SIGINT)

    run = Run(train(recipe, small_task, tmp_path, name="cut", watch=interrupt).path)
    assert run.status == "interrupted"
    resuming.resume(run, resuming.recipe_of(run, None, []), small_task)
    assert unlike(whole, run.path) == []
