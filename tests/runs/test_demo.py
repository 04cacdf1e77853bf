import io
import re
import sys

import pytest
from flatline.cli import main
from flatline.dashboard import app
from flatline.diagnostics.errors import RunError
from flatline.runs import commands, demo, demo_trials
from flatline.runs.commands import print_prescription, story_table
from flatline.runs.revive.revived import Revived
from flatline.runs.run import Run
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
    names = commands.demo(tmp_path / "logs", quick=True)
    assert names == ["story-plain", "story-published"]
    before, after = capsys.readouterr().out.split("One network")
    assert "left out of --quick" in after
    said = before.splitlines()
    for recipe in ("story-plain", "story-published"):
        start, end = (line for line in said if line.startswith(f"{recipe} "))
        assert start == f"{recipe} starts"
        scores = r"lwlrap 0\.\d{3} \(chance 0\.\d{3}, constant 0\.\d{3}\)"
        assert re.fullmatch(rf"{recipe} ends: {scores} after \d+ s", end)


def test_logs_that_cannot_be_written_are_refused_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"no run can be made in .*file is a file\); choose another folder with --logs"):
        commands.demo(tmp_path / "file" / "logs", quick=True)


def revived(run, best="fix-objective+prior-bias"):
    arms = [
        {"intervention": name, "run": f"{run}{end}", "lwlrap": lwlrap, "chance": 0.066, "constant": 0.067}
        | {"verdict": "healthy", "cause": None, "gradient_ratio": 0.2, "rnn_share": 0.62}
        | {"iterations": 350, "seconds": 31.0, "note": ""}
        for name, end, lwlrap in (("unchanged", "", 0.07), ("fix-objective+prior-bias", "~cured", 0.55))
    ]
    return Revived(
        run=run,
        from_iteration=0,
        arms=arms,
        stages=[],
        best=best,
        diff="- loss: bce-with-logits\n+ loss: bce",
        against=["It was tried with one seed."],
        recipe=f"{run}/prescription.yaml",
    )


def prescribed(one):
    console = Console(width=140, record=True, file=io.StringIO())
    print_prescription(console, one)
    return console.export_text()


def test_a_prescription_says_what_to_change_what_it_brings_and_what_speaks_against_it():
    told = prescribed(revived("logs/story-plain"))
    assert "Prescription: fix-objective, then prior-bias" in told
    assert "lwlrap 0.070 → 0.550 (chance 0.066, constant level 0.067); the RNN carries 62 % of it" in told
    assert "- loss: bce-with-logits\n+ loss: bce\n" in told
    assert "Against it: It was tried with one seed." in told
    assert "flatline train logs/story-plain/prescription.yaml" in told


def test_where_nothing_helped_nothing_is_prescribed():
    told = prescribed(revived("logs/story-plain", best="unchanged"))
    assert told.strip() == "Nothing that was tried made it better."


def test_what_is_compared_is_each_collapsed_run_beside_its_cure():
    one = row(0.07)
    assert demo_trials.compared([one], []) == ["story-plain"]
    assert demo_trials.compared([one], [revived("logs/story-plain")]) == ["story-plain", "story-plain~cured"]
    assert demo_trials.collapsed([one, row(0.5, "healthy", None), row(0.3, "at-risk")]) == [one]


def test_a_collapsed_run_is_really_tried_and_every_arm_is_a_run(tiny_data, tmp_path):
    settings = ["--set", "model.options.channels=2", "model.options.n_hidden=4", "batch_size=16"]
    given = ["--data", str(tiny_data), "--logs", str(tmp_path), "--iterations", "30", *settings]
    assert main(["train", "story-double-sigmoid", *given]) == 0
    chapter = demo.chapter("story-double-sigmoid", Run(tmp_path / "story-double-sigmoid"))
    said = []
    (found,) = demo_trials.cures([chapter], lambda *words: said.append(words))
    tried = {arm["intervention"]: arm for arm in found.arms}
    assert {"unchanged", "fix-objective"} <= tried.keys()
    assert all(name in ("unchanged", *demo_trials.ARMS) for key in tried for name in key.split("+"))
    for arm in found.arms:
        assert Run(arm["run"]).evaluations.lwlrap.iloc[-1] == pytest.approx(arm["lwlrap"], abs=1e-6)
    assert said[0][0] == "story-double-sigmoid"
    assert "trying fix-objective" in said[0][1]


def test_trials_that_fail_are_told_with_their_last_words(tmp_path):
    gone = demo.Chapter("story-plain", str(tmp_path / "gone"), 0.07, 0.06, 0.07, 0.01, 1.0, "collapsed", None)
    with pytest.raises(demo.DemoError, match=r"the trials of story-plain ended with exit code 2: flatline: .*gone"):
        demo_trials.cures([gone])


def test_ctrl_c_is_passed_on_to_the_trials_and_waits_for_them(tmp_path, monkeypatch):
    script, ended = tmp_path / "slow", tmp_path / "ended"
    script.write_text(
        f"#!/bin/sh\ntrap 'echo x >> {ended}; exit 130' INT\necho trying >&2\nwhile :; do sleep 0.05; done\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))

    def interrupted(*words):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo_trials.cures([row(0.07)], interrupted)
    assert ended.read_text() == "x\n"


def test_the_demo_ends_on_the_comparison_of_the_collapsed_runs_with_their_cures(monkeypatch, tmp_path, capsys):
    chapters = [row(0.07), row(0.5, "healthy", None)]
    monkeypatch.setattr(commands, "embedded_data", lambda: tmp_path)
    monkeypatch.setattr(demo, "tell_story", lambda *given: chapters)
    monkeypatch.setattr(demo_trials, "cures", lambda sick, said: [revived(sick[0].run)])
    monkeypatch.setattr(app, "serve", lambda logs, host, port, ready: ready(f"http://{host}:8050/"))
    assert main(["demo", "--logs", str(tmp_path / "logs"), "--port", "0"]) == 0
    out = capsys.readouterr().out
    place = [out.index(words) for words in ("One network", "would have cured", "Prescription:", "The dashboard is at")]
    assert place == sorted(place)
    assert "Side by side: http://127.0.0.1:8050/compare?runs=story-plain,story-plain~cured" in out


def test_without_a_collapsed_run_there_is_nothing_to_cure(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(commands, "embedded_data", lambda: tmp_path)
    monkeypatch.setattr(demo, "tell_story", lambda *given: [row(0.5, "healthy", None)])
    monkeypatch.setattr(demo_trials, "cures", lambda *given: pytest.fail("tried in vain"))
    assert commands.demo(tmp_path / "logs", quick=False) == ["story-plain"]
    assert "cured" not in capsys.readouterr().out
