import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.localisation_map import (
    HOW_TO_RECORD,
    localisation_map,
    localisation_map_figure,
    nearest_text,
    order,
)
from flatline.runs.kept_clips import Event, KeptClip, keep_clip
from flatline.runs.log import RunLog
from flatline.runs.run import Run

CLASSES = [f"class {number}" for number in range(20)]
KINDS = {"head.attention": "sigmoid", "head.localisation": "softmax-time"}
TRUE = ("class 17", "class 3")


def a_clip(**changed):
    mel = np.random.default_rng(0).random((16, 8)).astype(np.float32)
    mel[12:] = -4
    events = (Event(0.5, 1.0, TRUE[0]), Event(0.5, 1.0, TRUE[1]), Event(1.5, 2.0, TRUE[0]))
    facts = {"labels": TRUE, "frame_s": 0.25, "hz": np.geomspace(100, 7000, 8), "n_real": 12, "events": events}
    return KeptClip("a b.wav", mel, **{**facts, **changed})


def a_map(frames=16, classes=20, seed=1):
    values = np.random.default_rng(seed).random((frames, classes)).astype(np.float32)
    return values / values.sum(axis=0)


def drawn(maps=None, clip=None, **changed):
    maps = {"head.attention": a_map(), "head.localisation": a_map(seed=2)} if maps is None else maps
    given = {"clip": a_clip() if clip is None else clip, "clip_name": "a b.wav", "iteration": 50, **changed}
    return localisation_map_figure(maps, KINDS, CLASSES, **given)


def heatmaps(figure):
    return [trace for trace in figure.data if trace.type == "heatmap"]


def boxes(figure, axis):
    """(onset, offset, lowest, highest) of the outlines on an axis, each once."""
    traces = [trace for trace in figure.data if trace.name == "true event" and trace.yaxis == axis]
    assert len(traces) in (0, 2)  # black, and white on it
    if not traces:
        return []
    x, y = np.array(traces[1].x, dtype=float).reshape(-1, 6), np.array(traces[1].y, dtype=float).reshape(-1, 6)
    return [(row[0], row[1], *sorted(set(rows[:5]))) for row, rows in zip(x, y, strict=True)]


def texts(figure, name):
    return [note.text for note in figure.layout.annotations if note.name == name]


def test_the_spectrogram_and_every_map_lie_below_each_other_on_one_axis_of_time():
    figure = drawn()
    assert [trace.yaxis for trace in heatmaps(figure)] == ["y", "y2", "y3"]
    assert {trace.xaxis for trace in figure.data} <= {None, "x"}
    domains = [figure.layout[axis].domain for axis in ("yaxis", "yaxis2", "yaxis3")]
    assert domains[0][1] == pytest.approx(1)
    assert domains[2][0] == pytest.approx(0)
    assert domains[0][0] > domains[1][1] > domains[1][0] > domains[2][1]
    assert figure.layout.xaxis.title.text == "time (s)"
    assert figure.layout.xaxis.range == pytest.approx((0, 15.5 * 0.25))


def test_the_spectrogram_is_what_the_model_got_with_frequencies_beside_it():
    mel = heatmaps(drawn())[0]
    np.testing.assert_array_equal(mel.z, a_clip().mel.T)
    np.testing.assert_allclose(mel.x, (np.arange(17) - 0.5) * 0.25)
    axis = drawn().layout.yaxis
    at = dict(zip(axis.ticktext, axis.tickvals, strict=True))
    np.testing.assert_allclose(np.interp(at["1,000"], np.arange(8), a_clip().hz), 1000)
    assert mel.customdata[0][0] == pytest.approx(100)


def test_padding_does_not_take_the_colours_and_is_marked():
    figure = drawn()
    assert heatmaps(figure)[0].zmin >= 0
    lines = [shape for shape in figure.layout.shapes if shape.name == "padding"]
    assert [line.x0 for line in lines] == [pytest.approx(11.5 * 0.25)]
    whole = drawn(clip=a_clip(n_real=16))
    assert heatmaps(whole)[0].zmin < -3
    assert "padding" not in [shape.name for shape in whole.layout.shapes]


def test_true_classes_come_first_then_the_highest_scores():
    scores = pd.Series(np.arange(20.0), index=CLASSES)
    figure = drawn(scores=scores)
    names = [row[0] for row in heatmaps(figure)[1].text]
    assert names == ["class 17", "class 3", *[f"class {n}" for n in (19, 18, 16, 15, 14, 13, 12, 11, 10, 9)]]
    assert figure.layout.yaxis2.ticktext[0] == "<b>● class 17</b>"
    assert figure.layout.yaxis2.ticktext[2] == "class 19"
    assert figure.layout.yaxis2.range == (11.5, -0.5)


def test_a_row_holds_its_class_s_values():
    values = a_map()
    figure = drawn({"head.attention": values})
    for row, name in zip(heatmaps(figure)[1].z, [row[0] for row in heatmaps(figure)[1].text], strict=True):
        np.testing.assert_array_equal(row, values[:, CLASSES.index(name)])


def test_without_scores_the_highest_value_in_a_map_decides():
    values = np.full((16, 20), 0.1, dtype=np.float32)
    values[3, 8] = 0.9
    assert order(CLASSES, TRUE, None, None, [values], 3) == ["class 17", "class 3", "class 8"]
    values[:] = np.nan
    assert order(CLASSES, None, None, None, [values], 2) == ["class 0", "class 1"]


def test_the_chosen_class_is_drawn_and_marked_even_where_it_scores_low():
    figure = drawn(scores=pd.Series(np.arange(20.0), index=CLASSES), class_name="class 0")
    assert figure.layout.yaxis2.ticktext[2] == "▸ <u>class 0</u>"
    assert len(figure.layout.yaxis2.ticktext) == 12


def test_true_onsets_are_outlined_on_the_spectrogram_and_on_their_classes_rows():
    figure = drawn()
    assert boxes(figure, "y") == [(0.5, 1.0, -0.5, 7.5), (1.5, 2.0, -0.5, 7.5)]
    assert texts(figure, "true event") == ["class 17 + class 3", "class 17"]
    for axis in ("y2", "y3"):
        assert boxes(figure, axis) == [(0.5, 1, -0.44, 0.44), (0.5, 1, 0.56, 1.44), (1.5, 2, -0.44, 0.44)]


def test_without_known_onsets_none_are_drawn_and_that_is_said():
    figure = drawn(clip=a_clip(events=None))
    assert boxes(figure, "y") == boxes(figure, "y2") == []
    assert "true onsets are not known" in texts(figure, "note")[0]


def test_frames_of_a_shorter_map_are_as_much_longer():
    figure = drawn({"head.localisation": a_map(frames=4)})
    np.testing.assert_allclose(heatmaps(figure)[1].x, (np.array([0, 4, 8, 12, 16]) - 0.5) * 0.25)


def test_a_map_s_colours_begin_at_zero_so_that_an_even_map_looks_even():
    figure = drawn({"head.localisation": np.full((16, 20), 1 / 16, dtype=np.float32)})
    trace = heatmaps(figure)[1]
    assert (trace.zmin, trace.zmax) == (0, pytest.approx(1 / 16))
    assert "a map that says nothing is 0.062 everywhere" in texts(figure, "panel")[1]


def test_a_map_that_is_not_over_classes_has_numbered_rows():
    figure = drawn({"head.attention": a_map(classes=1)})
    assert [row[0] for row in heatmaps(figure)[1].text] == ["column 0"]
    assert boxes(figure, "y2") == []


def test_a_clip_without_seconds_counts_frames():
    figure = drawn(clip=KeptClip("a b.wav", np.zeros((16, 8), dtype=np.float32)))
    assert figure.layout.xaxis.title.text == "frame"
    assert figure.layout.yaxis.title.text == "mel bin"
    assert boxes(figure, "y") == []


def test_both_themes_draw_the_same():
    light, dark = drawn(), drawn(theme="dark")
    assert light.layout.template != dark.layout.template
    np.testing.assert_array_equal(heatmaps(light)[1].z, heatmaps(dark)[1].z)


@pytest.fixture
def run(tmp_path):
    """Evaluations and the clip's maps at 0, 50 and 100, the batch's mean at every iteration; one clip is kept."""
    info = {"clips": ["a b.wav", "unkept.wav"], "classes": CLASSES, "maps": KINDS, "output_kind": "logits"}
    log = RunLog(tmp_path / "mine", info)
    for iteration in range(0, 101, 50):
        scores = np.roll(np.arange(20.0), iteration // 50)
        log.append_evaluation({"iteration": iteration, "lwlrap": 0.5, "scores.a b.wav": scores})
        for seed, clip in enumerate((*info["clips"], None)):
            log.append_maps(iteration, {name: a_map(seed=iteration + seed) for name in KINDS}, clip)
    log.close()
    keep_clip(log.path, a_clip())
    return Run(log.path)


def test_a_run_s_maps_are_those_of_exactly_that_iteration(run):
    figure = localisation_map(run, iteration=50)
    names = [row[0] for row in heatmaps(figure)[2].text]
    expected = run.attention(50, "head.localisation", "a b.wav")[:, CLASSES.index(names[4])]
    np.testing.assert_array_equal(heatmaps(figure)[2].z[4], expected)
    assert names[2] == "class 0"  # of the scores at 50; at 0 and 100 another is highest
    assert figure.layout.title.text.endswith("clip a b.wav · iteration 50")


def test_without_an_iteration_it_is_the_newest(run):
    assert localisation_map(run).layout.title.text.endswith("iteration 100")


def test_where_nothing_was_recorded_no_other_map_is_drawn_and_the_nearest_are_named(run):
    figure = localisation_map(run, iteration=60)
    assert [trace.name for trace in heatmaps(figure)] == ["log-mel"]
    assert texts(figure, "missing") == ["No map was recorded at iteration 60; the nearest are at 50 and 100."] * 2
    assert figure.layout.height == localisation_map(run, iteration=50).layout.height
    assert texts(localisation_map(run, iteration=500), "missing")[0].endswith("the nearest is at 100.")


def test_one_map_can_be_chosen(run):
    figure = localisation_map(run, iteration=50, map="head.localisation")
    assert [trace.yaxis for trace in heatmaps(figure)] == ["y", "y2"]
    assert texts(figure, "panel")[1].startswith("<b>head.localisation</b>")


def test_a_clip_that_is_not_kept_is_drawn_by_frames_and_that_is_said(run):
    figure = localisation_map(run, iteration=50, clip="unkept.wav")
    assert [trace.name for trace in heatmaps(figure)] == list(KINDS)
    assert figure.layout.xaxis.title.text == "frame"
    assert "this run keeps no spectrogram" in texts(figure, "note")[0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"clip": "x"}, "pinned clip 'x'"), ({"map": "x"}, "map 'x'"), ({"class_name": "x"}, "class 'x'")],
)
def test_what_the_run_does_not_know_is_said(run, asked, said):
    figure = localisation_map(run, **asked)
    assert not figure.data
    assert f"unknown {said}" in figure.layout.annotations[0].text.replace("<br>", " ")


def test_without_pinned_clips_it_is_the_batch_s_mean_and_that_is_said(run):
    log = RunLog(run.path, {"clips": []}, resume=True)
    log.close()
    figure = localisation_map(run, iteration=50)
    assert "mean over the batch · iteration 50" in figure.layout.title.text
    assert figure.layout.xaxis.title.text == "frame"
    assert "the batch's mean" in texts(figure, "note")[0]
    names = [row[0] for row in heatmaps(figure)[0].text]
    expected = run.attention(50, "head.attention")[:, [CLASSES.index(name) for name in names]].T
    np.testing.assert_array_equal(heatmaps(figure)[0].z, expected)


def test_without_maps_the_spectrogram_stands_with_what_to_do(run):
    RunLog(run.path, {"maps": {}}, resume=True).close()
    figure = localisation_map(run, iteration=50)
    assert [trace.name for trace in heatmaps(figure)] == ["log-mel"]
    assert boxes(figure, "y")
    assert texts(figure, "missing")[0].replace("<br>", " ") == HOW_TO_RECORD


def test_a_run_with_nothing_says_what_to_do(tmp_path):
    RunLog(tmp_path / "bare").close()
    figure = localisation_map(Run(tmp_path / "bare"))
    assert not figure.data
    assert "Recorder(attention=" in figure.layout.annotations[0].text


def test_nothing_recorded_yet_is_said():
    assert nearest_text(np.array([]), 3) == "No map has been recorded yet."
    assert nearest_text(np.array([5]), 3) == "No map was recorded at iteration 3; the nearest is at 5."


def test_a_zoom_is_kept_from_one_iteration_to_the_next_but_not_to_another_clip(run):
    zooms = [localisation_map(run, iteration=at).layout.uirevision for at in (0, 50)]
    assert zooms[0] == zooms[1] != localisation_map(run, clip="unkept.wav").layout.uirevision
