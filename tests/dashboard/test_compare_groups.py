"""Labels, colours and dashes of runs beside each other."""

import pytest
from flatline.dashboard.figures.groups import LABEL_LENGTH, labelled, labels_of, styles
from flatline.dashboard.figures.theme import DARK, LIGHT
from flatline.diagnostics.errors import UnknownNameError
from flatline.runs.log import RunLog
from flatline.runs.run import Run


def run(path, **recipe):
    RunLog(path, {"recipe": {"loss": "bce", **recipe} if recipe else None, "parameters": [], "classes": []}).close()
    return Run(path)


def test_a_key_or_two_that_differ_stand_in_the_labels(tmp_path):
    runs = [run(tmp_path / f"r{at}", seed=at, learning_rate=rate) for at, rate in enumerate((0.1, 0.2))]
    assert labels_of(runs) == ["r0 · seed 0, learning_rate 0.1", "r1 · seed 1, learning_rate 0.2"]


def test_runs_that_differ_in_nothing_or_in_much_have_their_names(tmp_path):
    assert labels_of([run(tmp_path / name, seed=0) for name in ("a", "b")]) == ["a", "b"]
    assert labels_of([run(tmp_path / f"c{at}", seed=at, x=at, y=at) for at in range(2)]) == ["c0", "c1"]


def test_long_names_are_shortened_unless_that_makes_them_the_same(tmp_path):
    runs = [run(tmp_path / f"{'a' * 20}-{middle}-{'b' * 20}") for middle in ("one", "two")]
    assert labels_of(runs) == [run.name for run in runs]
    (short,) = labels_of(runs[:1])
    assert len(short) == LABEL_LENGTH
    assert "…" in short


def test_a_run_given_twice_is_one_and_groups_say_how_many_they_are(tmp_path):
    runs = [run(tmp_path / str(seed), seed=seed) for seed in range(2)]
    assert [len(group) for group in labelled([*runs, runs[0]]).values()] == [1, 1]
    assert list(labelled([*runs, runs[0]], "loss")) == ["bce · 2 runs"]
    assert list(labelled(runs, "seed")) == ["0 · 2 runs"]
    with pytest.raises(UnknownNameError, match="colour"):
        labelled(runs, "colour")


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_no_two_of_many_runs_have_the_same_colour_and_dash(theme):
    looks = styles([str(place) for place in range(42)], theme).values()
    assert len({(look.colour, look.dash) for look in looks}) == 42
    assert len({look.symbol for look in list(looks)[:8]}) == 8
    assert len({look.colour for look in list(looks)[:7]}) == 7
    assert len({look.dash for look in list(looks)[:6]}) == 6
