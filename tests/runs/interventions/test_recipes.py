import pytest
import torch
from flatline.runs.interventions import INTERVENTIONS, named
from flatline.runs.losses import criterion
from flatline.runs.network import gives, make_model
from flatline.runs.recipe import RecipeError, load_recipe, recipe_from_dict, recipe_names
from flatline.runs.resume import differences
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import train
from torch.optim import Adam

SMALL_OF = {
    False: ("model.options.channels=2", "model.options.n_hidden=4"),
    True: ("model.options.n_hidden=4", "model.options.n_features=6"),
}
SETTINGS = ("batch_size=16", "iterations=6", "evaluate_every=3", "learning_rate=0.001")

FOR_A_PERSON = {"thaw", "dropout", "fix-labels", "fix-data"}

EVERYWHERE = {
    *("lower-rate", "higher-rate", "clip-gradients", "warm-up", "time-softmax", "linear-softmax", "layer-norm"),
    *("gradient-highway", "orthogonal-init", "chrono-init", "standardise-features", "mask-padding"),
    *("class-balanced-sampling", "asymmetric-loss", "focal-loss"),
}
"""What any of the story's recipes but the published one can be given."""

ATTENTIVE = {name for name in recipe_names() if "attention" in name}
BROKEN = {name for name in recipe_names() if "double-sigmoid" in name}


def small(name, *settings):
    return load_recipe(name, [*SMALL_OF[name.endswith("simple")], *SETTINGS, *settings])


def given(recipe, patient, *names):
    """The recipe with interventions one after another, each allowed on what it is by then."""
    for one in named(names):
        sick = patient(recipe)
        assert one.why_not(recipe, sick) is None, one.name
        recipe = one.recipe(recipe, sick)
    return recipe


def step(recipe, task):
    """The loss of one training step."""
    model = make_model(recipe, task).train()
    batch = task.batch(task.train[: recipe.batch_size])
    optimizer = Adam(model.parameters(), recipe.learning_rate)
    scores = model(batch.inputs, batch.mask if recipe.data.mask else None)
    loss = criterion(recipe.loss, model.output, recipe.focus)(scores, batch.target)
    loss.backward()
    optimizer.step()
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    return float(loss.detach())


def possible(recipe, patient):
    return {one.name for one in INTERVENTIONS if one.why_not(recipe, patient(recipe)) is None}


@pytest.mark.parametrize("name", recipe_names())
def test_what_can_be_tried_on_each_recipe_of_the_story(name, patient):
    recipe = small(name)
    wanted = EVERYWHERE - ({"time-softmax"} if "published" in name else set())
    wanted |= {"fix-objective"} if name in BROKEN else set()
    wanted |= {"prior-bias"} if not recipe.prior_bias else set()
    wanted |= {"input-attention"} if name not in ATTENTIVE else set()
    wanted |= {"no-frame-dropout"} if name.endswith("simple") else set()
    assert possible(recipe, patient) == wanted
    whys = [one.why_not(recipe, patient(recipe)) for one in named(FOR_A_PERSON)]
    assert all(len(why.split()) > 4 for why in whys)


@pytest.mark.parametrize("name", recipe_names())
def test_each_recipe_that_comes_out_is_checked_builds_and_takes_a_step(name, patient, small_task):
    recipe = small(name)
    before = recipe.to_dict()
    for intervention in named(sorted(possible(recipe, patient))):
        changed = intervention.recipe(recipe, patient(recipe))
        assert differences(recipe, changed), intervention.name
        assert recipe_from_dict(changed.to_dict(), "again") == changed
        assert step(changed, small_task) > 0
        again = intervention.why_not(changed, patient(changed))
        assert (again is None) == (intervention.name in ("lower-rate", "higher-rate")), intervention.name
    assert recipe.to_dict() == before


@pytest.mark.parametrize("name", recipe_names())
def test_none_but_fix_objective_makes_a_broken_objective_fit_or_a_fitting_one_break(name, patient):
    recipe = small(name)
    fits = {"logits": "bce-with-logits", "probabilities": "bce"}
    for intervention in named(sorted(possible(recipe, patient))):
        changed = intervention.recipe(recipe, patient(recipe))
        is_sound = changed.loss == fits[gives(changed)]
        assert is_sound == (name not in BROKEN or intervention.name == "fix-objective"), intervention.name


def test_the_broken_recipe_of_the_story_becomes_the_published_one_in_three_steps(patient):
    healed = given(load_recipe("story-double-sigmoid"), patient, "fix-objective", "prior-bias", "time-softmax")
    told = differences(healed, load_recipe("story-published"))
    assert set(told) == {"name", "description"}


def test_heads_give_what_the_one_before_gave(patient):
    plain = load_recipe("story-plain")
    assert differences(plain, given(plain, patient, "input-attention")) == {
        "model.head": ("mean", "input-attention"),
        "model.head_options.sigmoid": (None, False),
        "model.head_options.axis": (None, "class"),
    }
    published = load_recipe("story-published")
    attentive = given(published, patient, "input-attention")
    assert (attentive.model.head_options, attentive.loss) == ({"sigmoid": True, "axis": "time"}, "bce")
    pooled = given(plain, patient, "linear-softmax")
    assert (pooled.model.head, pooled.model.head_options, pooled.loss) == ("linear-softmax", {}, "bce")
    assert given(pooled, patient, "time-softmax").model.head_options == {"sigmoid": True, "axis": "time"}
    assert given(plain, patient, "time-softmax").model.head_options == {"sigmoid": False, "axis": "time"}


def test_orthogonal_weights_and_gates_that_remember_can_be_had_together_in_either_order(patient):
    plain = load_recipe("story-plain")
    both = given(plain, patient, "orthogonal-init", "chrono-init")
    assert both == given(plain, patient, "chrono-init", "orthogonal-init")
    assert both.init == "orthogonal-chrono"


def test_a_warm_up_is_a_hundred_iterations_or_a_fifth_and_leaves_a_cosine_one(patient):
    assert given(load_recipe("story-plain"), patient, "warm-up").schedule.warm_up == 70
    assert given(load_recipe("story-plain", ["iterations=3"]), patient, "warm-up").schedule.warm_up == 1
    cosine = given(load_recipe("story-plain", ["iterations=9000", "schedule.kind=cosine"]), patient, "warm-up")
    assert (cosine.schedule.kind, cosine.schedule.warm_up) == ("cosine", 100)
    (warm,) = named(["warm-up"])
    triangular = load_recipe("story-plain", ["schedule.kind=triangular"])
    assert warm.why_not(triangular, patient(triangular)) == "the rate rises at the beginning already"


@pytest.mark.parametrize("architecture", ["resnet", "attention-only"])
def test_a_network_without_an_rnn_is_told_so_and_a_key_for_one_is_refused(architecture, patient, small_task):
    recipe = small("story-attention", f"model.architecture={architecture}", "model.options={}")
    of_rnns = named(["layer-norm", "gradient-highway", "orthogonal-init", "chrono-init"])
    assert {one.why_not(recipe, patient(recipe)) for one in of_rnns} == {f"{architecture} has no RNN"}
    for init in ("orthogonal", "chrono", "orthogonal-chrono"):
        with pytest.raises(RecipeError, match=f"init is {init} .*{architecture} has no RNN; set init=default"):
            make_model(load_recipe("story-attention", [f"init={init}", *_of(architecture)]), small_task)


def _of(architecture):
    return [f"model.architecture={architecture}", "model.options={}"]


def test_many_at_once_train_and_are_recorded(tiny_data, patient, tmp_path):
    names = (
        *("fix-objective", "prior-bias", "clip-gradients", "warm-up", "linear-softmax", "layer-norm"),
        *("gradient-highway", "orthogonal-init", "chrono-init", "no-frame-dropout", "standardise-features"),
        *("mask-padding", "class-balanced-sampling", "asymmetric-loss"),
    )
    recipe = given(small("story-double-sigmoid-simple"), patient, *names)
    run = Run(train(recipe, prepare(recipe, tiny_data), tmp_path).path)
    assert run.status == "finished"
    assert run.evaluations.lwlrap.notna().all()
    assert "ablation.rnns" in run.ablations
    assert run.recipe["init"] == "orthogonal-chrono"
