from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Batch, Signal, SignalInfo, Taken, Values
from .kept import Kept, OutputKeeper, module_path
from .quiet import Faults, Quiet
from .weighting import joined, map_weights, mean_map, where_it_looks

COLUMNS = ("attention_entropy", "attention_peak", "attention_sum", "attention_drift")


class AttentionMaps(Signal):
    """Maps (clip, frame, class) of the modules that give them: the batch's mean map, and where each class looks.

    Entropy, peak and drift are of a class's weights as shares of their sum over the clip's real frames, averaged over
    clips. The first map's columns have no suffix, the others' end in `.<path>`. A map is a training pass's: one in
    training mode with gradients on.
    """

    subject = "attention"
    cost = "three passes over (clip, frame, class), and 1 us per kB of the mean map that is kept"
    infos = (
        SignalInfo(
            "attention_entropy", "share of ln(frames), by class", "1 looks at all frames alike, 0 at a single one"
        ),
        SignalInfo("attention_peak", "share, by class", "largest share that one frame has"),
        SignalInfo("attention_sum", "the weights', by class", "sum of the weights over the real frames"),
        SignalInfo(
            "attention_drift",
            "share, by class",
            "weight that moved to other frames of the mean map since the iteration before: 0 none, 1 all",
        ),
    )

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = dict(kinds)
        self._newest: dict[str, Kept] = {}
        self._seen: list[tuple[dict[str, Kept], Tensor | None]] = []
        self._before: dict[str, Tensor] = {}
        self._faults = Faults()

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook the modules' forward passes."""
        for path in self.kinds:
            keeper = Quiet(OutputKeeper(path, self._newest, training_only=True), self._faults)
            stack.callback(model.get_submodule(module_path(path)).register_forward_hook(keeper).remove)
        stack.callback(self._newest.clear)

    def see(self, mask: Tensor | None) -> None:
        """Take what the newest forward pass gave, with its padding mask: one batch of those that a row pools."""
        if self.kinds:
            self._seen.append((dict(self._newest), mask))
            self._newest.clear()

    def forget(self) -> None:
        """Drop what was seen and not taken."""
        self._seen.clear()

    @torch.no_grad()
    def take(self) -> Taken:
        """Where each class looks, and the mean map, by path."""
        seen, self._seen = self._seen, []
        self._faults.raise_kept()
        taken = {}
        for path, kind in self.kinds.items():
            parts = [map_weights(kept[path].map(), kind, mask) for kept, mask in seen if path in kept]
            if parts:
                taken[path] = self._measured(path, *joined(parts))
        return taken

    def _measured(self, path: str, weights: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """(4, class) values of `COLUMNS`, and the map (frame, class)."""
        mean = mean_map(weights, real)
        shares = (mean if real is None else torch.nan_to_num(mean)) / mean.nansum(dim=0)
        before = self._before.get(path)
        drift = moved_weight(None if before is None else before.to(mean.device), shares)
        self._before[path] = shares
        return torch.cat([where_it_looks(weights, real), drift.unsqueeze(0)]), mean

    def state(self) -> dict[str, Any]:
        """The newest mean maps' shares, that the next ones are held against."""
        return {path: shares.cpu() for path, shares in self._before.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """As they were, wherever they lie."""
        self._before = dict(state)

    def collect(self, batch: Batch, taken: Taken) -> Values:
        """The columns by class, and the mean maps under "maps"."""
        values: dict[str, Any] = {}
        for path, (by_class, _) in taken.items():
            suffix = "" if path == next(iter(self.kinds)) else f".{path}"
            values.update({f"{column}{suffix}": row for column, row in zip(COLUMNS, by_class, strict=True)})
        return {**values, "maps": {path: mean for path, (_, mean) in taken.items()}} if taken else values


def moved_weight(before: Tensor | None, now: Tensor) -> Tensor:
    """(class,) half the sum over frames of how much each frame's share (frame, class) changed.

    NaN without a map before, for one of other frames, and for weights that are all zero.
    """
    if before is None or before.shape != now.shape:
        return torch.full_like(now[0], torch.nan)
    return (now - before).abs_().sum(dim=0) / 2
