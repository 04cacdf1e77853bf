"""docs/story.md: in step with the code that writes it, and with what the runs came to."""

import importlib.util
import json
from pathlib import Path

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import story_page
from flatline.runs.demo import WHOLE_STORY
from flatline.runs.revive.revived import FILE

ROOT = Path(__file__).parent.parent.parent
COMMAND = "run: make story-page (or, of the runs that are there, python -m flatline.runs.story_page LOGS docs)"


@pytest.fixture
def found():
    return json.loads((ROOT / "docs" / "story.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def simulated():
    spec = importlib.util.spec_from_file_location("simulated_runs", ROOT / "tests" / "dashboard" / "simulated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def told(simulated, tmp_path):
    """Six runs under the story's names, the first collapsed and treated."""
    simulated.treated(tmp_path, WHOLE_STORY[0])
    for recipe in WHOLE_STORY[1:]:
        simulated.complete(tmp_path / recipe)
    first = tmp_path / WHOLE_STORY[0] / "run.json"
    info = json.loads(first.read_text())
    versions = {"flatline": "0.1.0", "torch": "2.13.0", "python": "3.11"}
    counts = {"train": 960, "validation": 240, "skipped": 0}
    first.write_text(json.dumps(info | {"versions": versions, "data": {"counts": counts}}))
    return tmp_path


def one(found, recipe):
    return next(chapter for chapter in found["chapters"] if chapter["recipe"] == recipe)


def test_the_page_is_the_one_that_the_code_makes_of_its_facts(found):
    page = (ROOT / "docs" / "story.md").read_text(encoding="utf-8")
    assert story_page.story_page(found) == page, COMMAND
    assert "make story-page" in page


def test_the_readmes_table_is_that_of_the_same_runs(found):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert story_page.with_table(readme, found) == readme, COMMAND


def test_what_is_not_proven_is_said_so(found):
    page = " ".join(story_page.story_page(found).split())
    assert "ran a double sigmoid is likely, not proven" in page


def test_every_run_and_every_cure_stands_in_the_page(found):
    page = story_page.story_page(found)
    assert [chapter["recipe"] for chapter in found["chapters"]] == list(WHOLE_STORY)
    for chapter in found["chapters"]:
        assert f"| `{chapter['recipe']}` | {chapter['lwlrap']:.3f} |" in page
        assert (chapter["verdict"] == "collapsed") == (f"### {chapter['recipe']}\n" in page)


def test_the_words_follow_what_came_of_the_runs(found):
    plain = one(found, "story-plain")
    plain["off_one_over_rank"], plain["shares"] = 0.5, {"rnns": [0.3, 0.2, 0.4], "attentions": None}
    plain["revived"] |= {"best": "unchanged"}
    page = story_page.story_page(found)
    assert "| `story-plain` | 0.500 | do not follow it |" in page
    assert "| 30 % (20 to 40) | – |" in page
    part = page.partition("### story-plain\n")[2].partition("###")[0]
    assert "Nothing that was tried made it better." in part
    assert "```diff" not in part


def test_the_facts_are_those_of_the_runs(told):
    found = story_page.facts(told)
    first, second = found["chapters"][:2]
    assert (first["verdict"], first["onset"]) == ("collapsed", 0)
    assert first["lwlrap"] == pytest.approx(0.495)
    assert first["revived"]["best"] == "fix-objective+prior-bias"
    assert str(told) not in json.dumps(found)
    assert second["revived"] is None
    assert second["off_one_over_rank"] > 0.1
    page = story_page.story_page(found)
    assert "**Prescription: fix-objective, then prior-bias**" in page
    assert "lwlrap 0.495 → 0.870" in page
    assert "+ prior_bias: true\n```" in page


def test_the_page_and_the_table_are_written(told, tmp_path_factory):
    place = tmp_path_factory.mktemp("checkout")
    docs = place / "docs"
    docs.mkdir()
    (place / "README.md").write_text(f"before\n{story_page.BEGIN}\nold\n{story_page.END}\nafter\n")
    assert story_page.main([str(told), str(docs)]) == 0
    readme = (place / "README.md").read_text()
    assert readme.startswith("before\n")
    assert "old" not in readme
    assert "| `story-published` |" in readme
    assert (docs / "story.md").read_text().startswith("# The story\n")


def test_a_missing_run_and_a_collapsed_one_without_trials_are_refused(told, tmp_path, capsys):
    (told / WHOLE_STORY[0] / FILE).unlink()
    with pytest.raises(RunError, match=r"nothing was tried on story-double-sigmoid .*`flatline demo` without --quick"):
        story_page.facts(told)
    assert story_page.main([str(tmp_path / "none"), str(tmp_path)]) == 2
    assert "there is no run story-double-sigmoid" in capsys.readouterr().err
