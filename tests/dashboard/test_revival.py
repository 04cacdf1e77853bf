import pytest
from flatline.dashboard.figures.revival import COLOURS, ENDED_EARLY, revival, revival_figure
from flatline.runs.revive.revived import stored_revival
from flatline.runs.run import Run


@pytest.fixture(scope="module")
def treated(simulated, tmp_path_factory):
    return Run(simulated.treated(tmp_path_factory.mktemp("treated")))


def said(figure):
    return [annotation.text for annotation in figure.layout.annotations]


def bars(figure):
    return {trace.name: trace for trace in figure.data if trace.type == "bar"}


def test_a_bar_is_an_arms_lwlrap_in_the_colour_of_its_verdict(treated):
    drawn = bars(revival(treated))
    assert list(drawn["collapsed"].x) == [0.495, 0.495]
    assert list(drawn["collapsed"].y) == [0, 1]
    assert list(drawn["healthy"].x) == [0.87]
    assert list(drawn["healthy"].y) == [3]
    assert drawn["healthy"].marker.color == COLOURS["light"]["healthy"]
    assert bars(revival(treated, "dark"))["healthy"].marker.color == COLOURS["dark"]["healthy"]


def test_the_arms_are_named_in_order_and_the_prescribed_one_is_marked(treated):
    axis = revival(treated).layout.yaxis
    assert list(axis.tickvals) == [0, 1, 2, 3]
    assert list(axis.ticktext) == ["unchanged", "fix-objective", "lower-rate", "<b>▸ fix-objective + prior-bias</b>"]
    assert axis.range[0] > axis.range[1]  # the run as it was is on top


def test_an_arm_that_ended_early_is_pale_and_says_how_far_it_came(treated):
    figure = revival(treated)
    assert list(bars(figure)["collapsed"].marker.opacity) == [1.0, ENDED_EARLY]
    assert "<b>0.495</b> · collapsed: saturation-plateau · to 200 only" in said(figure)
    assert "<b>0.870</b> · healthy" in said(figure)


def test_an_arm_without_a_score_has_no_bar_and_says_so(treated):
    figure = revival(treated)
    assert "could not be trained" in said(figure)
    assert 2 not in {place for trace in bars(figure).values() for place in trace.y}


def test_chance_and_the_constant_level_are_lines_with_their_numbers(treated):
    figure = revival(treated)
    assert [shape.x0 for shape in figure.layout.shapes] == [0.40, 0.49]
    assert "chance 0.400, constant level 0.490" in said(figure)


def test_levels_that_are_not_known_are_not_drawn(treated):
    revived = stored_revival(treated.path)
    revived.arms[0] |= {"chance": None, "constant": None}
    figure = revival_figure(revived)
    assert not figure.layout.shapes
    assert not any("chance" in text for text in said(figure))


def test_the_seeds_lie_on_the_prescribed_arm_with_their_mean_and_interval(treated):
    dots = {trace.name: trace for trace in revival(treated).data if trace.type == "scatter"}
    assert list(dots["seed"].x) == pytest.approx([0.87, 0.85, 0.83])
    assert set(dots["seed"].y) == {3}
    mean = dots["mean of the seeds"]
    assert list(mean.x) == [0.85]
    assert list(mean.error_x.array) == pytest.approx([0.05])
    assert list(mean.error_x.arrayminus) == pytest.approx([0.05])


def test_one_seed_has_no_dots(treated):
    revived = stored_revival(treated.path)
    revived.seeds[1:] = []
    assert {trace.type for trace in revival_figure(revived).data} == {"bar"}


def test_without_trials_the_command_is_named(collapsed, logs):
    figure = revival(collapsed)
    assert not figure.data
    assert f"flatline revive {collapsed.name}" in " ".join(said(figure)).replace("<br>", " ")
    own = revival(Run(logs / "own-loop"))
    assert 'flatline.revive("own-loop", trial=your_loop)' in " ".join(said(own)).replace("<br>", " ")
