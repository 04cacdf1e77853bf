import io
import re

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import commands, demo
from flatline.runs.commands import story_table
from rich.console import Console


def test_every_recipe_of_the_story_becomes_a_run_with_its_row(tiny_data, tmp_path):
    ended = []
    chapters = demo.tell_story(
        ("story-plain", "story-published"), tiny_data, tmp_path, 3, lambda *row: ended.append(row)
    )
    assert [chapter.recipe for chapter in chapters] == ["story-plain", "story-published"]
    assert sorted(recipe for recipe, _ in ended) == ["story-plain", "story-published"]
    for chapter, (_, run) in zip(chapters, sorted(ended), strict=True):
        assert chapter.lwlrap == run.evaluations.lwlrap.iloc[-1]
        norms = run.series("gradient_norm_mean")
        assert chapter.gradient_end == pytest.approx(norms.mean() / norms.max())


def test_a_run_that_fails_is_told_with_its_last_words(tiny_data, tmp_path):
    with pytest.raises(demo.DemoError, match=r"story-plane ended with exit code 2: flatline: unknown recipe"):
        demo.tell_story(("story-plane",), tiny_data, tmp_path, 1, lambda *row: None)


def row(lwlrap, verdict="collapsed", cause="saturation-plateau"):
    return demo.Chapter("story-plain", "logs/story-plain", lwlrap, 0.06, 0.07, 0.01, 1.0, verdict, cause)


def test_a_score_within_the_margin_of_the_constant_level_has_not_learnt():
    assert not row(0.0899).learnt
    assert row(0.0901).learnt


def shown(width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(story_table([row(0.0712), row(0.4, "healthy", None)], width))
    return console.export_text()


def test_the_table_shows_each_score_beside_chance_and_constant_level():
    first, second = [line for line in shown(140).splitlines() if "story-plain" in line]
    assert "0.071   0.060     0.070" in first
    assert "collapsed: saturation-plateau" in first
    assert "healthy" in second


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_a_narrow_table_leaves_columns_out_and_shortens_none(width):
    table = shown(width)
    assert "…" not in table
    assert max(map(len, table.splitlines())) <= width
    for text in ("0.071", "0.060", "0.070", "0.400"):
        assert text in table
    assert ("same class" in table) == (width == 120)


def test_each_run_is_told_as_it_starts_and_as_it_ends(monkeypatch, tmp_path, tiny_data, capsys):
    monkeypatch.setattr(demo, "STORY", ("story-plain", "story-published"))
    monkeypatch.setattr(demo, "QUICK_ITERATIONS", 2)
    monkeypatch.setattr(commands, "embedded_data", lambda: tiny_data)
    commands.demo(tmp_path / "logs", quick=True)
    said = capsys.readouterr().out.split("One network")[0].splitlines()
    for recipe in ("story-plain", "story-published"):
        start, end = (line for line in said if line.startswith(f"{recipe} "))
        assert start == f"{recipe} starts"
        scores = r"lwlrap 0\.\d{3} \(chance 0\.\d{3}, constant 0\.\d{3}\)"
        assert re.fullmatch(rf"{recipe} ends: {scores} after \d+ s", end)


def test_logs_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"no run can be made in .*file is a file\); choose another folder with --logs"):
        commands.demo(tmp_path / "file" / "logs", quick=True)
