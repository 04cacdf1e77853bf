"""The skorch callback against the same training written by hand."""

import pickle
from types import SimpleNamespace

import flatline
import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import UnknownNameError

skorch = pytest.importorskip("skorch", reason="skorch is not installed (pip install 'flatline[adapters]')")

predefined_split = pytest.importorskip("skorch.helper", reason="skorch is not installed").predefined_split


@pytest.fixture
def callback():
    """callback(**options) is one that writes to logs/mine."""
    from flatline.runs.adapters.skorch import FlatlineCallback

    return lambda **options: FlatlineCallback("logs/mine", **{"output": "logits", **options})


@pytest.fixture
def arrays(hand):
    return tuple(np.concatenate([part.numpy() for part in parts]) for parts in zip(*hand.batches(), strict=True))


def net(hand, *callbacks, kind=None, **options):
    given = {
        "module": hand.Tagger,
        "criterion": torch.nn.BCEWithLogitsLoss,
        "optimizer": torch.optim.SGD,
        "lr": 0.5,
        "batch_size": 6,
        "max_epochs": 1,
        "train_split": None,
        "verbose": 0,
        "callbacks": list(callbacks),
    }
    return (kind or skorch.NeuralNet)(**{**given, **options})


def test_rows_are_the_optimisers_steps_with_the_norms_and_losses_of_a_hand_written_loop(hand, arrays, callback):
    net(hand, callback(), max_epochs=2).fit(*arrays)
    run = flatline.Run("logs/mine")
    hand.same(run, *hand.loop(epochs=2)[:2])
    assert run.series("epoch").tolist() == np.repeat([0, 1], hand.n_batches).tolist()
    assert run.status == "finished"


def test_accumulated_batches_are_one_row(hand, arrays, callback):
    class Accumulating(skorch.NeuralNet):
        """As skorch's documentation has it: a step every other batch."""

        def train_step(self, batch, **fit_params):
            first = len(self.history[-1, "batches"]) % 2 == 1
            if first:
                self.optimizer_.zero_grad()
            step = self.train_step_single(batch, **fit_params)
            if not first:
                self.optimizer_.step()
            return step

        def get_loss(self, *args, **kwargs):
            return super().get_loss(*args, **kwargs) / 2

    net(hand, callback(), kind=Accumulating).fit(*arrays)
    norms, losses, _ = hand.loop(accumulate=2)
    hand.same(flatline.Run("logs/mine"), norms, losses / 2)


def test_what_the_module_gives_is_recorded_under_the_name_that_was_said(hand, arrays, callback):
    split = predefined_split(skorch.dataset.Dataset(*(array[:12] for array in arrays)))
    fitted = net(hand, callback(), train_split=split, max_epochs=2).fit(*arrays)
    run = flatline.Run("logs/mine")
    assert run.info["output_kind"] == "logits"
    assert run.lwlrap.notna().any(axis=None)
    assert run.evaluations.index.tolist() == [hand.n_batches, 2 * hand.n_batches]
    logits = fitted.forward(arrays[0][:12]).numpy()
    last = run.evaluations.iloc[-1]
    assert last["lwlrap"] == pytest.approx(flatline.lwlrap(logits, arrays[1][:12]), abs=1e-6)
    assert last["loss"] == pytest.approx(fitted.history[-1, "valid_loss"], abs=1e-6)


def test_without_a_name_the_output_is_not_recorded(hand, arrays, callback):
    net(hand, callback(output=None), train_split=skorch.dataset.ValidSplit(5)).fit(*arrays)
    run = flatline.Run("logs/mine")
    assert len(run) > 0
    assert run.lwlrap.isna().all(axis=None)
    assert len(run.evaluations) == 0


def test_an_unknown_output_is_refused_with_the_known_ones(hand, arrays, callback):
    with pytest.raises(UnknownNameError, match=r"unknown output 'scores' \(FlatlineCallback\); known: .*logits"):
        net(hand, callback(output="scores")).fit(*arrays)


def test_an_exception_in_the_block_closes_the_run_as_failed_and_leaves_no_hooks(hand, arrays, callback):
    recording = callback()
    fitting = net(hand, recording)
    with pytest.raises(TypeError), recording:
        fitting.fit(arrays[0].astype(object), arrays[1])
    assert flatline.Run("logs/mine").status == "failed"
    assert hand.n_hooks(fitting.module_, fitting.optimizer_) == 0


def test_a_run_that_a_failed_fit_left_open_has_failed_when_the_next_begins(hand, arrays, callback):
    recording = callback()
    fitting = net(hand, recording)
    with pytest.raises(TypeError):
        fitting.fit(arrays[0].astype(object), arrays[1])
    first = fitting.optimizer_
    fitting.fit(*arrays)
    assert flatline.Run("logs/mine.1").status == "failed"
    assert flatline.Run("logs/mine").status == "finished"
    assert hand.n_hooks(first, fitting.module_, fitting.optimizer_) == 0


class Stopping(skorch.callbacks.Callback):
    """Raises what Ctrl-C does: in the first epoch's training, in its validation, or to stop early at its end."""

    def __init__(self, when):
        self.when = when

    def on_batch_end(self, net, training=None, **kwargs):
        in_place = self.when == ("training" if training else "validation")
        if in_place and (not training or len(net.history[-1, "batches"]) == 4):
            raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("when", "status", "rows"),
    [("early", "finished", 10), ("training", "interrupted", 4), ("validation", "interrupted", 10)],
)
@pytest.mark.parametrize("first", [True, False])
def test_ctrl_c_is_an_interruption_and_early_stopping_is_none(hand, arrays, callback, when, status, rows, first):
    split = predefined_split(skorch.dataset.Dataset(*arrays))
    callbacks = [callback(), Stopping(when)] if first else [Stopping(when), callback()]
    net(hand, *callbacks, train_split=split, max_epochs=5).fit(*arrays)
    run = flatline.Run("logs/mine")
    assert run.status == status
    assert len(run) == (rows - 1 if when == "training" and not first else rows)
    assert len(run.evaluations) == (1 if when == "early" else 0)


def test_a_process_that_is_not_the_first_writes_nothing(hand, arrays, callback, tmp_path):
    fitting = net(hand, callback(), train_split=skorch.dataset.ValidSplit(5))
    fitting.accelerator = SimpleNamespace(is_main_process=False)
    fitting.fit(*arrays)
    assert not (tmp_path / "logs").exists()


def test_a_clone_and_a_pickle_of_a_net_take_the_callback_along(hand, arrays, callback):
    from sklearn.base import clone

    fitting = clone(net(hand, callback(classes=["a", "b", "c"], loss="bce-with-logits")))
    again = pickle.loads(pickle.dumps(fitting.fit(*arrays)))
    assert again.callbacks[0].get_params()["classes"] == ["a", "b", "c"]
    assert flatline.Run("logs/mine").classes == ["a", "b", "c"]


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_net_under_accelerate_is_recorded_and_a_step_that_its_scaler_skips_is_a_skipped_row(
    hand, arrays, callback, accumulate, scaled
):
    accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")
    from skorch.hf import AccelerateMixin

    class Accelerated(AccelerateMixin, skorch.NeuralNet):
        def get_loss(self, *args, **kwargs):
            return super().get_loss(*args, **kwargs) * 100

    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    accelerator.scaler = hand.overflowing_scaler() if scaled else None
    net(hand, callback(), kind=Accelerated, accelerator=accelerator, device=None).fit(*arrays)
    run = flatline.Run("logs/mine")
    assert run.series("skipped").tolist() == [scaled] + [False] * (hand.n_batches // accumulate - 1)
    assert (run.gradient_norms.isna().all(axis=1) == run.series("skipped")).all()


def test_a_training_batch_waits_for_no_tensor(hand, arrays, callback, no_waiting):
    net(hand, callback()).fit(*arrays)
    assert no_waiting == []
    assert flatline.Run("logs/mine").lwlrap.notna().any(axis=None)


@pytest.mark.parametrize("method", ["step", "evaluation"])
def test_a_fault_of_the_recorder_is_told_once_and_the_fit_goes_on(hand, arrays, callback, told, broken, method):
    broken(method)
    fitted = net(hand, callback(), train_split=skorch.dataset.ValidSplit(5), max_epochs=3).fit(*arrays)
    assert len(fitted.history) == 3
    assert len(told("disk full")) == 1


def test_an_output_that_scores_no_classes_is_left_out_and_told_once(hand, arrays, callback, told):
    class Framewise(hand.Tagger):
        def forward(self, clips):
            return self.head(self.gru(clips)[0])

    target = np.repeat(arrays[1][:, None], 8, axis=1)
    split = skorch.dataset.ValidSplit(5)
    net(hand, callback(), module=Framewise, train_split=split, max_epochs=2).fit(arrays[0], target)
    run = flatline.Run("logs/mine")
    assert run.series("loss").notna().all()
    assert run.gradient_norms.notna().all(axis=None)
    assert len(told("some of on_batch_end")) == 1
    assert len(told("some of on_epoch_end")) == 1
