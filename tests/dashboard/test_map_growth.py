import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.map_growth import (
    COLUMNS,
    column_edges,
    growth_of,
    map_growth,
    map_growth_figure,
    spaced,
)
from flatline.dashboard.figures.marks import Mark
from flatline.runs.kept_clips import Event, KeptClip, keep_clip
from flatline.runs.log import RunLog
from flatline.runs.run import Run

CLASSES = ["a", "b", "c"]
CLIP = KeptClip(
    "one",
    np.zeros((8, 4), dtype=np.float32),
    labels=("b",),
    frame_s=0.5,
    n_real=6,
    events=(Event(1.0, 2.0, "b"), Event(0.0, 0.5, "c")),
)


def growth(iterations=(0, 50, 100), frames=8):
    values = np.random.default_rng(0).random((len(iterations), frames)).astype(np.float32)
    return pd.DataFrame(values, index=pd.Index(iterations, name="iteration"))


def texts(figure, name):
    return [note.text for note in figure.layout.annotations if note.name == name]


def test_iterations_lie_across_and_the_clip_s_time_upwards():
    figure = map_growth_figure(growth(), clip=CLIP, class_name="b")
    (trace,) = figure.data
    np.testing.assert_allclose(trace.x, [-25, 25, 75, 125])
    np.testing.assert_allclose(trace.y, (np.arange(9) - 0.5) * 0.5)
    np.testing.assert_array_equal(trace.z, growth().to_numpy().T)
    assert figure.layout.xaxis.title.text == "iteration"
    assert figure.layout.xaxis.range is None
    assert figure.layout.yaxis.title.text == "time in the clip (s)"


def test_when_the_class_is_truly_heard_is_drawn_and_when_others_are_is_not():
    figure = map_growth_figure(growth(), clip=CLIP, class_name="b")
    assert {shape.y0 for shape in figure.layout.shapes if shape.name == "true event"} == {1.0, 2.0}
    assert [note.y for note in figure.layout.annotations if note.name == "true event"] == [1.5]


def test_where_padding_begins_is_drawn():
    figure = map_growth_figure(growth(), clip=CLIP, class_name="b")
    assert [shape.y0 for shape in figure.layout.shapes if shape.name == "padding"] == [2.75]


def test_onsets_of_findings_are_marked():
    figure = map_growth_figure(growth(), marks=(Mark(60, "attention-collapse", "warning"),))
    assert texts(figure, "onset attention-collapse") == ["attention-collapse"]


def test_colours_begin_at_zero():
    figure = map_growth_figure(growth() * 0 + 0.25)
    assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 0.25)
    assert not map_growth_figure(growth() * np.nan).data


def test_uneven_iterations_meet_half_way_and_one_alone_is_as_wide_as_itself():
    assert column_edges(np.array([0, 10, 100])).tolist() == [-5, 5, 55, 145]
    assert column_edges(np.array([7])).tolist() == [6.5, 7.5]


def test_maps_of_shorter_batches_are_stretched():
    maps = {0: np.array([[1.0], [2.0]]), 1: np.arange(4.0)[:, None]}
    assert growth_of(maps, 0).to_numpy().tolist() == [[1, 1, 2, 2], [0, 1, 2, 3]]


def test_of_many_maps_an_even_choice_with_both_ends_is_read():
    chosen = spaced(np.arange(0, 5000, 5), COLUMNS)
    assert (len(chosen), chosen[0], chosen[-1]) == (COLUMNS, 0, 4995)
    assert set(np.diff(chosen)) == {25, 30} or np.diff(chosen).max() <= 30


@pytest.fixture
def run(tmp_path):
    info = {"clips": ["one"], "classes": CLASSES, "maps": {"m": "softmax-time", "scalar": "weights"}}
    log = RunLog(tmp_path / "mine", info)
    for iteration in range(0, 1000):
        values = np.full((8, 3), iteration, dtype=np.float32) + np.arange(3) / 4
        log.append_maps(iteration, {"m": values + 0.5})
        if iteration % 50 == 0:
            log.append_maps(iteration, {"m": values, "scalar": values[:, :1]}, "one")
            log.append_evaluation({"iteration": iteration, "lwlrap": 0.5, "scores.one": np.array([0.0, 0.0, 1.0])})
    log.close()
    return Run(log.path)


def shown(figure):
    return np.asarray(figure.data[0].customdata)[0].tolist()


def test_a_run_s_maps_are_read_at_the_iterations_that_recorded_one(run):
    keep_clip(run.path, CLIP)
    figure = map_growth(run)
    assert shown(figure) == list(range(0, 1000, 50))
    np.testing.assert_allclose(figure.data[0].z[0], np.arange(0, 1000, 50) + 0.25, atol=1e-3)  # b, the true label
    assert "How the map grew: b · clip one" in figure.layout.title.text
    assert "20 of 20 recorded maps" in texts(figure, "note")[0]


def test_without_known_labels_it_is_the_class_that_scored_highest(run):
    figure = map_growth(run)
    assert "How the map grew: c" in figure.layout.title.text
    assert "keeps no spectrogram" in texts(figure, "note")[0]


def test_a_stretch_is_read_alone(run):
    assert shown(map_growth(run, first=100, last=200)) == [100, 150, 200]
    empty = map_growth(run, first=101, last=120)
    assert not empty.data
    assert "in this stretch" in empty.layout.annotations[0].text


def test_without_clips_it_is_the_batch_s_mean_of_few_iterations(run):
    RunLog(run.path, {"clips": []}, resume=True).close()
    figure = map_growth(run, class_name="a")
    assert len(shown(figure)) == COLUMNS
    np.testing.assert_allclose(figure.data[0].z[0], np.array(shown(figure)) + 0.5, atol=1e-3)
    assert "mean over the batch" in figure.layout.title.text
    assert "200 of 1,000 recorded maps" in texts(figure, "note")[0]
    assert figure.layout.yaxis.title.text == "frame"


def test_a_map_that_is_not_over_classes_is_said(run):
    assert "no map over the classes" in map_growth(run, map="scalar").layout.annotations[0].text


@pytest.mark.parametrize("asked", [{"clip": "x"}, {"map": "x"}, {"class_name": "x"}])
def test_what_the_run_does_not_know_is_said(run, asked):
    assert "'x'" in map_growth(run, **asked).layout.annotations[0].text


def test_a_run_without_maps_says_what_to_do(healthy):
    assert "Recorder(attention=" in map_growth(healthy).layout.annotations[0].text
