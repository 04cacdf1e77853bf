"""That the run log's benchmarks measure what they say; how fast anything is, they do not ask."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from flatline.runs.listing import list_runs
from flatline.runs.run import Run
from flatline.runs.segments import segments_in
from flatline.runs.writer import MOST_SEALED

HERE = Path(__file__).parent
NAMES = ("timing", "run_log_rows", "run_log_forms", "run_log_speed")


@pytest.fixture(scope="module")
def scripts():
    """The scripts by their bare names, which other tests do not find."""
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    sys.path.insert(0, str(HERE))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(HERE))
        for name in NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)


def test_a_row_is_that_of_the_standard_level(scripts):
    first, second = scripts.run_log_rows.rows(2)
    lists = {name: len(value) for name, value in first.items() if isinstance(value, np.ndarray)}
    assert sorted(lists.values()) == [60, 60, 60, 64, 64, 80, 80, 80]
    assert scripts.run_log_rows.n_values(first) == 60 * 3 + 64 * 2 + 80 * 3 + 25 + 4
    assert (first["gradient_norm"] != second["gradient_norm"]).all()  # or it would compress to nothing


def test_a_long_log_is_a_run_with_a_pyramid(scripts, tmp_path):
    run = Run(scripts.run_log_rows.long_log(tmp_path / "run", 12_000))
    assert len(run.series("loss")) == len(run) == 12_000
    assert run.gradient_norms.shape == (12_000, 60)
    sizes = [segment.last - segment.first + 1 for segment in segments_in(run.path / "iterations")]
    assert sizes == [2000] * 6
    assert (run.path / "pyramid" / "16").is_dir()
    window = run.window("gradient_norm", points=300)["min"]["gradient_norm"]
    table = run.gradient_norms
    lowest = table.groupby(table.index // 48 * 48).min()
    np.testing.assert_array_equal(window.to_numpy(), lowest.to_numpy())


def test_segments_are_of_the_writers_sizes(scripts):
    sizes = [last - first + 1 for first, last in scripts.run_log_rows.bounds(10_000_000)]
    assert sum(sizes) == 10_000_000
    assert (sizes[0], max(sizes)) == (2000, MOST_SEALED)
    assert len(sizes) < 200


def test_many_runs_are_listed_as_finished(scripts, tmp_path):
    runs = list_runs(scripts.run_log_rows.many_runs(tmp_path, 3))
    assert runs["status"].tolist() == ["finished"] * 3
    assert runs["iterations"].tolist() == [350] * 3
    assert runs["lwlrap"].tolist() == [0.5] * 3


def test_every_form_holds_the_same_losses(scripts, tmp_path):
    pytest.importorskip("tensorboard")
    forms = scripts.run_log_forms
    given = scripts.run_log_rows.rows(4)
    losses = [row["loss"] for row in given]
    for place, (form, write) in enumerate(forms.FORMS.items()):
        (folder := tmp_path / str(place)).mkdir()
        write(folder, given)
        read = {forms.JSONL: forms.from_jsonl, forms.EVENTS: forms.from_tensorboard}.get(
            form, lambda folder: Run(folder / "run").series("loss").tolist()
        )
        assert read(folder) == pytest.approx(losses)


def test_outcomes_stand_in_the_order_asked_and_a_form_that_is_absent_says_so(scripts, monkeypatch):
    forms = scripts.run_log_forms

    def absent(folder, rows):
        raise scripts.timing.NotMeasured("not installed")

    monkeypatch.setitem(forms.FORMS, forms.EVENTS, absent)
    monkeypatch.setattr(forms, "WRITTEN", dict.fromkeys(forms.FORMS, 20))
    asked = list(forms.GROUPS[0].benchmarks)[::-1]
    found = dict(zip((one.name for one in asked), forms.GROUPS[0].measure(asked, 2), strict=True))
    assert str(found[f"{forms.EVENTS}: bytes a value"]) == "not installed"
    assert found["run log: CPU a written value"].unit == "ns"
    assert 1 < found["run log: bytes a value"].figure < found[f"{forms.JSONL}: bytes a value"].figure


def test_the_issues_targets_are_those_held_against(scripts):
    groups = (*scripts.run_log_forms.GROUPS, *scripts.run_log_speed.GROUPS)
    targets = {one.name: one.target for group in groups for one in group.benchmarks if one.target is not None}
    assert sorted(targets.values()) == [1.5, 3.6, 100, 150, 800, 1000]
    assert targets["run log: the same of 1,000,000 against 100,000 iterations"] == 1.5
