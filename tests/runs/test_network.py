import pytest
from flatline.runs.network import build_network
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
