import re
from pathlib import Path

from flatline.diagnostics.advice import ADVICE
from flatline.runs.interventions import INTERVENTIONS, Intervention
from flatline.runs.interventions.table import treated, with_table
from flatline.runs.recipe import load_recipe

PAGE = Path(__file__).parents[3] / "docs" / "interventions.md"


def test_the_table_of_interventions_is_the_one_that_the_code_makes():
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "run: python -m flatline.runs.interventions.table docs/interventions.md"
    for one in INTERVENTIONS:
        (row,) = re.findall(rf"^\| `{one.name}` \|.*$", page, flags=re.MULTILINE)
        assert one.source in row


def test_every_kind_whose_advice_names_an_intervention_is_in_its_row():
    for one in INTERVENTIONS:
        wanted = {kind for (kind, _), advice in ADVICE.items() if one.name in advice.remedies} | set(one.treats)
        assert set(treated(one)) == wanted


def test_the_example_of_an_own_intervention_runs(patient):
    text = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    space = {}
    exec(text[1], space)
    own = space["LargerBatch"]()
    assert isinstance(own, Intervention)
    recipe = load_recipe("story-plain", ["batch_size=128"])
    larger = own.recipe(recipe, patient(recipe))
    assert larger.batch_size == 256
    assert own.why_not(recipe, patient(recipe)) is None
    assert own.why_not(larger, patient(larger)) == "the batch is large already"
