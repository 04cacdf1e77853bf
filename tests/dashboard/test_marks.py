from itertools import combinations, pairwise

import numpy as np
import plotly.graph_objects as go
import pytest
from flatline.dashboard.figures import output_health
from flatline.dashboard.figures.marks import (
    LETTER_PX,
    MOST,
    NARROWEST_PX,
    RIGHT_OF_LINE,
    Mark,
    add_marks,
    marks_of,
    placed,
)
from flatline.dashboard.figures.theme import HEIGHT, LIGHT, blank, message

KINDS = ["broken-objective", "constant-predictor", "saturation-plateau", "gradient-death", "learning-rate-too-low"]


def drawn(last=350):
    return blank("a", LIGHT).add_trace(go.Scatter(x=[0, last], y=[0, 1]))


def names(figure):
    return {note.text: note for note in figure.layout.annotations if (note.name or "").startswith("onset")}


def spans(shares, kinds, width):
    places = placed(list(zip(shares, kinds, strict=True)), width)
    found = []
    for place, share, kind in zip(places, shares, kinds, strict=True):
        x, size = share * width, LETTER_PX * len(kind)
        found.append((place.row, x, x if place.anchor == RIGHT_OF_LINE else x - size, size))
    return found


def finding(kind, onset, severity="critical"):
    return {"kind": kind, "onset": onset, "severity": severity}


def test_the_worst_and_earliest_onsets_come_first_and_mere_information_is_no_mark():
    found = marks_of(
        [finding("b", 5, "warning"), finding("c", 9), finding("a", 2), finding("a", 2), finding("d", 0, "info")]
    )
    assert [mark.kind for mark in found] == ["a", "c", "b"]


def test_each_onset_is_a_line_through_the_plot_and_a_name_with_its_iteration_on_hover():
    figure = add_marks(drawn(), [Mark(16, KINDS[2], "critical"), Mark(300, KINDS[4], "warning")], LIGHT)
    lines = {shape.name: shape for shape in figure.layout.shapes if shape.name.startswith("onset")}
    assert {name: (line.x0, line.x1, line.yref) for name, line in lines.items()} == {
        f"onset {KINDS[2]}": (16, 16, "y domain"),
        f"onset {KINDS[4]}": (300, 300, "y domain"),
    }
    assert lines[f"onset {KINDS[4]}"].line.color == LIGHT.warning
    assert names(figure)[KINDS[4]].hovertext == f"warning: {KINDS[4]} since iteration 300"


def test_names_stand_above_the_plotting_area_which_gives_way_and_the_legend_above_them():
    plain = drawn()
    figure = add_marks(
        drawn(), [Mark(at, kind, "critical") for at, kind in zip((0, 4, 16), KINDS, strict=False)], LIGHT
    )
    assert all(note.y == 1 and note.yanchor == "bottom" for note in names(figure).values())
    highest = max(note.yshift for note in names(figure).values())
    room = figure.layout.margin.t - LIGHT.template().layout.margin.t
    assert room >= highest + 13
    plot_px = HEIGHT - figure.layout.margin.t - LIGHT.template().layout.margin.b
    assert (figure.layout.legend.y - 1) * plot_px == pytest.approx(room)
    assert plain.layout.margin.t is None


@pytest.mark.parametrize("width", [NARROWEST_PX, 900, 2000])
def test_names_never_meet_nor_leave_the_plotting_area(width):
    random = np.random.default_rng(0)
    for _ in range(300):
        count = random.integers(1, MOST + 1)
        shares = random.choice([random.random(count), random.random(count) * 0.05, 1 - random.random(count) * 0.05])
        found = spans(shares, random.choice(KINDS, count, replace=False), width)
        assert all(start >= 0 and start + size <= width for _, _, start, size in found)
        for (row, _, start, size), (other, _, begin, length) in combinations(found, 2):
            assert row != other or start + size <= begin or begin + length <= start


def test_places_of_the_narrowest_figure_hold_in_wider_ones():
    shares, kinds = [0.0, 0.012, 0.046, 0.67], KINDS[:4]
    rows = [row for row, *_ in spans(shares, kinds, NARROWEST_PX)]
    assert rows == [2, 1, 0, 0]
    for (start, kind), (other, _) in pairwise(zip(shares, kinds, strict=True)):
        if rows[kinds.index(kind)] == 0:
            assert start * 2000 + LETTER_PX * len(kind) < other * 2000


def test_the_line_of_a_name_in_a_higher_row_runs_through_no_lower_name():
    found = spans([0.0, 0.01, 0.02, 0.03], KINDS[:4], NARROWEST_PX)
    for row, _, start, size in found:
        assert not any(other > row and start < x < start + size for other, x, *_ in found)


def test_an_onset_outside_of_what_is_drawn_is_left_out():
    marks = [Mark(10, KINDS[0], "critical"), Mark(500, KINDS[1], "critical")]
    assert list(names(add_marks(drawn(350), marks, LIGHT))) == [KINDS[0]]
    assert list(names(add_marks(drawn(350), marks, LIGHT, span=(400, 600)))) == [KINDS[1]]


def test_the_first_cell_of_a_heatmap_is_part_of_what_is_drawn():
    figure = blank("a", LIGHT).add_trace(go.Heatmap(x=[4.5, 14.5], y=[0], z=[[1, 2]]))
    assert KINDS[0] in names(add_marks(figure, [Mark(0, KINDS[0], "critical")], LIGHT))


def test_no_more_than_the_worst_few_are_drawn():
    marks = [Mark(10 * index, kind, "critical") for index, kind in enumerate(KINDS)]
    assert list(names(add_marks(drawn(), marks, LIGHT))) == KINDS[:MOST]


def test_a_figure_in_words_stays_as_it_is():
    figure = add_marks(message("a", "nothing here", LIGHT), [Mark(0, KINDS[0], "critical")], LIGHT)
    assert not figure.layout.shapes
    assert len(figure.layout.annotations) == 1


def test_every_panel_has_the_line_and_its_title_stays_free(collapsed):
    figure = output_health(collapsed, marks=(Mark(16, KINDS[2], "critical"),))
    assert [shape.yref for shape in figure.layout.shapes if shape.name.startswith("onset")] == [
        "y domain",
        "y2 domain",
        "y3 domain",
    ]
    pole = next(shape for shape in figure.layout.shapes if shape.name.startswith("pole"))
    assert pole.y0 >= 12
    assert names(figure)[KINDS[2]].yshift >= 12
