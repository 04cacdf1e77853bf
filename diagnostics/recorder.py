"""The recorder: rows of what happened inside a training loop, for any sink with `append(row)`."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .errors import AttachError, FlatlineError, ShapeError, unknown
from .evaluation import evaluation_row
from .parts import parameter_parts
from .pinned import PinnedClips
from .signals import AttentionMaps, Batch, ClassScores, GradientNorms, OutputHealth, Signal, SignalInfo, WeightNorms
from .targets import RunningPrior, as_numpy, as_scores, multi_hot, to_float

LOSSES = ("bce-with-logits", "bce", "cross-entropy", "ctc", None)

LEVELS: dict[str, tuple[str, ...]] = {
    "light": ("gradients", "outputs"),
    "standard": ("gradients", "outputs", "classes", "attention"),
    "deep": ("gradients", "outputs", "classes", "attention", "weights"),
}
"""What each level records."""

ROW_INFOS = (
    SignalInfo("loss", "the loss's", "as passed to step; the mean over accumulated batches"),
    SignalInfo("skipped", "bool", "the gradient scaler skipped the step"),
    SignalInfo("gradient_norm_unclipped", "L2", "total norm before clipping, as passed to step; NaN if not passed"),
)


class Sink(Protocol):
    """Whatever takes rows: a list will do. `runs.log.RunLog` takes maps, evaluations and events too."""

    def append(self, row: Any, /) -> object:
        """Take one iteration's row."""


@dataclass
class _Passed:
    """What one call of `step` passed."""

    loss: float
    outputs: np.ndarray | None
    target: np.ndarray | None
    mask: np.ndarray | None
    unclipped_norm: float


class Recorder:
    """Records a training loop from the inside, one row an iteration.

    model : any nn.Module
    optimizer : one or several; their steps are where gradient norms are read
    log : anything with `append(row)`
    classes : names, in the order of the scores; None numbers them
    loss : what the caller's criterion expects: "bce-with-logits", "bce" (probabilities), "cross-entropy" (logits), "ctc"
    level : "light", "standard" or "deep" (LEVELS)
    attention : {"path.to.module": kind} of modules that give maps (clip, frame, class); None asks the model
    scaler : the GradScaler, if there is one: a call of `step` after which no optimiser stepped is then a skipped row;
        without a scaler it is accumulation, pooled into the next row
    pinned : {name: (frame, mel) tensor, or whatever one clip of the model's input is}: scored and mapped at each evaluation
    Raises AttachError, and leaves no hook behind, where it cannot be put on.

    `iteration` counts the rows, `last_gradient_norm` is the newest row's total; `epoch` is written as a loop sets it.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        log: Sink,
        classes: Sequence[str] | None = None,
        loss: str | None = None,
        level: str = "standard",
        attention: Mapping[str, str] | None = None,
        scaler: Any = None,
        pinned: Mapping[str, Tensor] | None = None,
        on_finding: Callable[..., None] | None = None,
    ) -> None:
        if level not in LEVELS:
            raise unknown("level", level, LEVELS, "Recorder")
        if loss not in LOSSES:
            raise unknown("loss", str(loss), LOSSES, "Recorder")
        if on_finding is not None:
            raise AttachError("on_finding= needs detectors, which this version does not have (Recorder); leave it out")
        self.model, self.log, self.loss, self.scaler = model, log, loss, scaler
        self.classes = None if classes is None else list(classes)
        self.iteration, self.epoch = 0, 0
        self.last_gradient_norm = float("nan")
        self.prior = RunningPrior()
        self.maps = _announced(model) if attention is None else dict(attention)
        self._gradients = GradientNorms()
        self._signals = _signals(level, self._gradients, self.maps)
        self._pinned = PinnedClips(model, pinned or {}, self.maps)
        self._faulty: set[str] = set()
        self._waiting: list[_Passed] = []
        self._stack = ExitStack()
        self._attach([optimizer] if isinstance(optimizer, Optimizer) else list(optimizer))
        self._tell("update", **self.description())

    def _attach(self, optimizers: list[Optimizer]) -> None:
        with ExitStack() as stack:
            for signal in self._signals:
                signal.attach(self.model, optimizers, stack)
            self._stack = stack.pop_all()

    def description(self) -> dict[str, Any]:
        """What a log should know about the run besides its rows."""
        infos = [*ROW_INFOS, *(info for signal in self._signals for info in signal.infos)]
        return {
            "parameters": self._gradients.names,
            "parameter_parts": parameter_parts(self.model, self._gradients.names, self.maps),
            "classes": self.classes or [],
            "loss_kind": self.loss,
            "output_kind": None,
            "maps": self.maps,
            "signals": {info.name: {"unit": info.unit, "meaning": info.meaning} for info in infos},
            "clips": list(self._pinned.clips),
        }

    def step(
        self,
        *,
        loss: Any,
        logits: Any = None,
        probabilities: Any = None,
        target: Any = None,
        clips: Any = None,
        mask: Any = None,
        unclipped_norm: Any = None,
    ) -> None:
        """Record an iteration; call it after the optimiser's step.

        loss : the scalar that was differentiated
        logits, probabilities : (clip, class), whichever the model gave; never both
        target : (clip, class) multi-hot, or (clip,) class indices
        clips : names of the batch's clips; not used yet, taken so that a loop need not change
        mask : (clip, frame) bool, True where a frame is real
        unclipped_norm : what `clip_grad_norm_` returned
        Raises ShapeError if output and target do not fit together.
        """
        where = f"Recorder.step, iteration {self.iteration}"
        outputs = self._outputs(logits, probabilities, where)
        labels = None if target is None or outputs is None else multi_hot(target, outputs.shape[1], where)
        _same_clips(outputs, labels, where)
        real = None if mask is None else as_numpy(mask).astype(bool)
        self._waiting.append(_Passed(to_float(loss), outputs, labels, real, to_float(unclipped_norm)))
        if labels is not None:
            self.prior.see(labels)
        if self._gradients.stepped or self.scaler is not None:
            self._write(_pooled(self._waiting), stepped=self._gradients.stepped)
            self._waiting = []

    def evaluation(
        self, *, logits: Any = None, probabilities: Any = None, target: Any, loss: Any = None, clips: Any = None
    ) -> dict[str, Any]:
        """Record an evaluation under the number of iterations done so far; returns its scores.

        logits, probabilities : (clip, class) of the validation clips, whichever the model gives
        target : as in `step`
        """
        where = f"Recorder.evaluation, iteration {self.iteration}"
        outputs = self._outputs(logits, probabilities, where)
        if outputs is None:
            raise ShapeError(f"an evaluation needs logits= or probabilities= ({where})")
        labels = multi_hot(target, outputs.shape[1], where)
        _same_clips(outputs, labels, where)
        row = evaluation_row(outputs, labels, self.prior.value, to_float(loss))
        scores, maps = self._pinned.measure()
        row = {"iteration": self.iteration, "epoch": self.epoch, "wall_time": time.time(), **row, **scores}
        self._tell("append_evaluation", row)
        for clip, of_clip in maps.items():
            self._tell("append_maps", self.iteration, of_clip, clip)
        return row

    def close(self, status: str = "finished") -> None:
        """Take every hook off and close the log; a second call does nothing."""
        self._stack.close()
        self._tell("close", status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if kind is None:
            self.close()
        else:
            self.close("interrupted" if issubclass(kind, KeyboardInterrupt) else "failed")

    def _outputs(self, logits: Any, probabilities: Any, where: str) -> np.ndarray | None:
        if logits is not None and probabilities is not None:
            raise ShapeError(f"both logits= and probabilities= were given ({where}); give the one the model gives")
        given = logits if logits is not None else probabilities
        if given is None:
            return None
        outputs = as_scores(given, where)
        if self.classes is None:
            self.classes = [str(number) for number in range(outputs.shape[1])]
            self._tell("update", classes=self.classes)
        if len(self.classes) != outputs.shape[1]:
            raise ShapeError(
                f"the output has {outputs.shape[1]} classes but classes= names {len(self.classes)} ({where}); "
                "build both from the same class list"
            )
        if self.iteration == 0:
            self._tell("update", output_kind="logits" if logits is not None else "probabilities")
        return outputs

    def _write(self, passed: _Passed, stepped: bool) -> None:
        batch = Batch(self.iteration, self.loss, passed.outputs, passed.target, passed.mask, self.prior.value, stepped)
        row = {
            "iteration": self.iteration,
            "epoch": self.epoch,
            "wall_time": time.time(),
            "loss": passed.loss,
            "skipped": not stepped,
            "gradient_norm_unclipped": passed.unclipped_norm,
        }
        for signal in self._signals:
            row.update(self._collected(signal, batch))
        maps = row.pop("maps", None)
        self.last_gradient_norm = row.get("gradient_norm_total", float("nan"))
        self.log.append(row)
        if maps:
            self._tell("append_maps", self.iteration, maps)
        if not stepped:
            self._tell("event", "skipped-step", self.iteration)
        self.iteration += 1

    def _collected(self, signal: Signal, batch: Batch) -> Mapping[str, Any]:
        """The signal's values; a fault in it is told once and leaves its columns unrecorded, training goes on."""
        try:
            return signal.collect(batch)
        except FlatlineError as error:
            fault = str(error)
        except Exception as error:  # an instrument must not end what it measures
            fault = f"{type(error).__name__}: {error}"
        name = type(signal).__name__
        if name not in self._faulty:
            self._faulty.add(name)
            warnings.warn(f"{name} was not recorded from iteration {batch.iteration} on: {fault}", stacklevel=4)
            self._tell("event", "signal-fault", batch.iteration, signal=name, fault=fault)
        return {}

    def _tell(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call what a full log has and a bare sink need not."""
        if (call := getattr(self.log, method, None)) is not None:
            call(*args, **kwargs)


def _signals(level: str, gradients: GradientNorms, maps: Mapping[str, str]) -> list[Signal]:
    """The level's signals; gradients first, since others use their norms."""
    every: dict[str, Signal] = {
        "gradients": gradients,
        "outputs": OutputHealth(),
        "classes": ClassScores(),
        "attention": AttentionMaps(maps),
        "weights": WeightNorms(),
    }
    return [every[name] for name in LEVELS[level]]


def _announced(model: nn.Module) -> dict[str, str]:
    """The maps that a model says it has; an `attention` that is something else (a module, say) is no announcement."""
    announced = getattr(model, "attention", None)
    return dict(announced) if isinstance(announced, dict) else {}


def _same_clips(outputs: np.ndarray | None, target: np.ndarray | None, where: str) -> None:
    if outputs is not None and target is not None and len(outputs) != len(target):
        raise ShapeError(
            f"target has {len(target)} clips but the output has {len(outputs)} ({where}); pass one batch's"
        )


def _pooled(parts: list[_Passed]) -> _Passed:
    """Accumulated batches as one: mean loss, clips together."""
    if len(parts) == 1:
        return parts[0]
    masks = [part.mask for part in parts]
    same_frames = all(mask is not None and mask.shape[1] == masks[0].shape[1] for mask in masks)  # type: ignore[union-attr]
    return _Passed(
        float(np.mean([part.loss for part in parts])),
        _joined([part.outputs for part in parts]),
        _joined([part.target for part in parts]),
        _joined(masks) if same_frames else None,
        parts[-1].unclipped_norm,
    )


def _joined(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    return None if any(array is None for array in arrays) else np.concatenate(arrays)  # type: ignore[arg-type]
