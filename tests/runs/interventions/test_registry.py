import subprocess
import sys

import pytest
from flatline.diagnostics.advice import ADVICE
from flatline.diagnostics.errors import UnknownNameError
from flatline.diagnostics.findings import KINDS
from flatline.runs.interventions import INTERVENTIONS, Intervention, InterventionError, interventions, named
from flatline.runs.recipe import load_recipe

NAMES = [one.name for one in INTERVENTIONS]

OWN = """
from dataclasses import replace
from flatline.runs.interventions import Intervention

class LargerBatch(Intervention):
    name = "{name}"
    does = "a batch twice as large"
    source = "mine"
    treats = ("constant-predictor",)

    def recipe(self, recipe, patient):
        return replace(recipe, batch_size=2 * recipe.batch_size)
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """installed(name, target) is a package on the path with an entry point for a user's own intervention."""

    def install(name, target="mine_for_trials:LargerBatch"):
        (tmp_path / "mine_for_trials.py").write_text(OWN.format(name=name))
        info = tmp_path / "mine_for_trials-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-for-trials\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[flatline.interventions]\n{name} = {target}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "mine_for_trials", raising=False)

    return install


def test_every_remedy_that_findings_name_is_an_intervention_and_no_two_have_one_name():
    advised = {name for advice in ADVICE.values() for name in advice.remedies}
    assert advised <= set(NAMES)
    assert {"asymmetric-loss", "focal-loss", "no-frame-dropout"} <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("one", INTERVENTIONS, ids=NAMES)
def test_an_intervention_has_words_a_source_kinds_that_there_are_and_a_setting_that_a_recipe_takes(one):
    assert one.does
    assert not one.does.endswith(".")
    assert one.source
    assert set(one.treats) <= set(KINDS)
    assert type(one).__module__.endswith(one.name.replace("-", "_"))
    if one.setting:
        decayed = load_recipe("story-plain", ["weight_decay=0.1"])
        assert load_recipe("story-plain", ["weight_decay=0.1", one.setting]) != decayed


def test_named_gives_them_in_the_order_asked_for_and_lists_the_known_ones_for_another():
    assert [one.name for one in named(["warm-up", "prior-bias"])] == ["warm-up", "prior-bias"]
    with pytest.raises(UnknownNameError, match=r"'prior-biass' \(revive\); known: .*prior-bias"):
        named(["prior-biass"])


def test_a_users_own_intervention_is_found_by_its_entry_point(installed):
    installed("larger-batch")
    (own,) = named(["larger-batch"])
    assert interventions()[: len(INTERVENTIONS)] == INTERVENTIONS
    assert isinstance(own, Intervention)
    assert not own.suits_loops
    recipe = load_recipe("story-plain")
    assert own.recipe(recipe, None).batch_size == 64


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("prior-bias", "mine_for_trials:LargerBatch", r"the intervention prior-bias .*its name is taken; rename it"),
        ("mine", "mine_for_trials:Missing", r"the intervention mine \(mine_for_trials:Missing\) cannot be loaded"),
        ("mine", "builtins:dict", r"it is no flatline Intervention"),
    ],
)
def test_one_that_cannot_be_used_is_named_with_what_to_do(installed, name, target, message):
    installed(name, target)
    with pytest.raises(InterventionError, match=message):
        interventions()


def test_naming_and_explaining_them_needs_no_torch():
    code = (
        "import sys; from flatline.runs.interventions import interventions\n"
        "[(one.name, one.does, one.suits_loops) for one in interventions()]\n"
        "from flatline.dashboard.remedies import REMEDIES\n"
        "assert len(REMEDIES) == len(interventions()), REMEDIES\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
