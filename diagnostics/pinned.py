"""A few clips that are looked at again at every evaluation: their scores and maps."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .signals.kept import Kept, OutputKeeper, module_path
from .signals.weighting import map_weights

Maps = dict[str, np.ndarray]


class PinnedClips:
    """Clips by name (any name: a log that makes folders of them encodes it), each without the batch dimension.

    kinds : {"path.to.module": kind} of the modules that give maps
    """

    def __init__(self, model: nn.Module, clips: Mapping[str, Tensor], kinds: Mapping[str, str]) -> None:
        self.model, self.clips, self.kinds = model, dict(clips), dict(kinds)

    @torch.no_grad()
    def measure(self) -> tuple[dict[str, np.ndarray], dict[str, Maps]]:
        """Scores (class,) by column `scores.<clip>`, and maps (frame, class) by clip and path.

        In eval mode, one clip at a time; training mode and random state are the same afterwards. Of a model that gives
        several outputs the first is taken for the scores.
        """
        scores: dict[str, np.ndarray] = {}
        maps: dict[str, Maps] = {}
        if not self.clips:
            return scores, maps
        device = next((parameter.device for parameter in self.model.parameters()), torch.device("cpu"))
        seen: dict[str, Kept] = {}
        with evaluating(self.model), ExitStack() as stack:
            for path in self.kinds:
                keeper = OutputKeeper(path, seen, training_only=False)
                stack.callback(self.model.get_submodule(module_path(path)).register_forward_hook(keeper).remove)
            for name, clip in self.clips.items():
                seen.clear()
                output: Any = self.model(clip.unsqueeze(0).to(device))
                first = output[0] if isinstance(output, (tuple, list)) else output
                scores[f"scores.{name}"] = first[0].float().cpu().numpy()
                maps[name] = {path: _map_of(kept, self.kinds[path]) for path, kept in seen.items()}
        return scores, maps


def _map_of(kept: Kept, kind: str) -> np.ndarray:
    weights, _ = map_weights(kept.map(), kind, None)
    return weights[0].cpu().numpy()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in eval mode; every module's own mode, and the CPU's and GPUs' random states, are put back."""
    modes = {module: module.training for module in model.modules()}
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
