from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..gates import Pieces
from .base import Batch, Signal, SignalInfo, Taken, Values
from .norms import l2_norms
from .quiet import Faults, Quiet
from .stepping import before_step


@dataclass(frozen=True)
class Reading:
    """What one optimiser's newest step saw; tensors stay on their device until the row is made.

    places : of the parameters with a gradient, in the model's order
    norms : of their pieces
    scale, found_inf : what a GradScaler leaves to a fused optimiser, which unscales and skips within its step
    """

    places: Sequence[int]
    norms: Any
    scale: Any
    found_inf: Any

    @property
    def skipped(self) -> bool:
        """Whether a fused optimiser left its step out."""
        return self.found_inf is not None and bool(self.found_inf)

    def values(self) -> np.ndarray:
        """Unscaled norms."""
        return self.norms if self.scale is None else self.norms / self.scale


class GradientNorms(Signal):
    """L2 norm of each parameter's gradient, as the optimiser saw it: read when it is about to step.

    That is after clipping, unscaling, accumulation and reduction; where a closure computes the gradients within the
    step (L-BFGS, Lightning), after its first call. A parameter without a gradient, or one that no optimiser holds, is
    NaN.
    """

    subject = "gradients"
    cost = "one norm of each gradient: 4 us a tensor on a CPU, and its size once through memory"
    infos = (
        SignalInfo("gradient_norm", "L2, by parameter", "norm of the gradient that the optimiser saw; NaN without one"),
        SignalInfo("gradient_norm_total", "L2", "norm of all gradients as one vector; not finite where one is not"),
        SignalInfo("gradient_norm_mean", "L2", "mean over parameter tensors of their norms (the seed's chart)"),
        SignalInfo("gate_gradient_norm", "L2, by gate", "norm of a gate's rows of the gradient of an RNN's parameter"),
        SignalInfo("nonfinite_gradients", "parameters", "parameters whose gradient holds NaN or infinity"),
        SignalInfo("learning_rate", "1", "of the first optimiser's first group, at the step"),
    )

    def __init__(self) -> None:
        self._pieces = Pieces(nn.Module())
        self._place: dict[Tensor, int] = {}
        self._readings: dict[int, Reading] = {}
        self._faults = Faults()
        self._fired = False
        self._learning_rate: Any = float("nan")

    @property
    def names(self) -> list[str]:
        """Of the parameters, in the model's order."""
        return self._pieces.names

    @property
    def fired(self) -> bool:
        """Whether an optimiser's step was called since the last `take`, if only to meet a fault in reading it."""
        return self._fired or bool(self._faults)

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook every optimiser's step."""
        self._pieces = Pieces(model)
        self._place = {parameter: index for index, parameter in enumerate(self._pieces.parameters)}
        for number, optimizer in enumerate(optimizers):
            before_step(optimizer, Quiet(partial(self._read, number), self._faults), stack)

    @torch.no_grad()
    def _read(self, number: int, optimizer: Optimizer) -> None:
        self._fired = True
        if number == 0:
            self._learning_rate = _held(optimizer.param_groups[0]["lr"])
        held = (parameter for group in optimizer.param_groups for parameter in group["params"])
        seen = [parameter for parameter in held if parameter.grad is not None and parameter in self._place]
        places = [self._place[parameter] for parameter in seen]
        gradients = [
            piece
            for place, parameter in zip(places, seen, strict=True)
            for piece in self._pieces.of(place, _dense(parameter.grad))
        ]
        scale, found_inf = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
        self._readings[number] = Reading(places, l2_norms(gradients), _held(scale), _held(found_inf))

    def take(self) -> Taken:
        """What the optimisers' steps saw since the last call, by the optimiser's number."""
        readings, self._readings, self._fired = self._readings, {}, False
        self._faults.raise_kept()
        return {"readings": readings, "learning_rate": self._learning_rate}

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """Norms; all NaN where no optimiser stepped."""
        every: Mapping[int, Reading] = taken["readings"]
        readings = [reading for reading in every.values() if not reading.skipped]
        norms = np.full(len(self._pieces.names), np.nan, dtype=np.float32)
        gates = np.full(len(self._pieces.gates), np.nan, dtype=np.float32)
        seen = np.zeros(len(norms), dtype=bool)
        for reading in readings:
            of_parameters, of_gates = self._pieces.joined(reading.places, reading.values())
            norms[reading.places], seen[reading.places] = of_parameters[reading.places], True
            gates = np.where(np.isnan(of_gates), gates, of_gates)
        totals = _totals(norms[seen].astype(np.float64))
        skipping = {number for number, reading in every.items() if reading.skipped}
        batch.shared.update(totals, gradient_norm=norms, skipping_optimizers=skipping)
        values = {"gradient_norm": norms, **totals, "learning_rate": float(taken["learning_rate"])}
        if every and not readings:
            values["skipped"] = batch.shared["skipped"] = True
        return {**values, "gate_gradient_norm": gates} if len(gates) else values

    def description(self) -> dict[str, Any]:
        """Names of parameters and gates."""
        return {"parameters": self._pieces.names, "gates": self._pieces.gates}


def _totals(seen: np.ndarray) -> dict[str, float]:
    """Scalars of the norms that were seen; a NaN among these is a gradient's, not one that is missing."""
    names = ("gradient_norm_total", "gradient_norm_mean", "nonfinite_gradients")
    if not seen.size:
        return dict.fromkeys(names, np.nan)
    values = (np.sqrt(seen @ seen), seen.mean(), np.count_nonzero(~np.isfinite(seen)))
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _dense(gradient: Any) -> Tensor:
    """A sparse gradient's stored values (its norm is the same), any other as it is.

    Of a sparse one on a GPU this waits for the device: how many rows it has is the host's to know.
    """
    return gradient.coalesce().values() if gradient.is_sparse else gradient


def _held(value: Any) -> Any:
    """A copy of a tensor that the optimiser may change, without reading it; anything else as it is."""
    return value.detach().clone() if isinstance(value, Tensor) else value
