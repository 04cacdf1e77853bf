"""What is named in code stands in the docs."""

import dataclasses
import re
from pathlib import Path

import yaml
from flatline.data import PRESETS
from flatline.diagnostics import detector_table
from flatline.diagnostics.levels import SIGNALS
from flatline.diagnostics.signal_table import with_table
from flatline.runs.recipe import (
    DataRecipe,
    ModelRecipe,
    Recipe,
    ScheduleRecipe,
    load_recipe,
    recipe_from_dict,
    recipe_names,
)

DOCS = Path(__file__).parent.parent / "docs"


def recipes_page():
    return (DOCS / "recipes.md").read_text(encoding="utf-8")


def keys(kind, prefix=""):
    return [
        f"`{prefix}{field.name}`"
        for field in dataclasses.fields(kind)
        if field.name not in ("model", "data", "schedule")
    ]


def test_every_key_of_a_recipe_stands_in_the_recipes_page():
    page = recipes_page()
    nested = {"model.": ModelRecipe, "data.": DataRecipe, "schedule.": ScheduleRecipe}
    for key in (*keys(Recipe), *(key for prefix, kind in nested.items() for key in keys(kind, prefix))):
        assert key in page, key


def test_every_built_in_recipe_and_preset_stands_in_the_recipes_page():
    page = recipes_page()
    for name in (*recipe_names(), *PRESETS):
        assert f"`{name}`" in page, name


def test_the_recipe_printed_as_an_example_loads():
    text = re.search(r"```yaml\n(.*?)```", recipes_page(), flags=re.DOTALL)[1]
    assert recipe_from_dict(yaml.safe_load(text), "docs/recipes.md").model.head_options == {"axis": "time"}


def test_the_pages_table_of_the_story_says_what_the_recipes_hold():
    rows = {row[0]: row[1:] for row in re.findall(r"\| `(story-[a-z-]+)` \| ([^|]+) \| ([^|]+) \|\n", recipes_page())}
    for name, (head, loss) in rows.items():
        recipe = load_recipe(name)
        assert ("probabilities" in loss and "fed" not in loss) == (recipe.loss == "bce"), name
        assert ("bias" in head) == recipe.prior_bias, name
        assert ("time-softmax" in head) == (recipe.model.head_options.get("axis") == "time"), name
    assert len(rows) == 6


def test_the_table_of_signals_is_the_one_that_the_code_makes():
    page = (DOCS / "signals.md").read_text(encoding="utf-8")
    assert with_table(page) == page, "run: python -m flatline.diagnostics.signal_table docs/signals.md"
    for kind in SIGNALS:
        assert f"`{kind.subject}`" in page
        for info in kind.infos:
            assert f"| `{info.name}` |" in page


def test_the_tables_of_detectors_are_those_that_the_code_makes():
    page = (DOCS / "diagnosis.md").read_text(encoding="utf-8")
    command = "python -m flatline.diagnostics.detector_table docs/diagnosis.md"
    assert detector_table.with_table(page) == page, f"run: {command}"
    assert command in page
