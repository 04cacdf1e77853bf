"""A few clips that are looked at again at every evaluation: their scores and maps."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .signals.attention import map_weights


class PinnedClips:
    """Clips by name, each one clip of the model's input, without the batch dimension."""

    def __init__(self, model: nn.Module, clips: Mapping[str, Tensor], kinds: Mapping[str, str]) -> None:
        self.model, self.clips, self.kinds = model, dict(clips), dict(kinds)

    @torch.no_grad()
    def measure(self) -> tuple[dict[str, np.ndarray], dict[str, dict[str, np.ndarray]]]:
        """Scores (class,) by column `scores.<clip>`, and maps (frame, class) by clip and path.

        In eval mode, one clip at a time; training mode and random state are the same afterwards.
        """
        scores: dict[str, np.ndarray] = {}
        maps: dict[str, dict[str, np.ndarray]] = {}
        if not self.clips:
            return scores, maps
        device = next(self.model.parameters()).device
        with evaluating(self.model), ExitStack() as stack:
            seen = _catch(self.model, self.kinds, stack)
            for name, clip in self.clips.items():
                output = self.model(clip.unsqueeze(0).to(device))
                scores[f"scores.{name}"] = output[0].float().cpu().numpy()
                maps[name] = {
                    path: map_weights(given, self.kinds[path], None)[0][0].cpu().numpy() for path, given in seen.items()
                }
        return scores, maps


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


def _catch(model: nn.Module, kinds: Mapping[str, str], stack: ExitStack) -> dict[str, Tensor]:
    """Outputs of the map modules by path, filled at each forward pass."""
    seen: dict[str, Tensor] = {}
    modules = dict(model.named_modules())

    def keeper(path: str) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            seen[path] = (output[0] if isinstance(output, tuple) else output).detach()

        return keep

    for path in kinds:
        stack.callback(modules[path].register_forward_hook(keeper(path)).remove)
    return seen
