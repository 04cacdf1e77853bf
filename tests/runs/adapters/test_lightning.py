"""The Lightning callback against the same training written by hand."""

import signal

import flatline
import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import AttachError, UnknownNameError
from torch.nn.functional import binary_cross_entropy_with_logits

pl = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed (pip install 'flatline[adapters]')")


@pytest.fixture
def flatline_callback():
    from flatline.runs.adapters.lightning import FlatlineCallback

    return FlatlineCallback("logs/mine", classes=["a", "b", "c"], loss="bce-with-logits")


@pytest.fixture
def tagger(hand):
    """A LightningModule round the tagger; `gives` says what its steps return."""

    class LightningTagger(pl.LightningModule):
        gives = ("loss", "logits", "target")

        def __init__(self):
            super().__init__()
            self.net = hand.Tagger()

        def training_step(self, batch, batch_idx):
            clips, target = batch
            logits = self.net(clips)
            loss = binary_cross_entropy_with_logits(logits, target)
            given = {"loss": loss, "logits": logits, "target": target}
            return {name: given[name] for name in self.gives} if len(self.gives) > 1 else loss

        validation_step = training_step

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    return LightningTagger()


def trainer(*callbacks, **options):
    options = {"max_epochs": 1, **options}
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return pl.Trainer(accelerator="cpu", enable_model_summary=False, callbacks=list(callbacks), **{**quiet, **options})


def loader(hand, n=None):
    return torch.utils.data.DataLoader(hand.batches()[:n], batch_size=None)


pytestmark = pytest.mark.filterwarnings("ignore:.*")  # Lightning's advice on workers and logging intervals


@pytest.mark.parametrize(("accumulate", "clip"), [(1, None), (3, None), (1, 0.05), (4, 0.05)])
def test_rows_are_the_optimisers_steps_with_the_norms_and_losses_of_a_hand_written_loop(
    hand, tagger, flatline_callback, accumulate, clip
):
    trainer(flatline_callback, max_epochs=2, accumulate_grad_batches=accumulate, gradient_clip_val=clip).fit(
        tagger, loader(hand)
    )
    run = flatline.Run("logs/mine")
    norms, losses, totals = hand.loop(epochs=2, accumulate=accumulate, clip=clip, divided_by=accumulate)
    hand.same(run, norms, losses)
    unclipped = run.series("gradient_norm_unclipped")
    np.testing.assert_allclose(unclipped, totals if clip else np.full(len(norms), np.nan), rtol=1e-6)
    assert run.series("epoch").tolist() == np.repeat([0, 1], len(norms) // 2).tolist()
    assert run.status == "finished"


def test_what_a_step_returns_beside_the_loss_gives_scores_and_evaluations(hand, tagger, flatline_callback):
    trainer(flatline_callback, max_epochs=2).fit(tagger, loader(hand), loader(hand, 3))
    run = flatline.Run("logs/mine")
    assert run.lwlrap.notna().any(axis=None)
    assert run.info["output_kind"] == "logits"
    assert run.evaluations.index.tolist() == [hand.n_batches, 2 * hand.n_batches]  # none of the sanity check's
    with torch.no_grad():
        clips, target = (torch.cat(parts) for parts in zip(*hand.batches()[:3], strict=True))
        logits = tagger.net(clips)
    last = run.evaluations.iloc[-1]
    assert last["lwlrap"] == pytest.approx(flatline.lwlrap(logits.numpy(), target.numpy()), abs=1e-6)
    assert last["loss"] == pytest.approx(float(binary_cross_entropy_with_logits(logits, target)), abs=1e-6)


def test_a_step_that_returns_only_the_loss_is_recorded_without_scores(hand, tagger, flatline_callback):
    tagger.gives = ("loss",)
    trainer(flatline_callback).fit(tagger, loader(hand), loader(hand, 2))
    run = flatline.Run("logs/mine")
    hand.same(run, *hand.loop()[:2])
    assert run.lwlrap.isna().all(axis=None)
    assert len(run.evaluations) == 0


def test_the_network_inside_the_module_can_be_named(hand, tagger):
    from flatline.runs.adapters.lightning import FlatlineCallback

    trainer(FlatlineCallback("logs/mine", module="net")).fit(tagger, loader(hand))
    assert flatline.Run("logs/mine").parameters == [name for name, _ in tagger.net.named_parameters()]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_the_scaler_skips_is_a_skipped_row_and_accumulation_is_none(
    hand, tagger, flatline_callback, accumulate
):
    from lightning.pytorch.plugins import MixedPrecision

    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-10)
    mixed = MixedPrecision("16-mixed", "cpu", scaler)
    tagger.net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(32, 3))
    trainer(flatline_callback, plugins=[mixed], accumulate_grad_batches=accumulate).fit(tagger, loader(hand))
    run = flatline.Run("logs/mine")
    skipped = run.series("skipped")
    assert len(run) == hand.n_batches // accumulate
    assert 1 <= skipped.sum() <= 3
    assert skipped.to_numpy()[: skipped.sum()].all()
    assert (run.gradient_norms.isna().all(axis=1) == skipped).all()


def test_in_manual_optimisation_every_optimiser_is_recorded(hand, tagger, flatline_callback):
    tagger.automatic_optimization = False
    two = [torch.optim.SGD(part.parameters(), lr=0.5) for part in (tagger.net.gru, tagger.net.head)]
    tagger.configure_optimizers = lambda: two
    step = tagger.training_step

    def training_step(batch, batch_idx):
        given = step(batch, batch_idx)
        for optimizer in tagger.optimizers():
            optimizer.zero_grad()
        tagger.manual_backward(given["loss"])
        for optimizer in tagger.optimizers():
            optimizer.step()
        return given

    tagger.training_step = training_step
    trainer(flatline_callback).fit(tagger, loader(hand))
    hand.same(flatline.Run("logs/mine"), *hand.loop()[:2])
    assert not any(optimizer._optimizer_step_pre_hooks for optimizer in two)


@pytest.mark.parametrize(
    ("error", "raised", "status"),
    [(RuntimeError, RuntimeError, "failed"), (KeyboardInterrupt, SystemExit, "interrupted")],
)
def test_a_fit_that_ends_in_an_exception_closes_its_run_and_leaves_no_hooks(
    hand, tagger, flatline_callback, error, raised, status
):
    def on_train_batch_start(batch, batch_idx):
        if batch_idx == 4:
            raise error("on purpose")

    tagger.on_train_batch_start = on_train_batch_start
    fitting, before = trainer(flatline_callback), signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(raised):
            fitting.fit(tagger, loader(hand))
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning ignores Ctrl-C from the first one on
    run = flatline.Run("logs/mine")
    assert (run.status, len(run)) == (status, 4)
    assert hand.n_hooks(tagger, *fitting.optimizers) == 0


def test_a_second_fit_is_a_run_of_its_own_and_goes_on_with_the_epochs(hand, tagger, flatline_callback):
    fitting = trainer(flatline_callback)
    fitting.fit(tagger, loader(hand))
    fitting.fit_loop.max_epochs = 3
    fitting.fit(tagger, loader(hand))
    assert set(flatline.Run("logs/mine").series("epoch")) == {1, 2}
    assert set(flatline.Run("logs/mine.1").series("epoch")) == {0}
    assert hand.n_hooks(tagger, *fitting.optimizers) == 0


def test_a_process_that_is_not_the_first_writes_nothing(hand, tagger, flatline_callback, monkeypatch, tmp_path):
    monkeypatch.setattr(pl.Trainer, "is_global_zero", property(lambda trainer: False))
    trainer(flatline_callback, gradient_clip_val=1.0).fit(tagger, loader(hand, 2), loader(hand, 1))
    assert list(tmp_path.iterdir()) == []


def test_it_serves_the_older_package_too(hand, flatline_callback):
    older = pytest.importorskip("pytorch_lightning", reason="pytorch-lightning is not installed")

    class Module(older.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = hand.Tagger()

        def training_step(self, batch, batch_idx):
            return binary_cross_entropy_with_logits(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    older.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[flatline_callback],
    ).fit(Module(), loader(hand))
    hand.same(flatline.Run("logs/mine"), *hand.loop()[:2])


def test_a_training_batch_waits_for_no_tensor(hand, tagger, flatline_callback, no_waiting):
    trainer(flatline_callback, gradient_clip_val=0.05).fit(tagger, loader(hand))
    assert no_waiting == []
    assert flatline.Run("logs/mine").lwlrap.notna().any(axis=None)


@pytest.mark.parametrize("method", ["step", "evaluation"])
def test_a_fault_of_the_recorder_is_told_once_and_the_fit_goes_on(
    hand, tagger, flatline_callback, told, broken, method
):
    broken(method)
    fitting = trainer(flatline_callback, max_epochs=2)
    fitting.fit(tagger, loader(hand), loader(hand, 2))
    assert fitting.global_step == 2 * hand.n_batches
    assert len(told("disk full")) == 1


def test_what_steps_return_in_other_shapes_is_left_out_and_told_once_each(hand, tagger, flatline_callback, told):
    def step(batch, batch_idx):
        logits = tagger.net.head(tagger.net.gru(batch[0])[0])
        return {"loss": logits.square().mean(), "logits": logits, "target": batch[1]}

    tagger.training_step = tagger.validation_step = step
    trainer(flatline_callback, max_epochs=2).fit(tagger, loader(hand), loader(hand, 2))
    run = flatline.Run("logs/mine")
    assert len(run) == 2 * hand.n_batches
    assert run.series("loss").notna().all()
    assert len(run.evaluations) == 0
    for name in ("training_step", "validation_step"):
        (text,) = told(f"{name} returned 'logits' of shape (6, 8, 3)")
        assert "return (clip, class)" in text


def test_a_network_that_is_not_there_is_refused_with_those_that_are(hand, tagger):
    from flatline.runs.adapters.lightning import FlatlineCallback

    with pytest.raises(AttachError, match=r"no module 'nope' .*known: net, net\.gru, net\.head$"):
        trainer(FlatlineCallback("logs/mine", module="nope")).fit(tagger, loader(hand))


def test_wrong_arguments_are_refused_when_the_fit_begins(hand, tagger):
    from flatline.runs.adapters.lightning import FlatlineCallback

    with pytest.raises(UnknownNameError, match="unknown loss"):
        trainer(FlatlineCallback("logs/mine", loss="nope")).fit(tagger, loader(hand))
