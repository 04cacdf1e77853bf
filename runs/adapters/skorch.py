"""Records what a skorch net fits."""

# ruff: noqa: D102  (hooks of the framework, which documents them)

from collections.abc import Mapping, Sequence
from typing import Any

from ...diagnostics.errors import unknown
from .attached import Attached, guarded
from .given import kept, on_cpu, pooled

try:
    from skorch.callbacks import Callback  # pyright: ignore[reportMissingImports]
    from skorch.dataset import unpack_data  # pyright: ignore[reportMissingImports]
except ImportError as error:
    raise ImportError("flatline.runs.adapters.skorch needs skorch; pip install skorch") from error

OUTPUTS = ("logits", "probabilities", None)


class FlatlineCallback(Attached, Callback):
    """Records each `fit` or `partial_fit` as a run: `NeuralNet(callbacks=[FlatlineCallback("logs/mine")])`.

    output : what the module gives, "logits" or "probabilities"; None records neither
    The other arguments are those of `flatline.Recorder`; optimisers are the net's.
    skorch tells callbacks of no exception: `with FlatlineCallback(...) as callback:` round the fit closes the run then
    as failed; without it the run stays open until the next fit or the process's end.
    """

    def __init__(
        self,
        log: Any,
        *,
        output: str | None = None,
        classes: Sequence[str] | None = None,
        loss: str | None = None,
        level: str = "standard",
        attention: Mapping[str, str] | None = None,
        pinned: Mapping[str, Any] | None = None,
        on_finding: Any = None,
    ) -> None:  # sklearn clones a callback by these names
        self.log, self.output, self.classes, self.loss = log, output, classes, loss
        self.level, self.attention, self.pinned, self.on_finding = level, attention, pinned, on_finding

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        if self.output not in OUTPUTS:
            raise unknown("output", str(self.output), map(str, OUTPUTS), "FlatlineCallback")
        self.accelerator_, self.valid_, self.last_ = getattr(net, "accelerator", None), [], "train_batch_count"
        optimizers = [getattr(net, f"{name}_") for name in net._optimizers]  # accelerate's wrappers take no hooks:
        inner = [getattr(optimizer, "optimizer", optimizer) for optimizer in optimizers]
        if getattr(self.accelerator_, "is_main_process", True):
            options = {name: value for name, value in self.get_params(deep=False).items() if name != "output"}
            self.attach(net.module_, inner, scaler=getattr(self.accelerator_, "scaler", None), **options)

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        self.valid_, self.last_ = [], "train_batch_count" if dataset_valid is None else "valid_batch_count"

    @guarded
    def on_batch_end(self, net: Any, batch: Any = None, training: Any = None, **kwargs: Any) -> None:
        first = kwargs["y_pred"][0] if isinstance(kwargs["y_pred"], tuple) else kwargs["y_pred"]
        keep = kept if training else on_cpu
        given = {} if self.output is None else keep(**{self.output: first, "target": unpack_data(batch)[1]})
        if training:
            self.row(len(net.history) - 1, given, loss=kwargs["loss"])
        else:
            self.valid_.append({**given, **on_cpu(loss=kwargs["loss"])})

    @guarded
    def on_epoch_end(self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        batches, self.valid_ = self.valid_, []
        if self.output in (scores := pooled(batches)) and "target" in scores:
            self.recorder_.evaluation(**scores)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        # skorch swallows Ctrl-C, and stops early by raising it, maybe before this callback's turn
        if whole := not net.history or self.last_ in net.history[-1]:
            self.on_epoch_end(net)
        self.detach("finished" if whole else "interrupted")
