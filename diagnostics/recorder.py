"""The recorder: rows of what happened inside a training loop, for any sink with `append(row)`."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol, Self

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from .errors import AttachError, FlatlineError, ShapeError, unknown
from .evaluation import evaluation_row
from .levels import LEVELS, signals_of
from .order import StepOrder
from .parts import parameter_parts
from .passed import Passed, check_same_clips, pooled, the_one_given
from .pinned import PinnedClips
from .signals import AttentionMaps, Batch, GradientNorms, SignalInfo
from .signals.weighting import check_kinds
from .subject import announced_maps, as_optimizers, unwrapped
from .targets import RunningPrior, as_numpy, as_scores, counted_clips, multi_hot, to_float

LOSSES = ("bce-with-logits", "bce", "cross-entropy", "ctc", None)

UNSTEPPED_CALLS = 256
"""Calls of `step`, no optimiser stepping, after which they are given up and told; ours, twice a long accumulation."""

ROW_INFOS = (
    SignalInfo("loss", "the loss's", "as passed to step; the mean over accumulated batches"),
    SignalInfo("skipped", "bool", "the gradient scaler skipped the step"),
    SignalInfo("gradient_norm_unclipped", "L2", "total norm before clipping, as passed to step; NaN if not passed"),
)


class Sink(Protocol):
    """Whatever takes rows: a list will do. `runs.log.RunLog` takes maps, evaluations and events too."""

    def append(self, row: Any, /) -> object:
        """Take one iteration's row."""


class Recorder:
    """Records a training loop from the inside, one row an iteration.

    model : any nn.Module; inside torch.compile or DistributedDataParallel the network itself is recorded
    optimizer : one or several; their steps are where gradient norms are read
    log : anything with `append(row)`
    classes : names, in the order of the scores; None numbers them
    loss : what the caller's criterion expects: "bce-with-logits", "bce" (probabilities), "cross-entropy" (logits) or
        "ctc"; None leaves out what depends on it
    level : "light", "standard" or "deep" (LEVELS)
    attention : {"path.to.module": kind} of modules that give maps (clip, frame, class); None asks the model
    scaler : the GradScaler, if there is one: a call of `step` after which no optimiser stepped is then a skipped row;
        without a scaler, or with one that is not enabled, it is accumulation, pooled into the next row
    pinned : {name: (frame, mel) tensor, or whatever one clip of the model's input is}: scored and mapped at each
        evaluation
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
        self.model, self.log, self.loss, self.scaler = unwrapped(model), log, loss, scaler
        self.classes = None if classes is None else list(classes)
        self.iteration, self.epoch = 0, 0
        self.last_gradient_norm = float("nan")
        self.prior = RunningPrior()
        announced = announced_maps(self.model) if attention is None else dict(attention)
        check_kinds(announced, {path for path, _ in self.model.named_modules()})
        self.maps = announced if "attention" in LEVELS[level] else {}
        self._gradients, self._attention = GradientNorms(), AttentionMaps(self.maps)
        self._signals = signals_of(level, self._gradients, self._attention)
        self._parts = parameter_parts(self.model, [name for name, _ in self.model.named_parameters()], announced)
        self._pinned = PinnedClips(self.model, pinned or {}, self.maps)
        self._output_kind: str | None = None
        self._faulty: set[str] = set()
        self._waiting: list[Passed] = []
        self._order, self._order_told = StepOrder(), False
        self._closed = False
        with ExitStack() as stack:
            for signal in self._signals:
                signal.attach(self.model, as_optimizers(optimizer), stack)
            self._tell("update", **self.description())
            self._hooks = stack.pop_all()

    def description(self) -> dict[str, Any]:
        """What a log should know about the run besides its rows."""
        infos = [*ROW_INFOS, *(info for signal in self._signals for info in signal.infos)]
        return {
            "parameters": self._gradients.names,
            "parameter_parts": self._parts,
            "classes": self.classes or [],
            "loss_kind": self.loss,
            "output_kind": self._output_kind,
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
        Raises ShapeError if output and target do not fit together, AttachError after `close`.
        """
        where = f"Recorder.step, iteration {self.iteration}"
        self._check_open("step", where)
        outputs = self._outputs(logits, probabilities, where)
        labels = self._labels(target, outputs, where)
        unclipped = to_float(unclipped_norm, "unclipped_norm", where)
        n_clips = 0 if labels is None else counted_clips(target, labels)
        self._waiting.append(Passed(to_float(loss, "loss", where), outputs, labels, unclipped, n_clips))
        self._attention.see(None if mask is None else as_numpy(mask).astype(bool))
        if labels is not None:
            self.prior.see(labels, n_clips)
        stepped = self._gradients.stepped
        self._order.see(stepped)
        if self._order.is_wrong():
            self._tell_order()
        if stepped or self._can_skip():
            waiting, self._waiting = self._waiting, []
            self._write(pooled(waiting), stepped)
        elif len(self._waiting) == UNSTEPPED_CALLS:
            self._give_up_waiting()

    def evaluation(
        self, *, logits: Any = None, probabilities: Any = None, target: Any, loss: Any = None, clips: Any = None
    ) -> dict[str, Any]:
        """Record an evaluation under the number of iterations done so far; returns its scores.

        logits, probabilities : (clip, class) of the validation clips, whichever the model gives
        target : as in `step`
        Raises ShapeError if scores and target do not fit together, AttachError after `close`.
        """
        where = f"Recorder.evaluation, iteration {self.iteration}"
        self._check_open("evaluation", where)
        outputs = self._outputs(logits, probabilities, where)
        labels = self._labels(target, outputs, where)
        if outputs is None or labels is None:
            raise ShapeError(f"an evaluation lacks its scores or its target ({where}); pass logits= or probabilities=")
        row = evaluation_row(outputs, labels, self.prior.value, to_float(loss, "loss", where))
        scores, maps = self._guarded("pinned clips", self._pinned.measure) or ({}, {})
        row = {"iteration": self.iteration, "epoch": self.epoch, "wall_time": time.time(), **row, **scores}
        self._tell("append_evaluation", row)
        for clip, of_clip in maps.items():
            if of_clip:
                self._tell("append_maps", self.iteration, of_clip, clip)
        return row

    def close(self, status: str = "finished") -> None:
        """Take every hook off and close the log; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._hooks.close()
        if self._order.was_wrong(self._gradients.stepped):
            self._tell_order()
        if self._waiting:
            self._tell("event", "gap", self.iteration, calls=len(self._waiting), why="no optimiser stepped after them")
        self._tell("close", status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if kind is None:
            self.close()
        else:
            self.close("interrupted" if issubclass(kind, KeyboardInterrupt) else "failed")

    def _check_open(self, method: str, where: str) -> None:
        if self._closed:
            raise AttachError(
                f"the recorder is closed ({where}); call {method} inside its with block, or before close()"
            )

    def _outputs(self, logits: Any, probabilities: Any, where: str) -> np.ndarray | None:
        given = the_one_given(logits, probabilities, where)
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
        if self._output_kind is None:
            self._output_kind = "logits" if logits is not None else "probabilities"
            self._tell("update", output_kind=self._output_kind)
        return outputs

    def _labels(self, target: Any, outputs: np.ndarray | None, where: str) -> np.ndarray | None:
        if target is None or self.classes is None:
            return None
        labels = multi_hot(target, len(self.classes), where)
        check_same_clips(outputs, labels, where)
        return labels

    def _can_skip(self) -> bool:
        """Whether an iteration without a step was skipped by the scaler; otherwise it is accumulation."""
        return self.scaler is not None and (not hasattr(self.scaler, "is_enabled") or self.scaler.is_enabled())

    def _tell_order(self) -> None:
        """Once, where the loop calls `step` too early; a scaler's skipped row would look the same."""
        if self._order_told or self._can_skip():
            return
        self._order_told = True
        why = "step is called before the optimiser steps, so each row has the gradients of the iteration before"
        warnings.warn(
            f"{why} (Recorder.step, iteration {self.iteration}); call recorder.step after optimizer.step", stacklevel=3
        )
        self._tell("event", "wrong-order", self.iteration, why=why, remedy="call recorder.step after optimizer.step")

    def _give_up_waiting(self) -> None:
        why = "no optimiser that the recorder was given has stepped"
        warnings.warn(
            f"{why} in {len(self._waiting)} calls of step, which are not recorded (Recorder.step, iteration "
            f"{self.iteration}); give Recorder the optimiser that the loop steps, and call step after it",
            stacklevel=3,
        )
        self._tell("event", "gap", self.iteration, calls=len(self._waiting), why=why)
        self._waiting = []
        self._attention.forget()

    def _write(self, passed: Passed, stepped: bool) -> None:
        batch = Batch(
            self.iteration,
            self.loss,
            passed.outputs,
            passed.target,
            self.prior.value,
            passed.unclipped_norm,
            passed.n_clips,
        )
        row = {
            "iteration": self.iteration,
            "epoch": self.epoch,
            "wall_time": time.time(),
            "loss": passed.loss,
            "skipped": not stepped,
            "gradient_norm_unclipped": passed.unclipped_norm,
        }
        for signal in self._signals:
            row.update(self._guarded(type(signal).__name__, signal.collect, batch) or {})
        maps = row.pop("maps", None)
        self.last_gradient_norm = row.get("gradient_norm_total", float("nan"))
        self.log.append(row)
        if maps:
            self._tell("append_maps", self.iteration, maps)
        if not stepped:
            self._tell("event", "skipped-step", self.iteration)
        self.iteration += 1

    def _guarded(self, what: str, measure: Callable[..., Any], *args: Any) -> Any:
        """What was measured, None after a fault: that is told once, for an instrument must not end what it measures."""
        try:
            return measure(*args)
        except Exception as error:
            fault = str(error) if isinstance(error, FlatlineError) else f"{type(error).__name__}: {error}"
        if what not in self._faulty:
            self._faulty.add(what)
            warnings.warn(
                f"{what} could not be recorded at iteration {self.iteration} (told once): {fault}", stacklevel=4
            )
            self._tell("event", "signal-fault", self.iteration, signal=what, fault=fault)
        return None

    def _tell(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Call what a full log has and a bare sink need not."""
        if (call := getattr(self.log, method, None)) is not None:
            call(*args, **kwargs)
