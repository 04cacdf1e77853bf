"""The check before training on the story's recipes: what is broken is named at iteration 0, what is sound is not."""

import io

import pytest
import torch
from flatline.runs.check import check_recipe, in_numbers, report, to_json
from flatline.runs.recipe import load_recipe, recipe_names
from flatline.runs.task import batch_order, prepare
from flatline.runs.train import Training
from rich.console import Console

STORY = [name for name in recipe_names() if name.startswith("story-")]
BROKEN = [name for name in STORY if "double-sigmoid" in name]


@pytest.fixture(scope="module")
def story_task(tiny_data):
    return prepare(load_recipe("story-plain"), tiny_data)


@pytest.fixture(scope="module")
def spoken_task(spoken_tags):
    return prepare(load_recipe("story-plain"), spoken_tags)


def told(checked):
    return [(finding.kind, finding.severity, finding.where) for finding in checked.findings]


def expected(name):
    return [("broken-objective", "critical", "head")] if name in BROKEN else []


def test_the_story_has_twelve_recipes_of_which_four_are_broken():
    assert (len(STORY), len(BROKEN)) == (12, 4)


@pytest.mark.parametrize("name", STORY)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_recipes_of_the_story_are_told_apart_on_the_embedded_data(name, seed, story_task):
    assert told(check_recipe(load_recipe(name, seed=seed), story_task)) == expected(name)


@pytest.mark.parametrize("name", STORY)
def test_the_recipes_of_the_story_are_told_apart_on_real_speech(name, spoken_task):
    assert told(check_recipe(load_recipe(name), spoken_task)) == expected(name)


def test_a_double_sigmoid_is_found_without_being_announced(story_task, monkeypatch):
    from flatline.models import tagger

    monkeypatch.setattr(tagger.Tagger, "output", None)
    for name in STORY:
        assert told(check_recipe(load_recipe(name), story_task)) == expected(name), name


def test_the_first_loss_is_that_of_the_first_iteration_of_training(small_task, small_recipe):
    recipe = small_recipe("story-plain")
    measured = check_recipe(recipe, small_task).measured
    training = Training(recipe, small_task)
    _, indices = next(batch_order(small_task, recipe.batch_size, recipe.seed))
    batch = small_task.batch(indices)
    with torch.no_grad():
        loss = training.criterion(training.model.train()(batch.inputs, None), batch.target)
    assert measured["loss"] == pytest.approx(float(loss), abs=1e-6)


def test_logits_under_a_loss_on_probabilities_are_a_finding_where_training_refuses(small_task, small_recipe):
    checked = check_recipe(small_recipe("story-plain", "loss=bce"), small_task)
    assert told(checked) == [("broken-objective", "critical", "head.classification")]


def test_masks_and_standardised_features_are_handed_over(tiny_data, small_recipe, monkeypatch):
    from flatline.models import tagger

    given = []
    forward = tagger.Tagger.forward
    monkeypatch.setattr(tagger.Tagger, "forward", lambda *given_: given.append(given_[1:]) or forward(*given_))
    recipe = small_recipe("story-attention", "data.mask=true", "data.scaling=standardise")
    assert told(check_recipe(recipe, prepare(recipe, tiny_data))) == []
    clips, mask = given[0]
    assert mask.shape == clips.shape[:2]
    assert abs(float(clips[mask].mean())) < 0.5
    assert told(check_recipe(small_recipe("story-attention"), prepare(recipe, tiny_data))) == []
    assert len(given[-1]) == 1


def test_a_rate_that_replaces_the_weights_is_a_finding(small_task, small_recipe):
    checked = check_recipe(small_recipe("story-plain", "learning_rate=100"), small_task)
    assert told(checked) == [("learning-rate-too-high", "critical", "optimizer")]


@pytest.mark.parametrize("architecture", ["attention-only", "resnet"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_other_architectures_are_told_nothing(architecture, seed, story_task):
    head = "input-attention" if architecture == "attention-only" else "mean"
    settings = [f"model={{architecture: {architecture}, head: {head}}}"]
    assert told(check_recipe(load_recipe("story-plain", settings, seed=seed), story_task)) == []


def text_of(recipe, checked, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(report(recipe, checked))
    return console.export_text()


def test_the_report_says_what_where_and_what_to_do(story_task):
    recipe = load_recipe("story-double-sigmoid")
    checked = check_recipe(recipe, story_task)
    text = text_of(recipe, checked)
    for part in ("1 finding", "critical  broken-objective in head", "probabilities", "To do: drop", "fix-objective"):
        assert part in text
    assert "First loss 0.9" in text
    sound = load_recipe("story-prior-bias")
    assert "nothing is wrong" in text_of(sound, check_recipe(sound, story_task))


def test_as_json_a_finding_has_what_diagnose_gives_and_its_place(story_task):
    recipe = load_recipe("story-double-sigmoid")
    checked = check_recipe(recipe, story_task)
    found = to_json(recipe, checked)
    assert found["recipe"] == "story-double-sigmoid"
    (finding,) = found["findings"]
    assert finding == {**checked.findings[0].to_dict(), "where": "head"}
    assert finding["remedies"] == ["fix-objective"]
    assert "First loss 0.9" in in_numbers(checked)
