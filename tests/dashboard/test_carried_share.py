import numpy as np
import pandas as pd
import pytest
from flatline.dashboard.figures.carried_share import carried_share, carried_share_figure, newest_parts
from flatline.diagnostics.ablation_shares import BYPASSED, Ablation, PartShare
from flatline.runs.ablations import write_ablation
from flatline.runs.run import Run

GRU = PartShare("rnn.gru", "the GRU", 0.21, 0.02, -0.01, 0.05)
WHOLE = PartShare("rnns", "the GRU", 0.21, 0.02, -0.01, 0.05)
MAP = PartShare("attention.head", "the map head", 0.3, 0.6, 0.5, 0.72)


def table(*parts, score=0.5, iterations=(100,)):
    row = Ablation(score, 0.1, 0.2, 0.2, 150, tuple(parts)).row()
    return pd.DataFrame([row] * len(iterations), pd.Index(iterations, name="iteration"))


def said(figure):
    return " | ".join(annotation.text for annotation in figure.layout.annotations)


def test_bars_are_shares_with_their_intervals():
    bars = carried_share_figure(table(GRU, MAP)).data[0]
    assert list(bars.y) == ["RNN gru", "attention head"]
    assert list(bars.x) == pytest.approx([0.02, 0.6])
    assert list(bars.error_x.array) == pytest.approx([0.03, 0.12])
    assert list(bars.error_x.arrayminus) == pytest.approx([0.03, 0.1])


def test_a_bypassed_part_has_another_colour_and_is_called_so():
    figure = carried_share_figure(table(GRU, MAP))
    quiet, loud = figure.data[0].marker.color
    assert quiet != loud
    assert "2 % · it is bypassed" in said(figure)
    assert "60 % |" in said(figure) + " |"
    assert [shape.x0 for shape in figure.layout.shapes] == [BYPASSED]


def test_a_wide_interval_is_not_called_bypassed():
    unsure = PartShare("rnn.gru", "the GRU", 0.3, 0.1, -0.2, 0.4)
    assert "bypassed" not in said(carried_share_figure(table(unsure)))


def test_the_only_rnn_is_not_told_again_as_all_of_them():
    assert [part.part for part in newest_parts(table(GRU, WHOLE, MAP))] == ["rnn.gru", "attention.head"]
    two = PartShare("rnn.lstm", "the LSTM", 0.4, 0.3, 0.2, 0.4)
    assert [part.part for part in newest_parts(table(GRU, two, WHOLE))] == ["rnn.gru", "rnn.lstm", "rnns"]


def test_the_newest_row_counts_and_parts_it_did_not_try_are_left_out():
    old, new = table(GRU, MAP, iterations=(50,)), table(MAP, iterations=(100,))
    both = pd.concat([old, new])
    assert [part.part for part in newest_parts(both)] == ["attention.head"]
    assert "at iteration 100 on 150 clips · whole network 0.500" in said(carried_share_figure(both))


def test_pieces_of_the_input_are_said_in_words():
    pieces = [PartShare(name, "", 0.3, 0.5, 0.4, 0.6) for name in ("silence.band1", "frame_shuffle.rnn.gru")]
    bars = carried_share_figure(table(*pieces)).data[0]
    assert list(bars.y) == ["mel bins, lowest quarter", "order of frames of gru"]


def test_without_an_ablation_the_command_is_named(healthy):
    figure = carried_share(healthy)
    assert not figure.data
    assert f"flatline ablate {healthy.name}" in said(figure)


def test_of_a_loop_of_ones_own_the_function_is_named(logs):
    words = said(carried_share(Run(logs / "own-loop"))).replace("<br>", " ")
    assert "flatline.ablate(model, batches)" in words
    assert "flatline ablate" not in words


def test_a_network_at_the_constant_level_has_nothing_to_share_out():
    figure = carried_share_figure(table(PartShare("rnn.gru", "the GRU", 0.2, np.nan, np.nan, np.nan), score=0.2))
    assert not figure.data
    assert "at the constant level" in said(figure).replace("<br>", " ")


def test_what_flatline_ablate_found_later_is_drawn(simulated, tmp_path):
    simulated.healthy(tmp_path / "mine")
    write_ablation(tmp_path / "mine", 349, Ablation(0.5, 0.1, 0.2, 0.2, 150, (GRU, MAP)), "weights")
    figure = carried_share(Run(tmp_path / "mine"), "dark")
    assert list(figure.data[0].x) == pytest.approx([0.02, 0.6])
    assert figure.layout.uirevision == "mine"
