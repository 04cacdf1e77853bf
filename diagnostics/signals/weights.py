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

COPIED = 4 * 2**20
"""Weights copied before a step at most, of all optimisers (16 MB in float32); larger networks are measured a part at a
time. Ours: half of the 32 MB that the recorder may take."""


class WeightUpdates(Signal):
    """Norm of each parameter after the step, and how far the step moved it.

    A network of more than `COPIED` weights has the update ratios of a part of its parameters in each iteration, in
    turn, NaN for the others; a single parameter larger than that is copied for its turn alone.
    """

    subject = "weights"
    cost = "a copy of the weights before the step, and two or three norms of each"
    infos = (
        SignalInfo("weight_norm", "L2, by parameter", "norm of the weights after the step"),
        SignalInfo(
            "update_ratio",
            "1, by parameter",
            "norm of the step's change over the norm before it; NaN from zero weights",
        ),
        SignalInfo("gate_weight_norm", "L2, by gate", "weight_norm of a gate's rows of an RNN's parameter"),
        SignalInfo("gate_update_ratio", "1, by gate", "update_ratio of a gate's rows of an RNN's parameter"),
    )

    def __init__(self) -> None:
        self._pieces = Pieces(nn.Module())
        self._turns: list[_Turn] = []
        self._known: tuple[list[int], Tensor] | None = None
        self._faults = Faults()

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook every optimiser's step, before and after."""
        self._pieces = Pieces(model)
        for optimizer in optimizers:
            turn = _Turn(self._pieces, COPIED // len(optimizers))
            self._turns.append(turn)
            before = Quiet(partial(self._before, turn), self._faults)
            stack.callback(optimizer.register_step_pre_hook(before).remove)
            stack.callback(optimizer.register_step_post_hook(Quiet(partial(self._after, turn), self._faults)).remove)
        stack.callback(self._turns.clear)

    @torch.no_grad()
    def _before(self, turn: "_Turn", optimizer: Optimizer, *step: Any) -> None:
        # A change by way of `.data` counts in no version: after a step, and for a row, norms are taken anew.
        if self._known is None or self._known[0] != self._versions():
            self._known = self._versions(), self._norms_now()
        turn.copy(optimizer, self._known[1])

    def _after(self, turn: "_Turn", *step: Any) -> None:
        self._known = None
        turn.measure()

    def _versions(self) -> list[int]:
        return [parameter._version for parameter in self._pieces.parameters]

    def _norms_now(self) -> Tensor:
        """Of all pieces."""
        everything = range(len(self._pieces.parameters))
        return l2_norms(_pieces(self._pieces, everything, self._pieces.parameters))

    @torch.no_grad()
    def take(self) -> Taken:
        """Norms now, and what the steps since the last call changed."""
        changes = {number: turn.taken() for number, turn in enumerate(self._turns)}
        self._faults.raise_kept()
        self._known = self._versions(), self._norms_now()
        return {"norms": self._known[1], "changes": changes, "replaced": self._pieces.replaced()}

    def state(self) -> dict[str, Any]:
        """Whose turn it is, of each optimiser's parameters."""
        return {"turns": [turn.next for turn in self._turns]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As it was."""
        for turn, number in zip(self._turns, state.get("turns", ()), strict=False):
            turn.next = number

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """Norms; ratios where an optimiser stepped and the parameter had a gradient."""
        everything = range(len(self._pieces.names))
        weight, gate_weight = self._pieces.joined(everything, taken["norms"])
        self._pieces.leave_out(taken["replaced"], weight, gate_weight)
        ratio, gate_ratio = np.full_like(weight, np.nan), np.full_like(gate_weight, np.nan)
        for number, change in taken["changes"].items():
            if change is None or batch.skipped or number in batch.shared.get("skipping_optimizers", ()):
                continue
            before, gate_before = self._pieces.joined(everything, change.before)
            moved, gate_moved = self._pieces.joined(change.places, change.moved)
            ratio = np.where(np.isnan(moved), ratio, _over(moved, before))
            gate_ratio = np.where(np.isnan(gate_moved), gate_ratio, _over(gate_moved, gate_before))
        values = {"weight_norm": weight, "update_ratio": ratio}
        return (
            {**values, "gate_weight_norm": gate_weight, "gate_update_ratio": gate_ratio} if len(gate_weight) else values
        )

    def description(self) -> dict[str, Any]:
        """Names of parameters and gates."""
        return {"parameters": self._pieces.names, "gates": self._pieces.gates}


@dataclass(frozen=True)
class _Change:
    """What one step changed: norms of all pieces before it, and of the change of those at `places`."""

    places: Sequence[int]
    before: Any
    moved: Any


class _Turn:
    """One optimiser's parameters, as many at a time as may be copied."""

    def __init__(self, pieces: Pieces, most: int) -> None:
        self._all, self._most, self._groups, self.next, self._n_held = pieces, most, [[]], 0, -1
        self._copies: dict[int, Tensor] = {}
        self._norms: Tensor | None = None
        self._change: _Change | None = None

    def copy(self, optimizer: Optimizer, norms: Tensor) -> None:
        """Copy the parameters of this turn that are about to change."""
        self._see_groups(optimizer)
        if not self._groups:
            return
        group = self._groups[self.next % len(self._groups)]
        self.next += 1
        weights = [self._all.parameters[place].detach() for place in group]
        if list(self._copies) != group or not all(map(_is_alike, self._copies.values(), weights)):
            self._copies = {place: torch.empty_like(of) for place, of in zip(group, weights, strict=True)}
        torch._foreach_copy_(list(self._copies.values()), weights)  # pyright: ignore[reportPrivateImportUsage]
        self._norms = norms

    def _see_groups(self, optimizer: Optimizer) -> None:
        """Know the parameters that the optimiser holds now: `add_param_group` may have given it more."""
        if self._n_held != (n_held := sum(len(group["params"]) for group in optimizer.param_groups)):
            self._n_held = n_held
            places = {parameter: place for place, parameter in enumerate(self._all.parameters)}
            held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            mine = [places[parameter] for parameter in held if parameter in places]
            self._groups = _groups(self._all, mine, self._most)

    @torch.no_grad()
    def measure(self) -> None:
        """Compare with the copies, where there was a gradient: a closure may have computed it within the step."""
        norms, self._norms = self._norms, None
        places = [place for place in self._copies if self._all.parameters[place].grad is not None]
        if norms is None or not places:
            return
        copies = [self._copies[place] for place in places]
        now: list[Tensor] = [self._all.parameters[place] for place in places]
        torch._foreach_sub_(copies, now)  # pyright: ignore[reportPrivateImportUsage]
        self._change = _Change(places, norms, l2_norms(_pieces(self._all, places, copies)))
        if sum(copy.numel() for copy in self._copies.values()) > self._most:
            self._copies = {}

    def taken(self) -> _Change | None:
        """The newest change, once."""
        change, self._change = self._change, None
        return change


def _groups(pieces: Pieces, places: list[int], most: int) -> list[list[int]]:
    """Places in turns of at most `most` weights, or of a single parameter."""
    groups: list[list[int]] = []
    size = most
    for place in places:
        n_weights = pieces.parameters[place].numel()
        if size + n_weights > most or not groups:
            groups.append([])
            size = 0
        groups[-1].append(place)
        size += n_weights
    return groups


def _pieces(pieces: Pieces, places: Sequence[int], values: Sequence[Tensor]) -> list[Tensor]:
    return [piece for place, value in zip(places, values, strict=True) for piece in pieces.of(place, value)]


def _is_alike(copy: Tensor, weights: Tensor) -> bool:
    """Not so after `model.double()` or `.to(device)`, which leave the parameter the same object."""
    return copy.dtype == weights.dtype and copy.device == weights.device and copy.shape == weights.shape


def _over(moved: np.ndarray, before: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before > 0, moved / before, np.nan)
