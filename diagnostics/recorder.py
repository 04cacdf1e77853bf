"""The recorder: rows of what happened inside a training loop, for any sink with `append(row)`."""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

from torch import Tensor, nn
from torch.optim import Optimizer

from .ablation_infos import infos_of
from .arguments import check_model, class_names, clips_of, holds_nothing, mapping, paths_of
from .diagnosis import Diagnosis
from .errors import AttachError, ShapeError, unknown
from .evaluation import ablation_columns, evaluation_row
from .findings import Finding
from .levels import Chosen, subjects_of
from .live import LIGHT_SHARE, SHARE, Live
from .loss_scaling import LossScaling
from .order import StepOrder
from .parts import is_as_drawn, parameter_parts
from .passed import Intake, Passed, check_same_clips
from .pinned import PinnedClips
from .readback import Readback
from .rows import Captured, Rows
from .signals import GradientNorms, SignalInfo
from .signals.weighting import check_kinds
from .subject import announced_maps, as_optimizers, is_writer, multihead_maps, unwrapped
from .targets import (
    RunningPrior,
    as_mask,
    as_number,
    as_numpy,
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

    model : any nn.Module; inside torch.compile or DistributedDataParallel the network itself is recorded. One that was
        compiled and called before has no maps, states and activations: the compiler sees no hook that comes later
    optimizer : one or several; their steps are where gradient norms are read
    log : anything with `append(row)`
    classes : names, in the order of the scores; None numbers them
    loss : what the caller's criterion expects: "bce-with-logits", "bce" (probabilities), "cross-entropy" (logits) or
        "ctc"; None leaves out what depends on it
    level : "light", "standard" or "deep" (LEVELS), a subject of theirs, or several: ["light", "recurrent"]
    attention : {"path.to.module": kind} of modules that give maps (clip, frame, class), "path[1]" for one of several
        outputs; None asks the model, and takes the weights of each nn.MultiheadAttention that gives them
    scaler : the GradScaler, if there is one: a call of `step` after which no optimiser stepped, but `scaler.update` was
        called, is then a skipped row; otherwise it is accumulation, pooled into the next row
    pinned : {name: (frame, mel) tensor, or whatever one clip of the model's input is}: scored and mapped at each
        evaluation
    on_finding : called with each new warning or critical Finding as soon as it is made; what it raises ends the loop.
        They are events of the log too
    activations : paths of modules whose outputs are looked at, at any level
    bent : the criterion weights or bends the cross-entropy that `loss` names (`pos_weight`, focal, asymmetric), so what
        holds its level or its gradient against that of cross-entropy is left out: rho, H0, the distance from ln 2
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
        bent: bool = False,
    ) -> None:
        if loss not in LOSSES:
            raise unknown("loss", str(loss), LOSSES, "Recorder")
        if on_finding is not None and not callable(on_finding):
            raise AttachError(f"on_finding is {on_finding!r}, which cannot be called (Recorder); give a function")
        check_model(model)
        attention = mapping("attention", attention, '{"path.to.module": kind}')
        clips, activations = clips_of(pinned), paths_of("activations", activations)
        self.model, self.loss, self.scaler = unwrapped(model), loss, scaler
        self.log = log if is_writer() else Nowhere()
        self.iteration, self.epoch = 0, 0
        announced = announced_maps(self.model) if attention is None else dict(attention)
        check_kinds(announced, {path for path, _ in self.model.named_modules()})
        kinds = announced if attention is not None else {**announced, **multihead_maps(self.model)}
        self._scaling = LossScaling(scaler)
        self._signals = Chosen(level, kinds, activations, self._scaling.factor, bent).signals()
        self._frozen = [name for name, parameter in self.model.named_parameters() if not parameter.requires_grad]
        self._frozen_at_random = [name for name in self._frozen if is_as_drawn(self.model, name)]
        self._parts = parameter_parts(self.model, [name for name, _ in self.model.named_parameters()], announced)
        self.maps = announced if any(signal.subject == "attention" for signal in self._signals) else {}
        if not is_writer():
            self._signals = self._signals[:1]
        assert isinstance(self._signals[0], GradientNorms)
        self._gradients = self._signals[0]
        of_clips = kinds if "attention" in subjects_of(level) else {}
        self._pinned = PinnedClips(self.model, clips if is_writer() else {}, of_clips, "openness" in subjects_of(level))
        self._teller = Teller(self.log)
        self._intake = Intake(class_names(classes), partial(self._teller.tell, "update"))
        self._rows, self._readback = Rows(self._signals, self._teller, loss, kinds), Readback()
        self._waiting: list[Passed] = []
        self._order, self._order_told = StepOrder(), False
        self._ablated: dict[str, SignalInfo] = {}
        self._closed = False
        self._on_finding = on_finding
        self._live = self._watch(level) if on_finding is not None or hasattr(log, "event") else None
        optimizers = as_optimizers(optimizer)
        with ExitStack() as stack:
            for signal in self._signals:
                signal.attach(self.model, optimizers, stack)
            self._teller.tell("update", **self.description())
            self._hooks = stack.pop_all()
        if holds_nothing(self.model, optimizers):
            why = "the optimizer holds none of the model's parameters, so no norm will be seen"
            remedy = "give the one that trains this model, made after the model was last copied"
            self._teller.warn("unheld", 0, f"{why} (Recorder); {remedy}", why=why, remedy=remedy)
        weakref.finalize(self, self._hooks.close).atexit = False  # one that is dropped without close leaves no hook

    @property
    def classes(self) -> list[str] | None:
        """Names, in the order of the scores; None before scores were passed, where none were given."""
        return self._intake.classes

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

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The newest look at the run so far; None before the first."""
        return None if self._live is None else self._live.newest

    def description(self) -> dict[str, Any]:
        """What a log should know about the run besides its rows."""
        infos = [*ROW_INFOS, *(info for signal in self._signals for info in signal.columns()), *self._pinned.columns()]
        infos += self._ablated.values()
        about = {key: value for signal in self._signals for key, value in signal.description().items()}
        return {
            **about,
            "parameter_parts": self._parts,
            "frozen": self._frozen,
            "frozen_at_random": self._frozen_at_random,
            "classes": self.classes or [],
            "loss_kind": self.loss,
            "output_kind": self._intake.output_kind,
            "maps": self.maps,
            "signals": {info.name: {"unit": info.unit, "meaning": info.meaning} for info in infos},
            **self._pinned.description(),
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
        self._waiting.append(self._intake.passed(loss, logits, probabilities, target, unclipped_norm, where))
        frames = self._guarded("mask", as_mask, mask)
        for signal in self._signals:
            self._guarded(type(signal).__name__, signal.see, frames)
        fired = self._gradients.fired
        self._order.see(fired)
        if self._order.is_wrong():
            self._tell_order()
        if fired or self._scaling.left_out():
            self._capture(fired)
        elif len(self._waiting) == UNSTEPPED_CALLS:
            self._give_up_waiting()

    def evaluation(
        self,
        *,
        logits: Any = None,
        probabilities: Any = None,
        target: Any,
        loss: Any = None,
        clips: Any = None,
        ablations: Any = None,
        prior: Any = None,
    ) -> dict[str, Any]:
        """Record an evaluation under the number of iterations done so far; returns its scores.

        logits, probabilities : (clip, class) of the validation clips, whichever the model gives
        target : as in `step`
        ablations : what `flatline.ablate` gave, whose shares go into the row
        prior : (class,) share of the training clips with each class, for the constant level; None takes that of the
            batches, which differs where classes are drawn more often than they come
        Raises ShapeError if scores and target do not fit together, AttachError after `close` and for ablations that are
        none.
        """
        where = f"Recorder.evaluation, iteration {self.iteration}"
        self._check_open("evaluation", where)
        outputs = self._intake.outputs(logits, probabilities, where)
        if outputs is None or target is None:
            raise ShapeError(f"an evaluation lacks its scores or its target ({where}); pass logits= or probabilities=")
        labels = multi_hot(as_numpy(target), outputs.shape[1], where)
        check_same_clips(outputs, labels, where)
        shares = ablation_columns(ablations, where)
        if new := {info.name: info for info in infos_of(shares) if info.name not in self._ablated}:
            self._ablated |= new
            self._teller.tell("update", signals=self.description()["signals"])
        self._write_arrived(self._guarded("readback", self._readback.drain))
        known = self.prior.value if prior is None else as_numpy(prior)
        row = evaluation_row(as_numpy(outputs), labels, known, float(as_number(loss, "loss", where)))
        scores, maps = self._guarded("pinned clips", self._pinned.measure) or ({}, {})
        row = {"iteration": self.iteration, "epoch": self.epoch, "wall_time": time.time(), **row, **scores, **shares}
        self._teller.tell("append_evaluation", row)
        if self._live is not None:
            self._live.history.see_evaluation(row)
        for clip, of_clip in maps.items():
            if of_clip:
                self._teller.tell("append_maps", self.iteration, of_clip, clip)
        return row

    def state(self) -> dict[str, Any]:
        """What rows to come depend on besides the model: with it another recorder goes on as this one would.

        Rows on their way from the device are written first; batches that wait for the optimiser's step are not in it.
        Tensors, numbers, and lists and dicts of them: `torch.load` takes it with weights_only.
        """
        self._write_arrived(self._guarded("readback", self._readback.drain))
        return {
            "iteration": self.iteration,
            "epoch": self.epoch,
            "rows": self._rows.state(),
            "signals": {signal.subject: signal.state() for signal in self._signals},
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where the recorder was whose `state` it is; before the first call of `step`."""
        self.iteration, self.epoch = state["iteration"], state["epoch"]
        self._rows.load_state(state["rows"])
        for signal in self._signals:
            signal.load_state(state["signals"].get(signal.subject, {}))

    def close(self, status: str = "finished") -> None:
        """Take every hook off and close the log; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        fired = self._gradients.fired
        wrong_order = self._order.was_wrong(fired)
        self._hooks.close()
        try:
            self._write_arrived(self._guarded("readback", self._readback.drain))
            if self._live is not None:
                self._tell_findings(self._guarded("findings", self._live.end, status) or [])
            if wrong_order:
                self._tell_order()
            if fired and not self.iteration and not self._waiting:
                why = "the optimiser stepped, but Recorder.step was never called: nothing is recorded"
                remedy = "call recorder.step after optimizer.step"
                self._teller.warn("gap", 0, f"{why} (Recorder.close); {remedy}", calls=0, why=why, remedy=remedy)
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

    def _capture(self, fired: bool) -> None:
        """Take what the iteration needs from the device, and write the rows that have arrived."""
        taken = {}
        for signal in self._signals:
            found = self._guarded(type(signal).__name__, signal.take)
            if found is not None:
                taken[signal.subject] = found
        passed, self._waiting = self._waiting, []
        captured = Captured(self.iteration, self.epoch, time.time(), fired, self._intake.output_kind, passed, taken)
        self.iteration += 1
        self._scaling.begin()
        self._write_arrived(self._guarded("readback", self._readback.put, captured))

    def _write_arrived(self, arrived: list[Captured] | None) -> None:
        found: list[Finding] = []
        for captured in arrived or ():
            row = self._rows.write(captured)
            if self._live is not None:
                found += self._guarded("findings", self._live.see, row) or []
        self._tell_findings(found)  # all rows are written by now: what is called may raise

    def _watch(self, level: str | Sequence[str]) -> Live:
        live = Live(self.description, LIGHT_SHARE if level == "light" else SHARE)
        self._teller.heard = live.history.see_event
        return live

    def _tell_findings(self, findings: list[Finding]) -> None:
        for finding in findings:
            self._teller.tell("event", "finding", self.iteration, finding=finding.to_dict())
        if self._on_finding is not None:
            for finding in findings:
                self._on_finding(finding)

    def _guarded(self, what: str, measure: Callable[..., Any], *args: Any) -> Any:
        return self._teller.guarded(what, self.iteration, measure, *args)

    def _tell_order(self) -> None:
        """Once, where the loop calls `step` too early; a scaler's skipped row would look the same."""
        if self._order_told or self._scaling.is_on:
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
