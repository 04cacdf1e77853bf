"""Records what a Lightning Trainer fits."""

# ruff: noqa: D102  (hooks of the framework, which documents them)

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

from .attached import Attached, guarded, status_after
from .given import fitting, on_cpu, part_of, pooled

try:
    pl: Any = import_module("lightning.pytorch" if find_spec("lightning") else "pytorch_lightning")
except ImportError as error:
    raise ImportError("flatline.runs.adapters.lightning needs Lightning; pip install lightning") from error


class FlatlineCallback(Attached, pl.Callback):
    """Records each fit as a run: `Trainer(callbacks=[FlatlineCallback(log="logs/mine", loss="bce-with-logits")])`.

    log : as in `flatline.Recorder`
    module : path of the network in the LightningModule, "net" say; "" records all of it
    recorder : the other arguments of `flatline.Recorder`; optimisers and scaler are the trainer's

    `training_step` and `validation_step` may return "logits" or "probabilities", and "target", beside "loss"; they are
    recorded then, of the first validation loader. Manual optimisation: a row is a batch in which an optimiser stepped.
    """

    def __init__(self, log: Any, *, module: str = "", **recorder: Any) -> None:
        self.module, self.options = module, {"log": log, **recorder}  # Lightning sets a callback's `log` to its own

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._unclipped: Any = None
        self._validation: list[dict[str, Any]] = []
        if trainer.is_global_zero:
            network = part_of(pl_module, self.module)
            scaler = getattr(trainer.precision_plugin, "scaler", None)
            self.attach(network, trainer.optimizers, scaler=scaler, **self.options)

    @guarded
    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if trainer.gradient_clip_val:  # Lightning clips after this hook
            held = (parameter for group in optimizer.param_groups for parameter in group["params"])
            gradients = [parameter.grad for parameter in held if parameter.grad is not None]
            self._unclipped = torch.nn.utils.get_total_norm(gradients)

    @guarded
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if outputs is None:  # None: the loader gave no batch
            return
        # the loop divides the loss by the accumulated batches; the recorder takes their mean
        loss = outputs["loss"] * trainer.accumulate_grad_batches if "loss" in outputs else None
        unclipped, self._unclipped = self._unclipped, None
        scores = fitting("training_step", outputs, self.faults_)
        self.row(trainer.current_epoch, scores, loss=loss, unclipped_norm=unclipped)

    @guarded
    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if dataloader_idx == 0 and isinstance(outputs, Mapping):
            scores = fitting("validation_step", outputs, self.faults_)
            self._validation.append(on_cpu(**scores, loss=outputs.get("loss")))

    @guarded
    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        batches, self._validation = self._validation, []
        scores = pooled(batches)
        if "target" in scores and ("logits" in scores or "probabilities" in scores):
            self.recorder_.evaluation(**scores)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.detach()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self.detach(status_after(type(exception)))
