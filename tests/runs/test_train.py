import signal

import numpy as np
import pandas as pd
import pytest
import torch
from flatline.diagnostics.errors import RunError
from flatline.diagnostics.lwlrap import lwlrap
from flatline.models import Tagger
from flatline.runs import train as module
from flatline.runs.checkpoints import find, load_state, load_weights
from flatline.runs.evaluate import scores_of
from flatline.runs.predict import Predictor
from flatline.runs.recipe import RecipeError
from flatline.runs.run import Run
from flatline.runs.task import prepare
from flatline.runs.train import make_model, train


@pytest.fixture(scope="module")
def trained(small_recipe, small_task, tmp_path_factory):
    return train(small_recipe("story-published"), small_task, tmp_path_factory.mktemp("logs"))


def test_a_run_is_recorded_evaluated_and_closed(trained, small_task):
    run = Run(trained.path)
    assert (trained.status, run.status, run.name) == ("finished", "finished", "story-published")
    assert run.scalars.index.tolist() == list(range(6))
    assert run.evaluations.index.tolist() == [0, 3, 6]
    assert run.evaluations[["lwlrap", "lrap", "loss", "chance", "constant"]].notna().all(axis=None)
    assert run.gradient_norms.notna().all(axis=None)
    assert run.classes == list(small_task.clipset.classes)
    assert run.info["data"]["counts"]["train"] == 64
    assert len(run.map_iterations()) == 6
    assert len(run.info["clips"]) == 3
    assert run.map_iterations(run.info["clips"][0]).tolist() == [0, 3, 6]
    assert trained.last["lwlrap"] == pytest.approx(run.evaluations.lwlrap.iloc[-1])
    assert trained.best["lwlrap"] == pytest.approx(run.evaluations.lwlrap.max())


def test_the_log_holds_no_nulls_and_the_types_of_the_contract(trained):
    frame = pd.read_parquet(trained.path / "iterations")
    kinds = {"iteration": "int64", "epoch": "int32", "wall_time": "float64", "skipped": "bool"}
    for name in frame.columns:
        if frame[name].dtype == object:
            assert all(isinstance(value, np.ndarray) and value.dtype == np.float32 for value in frame[name]), name
        else:
            assert str(frame[name].dtype) == kinds.get(name, "float32"), name
    assert {*kinds, "loss", "learning_rate", "gradient_norm_total", "gradient_norm_mean"} <= set(frame.columns)
    assert {"gradient_norm", "lwlrap", "positives", "attention_entropy", "attention_peak"} <= set(frame.columns)
    assert len(set(frame.gradient_norm.map(len))) == 1
    assert set(frame.lwlrap.map(len)) == {80}


def test_the_checkpoint_of_a_run_rebuilds_the_same_scores(trained, small_task):
    predictor = Predictor(Run(trained.path))
    assert predictor.checkpoint == "best"
    scores, _ = scores_of(predictor.model, small_task.validation_batches(), use_mask=False)
    target = small_task.targets[small_task.validation] > 0
    assert lwlrap(scores, target) == pytest.approx(trained.best["lwlrap"], abs=1e-9)


def newest_weights(run):
    return find(run, "last")[-1].read_bytes()


def test_one_seed_gives_bit_identical_weights_and_rows(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-attention")
    runs = [train(recipe, small_task, tmp_path / name).path for name in ("a", "b")]
    weights = [newest_weights(path) for path in runs]
    assert weights[0] == weights[1]
    first, second = (pd.read_parquet(path / "iterations").drop(columns="wall_time") for path in runs)
    # Which rows have total hidden gradients is the clock's choice; where both have them they are equal.
    replayed = [column for column in first if column.startswith("hidden_gradient.")]
    assert replayed
    pd.testing.assert_frame_equal(first.drop(columns=replayed), second.drop(columns=replayed), check_exact=True)
    for column in replayed:
        np.testing.assert_array_equal(first[column][0], second[column][0])
    other = train(small_recipe("story-attention", "seed=1"), small_task, tmp_path / "c").path
    assert newest_weights(other) != weights[0]


def test_recording_less_changes_no_weight(small_recipe, small_task, tmp_path):
    weights = []
    for level in ("light", "deep"):
        recipe = small_recipe("story-attention", f"level={level}", "pinned=0" if level == "light" else "pinned=3")
        weights.append(newest_weights(train(recipe, small_task, tmp_path / level).path))
    assert weights[0] == weights[1]


def test_names_are_numbered_when_taken_and_a_given_one_is_never_written_over(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-plain", "iterations=1")
    names = [train(recipe, small_task, tmp_path).path.name for _ in range(2)]
    assert names == ["story-plain", "story-plain-2"]
    before = Run(tmp_path / "story-plain").gradient_norms
    with pytest.raises(RunError, match="story-plain is there already"):
        train(recipe, small_task, tmp_path, name="story-plain")
    pd.testing.assert_frame_equal(Run(tmp_path / "story-plain").gradient_norms, before)


def seen_masks(monkeypatch):
    masks, forward = [], Tagger.forward

    def spy(self, clips, mask=None):
        masks.append(mask)
        return forward(self, clips, mask)

    monkeypatch.setattr(Tagger, "forward", spy)
    return masks


def test_masks_reach_the_model_in_training_and_evaluation(tiny_data, small_recipe, tmp_path, monkeypatch):
    recipe = small_recipe("story-published", "data.mask=true", "data.scaling=standardise", "pinned=0", "ablate=false")
    masks = seen_masks(monkeypatch)
    run = Run(train(recipe, prepare(recipe, tiny_data), tmp_path).path)
    assert len(masks) == 6 + 3
    assert all(mask is not None and mask.dtype == torch.bool for mask in masks)
    assert all(mask.any(dim=1).all() and not mask.all() for mask in masks)
    assert run.info["data"]["scaling"]["kind"] == "bin-standardisation"


def test_without_the_key_no_mask_reaches_the_model(small_recipe, small_task, tmp_path, monkeypatch):
    masks = seen_masks(monkeypatch)
    train(small_recipe("story-published"), small_task, tmp_path)
    assert masks
    assert all(mask is None for mask in masks)


def test_a_mask_changes_the_scores_of_padded_clips(tiny_data, small_recipe, small_task):
    model = make_model(small_recipe("story-published"), small_task).eval()
    batch = small_task.batch(small_task.validation)
    with torch.no_grad():
        plain, masked = model(batch.inputs), model(batch.inputs, batch.mask)
    padded = ~batch.mask.all(dim=1)
    assert padded.any()
    assert ((plain - masked).abs().amax(dim=1) > 1e-6)[padded].all()


def test_folds_bad_clips_and_the_simple_network_can_be_trained(tiny_data, small_recipe, tmp_path):
    settings = ("data.fold=1", "data.n_folds=4", "data.skip_bad=true", "model.architecture=attention-only")
    recipe = small_recipe("story-attention", *settings, "model.options={}", "iterations=2")
    run = Run(train(recipe, prepare(recipe, tiny_data), tmp_path).path)
    assert (run.info["data"]["split"], len(run), run.status) == ("fold", 2, "finished")


def test_it_stops_early_when_no_evaluation_is_better(small_recipe, small_task, tmp_path):
    settings = ("early_stop=2", "evaluate_every=1", "iterations=50", "learning_rate=1e-30")
    run = Run(train(small_recipe("story-plain", *settings), small_task, tmp_path).path)
    scores = run.evaluations.lwlrap
    assert scores.index[-1] == scores.idxmax() + 2 < 50
    assert (run.status, len(run)) == ("finished", scores.index[-1])


def test_clipping_shows_the_norm_before_and_the_one_the_optimiser_saw(small_recipe, small_task, tmp_path):
    scalars = Run(train(small_recipe("story-plain", "clip_norm=1e-3"), small_task, tmp_path).path).scalars
    assert (scalars.gradient_norm_total < 1.001e-3).all()
    assert (scalars.gradient_norm_unclipped > 1e-2).all()


def test_logits_into_a_loss_on_probabilities_are_refused_before_anything_is_written(small_recipe, small_task, tmp_path):
    with pytest.raises(RecipeError, match="loss is bce, which takes probabilities, but the head gives logits"):
        train(small_recipe("story-plain", "loss=bce"), small_task, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.head=heads", "unknown head 'heads'"),
        ("model.architecture=x", "unknown architecture 'x'"),
        ("model.options={chanels: 3}", "unknown option 'chanels' of architecture cgrnn"),
        ("device=abacus", "device 'abacus' is not to be had"),
    ],
)
def test_what_cannot_be_built_is_said_before_anything_is_written(small_recipe, small_task, tmp_path, setting, message):
    with pytest.raises(RecipeError, match=message):
        train(small_recipe("story-plain", setting), small_task, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_prior_bias_starts_the_scores_at_the_class_prior(small_recipe, small_task):
    model = make_model(small_recipe("story-prior-bias"), small_task)
    share = model.get_parameter("head.classification.bias").sigmoid().detach().numpy()
    positive = small_task.prior > 0
    np.testing.assert_allclose(share[positive], small_task.prior[positive], rtol=1e-3)


def at_iteration(number, *signals):
    def watch(reached):
        if reached.iteration == number:
            for one in signals:
                signal.raise_signal(one)

    return watch


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_in_order_with_a_checkpoint(small_recipe, small_task, tmp_path, number):
    before = signal.getsignal(number)
    recipe = small_recipe("story-plain", "iterations=500")
    ended = train(recipe, small_task, tmp_path, watch=at_iteration(4, number))
    run = Run(ended.path)
    assert (ended.status, run.status, len(run)) == ("interrupted", "interrupted", 4)
    assert pd.read_parquet(run.path / "iterations").iteration.tolist() == list(range(4))
    state = load_state(run.path)
    assert state["iteration"] == 4
    model = make_model(recipe, small_task)
    load_weights(run.path, model, ("last",))
    torch.optim.Adam(model.parameters()).load_state_dict(state["optimizer"])
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_raises_at_once_and_the_log_is_closed(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-plain", "iterations=500")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, small_task, tmp_path, watch=at_iteration(4, signal.SIGINT, signal.SIGINT))
    run = Run(tmp_path / "story-plain")
    assert (run.status, len(run)) == ("interrupted", 4)
    assert len(pd.read_parquet(run.path / "iterations")) == 4


def test_a_fault_in_the_loop_leaves_a_closed_log_that_says_failed(small_recipe, small_task, tmp_path, monkeypatch):
    calls = iter(range(100))

    def fail(*args, **kwargs):
        if next(calls) == 1:
            raise ZeroDivisionError
        return scores_of(*args, **kwargs)

    monkeypatch.setattr(module, "scores_of", fail)
    with pytest.raises(ZeroDivisionError):
        train(small_recipe(), small_task, tmp_path)
    assert Run(tmp_path / "story-plain").status == "failed"
    assert len(pd.read_parquet(tmp_path / "story-plain" / "iterations")) == 3


@pytest.mark.parametrize("options", ["{channels: -1}", "{channels: x}", "{n_hidden: 2.5}"])
def test_an_option_that_the_network_cannot_take_names_it(options, small_recipe, small_task):
    with pytest.raises(RecipeError, match=r"model\.options\.(channels|n_hidden) is .*; give a whole number"):
        make_model(small_recipe("story-plain", f"model.options={options}"), small_task)


def test_a_gradient_scaler_trains_and_its_unscaled_norms_are_recorded(small_recipe, small_task, tmp_path):
    """The loop's mixed-precision branch, on a CPU: scaling alone must change neither norms nor weights."""
    runs = []
    for name, scaler in (("plain", None), ("scaled", torch.amp.GradScaler("cpu", init_scale=1024.0))):
        training = module.Training(small_recipe("story-plain", "iterations=4", "clip_norm=0.05"), small_task)
        training.scaler = scaler
        path = tmp_path / name
        path.mkdir()
        runs.append(Run(training.run(path).path))
    plain, scaled = runs
    assert not scaled.series("skipped").any()
    np.testing.assert_allclose(scaled.gradient_norms, plain.gradient_norms, rtol=1e-3, atol=1e-6)
    assert (scaled.series("gradient_norm_unclipped") > scaled.series("gradient_norm_total")).any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_mixed_precision_on_a_gpu_trains_and_records(small_recipe, small_task, tmp_path):
    recipe = small_recipe("story-attention", "iterations=20", "mixed_precision=true", "device=cuda")
    run = Run(train(recipe, small_task, tmp_path).path)
    taken = ~run.series("skipped")
    assert taken.sum() > 10
    assert np.isfinite(run.series("gradient_norm_total")[taken]).all()
