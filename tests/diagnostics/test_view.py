import numpy as np
import pytest
from flatline.diagnostics.view import View

AT = np.arange(400)


def test_a_signal_that_is_all_nan_was_not_recorded(made):
    view = View(made({"rho": np.nan, "loss": np.where(AT == 7, 1.0, np.nan), "lwlrap": np.nan}))
    assert (view.scalar("rho"), view.scalar("no such"), view.columns("lwlrap"), view.columns("no such")) == (None,) * 4
    assert view.loss is not None
    assert np.flatnonzero(np.isfinite(view.loss)).tolist() == [7]


def test_rows_that_a_scaler_skipped_are_left_out_of_all_tables(made):
    skipped = AT % 4 == 1
    view = View(made({"skipped": skipped, "loss": AT, "gradient_norm": np.repeat(AT[:, None], 7, axis=1)}))
    kept = AT[~skipped]
    for values in (view.iterations, view.loss, view.columns("gradient_norm")[:, 0], view.medians("gradient_norm")):
        assert values.tolist() == kept.tolist()
    assert view.hidden_gradients("gru").index.tolist() == kept.tolist()
    assert view.last == 399


def test_before_the_first_row_there_is_no_last(made):
    view = View(made(rows=slice(0, 0)))
    assert (view.last, view.loss, view.gradient_norms) == (-1, None, None)


def test_infinities_are_values(made):
    view = View(made({"loss": np.inf, "gradient_norm": np.inf}))
    assert np.isinf(view.loss).all()
    assert np.isinf(view.columns("gradient_norm")).all()


def test_without_any_gradient_norms_are_nan_and_without_their_total_unknown(made):
    assert np.isnan(View(made({"gradient_norm": None})).gradient_norms).all()
    assert View(made({"gradient_norm": None, "gradient_norm_total": None})).gradient_norms is None


def test_paths_are_those_that_have_values(made):
    view = View(made({"saturation.lstm": 0.5, "hidden_spread.rnn": np.nan, "saturated.other": 1.0}))
    assert (view.paths("saturation"), view.rnns) == (["gru", "lstm"], ["gru", "lstm"])


def test_medians_are_over_all_entries_or_some(made):
    norms = np.repeat(np.arange(7.0)[None], 400, axis=0)
    norms[3, 6] = np.nan
    view = View(made({"gradient_norm": norms}))
    assert (view.medians("gradient_norm")[0], view.medians("gradient_norm")[3]) == (3, 2.5)
    assert view.medians("gradient_norm", (0, 1))[0] == 0.5
    assert view.medians("no such") is None


def test_the_batchs_lwlrap_is_that_of_its_classes_weighted_by_their_clips(made):
    random = np.random.default_rng(0)
    positives = random.integers(0, 4, (400, 12)).astype(float)
    scores = np.where(positives > 0, random.random((400, 12)), np.nan)
    positives[5], scores[5] = 0, np.nan
    lwlrap = View(made({"positives": positives, "lwlrap": scores})).training_lwlrap
    assert lwlrap is not None
    for row in (0, 17, 399):
        expected = sum(s * p for s, p in zip(scores[row], positives[row], strict=True) if p) / positives[row].sum()
        assert lwlrap[row] == pytest.approx(expected, rel=1e-5)
    assert np.isnan(lwlrap[5])


def test_the_score_is_held_against_the_higher_of_chance_and_constant_level(made):
    view = View(made({"evaluation.lwlrap": 0.5, "evaluation.chance": np.array([0.1, 0.2, 0.4, 0.45, 0.5])}))
    assert view.excess().tolist() == pytest.approx([0.2, 0.2, 0.1, 0.05, 0.0], abs=1e-6)
    assert View(made({"evaluation.lwlrap": np.nan})).excess().empty
    assert View(made({"evaluation.lwlrap": None})).excess() is None


@pytest.mark.parametrize(("score", "labels", "learned"), [(0.345, 20, True), (0.325, 20, False), (0.335, 2000, True)])
def test_it_has_learned_where_the_newest_score_is_above_the_margin_and_the_noise(score, labels, learned, made):
    """12 classes of 20 clips: two standard deviations of a random ranking's lwlrap are .033."""
    scores = np.array([0.9, 0.9, 0.9, 0.9, score])
    assert View(made({"evaluation.lwlrap": scores, "evaluation.class_positives": labels})).has_learned is learned


@pytest.mark.parametrize(("loss", "learned"), [(0.31, True), (0.32, False), (0.5, None)])
def test_without_evaluations_the_loss_says_whether_it_has_learned(loss, learned, made):
    """H0 is .35, nine tenths of it .315."""
    columns = dict.fromkeys([name for name in made().columns if name.startswith("evaluation.")])
    assert View(made({**columns, "loss": np.where(AT < 350, 0.7, loss)})).has_learned is learned
    fallen = np.where(AT < 350, 0.7, 0.5)
    assert View(made({**columns, "label_entropy": None, "loss": 0.7})).has_learned is None
    assert View(made({**columns, "label_entropy": None, "loss": fallen})).has_learned is True


def test_the_norm_before_clipping_stands_where_it_was_told(made):
    unclipped = np.where(AT < 10, np.nan, 5.0)
    norms = View(made({"gradient_norm_total": 1.0, "gradient_norm_unclipped": unclipped})).unclipped_norm()
    assert norms[[0, 9, 10, 399]].tolist() == [1, 1, 5, 5]


def test_of_two_evaluations_of_an_iteration_the_newer_counts(made):
    view = View(made({"evaluation.lwlrap": np.array([0.1, 0.2, 0.3, 0.4, 0.5])}, evaluated=[0, 100, 200, 200, 300]))
    assert view.evaluations["lwlrap"].tolist() == pytest.approx([0.1, 0.2, 0.4, 0.5])
    assert view.standing() == pytest.approx({"lwlrap": 0.5, "chance": 0.26, "constant": 0.3})


def test_parts_are_places_in_data_flow_order(made):
    assert View(made()).parts() == {"conv": [0, 1], "rnn": [2, 3], "attention": [4], "head": [5, 6]}


def test_an_ablation_is_the_newest_that_tried_the_part(made):
    columns = {"evaluation.ablation.rnn.gru": np.array([np.nan, 0.5, 0.7, np.nan, np.nan])}
    columns |= {f"evaluation.ablation.rnn.gru.{end}": 0.1 for end in ("low", "high")}
    assert View(made(columns)).ablation("rnn.gru") == pytest.approx({"share": 0.7, "low": 0.1, "high": 0.1})
    assert View(made()).ablation("rnn.gru") is None


def test_columns_by_parameter_are_read_once_and_long_ones_by_class_are_not_kept(made):
    asked = []
    run = made()
    by_class, by_parameter = run.by_class, run.by_parameter
    run.by_class = lambda column: asked.append(column) or by_class(column)
    run.by_parameter = lambda column: asked.append(column) or by_parameter(column)
    view = View(run)
    for _ in range(3):
        view.medians("attention_peak"), view.columns("positives"), view.columns("update_ratio")
        view.medians("update_ratio")
    assert sorted(asked) == ["attention_peak", "positives", "update_ratio"]


@pytest.mark.parametrize(("score", "learned"), [(0.325, True), (0.315, False)])
@pytest.mark.parametrize("positives", [None, 0.0], ids=["not recorded", "no labels"])
def test_without_the_labels_of_an_evaluation_the_margin_alone_counts(score, learned, positives, made):
    columns = {"evaluation.lwlrap": score, "evaluation.class_positives": positives}
    assert View(made(columns)).has_learned is learned


@pytest.mark.parametrize(("rows", "learned"), [(39, None), (40, True)])
def test_a_loss_of_less_than_forty_rows_says_nothing(rows, learned, made):
    loss = np.where(AT < 20, 0.7, 0.1)
    assert View(made({"loss": loss}, rows=slice(0, rows), evaluated=[])).has_learned is learned
