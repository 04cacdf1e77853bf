import numpy as np
import pytest
from flatline.dashboard.figures.attribution_map import (
    CUT,
    NO_INFORMATION,
    attribution_map,
    attribution_map_figure,
    limit_of,
)
from flatline.dashboard.figures.clip_panels import FADED
from flatline.dashboard.figures.theme import DARK, LIGHT
from flatline.runs.kept_clips import Event, KeptClip
from flatline.runs.run import Run


def a_clip(**changed):
    mel = np.random.default_rng(0).random((16, 8)).astype(np.float32)
    events = (Event(0.5, 1.0, "a"), Event(1.5, 2.0, "b"))
    facts = {"labels": ("a", "b"), "frame_s": 0.25, "hz": np.geomspace(100, 7000, 8), "n_real": 12, "events": events}
    return KeptClip("a b.wav", mel, **{**facts, **changed})


def values(seed=1):
    return np.random.default_rng(seed).standard_normal((12, 8)) ** 3


def drawn(given=None, theme="light", **changed):
    given = values() if given is None else given
    words = {"class_name": "a", "method": "occlusion", "iteration": 50, "maps": {"head.map": np.linspace(0, 1, 16)}}
    return attribution_map_figure(given, a_clip(), theme, **{**words, **changed})


def trace(figure, name):
    return next(one for one in figure.data if one.name == name)


def texts(figure):
    return " | ".join(note.text for note in figure.layout.annotations)


def test_all_panels_share_one_axis_of_time_in_seconds():
    figure = drawn()
    assert [one.name for one in figure.data if one.name != "true event"] == [
        "log-mel",
        "attribution",
        "sum by frame, positive",
        "sum by frame, negative",
        "head.map",
    ]
    assert figure.layout.xaxis.title.text == "time (s)"
    assert {one.xaxis for one in figure.data} == {None}
    edges = np.arange(17) * 0.25 - 0.125
    np.testing.assert_allclose(trace(figure, "log-mel").x, edges)
    np.testing.assert_allclose(trace(figure, "attribution").x, edges[:13])
    np.testing.assert_allclose(trace(figure, "head.map").x, edges)
    np.testing.assert_allclose(trace(figure, "sum by frame, positive").x, np.arange(12) * 0.25)


@pytest.mark.parametrize(("theme", "colours"), [("light", LIGHT), ("dark", DARK)])
def test_colours_are_symmetric_about_zero_which_is_the_page_s_own(theme, colours):
    shown = trace(drawn(theme=theme), "attribution")
    assert shown.zmin == -shown.zmax < 0
    scale = dict(shown.colorscale)
    assert scale[0.5] == colours.plot
    assert [stop for stop, _ in shown.colorscale] == pytest.approx(sorted(1 - stop for stop in scale))


def test_values_lie_where_they_belong_and_sum_by_frame():
    given = values()
    figure = drawn(given)
    np.testing.assert_allclose(trace(figure, "attribution").z, given.T, rtol=1e-6)
    total = np.array(trace(figure, "sum by frame, positive").y) + np.array(trace(figure, "sum by frame, negative").y)
    np.testing.assert_allclose(total, given.sum(axis=1), rtol=1e-5)
    assert f"{given.sum():+.3g}" in texts(figure)


def test_one_cell_does_not_pale_all_others():
    given = np.full((100, 32), 0.01)
    given[3, 3] = 100
    assert limit_of(given) == pytest.approx(0.01)
    assert CUT == 99.5
    assert limit_of(np.zeros((3, 3))) == 1
    assert limit_of(np.full((3, 3), np.nan)) == 1
    lone = np.zeros((100, 32))
    lone[3, 3] = 2
    assert limit_of(lone) == 2


def test_a_limit_that_is_given_is_both_columns_own():
    assert trace(drawn(limit=7.0), "attribution").zmax == 7.0


def test_true_events_of_the_class_are_outlined_and_those_of_others_only_on_the_clip():
    figure = drawn()
    boxes = [one for one in figure.data if one.name == "true event"]
    by_axis = {box.yaxis: [x for x in box.x if x is not None] for box in boxes}
    assert set(by_axis["y"]) == {0.5, 1.0, 1.5, 2.0}
    assert set(by_axis["y2"]) == set(by_axis["y4"]) == {0.5, 1.0}
    (span,) = [shape for shape in figure.layout.shapes if shape.name == "true event"]
    assert (span.x0, span.x1, span.yref) == (0.5, 1.0, "y3 domain")
    assert "c is not heard in it" in texts(drawn(class_name="c"))
    assert "true onsets are not known" in texts(
        attribution_map_figure(values(), a_clip(events=None), class_name="a", method="occlusion")
    )


def test_one_without_information_is_pale_and_says_so(attributed, simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    attributed.keep(tmp_path / "run", attributed.heard(), informative=False, why="nothing moves")
    figure = attribution_map(Run(tmp_path / "run"))
    assert trace(figure, "attribution").opacity == FADED
    assert trace(figure, "sum by frame, positive").opacity == FADED
    assert trace(figure, "log-mel").opacity == 1
    assert NO_INFORMATION in figure.layout.title.text
    assert f"<b>{NO_INFORMATION}</b>" in texts(figure)
    assert "ground" in {shape.name for shape in figure.layout.shapes}


def test_of_a_run_it_is_the_one_that_is_kept(attributed, simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    attributed.keep(tmp_path / "run", attributed.heard())
    attributed.keep(tmp_path / "run", attributed.heard(first=20, last=22), method="occlusion", iteration=149)
    run = Run(tmp_path / "run")
    figure = attribution_map(run)
    assert (
        figure.layout.title.text == "Attribution of class 0 · clip clip one.wav · integrated-gradients · iteration 199"
    )
    assert np.argmax(np.array(trace(figure, "attribution").z).sum(axis=0)) in range(8, 14)
    other = attribution_map(run, method="occlusion")
    assert "iteration 149" in other.layout.title.text
    map_of = trace(other, "head.localisation")
    np.testing.assert_allclose(map_of.z[0], run.attention(149, clip="clip one.wav")[:, 0], rtol=1e-3)


def test_what_is_not_kept_is_said_with_where_it_is(attributed, simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    attributed.keep(tmp_path / "run", attributed.heard(), iteration=149)
    figure = attribution_map(Run(tmp_path / "run"), iteration=199)
    assert "attribution" not in {one.name for one in figure.data}
    assert "Not computed: integrated-gradients of class 0 at iteration 199. It is kept at 149." in texts(figure)
    assert trace(figure, "log-mel").z is not None


def test_a_map_of_another_iteration_says_so(attributed, simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    attributed.keep(tmp_path / "run", attributed.heard(), iteration=160)
    figure = attribution_map(Run(tmp_path / "run"))
    assert trace(figure, "head.localisation at iteration 149, the nearest").z is not None
    assert "softmax over time" in texts(figure)


def test_of_a_clip_that_was_not_kept_the_attribution_s_own_spectrogram_is_shown(attributed, simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    attributed.keep(tmp_path / "run", attributed.heard(), clip="/far/away.wav")
    figure = attribution_map(Run(tmp_path / "run"), clip="/far/away.wav")
    assert np.all(np.array(trace(figure, "log-mel").z) == 1)
    assert figure.layout.xaxis.title.text == "time (s)"
    assert "labels not known" in texts(figure)
    assert "No map of this clip was recorded." in texts(figure)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"class_name": "nix"}, "unknown class 'nix'"),
        ({"method": "nix"}, "unknown method 'nix'"),
        ({"baseline": "nix"}, "unknown baseline 'nix'"),
    ],
)
def test_an_unknown_name_is_said_with_the_known_ones(logs, asked, said):
    figure = attribution_map(Run(logs / "complete"), **asked)
    assert said in texts(figure).replace("<br>", " ")
    assert not figure.data


def test_a_run_without_clips_says_so(logs):
    assert "No clip is pinned" in texts(attribution_map(Run(logs / "own-loop")))


def test_a_damaged_file_is_said(attributed, simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    attributed.keep(tmp_path / "run", attributed.heard()).file.write_bytes(b"PK")
    assert "cannot be read" in texts(attribution_map(Run(tmp_path / "run")))
