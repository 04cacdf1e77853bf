"""`flatline revive` as a person and a program call it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from flatline.cli import main
from flatline.runs.intervals import interval
from flatline.runs.recipe import load_recipe
from flatline.runs.revive.prescription import against, as_diff
from flatline.runs.revive.printing import in_words, revival_table
from flatline.runs.revive.revived import Revived, keep, stored_revival
from flatline.runs.revive.workers import Workers
from rich.console import Console

ROW = {
    **{"intervention": "unchanged", "run": "/logs/mine", "lwlrap": 0.07, "chance": 0.066, "constant": 0.066},
    **{"verdict": "collapsed", "cause": "broken-objective", "gradient_ratio": 0.001, "rnn_share": None},
    **{"iterations": 350, "seconds": 40.2},
}
KEYS = list(ROW)
SMALL = ["model.options.channels=2", "model.options.n_hidden=4", "batch_size=16", "evaluate_every=3", "ablate=false"]


class Here(Workers):
    """One worker in this process."""

    def __init__(self, n, threads):
        pass

    def run(self, jobs, progress):
        from flatline.runs.revive.worker import answer

        return [answer(job) for job in jobs]

    def close(self):
        pass


@pytest.fixture
def run(tiny_data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("flatline.runs.revive.trials.Workers", Here)
    train = ["train", "story-double-sigmoid", "--data", str(tiny_data), "--iterations", "9", "--logs", str(tmp_path)]
    assert main([*train, "--name", "mine", "--set", *SMALL]) == 0
    capsys.readouterr()
    return tmp_path / "mine"


def revive(run, *arguments):
    return main(["revive", "mine", "--logs", str(run.parent), *arguments])


def test_json_is_all_of_stdout_with_the_contracts_keys(run, capsys):
    assert revive(run, "--json", "--arms", "fix-objective", "--depth", "1", "--seeds", "1") == 0
    revived = json.loads(capsys.readouterr().out)
    assert {"run", "from_iteration", "arms", "best"} <= set(revived)
    assert [list(arm) for arm in revived["arms"]] == [KEYS, KEYS]
    assert [arm["intervention"] for arm in revived["arms"]] == ["unchanged", "fix-objective"]
    assert all(Path(arm["run"]).is_absolute() for arm in revived["arms"])
    assert revived["best"] == "fix-objective"
    assert Path(revived["run"]) == run


def test_the_prescription_is_told_and_saved_as_a_recipe(run, capsys, tmp_path):
    saved = tmp_path / "cure.yaml"
    assert revive(run, "--arms", "fix-objective", "--depth", "1", "--seeds", "2", "--save", str(saved)) == 0
    told = capsys.readouterr().out
    assert "Prescription: fix-objective" in told
    assert "- loss: bce-with-logits\n+ loss: bce\n" in told
    assert "mean of 2 seeds" in told
    assert "Against it: " in told
    recipe = load_recipe(saved)
    assert (recipe.loss, recipe.iterations, recipe.name) == ("bce", 9, "mine-revived")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--arms", "voodoo"), "unknown intervention 'voodoo' (revive); known: "),
        (("--data", "/nowhere"), "are no longer at /nowhere; say where they are with --data"),
        (("--save", "/nowhere/cure.yaml"), "/nowhere is no folder (--save /nowhere/cure.yaml); make it first"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(run, capsys, arguments, message):
    assert revive(run, *arguments) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--iterations", "0"),
        ("--budget", "-1"),
        ("--seeds", "x"),
        ("--budget", "x"),
        ("--budget", "inf"),
        ("--budget", "infit"),
        ("--budget", "0.4it"),
        ("--arms", ","),
    ],
)
def test_numbers_that_make_no_sense_are_refused_by_the_parser(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["revive", "mine", *arguments])
    assert ended.value.code == 2
    assert f"argument {arguments[0]}" in capsys.readouterr().err


def test_a_run_that_is_not_there_is_one_message(tmp_path, capsys):
    assert main(["revive", "mine", "--logs", str(tmp_path)]) == 2
    assert "mine" in capsys.readouterr().err


def test_a_narrow_terminal_keeps_intervention_score_verdict_and_share():
    failed = {**ROW, "intervention": "fix-objective+prior-bias", "verdict": None, "lwlrap": None, "rnn_share": 0.5}
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(revival_table([ROW, failed], 80))
    told = console.export_text()
    assert all(word in told for word in ("lwlrap", "verdict", "share", "failed", "50%", "broken-objective"))
    assert max(map(len, told.splitlines())) <= 80


def test_the_interval_is_students():
    mean, low, high = interval([0.4, 0.5, 0.6])
    half = 4.3027 * 0.1 / 3**0.5
    assert (mean, low, high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-4)
    assert interval([0.5])[1] != interval([0.5])[1]


def test_the_diff_is_of_what_changes_and_not_of_names():
    before, after = (
        load_recipe("story-double-sigmoid"),
        load_recipe("story-double-sigmoid", ["loss=bce", "clip_norm=1"]),
    )
    assert as_diff(before, after) == "- loss: bce-with-logits\n+ loss: bce\n+ clip_norm: 1.0"


def test_a_revival_that_cannot_be_read_is_none(tmp_path):
    assert stored_revival(tmp_path) is None
    keep(tmp_path, Revived("run", 0, [ROW], [], "unchanged"), None)
    assert stored_revival(tmp_path) == Revived("run", 0, [ROW], [], "unchanged")
    (tmp_path / "revive.json").write_text("[1, 2")
    assert stored_revival(tmp_path) is None


def test_the_words_of_the_seeds_name_the_interval_where_there_is_one():
    seeds = [{"seed": n, "run": "x", "lwlrap": 0.5 + n / 100} for n in range(3)]
    one = Revived("run", 0, [ROW], [], "prior-bias", seeds=seeds, mean=0.51, low=0.48, high=0.54)
    assert in_words(one) == "lwlrap 0.510, mean of 3 seeds (0.500, 0.510, 0.520; 95 % interval 0.480 to 0.540)"


def test_nothing_speaks_against_what_was_not_prescribed():
    from flatline.runs.revive.arms import Arm
    from flatline.runs.revive.doctor import Course

    assert against(Course(Arm(()), ()), []) == []


@pytest.mark.parametrize(("seconds", "is_told"), [(90.0, True), (40.0, False)])
def test_an_arm_that_is_slower_than_those_trained_beside_it_is_told(seconds, is_told):
    from flatline.diagnostics.diagnosis import Diagnosis
    from flatline.runs.revive.arms import Arm, Standing
    from flatline.runs.revive.doctor import Course, Stage

    well = Diagnosis("healthy", None, (), (), 100)
    standing = Standing(100, 0.5, 0.06, 0.07, 0.5, 0.9, well)
    control = Arm((), standing=replace(standing, lwlrap=0.07), seconds=1.0)  # of a quieter day
    arms = [Arm((name,), standing=standing, seconds=30.0) for name in ("lower-rate", "warm-up")]
    best = Arm(("layer-norm",), standing=replace(standing, lwlrap=0.6), seconds=seconds)
    course = Course(control, (Stage(control, None, (best, *arms), best, "better"),))
    told = against(course, [0.6, 0.61])
    assert any("3.0 times as long as the other arms'" in sentence for sentence in told) is is_told
