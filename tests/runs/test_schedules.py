import math
import signal
import warnings

import pytest
import torch
from flatline.diagnostics.errors import FlatlineError
from flatline.runs import resume as resuming
from flatline.runs.check import check_recipe
from flatline.runs.recipe import RecipeError, ScheduleRecipe, load_recipe
from flatline.runs.run import Run
from flatline.runs.schedules import rate_at
from flatline.runs.train import train


def rates(schedule, learning_rate=1e-3, iterations=100, per_epoch=5, until=None):
    return [
        rate_at(schedule, learning_rate, iteration, iterations, per_epoch) for iteration in range(until or iterations)
    ]


def of_torch(make, n):
    """What a schedule of PyTorch gives to n iterations."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedule, found = make(optimizer), []
    for _ in range(n):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_a_constant_schedule_is_the_rate_itself():
    assert set(rates(ScheduleRecipe())) == {1e-3}


def test_a_warm_up_rises_by_equal_steps_reaches_the_rate_and_stays():
    found = rates(ScheduleRecipe("warm-up", warm_up=9, lowest=1e-4))
    assert found[:3] == pytest.approx([1.9e-4, 2.8e-4, 3.7e-4])
    assert found[8] == pytest.approx(9.1e-4)
    assert set(found[9:]) == {1e-3}


def test_a_cosine_is_pytorchs():
    schedule = ScheduleRecipe("cosine", lowest=1e-5)
    theirs = of_torch(lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100, eta_min=1e-5), 100)
    assert rates(schedule) == pytest.approx(theirs)
    assert rate_at(schedule, 1e-3, 500, 100, 5) == pytest.approx(1e-5)


def test_a_cosine_after_a_warm_up_begins_at_the_rate_and_is_half_way_down_in_the_middle_of_what_is_left():
    found = rates(ScheduleRecipe("cosine", warm_up=20))
    assert found[20] == pytest.approx(1e-3)
    assert found[60] == pytest.approx(5e-4)
    assert found == pytest.approx(found[:20] + sorted(found[20:], reverse=True))


def cyclic(gamma):
    """PyTorch's cyclical schedule of the seed's wider range, 20 iterations up and 20 down."""

    def make(optimizer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.optim.lr_scheduler.CyclicLR(
                optimizer, 2e-4, 6e-4, step_size_up=20, mode="exp_range", gamma=gamma, cycle_momentum=False
            )

    return make


@pytest.mark.parametrize(("kind", "gamma"), [("triangular", 1.0), ("triangular-exp", 0.5 ** (1 / 40))])
def test_the_seeds_cyclical_schedules_are_smiths_as_pytorch_has_them(kind, gamma):
    schedule = ScheduleRecipe(kind, lowest=2e-4, step_epochs=4)
    assert rates(schedule, 6e-4, until=170) == pytest.approx(of_torch(cyclic(gamma), 170))


def test_the_amplitude_of_a_decaying_cycle_is_what_the_recipe_says():
    found = rates(ScheduleRecipe("triangular-exp", lowest=0.1, step_epochs=1, decay=0.25), 1.1, until=20)
    assert found[5] == pytest.approx(0.1 + 0.25**0.5)
    assert found[15] == pytest.approx(0.1 + 0.25**1.5)


def test_a_fraction_of_an_epoch_is_a_step_too():
    schedule = ScheduleRecipe("triangular", step_epochs=0.4)
    assert rates(schedule, 1.0, until=5) == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["schedule.kind=linear"], "schedule.kind is 'linear' .*; give constant, warm-up, cosine, triangular or"),
        (["schedule.kind=warm-up"], "schedule.warm_up is 0 .*give its iterations"),
        (["schedule.warm_up=5"], "schedule.warm_up is 5 .*schedule.kind is constant.*set schedule.kind to warm-up or"),
        (
            ["schedule.kind=cosine", "schedule.lowest=.001"],
            "schedule.lowest is 0.001 .*learning_rate.*; give less",
        ),
        (["schedule.lowest=.0001"], "schedule.lowest is 0.0001 .*with one rate; drop it"),
        (["schedule.kind=cosine", "schedule.lowest=-1"], "schedule.lowest is -1.0 .*give 0 or more"),
        (["schedule.kind=triangular", "schedule.step_epochs=0"], "schedule.step_epochs is 0.0 .*a number above 0"),
        (["schedule.kind=triangular-exp", "schedule.decay=2"], "schedule.decay is 2.0 .*give 1 or less"),
        (["schedule.warmup=2"], r"unknown key 'schedule.warmup' .*known: decay, kind, lowest"),
        (["schedule=cosine"], "schedule is 'cosine' .*give keys and values"),
    ],
)
def test_a_schedule_that_says_nothing_or_nonsense_is_refused_with_what_to_give(settings, message):
    with pytest.raises(FlatlineError, match=message):
        load_recipe("story-plain", settings)


SCHEDULED = ("schedule.kind=triangular-exp", "schedule.lowest=0.0001", "schedule.step_epochs=.5")


def test_the_recorded_rate_is_the_schedules_and_the_one_that_stepped(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-plain", *SCHEDULED, "ablate=false")
    run = Run(train(recipe, small_task, tmp_path).path)
    wanted = rates(recipe.schedule, 1e-3, per_epoch=4, until=6)
    assert run.scalars.learning_rate.tolist() == pytest.approx(wanted, rel=1e-6)
    assert len(set(wanted)) == 5
    norms = run.gradient_norms.sum(axis=1)
    still = Run(train(small_recipe("story-plain", "ablate=false"), small_task, tmp_path).path)
    assert norms[0] == still.gradient_norms.sum(axis=1)[0]
    assert norms[5] != still.gradient_norms.sum(axis=1)[5]


def test_a_run_with_a_schedule_resumes_bit_by_bit(small_recipe, small_task, tmp_path, unlike):
    recipe = small_recipe("story-plain", *SCHEDULED, "ablate=false", "pinned=0")
    whole = train(recipe, small_task, tmp_path, name="whole").path

    def interrupt(reached):
        if reached.iteration == 4:
            signal.raise_signal(signal.SIGINT)

    cut = train(recipe, small_task, tmp_path, name="cut", watch=interrupt)
    assert cut.status == "interrupted"
    run = Run(cut.path)
    resuming.resume(run, resuming.recipe_of(run, None, []), small_task)
    assert unlike(whole, cut.path) == []


def test_a_cosine_cannot_be_resumed_to_another_end(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-plain", "schedule.kind=cosine", "iterations=1", "ablate=false", "pinned=0")
    run = Run(train(recipe, small_task, tmp_path).path)
    with pytest.raises(RecipeError, match="iterations is 9 here and 1 in run story-plain, whose cosine schedule"):
        resuming.recipe_of(run, None, [], iterations=9)
    assert resuming.recipe_of(run, None, []).iterations == 1


def test_the_check_takes_the_first_iterations_rate_and_does_not_call_a_rising_one_too_low(small_recipe, small_task):
    high = small_recipe("story-plain", "learning_rate=1000")
    assert "learning-rate-too-high" in [finding.kind for finding in check_recipe(high, small_task).findings]
    rising = ("learning_rate=1000", "schedule.kind=warm-up", "schedule.warm_up=1000000000000000")
    kinds = [finding.kind for finding in check_recipe(small_recipe("story-plain", *rising), small_task).findings]
    assert not {kind for kind in kinds if kind.startswith("learning-rate")}
    assert math.isclose(rate_at(small_recipe("story-plain", *rising).schedule, 1000, 0, 6, 4), 1e-12)
