import pytest
import yaml
from flatline.diagnostics.errors import FlatlineError
from flatline.models import build
from flatline.runs.losses import criterion
from flatline.runs.recipe import Recipe, RecipeError, load_recipe, recipe_from_dict, recipe_names

HEADS = ["double-sigmoid", "plain", "attention", "attention-double-sigmoid", "prior-bias", "published"]
STORY = [f"story-{head}{kind}" for head in HEADS for kind in ("", "-simple")]

TABLE = {
    "story-double-sigmoid": ("probabilities", "bce-with-logits", False),
    "story-plain": ("logits", "bce-with-logits", False),
    "story-attention": ("logits", "bce-with-logits", False),
    "story-attention-double-sigmoid": ("probabilities", "bce-with-logits", False),
    "story-prior-bias": ("logits", "bce-with-logits", True),
    "story-published": ("probabilities", "bce", True),
}
"""What each head gives, the loss it is fed to and whether the output bias starts at the prior (docs/recipes.md)."""


def built(recipe):
    model = recipe.model
    return build(
        model.architecture,
        model.head,
        n_classes=80,
        n_mels=32,
        options=model.options,
        head_options=model.head_options,
    )


def test_the_storys_recipes_are_built_in():
    assert set(STORY) <= set(recipe_names())


@pytest.mark.parametrize("name", STORY)
def test_a_story_recipe_is_what_the_design_says(name):
    recipe = load_recipe(name)
    simple = name.endswith("-simple")
    assert recipe.name == name
    assert recipe.model.architecture == ("simple-cgrnn" if simple else "cgrnn")
    assert recipe.description
    if not simple:
        assert recipe.model.options["channels"] == 12
    assert (recipe.batch_size, recipe.learning_rate, recipe.iterations, recipe.seed) == (32, 1e-3, 350, 0)
    assert (recipe.data.mask, recipe.data.scaling) == (False, "fixed")
    model = built(recipe)
    assert (model.output, recipe.loss, recipe.prior_bias) == TABLE[name.removesuffix("-simple")]
    criterion(recipe.loss, model.output)


@pytest.mark.parametrize("name", STORY)
def test_a_recipe_survives_yaml(name, tmp_path):
    recipe = load_recipe(name)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe.to_dict()))
    assert load_recipe(tmp_path / "mine.yaml") == recipe


def test_a_yaml_file_without_a_name_is_named_after_the_file(tmp_path):
    (tmp_path / "mine.yaml").write_text("iterations: 3")
    assert load_recipe(tmp_path / "mine.yaml") == Recipe(name="mine", iterations=3)


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("seed=7", "seed", 7),
        ("learning_rate=3e-4", "learning_rate", 3e-4),
        ("learning_rate=1e-3", "learning_rate", 1e-3),
        ("learning_rate=1", "learning_rate", 1.0),
        ("model.head=mean", "model.head", "mean"),
        ("model.options.channels=4", "model.options", {"channels": 4, "n_hidden": 128}),
        ("model.options={channels: 4}", "model.options", {"channels": 4}),
        ("data.mask=true", "data.mask", True),
        ("clip_norm=null", "clip_norm", None),
        ("clip_norm=", "clip_norm", None),
        ("clip_norm=.5", "clip_norm", 0.5),
        ("early_stop=3", "early_stop", 3),
        ("description=a=b", "description", "a=b"),
    ],
)
def test_any_key_can_be_set(setting, path, value):
    found = load_recipe("story-plain", [setting]).to_dict()
    for key in path.split("."):
        found = found[key]
    assert found == value
    assert type(found) is type(value)


def test_later_settings_go_before_earlier_ones_and_arguments_before_the_recipe():
    assert load_recipe("story-plain", ["seed=1", "seed=2"]).seed == 2
    assert load_recipe("story-plain", ["iterations=1"], seed=3, iterations=None).seed == 3


def test_a_key_that_is_set_and_given_as_an_argument_is_refused_with_both_values():
    with pytest.raises(RecipeError, match=r"seed is given twice \(--seed 3 and --set seed=1\); give it once"):
        load_recipe("story-plain", ["seed=1"], seed=3)


def test_1e_3_in_a_file_is_a_number_though_yaml_says_it_is_text(tmp_path):
    assert yaml.safe_load("1e-3") == "1e-3"
    (tmp_path / "mine.yaml").write_text("learning_rate: 1e-3")
    assert load_recipe(tmp_path / "mine.yaml").learning_rate == 1e-3


@pytest.mark.parametrize(
    ("setting", "where", "known"),
    [
        ("iteration=3", "'iteration'", "iterations"),
        ("data.masks=true", "'data.masks'", "mask"),
        ("model.heads=mean", "'model.heads'", "head"),
    ],
)
def test_an_unknown_key_lists_the_known_ones_of_its_level(setting, where, known):
    with pytest.raises(FlatlineError, match=rf"unknown key {where} \(recipe story-plain\); known: .*\b{known}\b"):
        load_recipe("story-plain", [setting])


@pytest.mark.parametrize(
    ("setting", "key", "value", "wanted"),
    [
        ("iterations=many", "iterations", "'many'", "a whole number, in digits"),
        ("iterations=1.5", "iterations", "1.5", "a whole number, in digits"),
        ("batch_size=1e10", "batch_size", "'1e10'", "a whole number, in digits"),
        ("learning_rate=fast", "learning_rate", "'fast'", "a number"),
        ("seed=null", "seed", "empty", "a whole number, in digits"),
        ("seed=.inf", "seed", "inf", "a number"),
        ("loss=mse", "loss", "'mse'", "bce-with-logits or bce"),
        ("data.scaling=none", "data.scaling", "'none'", "fixed or standardise"),
        ("data.mask=maybe", "data.mask", "'maybe'", "true or false"),
        ("model=cgrnn", "model", "'cgrnn'", "keys and values, or set one key of it, as in --set model.head=mean"),
        ("model.options=3", "model.options", "3", "keys and values, as in {channels: 12}"),
        ("name=true", "name", "true", "text"),
        ("data.fold=x", "data.fold", "'x'", "a whole number, in digits"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_key_and_what_to_give(setting, key, value, wanted):
    with pytest.raises(RecipeError) as refused:
        load_recipe("story-plain", [setting])
    assert str(refused.value) == f"{key} is {value} (recipe story-plain); give {wanted}"


@pytest.mark.parametrize(
    ("values", "where"),
    [({1: 2}, "the recipe"), ({"model": {1: 2}}, "model"), ({"model": {"options": {1: 2}}}, r"model\.options")],
)
def test_a_key_that_is_no_name_is_said_with_its_place(values, where):
    with pytest.raises(RecipeError, match=rf"^{where} has the key 1 \(recipe x\), which is no name; give names"):
        recipe_from_dict(values, "recipe x")


@pytest.mark.parametrize("address", ["x" * 5000, "a\0b"])
def test_any_text_may_be_asked_for_as_a_recipe(address):
    with pytest.raises(FlatlineError, match="unknown recipe"):
        load_recipe(address)


def test_a_recipe_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("seed: 1")

    def refuse(*given, **settings):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(RecipeError, match=r"mine\.yaml cannot be read \(Permission denied\); check its permissions"):
        load_recipe(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    "setting",
    ["iterations=0", "evaluate_every=0", "batch_size=-1", "learning_rate=0", "learning_rate=.nan", "data.fold=5"],
)
def test_a_value_out_of_range_says_what_to_give(setting):
    key, _, value = setting.partition("=")
    with pytest.raises(RecipeError, match=rf"{key} is .* \(recipe story-plain\); give"):
        load_recipe("story-plain", [f"{key}={value}"])


@pytest.mark.parametrize("setting", ["seed", "=3", "", "seed:3"])
def test_a_setting_without_key_or_value_shows_the_form(setting):
    with pytest.raises(RecipeError, match="takes key=value, not"):
        load_recipe("story-plain", [setting])


def test_a_key_below_a_plain_value_is_refused():
    with pytest.raises(RecipeError, match=r"seed is 5, so seed\.a cannot be set"):
        load_recipe("story-plain", ["seed=5", "seed.a=3"])


def test_a_recipe_that_is_nowhere_lists_the_built_in_ones(tmp_path):
    with pytest.raises(FlatlineError, match=r"unknown recipe 'nope' .*known: .*story-plain"):
        load_recipe("nope")


@pytest.mark.parametrize(
    ("content", "what"), [("a: [", "is not YAML"), ("- 1", "holds a list"), ("3", "holds a single"), ("", "is empty")]
)
def test_a_file_that_holds_no_recipe_is_named(tmp_path, content, what):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(RecipeError, match=rf"mine\.yaml {what}"):
        load_recipe(tmp_path / "mine.yaml")


def test_what_run_json_keeps_is_the_recipe_again():
    recipe = load_recipe("story-published", ["clip_norm=1"])
    assert recipe_from_dict(recipe.to_dict(), "run x") == recipe


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        ("iterations=0", "give 1 or more"),
        ("early_stop=0", "give 1 or more"),
        ("pinned=-1", "give 0 or more"),
        ("seed=-1", "give 0 or more"),
        ("weight_decay=-1", "give 0 or more"),
        ("clip_norm=0", "give a number above 0"),
        ("learning_rate=.inf", "give a number above 0"),
        ("data.n_folds=1", "give 2 or more"),
        ("data.fold=5", "give 0 to 4"),
        ("seed=9223372036854775808", "give less than"),
    ],
)
def test_a_value_that_trains_nothing_or_nonsense_is_refused_with_its_key_and_what_to_give(setting, remedy):
    key, value = setting.split("=")
    with pytest.raises(RecipeError, match=rf"{key} is .*\(recipe story-plain\); {remedy}") as refused:
        load_recipe("story-plain", [setting])
    assert value.strip(".") in str(refused.value)
