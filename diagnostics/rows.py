"""From what was captured in an iteration to its row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .nonfinite import FirstNonFinite
from .passed import Passed, pooled
from .signals import Batch, Signal
from .subject import n_processes
from .targets import RunningPrior
from .telling import Teller


@dataclass(frozen=True)
class Captured:
    """One iteration as the training loop left it; tensors may still be on a GPU.

    fired : whether an optimiser's step was called
    taken : what each signal took, by subject; one that failed is not there
    """

    iteration: int
    epoch: int
    wall_time: float
    fired: bool
    output_kind: str | None
    passed: list[Passed]
    taken: dict[str, Any]


class Rows:
    """Makes rows of captured iterations that have arrived on the host, and gives them to the log, in order.

    prior : the class prior of the targets so far
    last_loss, last_gradient_norm : the newest row's
    """

    def __init__(
        self, signals: list[Signal], teller: Teller, loss_kind: str | None, map_kinds: Mapping[str, str]
    ) -> None:
        self._signals, self._teller, self._loss_kind, self._map_kinds = signals, teller, loss_kind, map_kinds
        self._maps_seen: dict[str, str] = {}
        self._first_nonfinite: FirstNonFinite | None = None
        self._n_processes = n_processes()
        self.prior = RunningPrior()
        self.last_loss = self.last_gradient_norm = float("nan")

    def state(self) -> dict[str, Any]:
        """The prior so far and what the newest row said."""
        newest = {"loss": self.last_loss, "gradient_norm": self.last_gradient_norm}
        return {"prior": self.prior.state(), **newest}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As they were."""
        self.prior.load_state(state["prior"])
        self.last_loss, self.last_gradient_norm = state["loss"], state["gradient_norm"]

    def write(self, captured: Captured) -> dict[str, Any]:
        """Make and append one row, and return it."""
        iteration = captured.iteration
        batch = self._teller.guarded("outputs and targets", iteration, self._batch, captured)
        if batch is None:
            passed = [replace(part, outputs=None, target=None, n_clips=0) for part in captured.passed]
            batch = self._batch(replace(captured, passed=passed))
        row = self._facts(captured, batch)
        for signal in self._signals:
            if signal.subject in captured.taken:
                name = type(signal).__name__
                row |= (
                    self._teller.guarded(name, iteration, signal.collect, batch, captured.taken[signal.subject]) or {}
                )
        maps = row.pop("maps", None)
        self.last_loss, self.last_gradient_norm = row["loss"], row.get("gradient_norm_total", float("nan"))
        self._teller.log.append(row)
        if maps:
            self._append_maps(iteration, maps)
        if row["skipped"]:
            self._teller.tell("event", "skipped-step", iteration)
        elif names := self._nonfinite(row):
            module = None if self._first_nonfinite is None else self._first_nonfinite.module(row)
            first = {} if module is None else {"module": module}
            of = f" (first in {module})" if module else ""
            text = f"{', '.join(names[:3])} not finite from iteration {iteration} on{of}; recorded as it is, told once"
            self._teller.warn("non-finite", iteration, text, what=names, **first)
        return row

    def _nonfinite(self, row: dict[str, Any]) -> list[str]:
        if self._first_nonfinite is None:  # the names are known once the signals are attached
            about = [signal.description().get("parameters") for signal in self._signals]
            self._first_nonfinite = FirstNonFinite(next(filter(None, about), []))
        return self._first_nonfinite.names(row)

    def _append_maps(self, iteration: int, maps: dict[str, np.ndarray]) -> None:
        """Append the maps; one that comes for the first time is made known first."""
        if not maps.keys() <= self._maps_seen.keys():
            seen = {*self._maps_seen, *maps}
            self._maps_seen = {path: kind for path, kind in self._map_kinds.items() if path in seen}
            self._teller.tell("update", maps=self._maps_seen)
        self._teller.tell("append_maps", iteration, maps)

    def _batch(self, captured: Captured) -> Batch:
        passed = pooled(captured.passed)
        if passed.target is not None:
            self.prior.see(passed.target, passed.n_clips)
        return Batch(
            captured.iteration,
            self._loss_kind,
            passed.outputs,
            passed.target,
            self.prior.value,
            float(passed.unclipped_norm),
            passed.n_clips * self._n_processes,
            float(passed.loss),
            captured.output_kind,
            not captured.fired,
            passed.target_range,
        )

    def _facts(self, captured: Captured, batch: Batch) -> dict[str, Any]:
        return {
            "iteration": captured.iteration,
            "epoch": captured.epoch,
            "wall_time": captured.wall_time,
            "loss": batch.loss,
            "skipped": batch.skipped,
            "gradient_norm_unclipped": batch.unclipped_norm,
        }
