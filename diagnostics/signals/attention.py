from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from .base import Batch, SignalInfo, Values
from .kept import Kept, OutputKeeper
from .weighting import joined, map_weights, mean_map, where_it_looks


class AttentionMaps:
    """Maps (clip, frame, class) of the modules that give them: the batch's mean map, and where each class looks.

    The entropy and peak are of a class's weights as shares of their sum over the clip's real frames, averaged over
    clips. The first map's columns have no suffix, the others' end in `.<path>`. A map is a training pass's: one in
    training mode with gradients on. Cost: one pass over (clip, frame, class).
    """

    infos = (
        SignalInfo(
            "attention_entropy", "share of ln(frames), by class", "1 looks at all frames alike, 0 at a single one"
        ),
        SignalInfo("attention_peak", "share, by class", "largest share that one frame has"),
    )

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = dict(kinds)
        self._newest: dict[str, Kept] = {}
        self._seen: list[tuple[dict[str, Kept], np.ndarray | None]] = []

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook the modules' forward passes."""
        for path in self.kinds:
            keeper = OutputKeeper(path, self._newest, training_only=True)
            stack.callback(model.get_submodule(path).register_forward_hook(keeper).remove)

    def see(self, mask: np.ndarray | None) -> None:
        """Take what the newest forward pass gave, with its padding mask: one batch of those that a row pools."""
        if self.kinds:
            self._seen.append((dict(self._newest), mask))
            self._newest.clear()

    def forget(self) -> None:
        """Drop what was seen and not collected."""
        self._seen.clear()

    @torch.no_grad()
    def collect(self, batch: Batch) -> Values:
        """Entropy and peak by class, and the mean maps under "maps"."""
        seen, self._seen = self._seen, []
        values: dict[str, Any] = {}
        maps: dict[str, np.ndarray] = {}
        for number, (path, kind) in enumerate(self.kinds.items()):
            parts = [map_weights(kept[path].map(), kind, mask) for kept, mask in seen if path in kept]
            if not parts:
                continue
            weights, real = joined(parts)
            suffix = f".{path}" if number else ""
            values[f"attention_entropy{suffix}"], values[f"attention_peak{suffix}"] = where_it_looks(weights, real)
            maps[path] = mean_map(weights, real).cpu().numpy()
        return {**values, "maps": maps} if maps else values
