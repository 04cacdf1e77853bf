import pytest
import torch
from flatline.runs.losses import resting_point
from flatline.runs.network import build_network, make_model
from flatline.runs.recipe import RecipeError, load_recipe


def refused(*settings):
    with pytest.raises(RecipeError) as refused:
        build_network(load_recipe("story-plain", settings), n_classes=3, n_mels=32)
    return str(refused.value)


def test_an_option_that_the_recipe_brought_for_another_architecture_says_how_to_drop_it():
    said = refused("model.architecture=simple-cgrnn")
    assert "recipe story-plain: unknown option 'channels' of architecture simple-cgrnn (model.options)" in said
    assert "known: kernel, pool" in said
    assert "If the recipe brought it and not you, drop the recipe's with --set model.options={}" in said
    build_network(load_recipe("story-plain", ["model.architecture=resnet", "model.options={}"]), 3, 32)


def test_a_value_that_does_not_fit_is_named_with_the_recipe():
    expected = "model.options.channels is 0 (architecture cgrnn); give a whole number of 1 or more"
    assert refused("model.options.channels=0") == f"recipe story-plain: {expected}"


def test_a_network_that_no_memory_holds_names_its_options():
    said = refused("model.options.channels=100000000")
    assert said.startswith("cgrnn with mean cannot be built with channels 100000000, n_hidden 128 (recipe story-plain:")
    assert "give smaller ones" in said


def recurrent_blocks(model):
    return model.gru.weight_hh_l0.detach().split(model.gru.hidden_size)


@pytest.mark.parametrize("init", ["orthogonal", "chrono", "orthogonal-chrono"])
def test_a_recipe_begins_its_rnn_as_it_says(small_recipe, small_task, init):
    plain = make_model(small_recipe("story-plain"), small_task)
    model = make_model(small_recipe("story-plain", f"init={init}"), small_task)
    again = make_model(small_recipe("story-plain", f"init={init}"), small_task)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))
    spectra = [torch.linalg.svdvals(block) for block in recurrent_blocks(model)]
    assert all(torch.allclose(values, torch.ones(4), atol=1e-5) for values in spectra) == ("orthogonal" in init)
    size, n_frames = model.gru.hidden_size, small_task.settings.n_frames
    memory = (model.gru.bias_ih_l0 + model.gru.bias_hh_l0).detach()[size : 2 * size].exp()
    assert (float(memory.min()) >= 1 and float(memory.max()) <= n_frames - 1) == ("chrono" in init)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, plain.state_dict()[name])}
    kinds = {"orthogonal": "weight_hh", "chrono": "bias_"}
    assert changed
    assert all(any(kinds[part] in name for part in init.split("-")) and name.startswith("gru.") for name in changed)


def test_the_prior_bias_is_that_of_what_batches_hold(small_recipe, small_task):
    settings = ("prior_bias=true", "sampling=class-balanced")
    bias = make_model(small_recipe("story-plain", *settings), small_task).head.classification.bias.detach()
    wanted = torch.from_numpy(small_task.sampled_prior("class-balanced")).clamp_min(1e-5).float()
    torch.testing.assert_close(bias.sigmoid(), wanted)


def test_the_prior_bias_of_a_bent_loss_is_where_a_constant_predictor_rests(small_recipe, small_task):
    recipe = small_recipe("story-plain", "prior_bias=true", "focus=asymmetric")
    bias = make_model(recipe, small_task).head.classification.bias.detach()
    wanted = resting_point(torch.from_numpy(small_task.prior), "asymmetric").float()
    torch.testing.assert_close(bias.sigmoid(), wanted)
    assert (wanted > torch.from_numpy(small_task.prior) + 0.01).any()
