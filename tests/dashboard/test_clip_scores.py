import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.clip_scores import clip_scores, clip_scores_figure, span_of_bars
from flatline.runs.kept_clips import KeptClip, keep_clip
from flatline.runs.log import RunLog
from flatline.runs.run import Run

CLASSES = [f"class {number}" for number in range(30)]


def scores(**changed):
    return pd.Series({**dict(zip(CLASSES, np.linspace(-3, 3, 30), strict=True)), **changed})


def bars(figure):
    """Class -> (where its bar ends, name of its trace, row)."""
    return {
        label: (base, trace.name, row)
        for trace in figure.data
        for (label, _), base, row in zip(trace.customdata, np.asarray(trace.x) + trace.base, trace.y, strict=True)
    }


def note_of(figure):
    return next(note.text for note in figure.layout.annotations if note.name == "note")


def test_the_highest_scores_and_every_true_label_are_drawn_highest_first():
    found = bars(clip_scores_figure(scores(), ["class 2", "class 29"], output_kind="logits"))
    assert len(found) == 15
    assert sorted(found, key=lambda name: found[name][2]) == [
        *(f"class {number}" for number in range(29, 15, -1)),
        "class 2",
    ]
    assert {name for name, (_, kind, _) in found.items() if kind == "true label"} == {"class 2", "class 29"}
    assert found["class 29"][0] == pytest.approx(3)
    assert found["class 2"][0] == pytest.approx(scores()["class 2"])


def test_true_labels_have_a_colour_of_their_own_and_their_rank():
    figure = clip_scores_figure(scores(), ["class 2"], output_kind="logits")
    true, other = figure.data
    assert true.marker.color != other.marker.color
    assert true.text == ("-2.59 · rank 28",)
    assert figure.layout.yaxis.ticktext[-1] == "<b>● class 2</b>"


@pytest.mark.parametrize(
    ("kind", "unit"),
    [("logits", "logit"), ("probabilities", "(probability)"), (None, "not recorded")],
)
def test_it_is_said_what_the_scores_are(kind, unit):
    assert unit in clip_scores_figure(scores(), [], output_kind=kind).layout.xaxis.title.text


def test_probabilities_begin_at_zero_and_logits_below_the_lowest():
    assert span_of_bars(pd.Series([0.2, 0.4]), "probabilities")[0] == 0
    low, high = span_of_bars(pd.Series([-4.0, -1.0]), "logits")
    assert low < -4
    assert high > -1
    assert span_of_bars(pd.Series([-2.0, -2.0]), "logits")[0] < -2


def test_the_longest_bar_is_the_highest_score_of_logits_below_zero_too():
    figure = clip_scores_figure(scores() - 10, None, output_kind="logits")
    lengths = dict(zip([label for label, _ in figure.data[0].customdata], figure.data[0].x, strict=True))
    assert max(lengths, key=lengths.__getitem__) == "class 29"
    assert min(lengths.values()) > 0


def test_labels_that_are_not_known_are_said_and_nothing_is_called_true():
    figure = clip_scores_figure(scores(), None)
    assert "which labels are true is not kept" in note_of(figure)
    assert [trace.name for trace in figure.data] == ["class"]


def test_scores_that_are_nan_are_counted_and_not_drawn():
    figure = clip_scores_figure(scores(**{"class 29": np.nan}), ["class 29"])
    assert "class 29" not in bars(figure)
    assert "1 scores are NaN" in note_of(figure)
    assert not clip_scores_figure(scores() * np.nan, []).data


def test_the_chosen_class_is_among_them():
    figure = clip_scores_figure(scores(), [], class_name="class 0")
    assert figure.layout.yaxis.ticktext[-1] == "▸ <u>class 0</u>"


@pytest.fixture
def run(tmp_path):
    log = RunLog(tmp_path / "mine", {"clips": ["one", "two"], "classes": CLASSES, "output_kind": "probabilities"})
    for iteration in (0, 50):
        log.append_evaluation({"iteration": iteration, "lwlrap": 0.5, "scores.one": scores().to_numpy() + iteration})
    log.close()
    keep_clip(log.path, KeptClip("one", np.zeros((2, 2)), labels=("class 4",)))
    return Run(log.path)


def test_a_run_s_scores_are_those_of_exactly_that_evaluation(run):
    figure = clip_scores(run, clip="one", iteration=0)
    assert bars(figure)["class 29"][0] == pytest.approx(3)
    assert bars(figure)["class 4"][1] == "true label"
    assert "(probability)" in figure.layout.xaxis.title.text
    newest = clip_scores(run)
    assert bars(newest)["class 29"][0] == pytest.approx(53)
    assert newest.layout.title.text.endswith("one · iteration 50")


def test_between_evaluations_the_nearest_are_named_and_nothing_is_drawn(run):
    figure = clip_scores(run, clip="one", iteration=20)
    assert not figure.data
    said = figure.layout.annotations[0].text.replace("<br>", " ")
    assert said == "No score of this clip was recorded at iteration 20; the nearest are at 0 and 50."


def test_a_clip_without_scores_and_one_that_was_not_pinned_are_said(run):
    assert "No score of this clip has been" in clip_scores(run, clip="two").layout.annotations[0].text
    assert "unknown pinned clip 'x'" in clip_scores(run, clip="x").layout.annotations[0].text


def test_a_run_without_pinned_clips_says_what_to_do(healthy):
    assert "Recorder(pinned=" in clip_scores(healthy).layout.annotations[0].text.replace("<br>", " ")
