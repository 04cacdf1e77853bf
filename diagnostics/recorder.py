"""The recorder: rows of what happened inside a training loop, for any sink with `append(row)`."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

from torch import Tensor, nn
from torch.optim import Optimizer

from .errors import AttachError, ShapeError, unknown
from .evaluation import evaluation_row
from .levels import Chosen
from .order import StepOrder
from .parts import parameter_parts
from .passed import Passed, check_same_clips, the_one_given
from .pinned import PinnedClips
from .readback import Readback
from .rows import Captured, Rows
from .signals import GradientNorms, SignalInfo
from .signals.weighting import check_kinds
from .subject import announced_maps, as_optimizers, can_skip, is_writer, loss_scale, multihead_maps, unwrapped
from .targets import (
    RunningPrior,
    as_mask,
    as_number,
    as_numpy,
    as_scores,
    check_shape,
    counted_clips,
    is_on_device,
    multi_hot,
)
from .telling import Nowhere, Sink, Teller

LOSSES = ("bce-with-logits", "bce", "cross-entropy", "ctc", None)

UNSTEPPED_CALLS = 256
"""Calls of `step`, no optimiser stepping, after which they are given up and told; ours, twice a long accumulation."""

ROW_INFOS = (
    SignalInfo("loss", "the loss's", "as passed to step; the mean over accumulated batches"),
    SignalInfo("skipped", "bool", "the gradient scaler skipped the step"),
    SignalInfo("gradient_norm_unclipped", "L2", "total norm before clipping, as passed to step; NaN if not passed"),
)


class Recorder:
    """Records a training loop from the inside, one row an iteration.

    model : any nn.Module; inside torch.compile or DistributedDataParallel the network itself is recorded
    optimizer : one or several; their steps are where gradient norms are read
    log : anything with `append(row)`
    classes : names, in the order of the scores; None numbers them
    loss : what the caller's criterion expects: "bce-with-logits", "bce" (probabilities), "cross-entropy" (logits) or
        "ctc"; None leaves out what depends on it
    level : "light", "standard" or "deep" (LEVELS), a subject of theirs, or several: ["light", "recurrent"]
    attention : {"path.to.module": kind} of modules that give maps (clip, frame, class), "path[1]" for one of several
        outputs; None asks the model, and takes the weights of each nn.MultiheadAttention that gives them
    scaler : the GradScaler, if there is one: a call of `step` after which no optimiser stepped is then a skipped row;
        without a scaler, or with one that is not enabled, it is accumulation, pooled into the next row
    pinned : {name: (frame, mel) tensor, or whatever one clip of the model's input is}: scored and mapped at each
        evaluation
    activations : paths of modules whose outputs are looked at, at any level
    Raises AttachError, and leaves no hook behind, where it cannot be put on.

    Of several processes that train together the first one writes; in the others nothing is recorded. What lies on a
    GPU is copied to the host 50 iterations at a time, or every 2 s, and no call of `step` waits for it.

    `iteration` counts the rows, `last_loss` and `last_gradient_norm` are the newest written row's; `epoch` is written
    as a loop sets it.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer],
        *,
        log: Sink,
        classes: Sequence[str] | None = None,
        loss: str | None = None,
        level: str | Sequence[str] = "standard",
        attention: Mapping[str, str] | None = None,
        scaler: Any = None,
        pinned: Mapping[str, Tensor] | None = None,
        on_finding: Callable[..., None] | None = None,
        activations: Sequence[str] | None = None,
    ) -> None:
        if loss not in LOSSES:
            raise unknown("loss", str(loss), LOSSES, "Recorder")
        if on_finding is not None:
            raise AttachError("on_finding= needs detectors, which this version does not have (Recorder); leave it out")
        self.model, self.loss, self.scaler = unwrapped(model), loss, scaler
        self.log = log if is_writer() else Nowhere()
        self.classes = None if classes is None else list(classes)
        self.iteration, self.epoch = 0, 0
        announced = announced_maps(self.model) if attention is None else dict(attention)
        check_kinds(announced, {path for path, _ in self.model.named_modules()})
        kinds = announced if attention is not None else {**announced, **multihead_maps(self.model)}
        self._signals = Chosen(level, kinds, activations, partial(loss_scale, scaler)).signals()
        self._parts = parameter_parts(self.model, [name for name, _ in self.model.named_parameters()], announced)
        self.maps = announced if any(signal.subject == "attention" for signal in self._signals) else {}
        if not is_writer():
            self._signals = self._signals[:1]
        assert isinstance(self._signals[0], GradientNorms)
        self._gradients = self._signals[0]
        self._pinned = PinnedClips(self.model, (pinned or {}) if is_writer() else {}, self.maps)
        self._teller = Teller(self.log)
        self._rows, self._readback = Rows(self._signals, self._teller, loss, kinds), Readback()
        self._output_kind: str | None = None
        self._waiting: list[Passed] = []
        self._order, self._order_told = StepOrder(), False
        self._closed = False
        with ExitStack() as stack:
            for signal in self._signals:
                signal.attach(self.model, as_optimizers(optimizer), stack)
            self._teller.tell("update", **self.description())
            self._hooks = stack.pop_all()

    @property
    def prior(self) -> RunningPrior:
        """Share of clips with each class, over the targets of the rows so far."""
        return self._rows.prior

    @property
    def last_loss(self) -> float:
        """Loss of the newest row that was written."""
        return self._rows.last_loss

    @property
    def last_gradient_norm(self) -> float:
        """Norm of all gradients in the newest row that was written."""
        return self._rows.last_gradient_norm

    def description(self) -> dict[str, Any]:
        """What a log should know about the run besides its rows."""
        infos = [*ROW_INFOS, *(info for signal in self._signals for info in signal.columns())]
        about = {key: value for signal in self._signals for key, value in signal.description().items()}
        return {
            **about,
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
        labels, n_clips = self._labels(target, outputs, where)
        unclipped = as_number(unclipped_norm, "unclipped_norm", where)
        self._waiting.append(Passed(as_number(loss, "loss", where), outputs, labels, n_clips, unclipped, where))
        for signal in self._signals:
            self._guarded(type(signal).__name__, signal.see, as_mask(mask))
        fired = self._gradients.fired
        self._order.see(fired)
        if self._order.is_wrong():
            self._tell_order()
        if fired or can_skip(self.scaler):
            self._capture(fired)
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
        if outputs is None or target is None:
            raise ShapeError(f"an evaluation lacks its scores or its target ({where}); pass logits= or probabilities=")
        labels = multi_hot(as_numpy(target), outputs.shape[1], where)
        check_same_clips(outputs, labels, where)
        self._write_arrived(self._readback.drain())
        row = evaluation_row(as_numpy(outputs), labels, self.prior.value, float(as_number(loss, "loss", where)))
        scores, maps = self._guarded("pinned clips", self._pinned.measure) or ({}, {})
        row = {"iteration": self.iteration, "epoch": self.epoch, "wall_time": time.time(), **row, **scores}
        self._teller.tell("append_evaluation", row)
        for clip, of_clip in maps.items():
            if of_clip:
                self._teller.tell("append_maps", self.iteration, of_clip, clip)
        return row

    def close(self, status: str = "finished") -> None:
        """Take every hook off and close the log; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        wrong_order = self._order.was_wrong(self._gradients.fired)
        self._hooks.close()
        try:
            self._write_arrived(self._readback.drain())
            if wrong_order:
                self._tell_order()
            if self._waiting:
                why = "no optimiser stepped after them"
                self._teller.tell("event", "gap", self.iteration, calls=len(self._waiting), why=why)
        finally:
            self._teller.tell("close", status)

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

    def _outputs(self, logits: Any, probabilities: Any, where: str) -> Any:
        given = the_one_given(logits, probabilities, where)
        if given is None:
            return None
        outputs = as_scores(given, where)
        if self.classes is None:
            self.classes = [str(number) for number in range(outputs.shape[1])]
            self._teller.tell("update", classes=self.classes)
        if len(self.classes) != outputs.shape[1]:
            raise ShapeError(
                f"the output has {outputs.shape[1]} classes but classes= names {len(self.classes)} ({where}); "
                "build both from the same class list"
            )
        if self._output_kind is None:
            self._output_kind = "logits" if logits is not None else "probabilities"
            self._teller.tell("update", output_kind=self._output_kind)
        return outputs

    def _labels(self, target: Any, outputs: Any, where: str) -> tuple[Any, int]:
        """The target and how many clips of it count; from a GPU as it is, and -1: it is read when the row is made."""
        if target is None or self.classes is None:
            return None, 0
        check_shape(target, len(self.classes), where)
        check_same_clips(outputs, target, where)
        if is_on_device(target):
            return target.detach().clone(), -1
        labels = multi_hot(target, len(self.classes), where)
        return labels, counted_clips(target, labels)

    def _capture(self, fired: bool) -> None:
        """Take what the iteration needs from the device, and write the rows that have arrived."""
        taken = {}
        for signal in self._signals:
            found = self._guarded(type(signal).__name__, signal.take)
            if found is not None:
                taken[signal.subject] = found
        passed, self._waiting = self._waiting, []
        captured = Captured(self.iteration, self.epoch, time.time(), fired, self._output_kind, passed, taken)
        self.iteration += 1
        self._write_arrived(self._readback.put(captured))

    def _write_arrived(self, arrived: list[Captured]) -> None:
        for captured in arrived:
            self._rows.write(captured)

    def _guarded(self, what: str, measure: Callable[..., Any], *args: Any) -> Any:
        return self._teller.guarded(what, self.iteration, measure, *args)

    def _tell_order(self) -> None:
        """Once, where the loop calls `step` too early; a scaler's skipped row would look the same."""
        if self._order_told or can_skip(self.scaler):
            return
        self._order_told = True
        why = "step is called before the optimiser steps, so each row has the gradients of the iteration before"
        text = f"{why} (Recorder.step, iteration {self.iteration}); call recorder.step after optimizer.step"
        self._teller.warn(
            "wrong-order", self.iteration, text, why=why, remedy="call recorder.step after optimizer.step"
        )

    def _give_up_waiting(self) -> None:
        why = "no optimiser that the recorder was given has stepped"
        text = (
            f"{why} in {len(self._waiting)} calls of step, which are not recorded (Recorder.step, iteration "
            f"{self.iteration}); give Recorder the optimiser that the loop steps, and call step after it"
        )
        self._teller.warn("gap", self.iteration, text, calls=len(self._waiting), why=why)
        self._waiting = []
        for signal in self._signals:
            signal.forget()
