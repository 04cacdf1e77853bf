"""A sweep's file: variants by choices by seeds, and what is wrong with one."""

import pytest
from flatline.diagnostics.errors import FlatlineError
from flatline.runs.recipe import load_recipe
from flatline.runs.sweep import SweepError, load_sweep, plan, sweep_names


def planned(tmp_path, text, **overrides):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    return plan(*load_sweep(tmp_path / "mine.yaml"), **overrides)


GRID = """
recipe: story-plain
settings: {iterations: 7, model.options.channels: 2}
grid:
  learning_rate: [0.001, 0.0003]
  attention:
    without: {}
    with: {model.head: input-attention}
seeds: [0, 4]
"""


def test_a_grid_is_every_choice_with_every_other_and_every_seed(tmp_path):
    runs = planned(tmp_path, GRID)
    assert len(runs) == 8
    assert runs[0].name == "story-plain-learning_rate=0.001-without-seed0"
    assert runs[-1].name == "story-plain-learning_rate=0.0003-with-seed4"
    found = {(run.recipe.learning_rate, run.recipe.model.head, run.recipe.seed) for run in runs}
    assert found == {
        (rate, head, seed) for rate in (1e-3, 3e-4) for head in ("mean", "input-attention") for seed in (0, 4)
    }
    assert {run.recipe.iterations for run in runs} == {7}
    assert {run.recipe.model.options["channels"] for run in runs} == {2}
    assert {run.recipe.model.options["n_hidden"] for run in runs} == {128}, "the recipe's other options stay"
    assert runs[0].label == runs[1].label == "story-plain learning_rate=0.001 without"


def test_variants_have_recipes_and_settings_of_their_own_which_come_after_the_sweeps(tmp_path):
    text = """
    settings: {loss: bce-with-logits, iterations: 9}
    variants:
      a: {recipe: story-plain}
      b: {recipe: story-attention, settings: {iterations: 5}}
    """
    a, b = planned(tmp_path, text)
    assert (a.name, a.recipe.model.head, a.recipe.iterations) == ("a", "mean", 9)
    assert (b.name, b.recipe.model.head, b.recipe.iterations) == ("b", "input-attention", 5)
    assert a.recipe.name == "a"


def test_a_recipe_may_lie_beside_the_sweep(tmp_path):
    (tmp_path / "own.yaml").write_text("model: {head: mean}\nbatch_size: 3\n")
    (run,) = planned(tmp_path, "recipe: own.yaml\n")
    assert (run.name, run.recipe.batch_size) == ("own", 3)


def test_seeds_may_be_a_number_and_range_tests_come_last(tmp_path):
    runs = planned(tmp_path, "recipe: story-plain\nseeds: 3\nlr_range: [story-plain]\nepochs: 4\n")
    assert [run.recipe.seed for run in runs] == [0, 1, 2, 0]
    assert [run.is_range_test for run in runs] == [False, False, False, True]
    assert [run.epochs for run in runs] == [4, 4, 4, None]
    assert runs[-1].name == "story-plain-lr-range"


def test_iterations_from_the_command_line_set_the_sweeps_aside(tmp_path):
    (run,) = planned(tmp_path, "recipe: story-plain\nepochs: 4\nsettings: {iterations: 9}\n", iterations=2)
    assert (run.recipe.iterations, run.epochs) == (2, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe: story-plain\nsedds: [0]", r"unknown key 'sedds' \(sweep .*mine.yaml\)"),
        ("variants: {a: {recipes: x}}", r"unknown key 'variants.a.recipes'"),
        ("recipe: story-plain\nseeds: [0, 0]", r"seeds is \[0, 0\]: give different whole numbers"),
        ("recipe: story-plain\nseeds: []", r"seeds is \[\]"),
        ("recipe: story-plain\nseeds: 0", r"seeds is \[\]"),
        ("recipe: story-plain\nepochs: 0", r"epochs is 0: give 1 or more"),
        ("recipe: story-plain\nepochs: many", r"epochs is 'many'"),
        ("grid: {learning_rate: [1]}", r"recipe is missing, and not every variant has one"),
        ("recipe: story-plain\ngrid: {learning_rate: []}", r"grid.learning_rate has no choices"),
        ("recipe: story-plain\ngrid: {learning_rate: 3}", r"grid.learning_rate"),
        ("recipe: story-plain\nlr_range: [b]", r"lr_range names 'b', which is none of the variants \(story-plain\)"),
        ("recipe: story-plain\nrecipe: story-plain", r"'recipe' stands there twice"),
        ("recipe: story-plain\nvariants: {a: {}, a: {}}", r"'a' stands there twice"),
        ("- recipe", r"holds no keys and values"),
        ("recipe: [", r"is not YAML"),
        ("recipe: story-plain\nseeds: 2000", r"makes 2000 runs, more than 1000"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_said_with_its_place(tmp_path, text, said):
    with pytest.raises(FlatlineError, match=said):
        planned(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe: story-plane", r"run story-plane: unknown recipe 'story-plane'"),
        ("recipe: story-plain\nsettings: {lerning_rate: 1}", r"run story-plain: unknown key 'lerning_rate'"),
        ("recipe: story-plain\ngrid: {learning_rate: [0.1, -1]}", r"learning_rate=-1: learning_rate is -1"),
        ("recipe: story-plain\nsettings: {seed: 3}", r"seed is among the settings .*give seeds"),
        ("recipe: story-plain\ngrid: {seed: [1, 2]}", r"seed is among the settings"),
    ],
)
def test_a_recipe_that_does_not_fit_is_told_with_the_run(tmp_path, text, said):
    with pytest.raises(SweepError, match=said):
        planned(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "variants: {a: {recipe: story-plain}, b: {recipe: story-plain}}",
        "recipe: story-plain\ngrid: {learning_rate: [0.001, 1.0e-3]}",
        "recipe: story-plain\ngrid: {x: {a: {}, b: {learning_rate: 0.001}}}",
    ],
)
def test_two_runs_that_are_the_same_are_refused(tmp_path, text):
    with pytest.raises(SweepError, match=r"are the same recipe|are called"):
        planned(tmp_path, text)


def test_an_unknown_sweep_lists_the_built_in_ones():
    with pytest.raises(FlatlineError, match=r"unknown sweep 'mine'.*seed-experiments"):
        load_sweep("mine")


def test_every_built_in_sweep_can_be_planned():
    assert "seed-experiments" in sweep_names()
    for name in sweep_names():
        sweep, folder = load_sweep(name)
        assert sweep.description
        assert len(plan(sweep, folder)) >= 8


def test_the_seeds_experiments_are_both_networks_with_and_without_attention_at_three_schedules():
    runs = [run for run in plan(*load_sweep("seed-experiments")) if not run.is_range_test]
    found = {
        (run.recipe.model.architecture, run.recipe.model.head == "input-attention", run.recipe.schedule.kind)
        for run in runs
    }
    kinds = ("constant", "triangular", "triangular-exp")
    assert found == {(net, seen, kind) for net in ("cgrnn", "simple-cgrnn") for seen in (True, False) for kind in kinds}
    assert len(runs) == 12
    assert {run.recipe.loss for run in runs} == {"bce-with-logits"}


def test_in_the_seeds_sizes_its_rates_and_features_are_those_it_wrote_down():
    runs = {run.name: run.recipe for run in plan(*load_sweep("seed-experiments-fsdkaggle2019"))}
    assert runs["cgrnn-attention"].learning_rate == 4e-4
    assert runs["simple-cgrnn-attention"].learning_rate == 1e-4
    assert runs["cgrnn-attention"].data.features == "seed-cgrnn"
    assert runs["simple-cgrnn"].data.features == "seed-simple"
    assert runs["cgrnn"].model.options == {}
    ranges = {name: (recipe.schedule.lowest, recipe.learning_rate) for name, recipe in runs.items()}
    assert ranges["cgrnn-attention-triangular"] == (2e-4, 6e-4)
    assert ranges["cgrnn-attention-triangular-low"] == (3e-5, 4e-4)
    assert runs["cgrnn-attention-triangular"].schedule.step_epochs == 4


def test_the_full_networks_have_the_seeds_number_of_parameters():
    from flatline.runs.network import build_network

    runs = {run.name: run.recipe for run in plan(*load_sweep("seed-experiments-fsdkaggle2019"))}
    for name, n_mels, parameters in (("cgrnn-attention", 64, 812_016), ("simple-cgrnn-attention", 256, 107_811)):
        network = build_network(runs[name], 80, n_mels)
        assert sum(weights.numel() for weights in network.parameters()) == parameters


def test_no_sweep_changes_what_a_recipe_holds_when_it_is_read_back(tmp_path):
    import yaml

    for name in sweep_names():
        for run in plan(*load_sweep(name)):
            path = tmp_path / f"{run.name}.yaml"
            path.write_text(yaml.safe_dump(run.recipe.to_dict(), sort_keys=False))
            assert load_recipe(path) == run.recipe
