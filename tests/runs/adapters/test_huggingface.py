"""The transformers callback against the same training written by hand."""

import copy
import pickle
from types import SimpleNamespace

import flatline
import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed (pip install 'flatline[adapters]')"
)
pytest.importorskip("accelerate", reason="transformers trains with accelerate (pip install 'flatline[adapters]')")


@pytest.fixture
def flatline_callback():
    from flatline.runs.adapters.huggingface import FlatlineCallback

    return FlatlineCallback("logs/mine", classes=["a", "b", "c"], loss="bce-with-logits")


@pytest.fixture
def tagger(hand):
    """The tagger as transformers has models: labels in, loss and logits out."""

    class Labelled(torch.nn.Module):
        form = dict
        factor = 1.0

        def __init__(self):
            super().__init__()
            self.net = hand.Tagger()

        def forward(self, clips, labels=None):
            logits = self.net(clips)
            loss = None if labels is None else self.factor * binary_cross_entropy_with_logits(logits, labels)
            return {"loss": loss, "logits": logits} if self.form is dict else (loss, logits)

    return Labelled()


class InOrder(transformers.Trainer):
    """Takes the clips as they come; a scaler may be given, which transformers itself makes on GPUs only."""

    scaler = None

    def _get_train_sampler(self, dataset=None):
        return None

    def create_accelerator_and_postprocess(self):
        super().create_accelerator_and_postprocess()
        self.accelerator.scaler = self.scaler


def clips(hand, n=None):
    return [
        {"clips": clip, "labels": labels} for batch in hand.batches()[:n] for clip, labels in zip(*batch, strict=True)
    ]


def trainer(model, dataset, *callbacks, kind=InOrder, **options):
    given = {
        "output_dir": "out",
        "per_device_train_batch_size": 6,
        "per_device_eval_batch_size": 4,
        "num_train_epochs": 1,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.0,
    }
    arguments = transformers.TrainingArguments(**{**given, **options})
    fitting = kind(
        model,
        arguments,
        train_dataset=dataset,
        eval_dataset=dataset[:10],
        optimizers=(torch.optim.SGD(model.parameters(), lr=0.5), None),
        callbacks=list(callbacks),
    )
    fitting.remove_callback(transformers.PrinterCallback)
    return fitting


@pytest.mark.parametrize(("accumulate", "clip"), [(1, None), (4, None), (1, 0.05), (3, 0.05)])
def test_rows_are_the_optimisers_steps_with_the_norms_and_losses_of_a_hand_written_loop(
    hand, tagger, flatline_callback, accumulate, clip
):
    trainer(
        tagger,
        clips(hand),
        flatline_callback,
        num_train_epochs=2,
        gradient_accumulation_steps=accumulate,
        max_grad_norm=clip or 0.0,
    ).train()
    run = flatline.Run("logs/mine")
    norms, losses, _ = hand.loop(epochs=2, accumulate=accumulate, clip=clip)
    hand.same(run, norms, losses)
    assert run.series("epoch").tolist() == np.repeat([0, 1], len(norms) // 2).tolist()
    assert run.status == "finished"
    assert run.lwlrap.notna().any(axis=None)


def test_a_model_that_divides_by_all_accumulated_items_has_its_losses_summed(hand, tagger, flatline_callback):
    class Dividing(type(tagger)):
        accepts_loss_kwargs = True

        def forward(self, clips, labels=None, num_items_in_batch=None):
            logits = self.net(clips)
            given = {} if num_items_in_batch is None else {"reduction": "sum"}
            loss = None if labels is None else binary_cross_entropy_with_logits(logits, labels, **given)
            return {"loss": loss if num_items_in_batch is None else loss / num_items_in_batch, "logits": logits}

    trainer(Dividing(), clips(hand), flatline_callback, gradient_accumulation_steps=4).train()
    hand.same(flatline.Run("logs/mine"), *hand.loop(accumulate=4)[:2])


@pytest.mark.parametrize("form", [dict, tuple])
def test_evaluations_hold_the_logits_of_the_evaluation_loop(hand, tagger, flatline_callback, form):
    tagger.form = form
    dataset = clips(hand)
    fitting = trainer(tagger, dataset, flatline_callback, eval_strategy="epoch", num_train_epochs=2)
    fitting.train()
    run = flatline.Run("logs/mine")
    assert run.evaluations.index.tolist() == [hand.n_batches, 2 * hand.n_batches]
    held = dataset[:10]
    with torch.no_grad():
        logits = tagger.net(torch.stack([clip["clips"] for clip in held]))
    labels = torch.stack([clip["labels"] for clip in held])
    rows = pd.read_parquet("logs/mine/evaluations")
    assert np.stack(rows["class_positives"]).tolist() == [labels.sum(0).tolist()] * 2
    last = run.evaluations.iloc[-1]
    assert last["lwlrap"] == pytest.approx(flatline.lwlrap(logits.numpy(), labels.numpy()), abs=1e-6)
    assert last["loss"] == pytest.approx(float(binary_cross_entropy_with_logits(logits, labels)), abs=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_the_scaler_skips_is_a_skipped_row(hand, tagger, flatline_callback, accumulate):
    class Scaled(InOrder):
        scaler = hand.overflowing_scaler()

    tagger.factor = 100.0
    trainer(tagger, clips(hand), flatline_callback, kind=Scaled, gradient_accumulation_steps=accumulate).train()
    run = flatline.Run("logs/mine")
    assert run.series("skipped").tolist() == [True] + [False] * (hand.n_batches // accumulate - 1)
    assert (run.gradient_norms.isna().all(axis=1) == run.series("skipped")).all()


def test_a_loss_that_the_trainer_computes_itself_is_nan_and_the_norms_are_right(hand, tagger, flatline_callback):
    class OwnLoss(InOrder):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            return binary_cross_entropy_with_logits(outputs["logits"], labels)

    trainer(tagger, clips(hand), flatline_callback, kind=OwnLoss).train()
    run = flatline.Run("logs/mine")
    norms = hand.loop()[0]
    hand.same(run, norms, np.full(len(norms), np.nan))


def test_scores_of_frames_and_regressions_are_not_taken_for_classes(hand, tagger, flatline_callback):
    class Framewise(type(tagger)):
        def forward(self, clips, labels=None):
            logits = self.net.head(self.net.gru(clips)[0])
            return {"loss": logits.square().mean(), "logits": logits}

    class Regression(type(tagger)):
        def forward(self, clips, labels=None):
            logits = self.net(clips)[:, :1]
            return {"loss": logits.square().mean(), "logits": logits}

    class Regressions(type(tagger)):
        config = transformers.PretrainedConfig(problem_type="regression")

    for model, dataset in (
        (Framewise(), clips(hand, 2)),
        (Regressions(), clips(hand, 2)),
        (Regression(), [{**clip, "labels": torch.tensor(0.5)} for clip in clips(hand, 2)]),
    ):
        trainer(model, dataset, flatline_callback, eval_strategy="epoch").train()
        run = flatline.Run("logs/mine")
        assert len(run) == 2
        assert run.lwlrap.isna().all(axis=None)
        assert len(run.evaluations) == 0


def test_other_passes_of_the_model_are_not_taken_for_training_or_evaluation(hand, tagger, flatline_callback):
    class Looking(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, model=None, **kwargs):
            with torch.no_grad():
                model.train()(torch.ones(2, 8, 4), labels=torch.ones(2, 3))

        def on_epoch_end(self, args, state, control, **kwargs):
            fitting.predict(clips(hand, 1))

    fitting = trainer(tagger, clips(hand), flatline_callback, Looking(), eval_strategy="epoch")
    fitting.train()
    hand.same(flatline.Run("logs/mine"), *hand.loop()[:2])
    rows = pd.read_parquet("logs/mine/evaluations")
    assert rows["class_positives"][0].sum() == sum(clip["labels"].sum() for clip in clips(hand)[:10])


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_an_exception_in_the_block_closes_the_run_and_leaves_no_hooks(hand, tagger, flatline_callback, error, status):
    class Breaking(transformers.TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 4:
                raise error("on purpose")

    fitting = trainer(tagger, clips(hand), flatline_callback, Breaking())
    with pytest.raises(error), flatline_callback:
        fitting.train()
    run = flatline.Run("logs/mine")
    assert (run.status, len(run)) == (status, 4)
    assert hand.n_hooks(tagger, fitting.optimizer.optimizer) == 0


def test_a_run_that_a_failed_training_left_open_has_failed_when_the_next_begins(hand, tagger, flatline_callback):
    class Breaking(transformers.TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            raise RuntimeError("on purpose")

    fitting = trainer(tagger, clips(hand, 3), flatline_callback, Breaking())
    with pytest.raises(RuntimeError):
        fitting.train()
    fitting.remove_callback(Breaking)
    fitting.train()
    assert flatline.Run("logs/mine.1").status == "failed"
    assert flatline.Run("logs/mine").status == "finished"
    assert hand.n_hooks(tagger, fitting.optimizer.optimizer) == 0


def test_a_process_that_is_not_the_first_writes_nothing(hand, tagger, flatline_callback, tmp_path):
    class Second(transformers.TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            state.is_world_process_zero = False

    fitting = trainer(tagger, clips(hand, 2), Second(), flatline_callback, eval_strategy="epoch")
    fitting.train()
    assert not (tmp_path / "logs").exists()


def test_the_losses_of_a_transformer_with_class_indices_are_those_that_the_trainer_logs(hand):
    from flatline.runs.adapters.huggingface import FlatlineCallback

    small = {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 8, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=20, num_labels=3, **small)
    model = transformers.BertForSequenceClassification(config)
    generator = torch.Generator().manual_seed(0)
    dataset = [
        {"input_ids": torch.randint(0, 20, (5,), generator=generator), "labels": number % 3} for number in range(24)
    ]
    callback = FlatlineCallback("logs/mine", loss="cross-entropy")
    # transformers' BERT takes `num_items_in_batch` and ignores it: accumulated, twice the mean is what it trains on
    fitting = trainer(model, dataset, callback, eval_strategy="epoch", gradient_accumulation_steps=2, logging_steps=1)
    fitting.train()
    run = flatline.Run("logs/mine")
    assert len(run) == 2
    assert run.lwlrap.shape == (2, 3)
    assert run.evaluations["lwlrap"].notna().all()
    model.eval()
    logged = [entry["loss"] for entry in fitting.state.log_history if "loss" in entry]
    assert run.series("loss").tolist() == pytest.approx(logged, abs=1e-3)
    held = [torch.stack([torch.as_tensor(clip[name]) for clip in dataset[:10]]) for name in ("input_ids", "labels")]
    with torch.no_grad():
        loss = cross_entropy(model(held[0]).logits, held[1])
    assert run.evaluations["loss"].iloc[0] == pytest.approx(float(loss), abs=1e-6)


def test_a_training_batch_waits_for_no_tensor(hand, tagger, flatline_callback, no_waiting):
    trainer(tagger, clips(hand), flatline_callback, gradient_accumulation_steps=2).train()
    assert no_waiting == []
    run = flatline.Run("logs/mine")
    assert run.lwlrap.notna().any(axis=None)
    assert run.series("loss").notna().all()


@pytest.mark.parametrize("method", ["step", "evaluation"])
def test_a_fault_of_the_recorder_is_told_once_and_training_goes_on(
    hand, tagger, flatline_callback, told, broken, method
):
    broken(method)
    fitting = trainer(tagger, clips(hand), flatline_callback, eval_strategy="epoch", num_train_epochs=2)
    fitting.train()
    assert fitting.state.global_step == 2 * hand.n_batches
    assert len(told("disk full")) == 1


def test_a_loss_that_is_computed_past_the_model_is_nan_and_the_norms_are_right(hand, tagger, flatline_callback, told):
    class Past(InOrder):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            return binary_cross_entropy_with_logits(tagger.net(inputs["clips"]), inputs["labels"])

    trainer(tagger, clips(hand), flatline_callback, kind=Past).train()
    norms = hand.loop()[0]
    hand.same(flatline.Run("logs/mine"), norms, np.full(len(norms), np.nan))
    assert not told("could not be recorded")


def test_a_model_that_returns_its_loss_alone_is_recorded(hand, tagger, flatline_callback, told):
    class Alone(type(tagger)):
        def forward(self, clips, labels=None):
            return super().forward(clips, labels)["loss"]

    class Plain(InOrder):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            return model(**inputs)

    trainer(Alone(), clips(hand), flatline_callback, kind=Plain).train()
    hand.same(flatline.Run("logs/mine"), *hand.loop()[:2])
    assert not told("could not be recorded")


def test_an_output_that_cannot_be_read_breaks_no_forward_pass_and_is_told_once(hand, tagger, flatline_callback, told):
    class Odd(type(tagger)):
        def forward(self, clips, labels=None):
            return SimpleNamespace(**super().forward(clips, labels))

    class Plain(InOrder):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            return model(**inputs).loss

    trainer(Odd(), clips(hand), flatline_callback, kind=Plain).train()
    norms = hand.loop()[0]
    hand.same(flatline.Run("logs/mine"), norms, np.full(len(norms), np.nan))
    assert len(told("SimpleNamespace")) == 1


def test_a_model_that_is_copied_in_training_carries_nothing_of_flatline(hand, tagger, flatline_callback):
    copies = []

    class Copying(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):
            copies.append(copy.deepcopy(model.net))
            hooks = [hook for part in model.modules() for hook in part._forward_hooks.values()]
            assert hooks
            assert b"flatline" not in pickle.dumps(hooks)

    trainer(tagger, clips(hand, 2), flatline_callback, Copying()).train()
    assert len(copies) == 2
