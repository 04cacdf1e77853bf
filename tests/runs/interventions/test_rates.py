import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from flatline.diagnostics.findings import Finding
from flatline.runs.interventions import Loop, named
from flatline.runs.interventions.rates import nearest_step, too_fast, too_slow
from flatline.runs.recipe import load_recipe

LOWER, HIGHER, CLIP = named(["lower-rate", "higher-rate", "clip-gradients"])


@pytest.mark.parametrize(
    ("ratio", "lower", "higher"),
    [(1e-3, 3, 3), (4e-3, 3, 3), (9e-3, 10, 3), (0.5, 100, 3), (1e-4, 3, 10), (3e-5, 3, 30), (0.0, 3, 100)],
)
def test_a_rate_is_changed_by_what_brings_steps_to_a_thousandth_of_the_weights(tables, patient, ratio, lower, higher):
    recipe, sick = load_recipe("story-plain"), patient(None, tables([ratio] * 60), "logits")
    assert LOWER.recipe(recipe, sick).learning_rate == pytest.approx(1e-3 / lower, rel=1e-2)
    assert HIGHER.recipe(recipe, sick).learning_rate == pytest.approx(1e-3 * higher, rel=1e-2)


def test_the_largest_steps_that_lasted_count_downwards_and_the_middle_ones_upwards(tables):
    ratios = [0.1] * 10 + [1e-3] * 50
    assert too_fast(tables(ratios)) == pytest.approx(100)
    assert too_slow(tables(ratios)) == pytest.approx(1)
    assert too_fast(tables([0.1] + [1e-3] * 59)) == pytest.approx(1)  # one spike is no rate
    assert too_slow(tables([0.0] * 60)) == math.inf


def test_without_update_ratios_it_is_tenfold(tables, patient):
    recipe, sick = load_recipe("story-plain"), patient()
    assert too_fast(sick.signals) is None
    assert too_fast(tables([np.nan] * 60)) is None
    assert LOWER.recipe(recipe, sick).learning_rate == pytest.approx(1e-4)
    assert HIGHER.recipe(recipe, sick).learning_rate == pytest.approx(1e-2)


def test_a_step_is_one_of_four():
    assert {nearest_step(times) for times in np.geomspace(1e-9, 1e9, 200)} == {3, 10, 30, 100}


def test_the_lowest_rate_of_a_schedule_goes_along(patient):
    recipe = load_recipe("story-plain", ["schedule.kind=triangular", "schedule.lowest=0.0004", "learning_rate=0.0006"])
    lower = LOWER.recipe(recipe, patient())
    assert (lower.learning_rate, lower.schedule.lowest) == (pytest.approx(6e-5), pytest.approx(4e-5))


def test_an_optimisers_rate_is_changed_for_the_schedules_of_pytorch_too(patient):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 100)
    LOWER.on_optimizer(optimizer, Loop(10), patient())
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    assert optimizer.param_groups[0]["initial_lr"] == pytest.approx(0.1)
    optimizer.step()
    schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def test_gradients_are_clipped_at_their_usual_norm_of_the_beginning(tables, patient):
    norms = [0.21, 0.24, 0.26, np.nan, 0.0] * 30 + [1e6] * 50
    sick = patient(None, tables(norms=norms), "logits")
    assert CLIP.recipe(load_recipe("story-plain"), sick).clip_norm == 0.2
    assert CLIP.recipe(load_recipe("story-plain"), patient()).clip_norm == 1.0
    for before, clip_norm in [(10, 0.2), (4, 1.0)]:
        explodes = patient(None, tables(norms=[0.2] * before + [1e9] * 90), "logits")
        finding = Finding("exploding-gradients", "critical", before, 93)
        sick = replace(explodes, diagnosis=replace(explodes.diagnosis, findings=(finding,)))
        assert CLIP.recipe(load_recipe("story-plain"), sick).clip_norm == clip_norm
    clipped = load_recipe("story-plain", ["clip_norm=.5"])
    assert CLIP.why_not(clipped, sick) == "gradients are clipped at 0.5 already"
