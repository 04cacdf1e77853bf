"""What sets runs apart: differences of recipes, groups, series side by side."""

import math

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.errors import UnknownNameError
from flatline.runs.comparing import aligned, groups, last_common, names_of, recipe_differences
from flatline.runs.log import RunLog
from flatline.runs.run import Run

RECIPE = {
    "name": "story",
    "model": {"architecture": "cgrnn", "head": "mean", "head_options": {}},
    "loss": "bce",
    "seed": 0,
}


def run(path, recipe=RECIPE, parts=("rnn", "head"), **info):
    """A run of one iteration."""
    info = {"recipe": recipe, "parameters": [str(at) for at in range(len(parts))], "parameter_parts": parts, **info}
    log = RunLog(path, info)
    log.append({"iteration": 0, "epoch": 0, "wall_time": 1.0, "loss": 0.5, "gradient_norm": [1.0] * len(parts)})
    log.close()
    return Run(path)


def changed(**keys):
    model = {**RECIPE["model"], **keys.pop("model", {})}
    return {**RECIPE, **keys, "model": model}


def test_only_keys_whose_values_differ_are_listed_dotted_as_for_set(tmp_path):
    mean = run(tmp_path / "a", changed(model={"head_options": {"sigmoid": True}}))
    attention = run(tmp_path / "b", changed(model={"head": "input-attention"}, seed=3))
    table = recipe_differences([mean, attention])
    assert table.columns.tolist() == ["a", "b"]
    assert table.index.tolist() == ["model.head", "model.head_options.sigmoid", "seed"]
    assert table.to_numpy().tolist() == [["mean", "input-attention"], [True, None], [0, 3]]


def test_one_and_true_differ_and_one_and_1_0_do_not(tmp_path):
    runs = [run(tmp_path / str(at), changed(a=a, b=b)) for at, (a, b) in enumerate([(1, 1), (True, 1.0)])]
    assert recipe_differences(runs).index.tolist() == ["a"]


def test_names_and_descriptions_of_recipes_are_no_difference(tmp_path):
    runs = [run(tmp_path / name, changed(name=name, description=f"the {name}")) for name in ("a", "b")]
    assert recipe_differences(runs).empty


def test_a_run_without_a_recipe_differs_in_no_more_than_it_says(tmp_path):
    own = run(tmp_path / "own", None, seed=0, loss_kind="bce-with-logits")
    table = recipe_differences([run(tmp_path / "a"), own])
    assert table.index.tolist() == ["loss"]
    assert table.loc["loss"].tolist() == ["bce", "bce-with-logits"]


def test_runs_of_one_name_are_told_apart_by_the_folders_above(tmp_path):
    runs = [run(tmp_path / folder / "mine") for folder in ("a", "b")]
    assert names_of(runs) == ["a/mine", "b/mine"]
    assert names_of(runs[:1]) == ["mine"]
    assert names_of([]) == []
    assert recipe_differences(runs).columns.tolist() == ["a/mine", "b/mine"]


def members(found):
    return {label: [run.name for run in runs] for label, runs in found.items()}


def test_groups_are_by_any_key_of_the_recipe_in_order_of_the_runs(tmp_path):
    keys = {"x": {"head": "mean"}, "y": {"head": "localisation"}, "z": {"head": "mean"}}
    runs = [run(tmp_path / name, changed(model=model)) for name, model in keys.items()]
    assert members(groups(runs, "head")) == {"mean": ["x", "z"], "localisation": ["y"]}
    assert members(groups(runs, "model.head")) == {"model.head mean": ["x", "z"], "model.head localisation": ["y"]}
    with pytest.raises(UnknownNameError, match=r"unknown key 'colour' \(groups of runs\); known: .*seed"):
        groups(runs, "colour")


def test_a_run_that_does_not_say_the_key_is_in_a_group_of_its_own(tmp_path):
    runs = [run(tmp_path / "a"), run(tmp_path / "own", None, loss_kind="bce")]
    assert members(groups(runs, "architecture")) == {"cgrnn": ["a"], "not said": ["own"]}
    assert members(groups(runs, "loss")) == {"bce": ["a", "own"]}


def test_the_attention_block_is_seen_by_the_parts_of_the_network(tmp_path):
    runs = [
        run(tmp_path / "with", parts=("rnn", "attention")),
        run(tmp_path / "without"),
        run(tmp_path / "?", parts=()),
    ]
    labels = members(groups(runs, "attention"))
    assert labels == {"with attention": ["with"], "without attention": ["without"], "not said": ["?"]}


def test_over_seeds_runs_that_differ_in_anything_else_are_apart(tmp_path):
    recipes = {
        **{f"plain-{seed}": changed(seed=seed) for seed in range(3)},
        **{f"slow-{seed}": changed(seed=seed, learning_rate=1e-5) for seed in range(2)},
        "own-0": None,
        "own-1": None,
    }
    runs = [run(tmp_path / name, recipe, seed=0) for name, recipe in recipes.items()]
    assert members(groups(runs, "seed")) == {
        "plain": ["plain-0", "plain-1", "plain-2"],
        "slow": ["slow-0", "slow-1"],
        **{name: [name] for name in ("own-0", "own-1")},
    }
    assert members(groups(runs[-2:], "name")) == {"own": ["own-0", "own-1"]}


def test_groups_over_seeds_of_one_stem_keep_names_that_tell_them_apart(tmp_path):
    recipes = [changed(seed=0), changed(seed=1), changed(seed=0, loss="x"), changed(seed=1, loss="x")]
    runs = [run(tmp_path / f"mine-{at}", recipe) for at, recipe in enumerate(recipes)]
    assert members(groups(runs, "seed")) == {"mine-0": ["mine-0", "mine-1"], "mine-2": ["mine-2", "mine-3"]}


def test_series_side_by_side_stand_where_they_were_recorded_and_nowhere_else():
    table = aligned({"a": pd.Series([1.0, 3.0], [0, 100]), "b": pd.Series([4.0, 5.0, 6.0], [100, 100, 50])})
    assert table.index.tolist() == [0, 50, 100]
    np.testing.assert_array_equal(table.to_numpy(), [[1, math.nan], [math.nan, 6], [3, 5]])
    assert aligned({}).empty


def test_the_last_common_iteration_need_not_be_anyones_last():
    assert last_common([pd.Index([0, 50, 100]), pd.Index([0, 50, 75])]) == 50
    assert last_common([pd.Index([0]), pd.Index([1])]) is None


def test_runs_of_other_data_say_so(tmp_path):
    one = run(tmp_path / "a", data={"root": "/somewhere/birds"}, classes=["x", "y"])
    other = run(tmp_path / "b", data={"root": "/elsewhere/speech/"}, classes=["x", "y", "z"])
    own = run(tmp_path / "c", recipe=None)
    table = recipe_differences([one, other])
    assert table.loc["(data root)"].tolist() == ["birds", "speech"]
    assert table.loc["(classes)"].tolist() == [2, 3]
    assert "(data root)" not in recipe_differences([one, one]).index
    assert "(data root)" not in recipe_differences([one, own]).index
