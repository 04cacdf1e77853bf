import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.class_heatmap import class_heatmap, class_heatmap_figure, evaluations_of
from flatline.dashboard.figures.marks import Mark
from flatline.runs.log import RunLog
from flatline.runs.run import Run

CLASSES = ["Bark", "Meow", "Hiss"]


def table(rows, classes=CLASSES, step=50):
    index = pd.Index(step * np.arange(len(rows)), name="iteration")
    return pd.DataFrame(np.array(rows, dtype="f4"), index=index, columns=classes)


def recorded(path, evaluations, iterations=120):
    log = RunLog(path, {"classes": CLASSES})
    for iteration in range(iterations):
        log.append({"iteration": iteration, "loss": 0.5, "running_lwlrap": np.array([0.1, 0.2, 0.3]) * iteration / 120})
    for iteration, values in evaluations:
        log.append_evaluation({"iteration": iteration, "lwlrap": 0.5, "class_lwlrap": np.asarray(values)})
    log.close()
    return Run(path)


@pytest.fixture
def run(tmp_path):
    values = [(0, [0.1, 0.2, np.nan]), (50, [0.4, 0.3, np.nan]), (100, [0.5, 0.9, np.nan]), (100, [0.5, 0.8, np.nan])]
    return recorded(tmp_path / "run", values)


def note_of(figure):
    return figure.layout.annotations[-1].text


def test_the_class_that_is_best_at_the_end_is_on_top(run):
    figure = class_heatmap(run)
    (heat,) = figure.data
    assert list(heat.y) == ["Meow", "Bark", "Hiss"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]  # the first row is on top
    np.testing.assert_allclose(heat.z[0], [0.2, 0.3, 0.8], rtol=1e-6)
    np.testing.assert_allclose(heat.z[1], [0.1, 0.4, 0.5], rtol=1e-6)
    assert list(heat.x) == [0, 50, 100]
    assert (heat.zmin, heat.zmax) == (0, 1)


def test_a_class_without_a_positive_clip_is_a_gap_and_said(run):
    figure = class_heatmap(run)
    assert np.isnan(figure.data[0].z[2]).all()
    assert note_of(figure) == "grey: no positive clip (1 of 3 classes, 1 never) · 3 of 3 evaluations"
    assert "no positive" not in note_of(class_heatmap_figure(table([[0.1, 0.2, 0.3]])))


def test_the_title_says_evaluations_or_batches(run, tmp_path):
    assert "of the evaluations" in class_heatmap(run).layout.title.text
    asked = class_heatmap(run, source="batches")
    assert "of the batches (over 50 iterations)" in asked.layout.title.text
    alone = class_heatmap(recorded(tmp_path / "alone", []))
    assert "of the batches" in alone.layout.title.text
    for figure in (asked, alone):
        assert list(figure.data[0].y) == ["Hiss", "Meow", "Bark"]
        np.testing.assert_allclose(figure.data[0].z[0], 0.3 * np.arange(120) / 120, atol=1e-6)
        assert note_of(figure).endswith("120 of 120 iterations")


def test_a_stretch_has_its_evaluations_alone_and_without_one_its_batches(run):
    figure = class_heatmap(run, first=40, last=100)
    assert list(figure.data[0].x) == [50, 100]
    between = class_heatmap(run, first=51, last=99)
    assert "of the batches" in between.layout.title.text
    assert (between.data[0].x[0], between.data[0].x[-1]) == (51, 99)


def test_many_evaluations_are_means_and_said(tmp_path):
    values = [(10 * index, [index / 10, 0.5, np.nan if index % 2 else 0.25]) for index in range(7)]
    binned = evaluations_of(recorded(tmp_path / "run", values), None, None, columns=4)
    np.testing.assert_allclose(binned["Bark"], [0.05, 0.25, 0.45, 0.6], rtol=1e-6)
    np.testing.assert_allclose(binned["Hiss"], 0.25)
    assert binned.index.tolist() == [0, 20, 40, 60]
    figure = class_heatmap_figure(binned)
    assert note_of(figure) == "4 of 7 evaluations (each column the mean of 2)"
    assert "mean of 2 evaluations" in figure.data[0].hovertemplate


def test_many_iterations_of_batches_are_binned_by_their_mean(tmp_path):
    long = recorded(tmp_path / "run", [], iterations=4800)
    figure = class_heatmap(long)
    (heat,) = figure.data
    n_columns = heat.z.shape[1]
    width = 4800 // n_columns
    assert 600 <= n_columns <= 1200
    np.testing.assert_allclose(heat.z[0], 0.3 / 120 * np.arange(4800).reshape(-1, width).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(heat.x, np.arange(4800).reshape(-1, width).mean(axis=1))  # the middle of each bin
    assert note_of(figure) == f"{n_columns:,} of 4,800 iterations (each column the mean of {width})"


@pytest.mark.parametrize(("n_classes", "named"), [(80, 80), (100, 50), (500, 72)])
def test_every_row_is_named_while_the_names_fit(n_classes, named):
    classes = [f"class {index}" for index in range(n_classes)]
    figure = class_heatmap_figure(table(np.linspace(1, 0, n_classes)[None], classes))
    assert len(figure.layout.yaxis.tickvals) == named
    assert figure.layout.yaxis.tickvals[0] == "class 0"
    assert figure.layout.height <= 1030


def test_onsets_are_marked(run):
    figure = class_heatmap(run, marks=(Mark(60, "single-class-collapse", "critical"),))
    assert [shape.x0 for shape in figure.layout.shapes if shape.name == "onset single-class-collapse"] == [60]


def test_a_run_without_classes_says_what_to_pass(logs):
    for name in ("own-loop", "empty"):
        figure = class_heatmap(Run(logs / name))
        assert not figure.data
        assert "pass logits=" in figure.layout.annotations[0].text
