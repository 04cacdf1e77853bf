"""What a training loop of one's own needs for trials: a context that tells it what to change and when to wait."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from ..interventions import Intervention, Loop, Patient
from ..interventions.base import Criterion
from ..interventions.fix_objective import FITTING, takes
from ..run import Run
from .arms import UNCHANGED
from .loop_session import Pause


class Switch(Intervention):
    """A change that the loop itself makes where `context.has(name)`: other labels, no augmentation, a module less.

    name : of an intervention that findings name among their remedies, or one's own
    treats : kinds of finding for which it is tried
    """

    def __init__(self, name: str, does: str = "", treats: Sequence[str] = ()) -> None:
        self.name, self.does, self.treats = name, does, tuple(treats)  # type: ignore[misc]
        self.source = "the loop's own"  # type: ignore[misc]

    @property
    def suits_loops(self) -> bool:
        """The loop says so."""
        return True


class InterventionContext:
    """What a trial function is told: where to record, how far to train, and what to change.

    name : of the arm, "unchanged" or interventions joined by +
    given : the interventions' names
    log : for `flatline.Recorder(log=...)`
    iterations : to train
    seed : of the loop's own generators; torch, numpy and random are seeded by it already
    """

    def __init__(self, given: Sequence[Intervention], log: Path, iterations: int, seed: int, patient: Patient) -> None:
        self.given = tuple(one.name for one in given)
        self.name = "+".join(self.given) or UNCHANGED
        self.log, self.iterations, self.seed = log, iterations, seed
        self.pause = Pause()
        self._given, self._patient = tuple(given), patient
        self._loop = Loop(iterations)
        self._takes: str | None = None

    def has(self, name: str) -> bool:
        """Whether an intervention is to be made; for what the loop changes itself."""
        return name in self.given

    def model(
        self, model: nn.Module, *, prior: Tensor | None = None, n_frames: int | None = None, loss: str | None = None
    ) -> nn.Module:
        """The network, changed in place; call it before the optimiser is made.

        prior : (class,) share of clips with each class, for a prior bias
        n_frames : of a clip, as the RNN sees it, for a chrono initialisation
        loss : what the criterion expects, as `flatline.Recorder` takes it
        """
        self._loop = Loop(self.iterations, prior, n_frames, loss, model)
        for one in self._given:
            one.on_model(model, self._loop)
        return model

    def optimizer(self, optimizer: Optimizer) -> Optimizer:
        """The optimiser, changed in place; call it before the recorder is made.

        A rate that an intervention scales stays scaled, whatever the loop or its schedule sets it to.
        """
        rates = [group["lr"] for group in optimizer.param_groups]
        for one in self._given:
            one.on_optimizer(optimizer, self._loop, self._patient)
        now = [group["lr"] for group in optimizer.param_groups]
        factors = [after / before for before, after in zip(rates, now, strict=False) if before]
        if changed := [factor for factor in factors if factor != 1]:
            _keep_scaled(optimizer, rates, changed[0])
        return optimizer

    def criterion(self, criterion: Criterion, *, gives: str | None = None) -> Criterion:
        """The loss to take.

        gives : what the model gives, "logits" or "probabilities"; None is what the recorder was told, or what the
            diagnosis found
        """
        gives = self._patient.gives if gives is None else gives
        for one in self._given:
            criterion = one.on_criterion(criterion, gives)
        self._takes = takes(criterion)
        return criterion

    def loss(self, kind: str) -> str:
        """The loss to tell `flatline.Recorder` of: that of the criterion that was taken.

        kind : of the loop's own
        """
        return kind if self._takes is None or not self.given else FITTING[self._takes]

    def goes_on(self, iteration: int) -> bool:
        """Whether to train another iteration; call it before each, right after the evaluation where there is one.

        It may wait there while other arms are trained. An arm that fell behind is told to end.

        iteration : optimiser steps done (`recorder.iteration`)
        """
        return self.pause.passes(iteration) and iteration < self.iterations


TrialFunction = Callable[[InterventionContext], Run]


def _keep_scaled(optimizer: Optimizer, rates: Sequence[float], factor: float) -> None:
    """Put rates back as they were, and take every step at `factor` times whatever rate its group has by then."""
    for group, rate in zip(optimizer.param_groups, rates, strict=False):  # a group that was added has no old rate
        group["lr"] = rate
        if "initial_lr" in group:
            group["initial_lr"] /= factor
    held: list[float] = []

    def before(optimizer: Any, args: Any, kwargs: Any) -> None:
        held[:] = [group["lr"] for group in optimizer.param_groups]
        for group, rate in zip(optimizer.param_groups, held, strict=True):
            group["lr"] = rate * factor

    def after(optimizer: Any, args: Any, kwargs: Any) -> None:
        for group, rate in zip(optimizer.param_groups, held, strict=True):
            group["lr"] = rate

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
