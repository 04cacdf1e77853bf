"""Records what a transformers Trainer trains."""

# ruff: noqa: D102  (hooks of the framework, which documents them)

from typing import Any

from torch import is_grad_enabled

from .attached import Attached, guarded
from .given import kept, named, on_cpu, pooled

try:
    from transformers import TrainerCallback  # pyright: ignore[reportMissingImports]
except ImportError as error:
    raise ImportError("flatline.runs.adapters.huggingface needs transformers; pip install transformers") from error


class FlatlineCallback(Attached, TrainerCallback):
    """Records each `train()` as a run: `Trainer(callbacks=[FlatlineCallback(log="logs/mine", loss="cross-entropy")])`.

    log : as in `flatline.Recorder`
    recorder : the other arguments of `flatline.Recorder`; optimiser and scaler are the trainer's

    The loss is the model's own `loss`: NaN where the Trainer computes another (label smoothing, `compute_loss_func`).
    Its `logits` are recorded where they are (clip, class) and the model is given class `labels`.
    The Trainer tells callbacks of no exception: `with FlatlineCallback(...) as callback:` round `train()` closes the
    run as failed or interrupted; without it the run stays open until the next `train()` or the process's end.
    """

    def __init__(self, log: Any, **recorder: Any) -> None:
        self.options = {"log": log, **recorder}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._split = True
        self._training: list[dict[str, Any]] = []
        self._evaluation: list[dict[str, Any]] = []
        if state.is_world_process_zero:
            optimizer = kwargs["optimizer"]
            inner = getattr(optimizer, "optimizer", optimizer)  # accelerate's wrapper takes no hooks
            self.attach(kwargs["model"], inner, self._see, scaler=getattr(optimizer, "scaler", None), **self.options)

    @guarded
    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        batches, self._training = self._training, []
        losses = [batch.pop("loss") for batch in batches if "loss" in batch]
        parts = len(batches) if self._split else 1  # where the Trainer, not the model, divides by accumulated batches
        loss = sum(loss.float().mean() for loss in losses) / parts if losses else None
        self.row(int(state.epoch or 0), pooled(batches), loss=loss)  # the epoch is still that of the step before

    @guarded
    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        batches, self._evaluation = self._evaluation, []
        if scores := pooled(batches):
            self.recorder_.evaluation(loss=(metrics or {}).get("eval_loss"), **scores)

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        self._evaluation = []

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.detach()

    def _see(self, model: Any, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        given = named(output)
        scores = _scores(model, given.get("logits"), kwargs.get("labels"))
        if not model.training:
            self._evaluation.append(on_cpu(**scores))
        elif is_grad_enabled():
            self._split = kwargs.get("num_items_in_batch") is None
            self._training.append(kept(**scores, loss=given.get("loss")))


def _scores(model: Any, logits: Any, labels: Any) -> dict[str, Any]:
    """Logits and target where the model scores clips by class: no frames or tokens, no regression."""
    regression = getattr(getattr(model, "config", None), "problem_type", None) == "regression"
    if getattr(logits, "ndim", 0) != 2 or labels is None or regression:
        return {}
    return {"logits": logits, "target": labels} if labels.ndim == 2 or not labels.is_floating_point() else {}
