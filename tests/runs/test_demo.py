import pytest
from flatline.runs import demo
from flatline.runs.commands import story_table
from rich.console import Console


def test_every_recipe_of_the_story_becomes_a_run_with_its_row(tiny_data, tmp_path):
    ended = []
    chapters = demo.tell_story(
        ("story-plain", "story-published"), tiny_data, tmp_path, 3, lambda *row: ended.append(row)
    )
    assert [chapter.recipe for chapter in chapters] == ["story-plain", "story-published"]
    assert [recipe for recipe, _ in ended] == ["story-plain", "story-published"]
    for chapter, (_, run) in zip(chapters, ended, strict=True):
        assert chapter.lwlrap == run.evaluations.lwlrap.iloc[-1]
        norms = run.series("gradient_norm_mean")
        assert chapter.gradient_end == pytest.approx(norms.mean() / norms.max())


def test_a_run_that_fails_is_told_with_its_last_words(tiny_data, tmp_path):
    with pytest.raises(demo.DemoError, match=r"story-plane ended with exit code 2: flatline: unknown recipe"):
        demo.tell_story(("story-plane",), tiny_data, tmp_path, 1, lambda *row: None)


def row(lwlrap):
    return demo.Chapter("story-plain", "logs/story-plain", lwlrap, 0.06, 0.07, 0.01, 1.0)


def test_a_score_within_the_margin_of_the_constant_level_has_not_learnt():
    assert not row(0.0899).learnt
    assert row(0.0901).learnt


def test_the_table_shows_each_score_beside_chance_and_constant_level():
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(story_table([row(0.0712), row(0.4)]))
    first, second = [line for line in console.export_text().splitlines() if "story-plain" in line]
    assert "0.071    0.060      0.070" in first
    assert "at the constant level" in first
    assert "learns" in second
