"""A range test is a run whose rate rises, and which ends where its loss diverges."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import RunError
from flatline.runs.lr_range import RangeTest, Sweep, for_range_test, lr_range
from flatline.runs.lr_range_curve import curve_of_run
from flatline.runs.recipe import RecipeError
from flatline.runs.resume import run_to_resume
from flatline.runs.run import Run
from flatline.runs.train import train


@pytest.fixture(scope="module")
def ranged(small_recipe, small_task, tmp_path_factory):
    return lr_range(small_recipe(), small_task, Sweep(1e-5, 1e-1, 21), tmp_path_factory.mktemp("logs"))


def test_each_iteration_steps_with_the_next_rate(ranged):
    run = Run(ranged.path)
    assert ranged.status == "finished"
    np.testing.assert_allclose(run.series("learning_rate"), np.geomspace(1e-5, 1e-1, 21), rtol=1e-6)
    assert run.info["lr_range"] == {"first": 1e-5, "last": 1e-1, "iterations": 21}


def test_a_recorded_test_gives_the_curve_of_its_own_losses(ranged):
    rates, losses, curve, _ = curve_of_run(Run(ranged.path))
    np.testing.assert_array_equal(losses, Run(ranged.path).series("loss"))
    assert curve.losses[0] == pytest.approx(losses[0])
    assert curve.rates[0] == pytest.approx(rates[0])


def test_the_run_is_named_after_its_recipe_and_numbered(ranged, small_recipe, small_task):
    assert ranged.path.name == "story-plain-lr-range"
    again = lr_range(small_recipe(), small_task, Sweep(1e-5, 1e-1, 20), ranged.path.parent)
    assert again.path.name == "story-plain-lr-range-2"


def test_the_schedule_and_the_ends_of_the_recipe_do_not_count(small_recipe):
    recipe = small_recipe("story-plain", "schedule.kind=cosine", "early_stop=1", "ablate=true")
    tested = for_range_test(recipe, Sweep(1e-4, 1, 30))
    assert (tested.schedule.kind, tested.early_stop, tested.ablate) == ("constant", None, False)
    assert (tested.iterations, tested.learning_rate, tested.level) == (30, 1e-4, "light")


class Exploding(RangeTest):
    """A test whose loss is made to be what is asked for, from an iteration on."""

    worst, since = math.nan, 8

    def _step(self, loss):
        at = getattr(self, "at", 0)
        self.at = at + 1
        return super()._step(loss * self.worst if at >= self.since else loss)


@pytest.mark.parametrize(("worst", "most"), [(math.nan, 9), (1000.0, 9), (1.0, 30)])
def test_it_ends_where_the_loss_is_no_number_or_exceeds_four_times_its_lowest(
    small_recipe, small_task, tmp_path, worst, most
):
    test = Exploding(small_recipe(), small_task, Sweep(1e-8, 1e-7, 30))
    test.worst = worst
    trained = test.run(tmp_path / "run")
    assert len(Run(tmp_path / "run")) == most
    assert trained.status == "finished"


def test_rates_too_high_for_any_net_end_it_by_themselves(small_recipe, small_task, tmp_path):
    trained = lr_range(small_recipe(), small_task, Sweep(1e-3, 1e6, 60), tmp_path)
    run = Run(trained.path)
    assert len(run) < 60
    assert curve_of_run(run)[3].diverged == pytest.approx(run.series("learning_rate").iloc[-1])


def test_a_training_at_a_constant_rate_is_no_range_test(small_recipe, small_task, tmp_path):
    assert curve_of_run(Run(train(small_recipe(), small_task, tmp_path).path)) is None


def test_it_is_not_gone_on_with(ranged):
    with pytest.raises(RunError, match=r"story-plain-lr-range is a learning-rate range test.*flatline lr-range"):
        run_to_resume(str(ranged.path), Path("logs"))


@pytest.mark.parametrize(("first", "last"), [(1e-3, 1e-3), (1.0, 1e-3), (0.0, 1.0), (math.nan, 1.0), (1e-3, math.inf)])
def test_rates_that_do_not_rise_are_refused(first, last):
    with pytest.raises(RecipeError, match=r"rates go from .*lr-range\); give --from above 0 and below --to"):
        Sweep(first, last)


def test_too_few_iterations_are_refused():
    with pytest.raises(RecipeError, match=r"iterations is 3 .*; give 20 or more"):
        Sweep(iterations=3)


def test_the_weights_begin_as_in_a_training(small_recipe, small_task):
    first = RangeTest(small_recipe(), small_task, Sweep()).model.state_dict()
    again = RangeTest(small_recipe("story-plain", "learning_rate=0.5"), small_task, Sweep()).model.state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
