import numpy as np
import pytest
from flatline.diagnostics.errors import UnknownNameError
from flatline.diagnostics.history import FEWEST, MOST, MOST_BYTES, History


def row(iteration, **columns):
    return {"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": float(iteration), **columns}


@pytest.fixture
def history():
    info = {"parameters": ["a", "b"], "parameter_parts": ["conv", "head"], "classes": ["x", "y", "z"]}
    return History(lambda: info)


def test_it_keeps_at_most_its_bound_with_the_newest_rows_whole_and_the_first_still_there(history):
    for iteration in range(10 * MOST):
        history.see(row(iteration))
        assert len(history) <= MOST
    at = history.scalars.index.to_numpy()
    assert at[0] == 0
    assert at[-MOST // 2 :].tolist() == list(range(10 * MOST - MOST // 2, 10 * MOST))
    assert (np.diff(at) > 0).all()
    assert len(history) > MOST // 2


def test_scalars_are_a_table_of_numbers_by_iteration_without_the_rows_own_coordinates(history):
    for iteration in (3, 5):
        history.see(row(iteration, skipped=False, lwlrap=np.ones(3, dtype=np.float32)))
    assert history.scalars.index.tolist() == [3, 5]
    assert history.scalars.to_dict("list") == {"loss": [3.0, 5.0], "skipped": [False, False]}


def test_lists_come_by_parameter_class_and_frame(history):
    for iteration in range(2):
        columns = {"gradient_norm": [1.0, iteration], "positives": [0, 1, 2], "hidden_gradient.gru": [1, 2, 3, 4]}
        history.see(row(iteration, **columns))
    assert history.by_parameter("gradient_norm").to_numpy().tolist() == [[1, 0], [1, 1]]
    assert history.by_class("positives").shape == (2, 3)
    assert history.hidden_gradients("gru").shape == (2, 4)
    with pytest.raises(UnknownNameError, match=r"unknown column 'weight_norm'.*gradient_norm"):
        history.by_parameter("weight_norm")


def test_what_came_late_is_nan_before_it_and_a_late_list_is_no_number(history):
    history.see(row(0))
    history.see(row(1, rho=0.5, positives=[1, 2, 3]))
    assert history.scalars["rho"].isna().tolist() == [True, False]
    assert "positives" not in history.scalars
    assert np.isnan(history.by_class("positives").to_numpy()[0]).all()


def test_what_the_newest_row_lacks_is_there_if_the_first_had_it(history):
    history.see(row(0, learning_rate=0.1))
    history.see(row(1))
    assert history.scalars["learning_rate"].tolist()[0] == 0.1


def test_evaluations_stand_beside_the_rows(history):
    history.see_evaluation(
        {
            **row(7),
            "lwlrap": 0.5,
            "class_lwlrap": [0.1, 0.2, 0.3],
            "class_positives": [1, 2, 3],
            "ablation.rnn.gru": 0.4,
        }
    )
    assert history.evaluation_scalars.loc[7, "lwlrap"] == 0.5
    assert history.evaluation_lwlrap.to_numpy().tolist() == [pytest.approx([0.1, 0.2, 0.3])]
    assert history.evaluation_positives.to_numpy().tolist() == [[1, 2, 3]]
    assert history.ablations.columns.tolist() == ["ablation.rnn.gru"]


def test_it_says_what_is_known_besides_the_rows(history):
    assert (history.parts, list(history.classes), history.status) == (
        {"a": "conv", "b": "head"},
        ["x", "y", "z"],
        "running",
    )
    history.see_event("gap", 4, calls=2)
    assert history.events() == [{"kind": "gap", "iteration": 4, "calls": 2}]


def test_before_the_first_row_tables_are_empty(history):
    assert (len(history.scalars), len(history.evaluation_scalars), history.ablations.empty) == (0, 0, True)
    with pytest.raises(UnknownNameError):
        history.by_class("positives")


@pytest.mark.parametrize(("entries", "most"), [(1000, MOST_BYTES // 8000), (2048, MOST_BYTES // 16384), (10, MOST)])
def test_of_rows_with_long_lists_fewer_are_kept(entries, most, history):
    lists = np.zeros(entries, dtype=np.float32)
    for iteration in range(2 * MOST + 100):
        history.see(row(iteration, lwlrap=lists, positives=lists))
        assert len(history) <= most
    assert len(history) > most // 2
    assert history.scalars.index[-1] == 2 * MOST + 99


def test_two_hundred_rows_are_kept_of_any_size(history):
    lists = {f"attention_peak.{number}": np.zeros(2048, dtype=np.float32) for number in range(100)}
    for iteration in range(300):
        history.see(row(iteration, **lists))
    assert FEWEST // 2 < len(history) <= FEWEST


@pytest.mark.parametrize(("n", "is_kept"), [(2048, True), (2049, False)])
def test_lists_of_a_whole_vocabulary_are_not_kept(n, is_kept, history):
    history.see(row(0, positives=np.zeros(n, dtype=np.float32), rho=0.5))
    assert history.scalars["rho"].tolist() == [0.5]
    if is_kept:
        assert history.by_class("positives").shape == (1, n)
    else:
        with pytest.raises(UnknownNameError):
            history.by_class("positives")


def test_lists_that_no_detector_reads_are_not_kept(history):
    history.see(row(0, **{"running_lwlrap": np.ones(3), "hidden_gradient_direct.gru": np.ones(4)}))
    for read in (lambda: history.by_class("running_lwlrap"), lambda: history.hidden_gradients("gru", direct=True)):
        with pytest.raises(UnknownNameError):
            read()
