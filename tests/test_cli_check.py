import json
import subprocess
import sys

import pytest
from flatline.cli import main

SMALL = ["--set", "model.options.channels=2", "model.options.n_hidden=4", "batch_size=16"]


def checked(tiny_data, *arguments):
    return main(["check", *arguments, "--data", str(tiny_data), *SMALL])


def test_a_broken_objective_is_named_before_the_first_iteration_and_ends_with_3(tiny_data, capsys):
    assert checked(tiny_data, "story-double-sigmoid") == 3
    said = capsys.readouterr().out
    assert "critical  broken-objective in head" in said
    assert "To do:" in said


def test_a_sound_recipe_ends_with_0(tiny_data, capsys):
    assert checked(tiny_data, "story-prior-bias") == 0
    assert "nothing is wrong" in capsys.readouterr().out


def test_json_is_all_of_stdout(tiny_data, capsys):
    assert checked(tiny_data, "story-double-sigmoid", "--json", "--seed", "3") == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["recipe"], found["findings"][0]["kind"]) == ("story-double-sigmoid", "broken-objective")
    assert {"kind", "severity", "onset", "last", "evidence", "explanation", "remedies", "source"} <= set(
        found["findings"][0]
    )
    assert checked(tiny_data, "story-plain", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"recipe": "story-plain", "findings": []}


def test_set_mends_it(tiny_data):
    assert checked(tiny_data, "story-double-sigmoid", "--set", "loss=bce") == 0


@pytest.mark.parametrize("wrong", [["no-such-recipe"], ["story-plain", "--set", "model.head=no-such-head"]])
def test_a_name_that_is_not_known_is_one_line_and_ends_with_2(wrong, tiny_data, capsys):
    assert main(["check", *wrong, "--data", str(tiny_data)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_the_help_says_the_exit_code(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    assert "ends with 3" in " ".join(capsys.readouterr().out.split())


def test_nothing_is_written(tiny_data, tmp_path):
    command = [sys.executable, "-m", "flatline", "check", "story-plain", "--data", str(tiny_data), *SMALL]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_flatline_check_is_the_function():
    import flatline

    assert flatline.check.__module__ == "flatline.diagnostics.check"
