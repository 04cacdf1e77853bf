"""Which attribution is shown where a reader has picked some of clip, class, method and iteration, or nothing."""

import pytest
from flatline.dashboard.chosen import choose
from flatline.diagnostics.errors import UnknownNameError
from flatline.runs.run import Run


@pytest.fixture
def run(simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    return Run(tmp_path / "run")


def test_of_nothing_it_is_the_first_clip_s_first_label_by_integrated_gradients(run):
    chosen = choose(run)
    assert (chosen.clip, chosen.class_name, chosen.method) == ("clip one.wav", "class 0", "integrated-gradients")
    assert (chosen.stored, chosen.iteration, chosen.labels) == (None, None, ("class 0",))


def test_a_method_that_is_kept_comes_before_one_that_is_not(run, attributed):
    attributed.keep(run.path, attributed.heard(), method="rollout")
    assert choose(run).method == "rollout"
    attributed.keep(run.path, attributed.heard())
    chosen = choose(run)
    assert chosen.method == "integrated-gradients"
    assert [one.method for one in chosen.beside] == ["integrated-gradients", "rollout"]
    assert choose(run, method="saliency").stored is None


def test_an_iteration_is_taken_exactly_and_the_others_are_told(run, attributed):
    for iteration in (49, 149, 199):
        attributed.keep(run.path, attributed.heard(), iteration=iteration)
    assert choose(run).iteration == 199
    at = choose(run, iteration=100)
    assert (at.stored, at.elsewhere) == (None, (49, 149, 199))
    assert choose(run, iteration=149).stored.iteration == 149
    assert choose(run, iteration=149).elsewhere == (49, 199)


@pytest.mark.parametrize("options", [{"of": "logits"}, {"noise": 8}, {"baseline": "mean"}])
def test_other_options_are_another_attribution(run, attributed, options):
    attributed.keep(run.path, attributed.heard(), options=options)
    assert choose(run).stored is None
    if "baseline" in options:
        assert choose(run, baseline="mean").stored is not None


def test_top_is_the_class_that_the_evaluation_scored_highest(run):
    assert choose(run, class_name="top", iteration=199).class_name == "class 0"
    assert choose(run, class_name="top", clip="clip two.wav").class_name == "class 1"
    assert choose(run, class_name="top", iteration=100).class_name is None  # nothing was scored there


def test_of_a_clip_that_is_not_kept_the_class_is_one_that_there_is(run, attributed):
    attributed.keep(run.path, attributed.heard(), clip="other.wav", class_name="class 7")
    chosen = choose(run, clip="other.wav")
    assert (chosen.class_name, chosen.kept) == ("class 7", None)
    assert choose(run, clip="nothing.wav").class_name is None


def test_unknown_names_list_the_known(run):
    for asked in ({"class_name": "nix"}, {"method": "nix"}, {"baseline": "nix"}):
        with pytest.raises(UnknownNameError, match="known: "):
            choose(run, **asked)


def test_a_run_that_keeps_no_clip_has_none(logs):
    chosen = choose(Run(logs / "own-loop"))
    assert (chosen.clip, chosen.class_name, chosen.stored) == (None, None, None)
