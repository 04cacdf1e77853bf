from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import AttachError
from .base import Batch, SignalInfo, Values

KINDS = ("weights", "sigmoid", "softmax-class", "softmax-time")


class AttentionMaps:
    """Maps (clip, frame, class) of the modules that give them: the batch's mean map, and where each class looks.

    The entropy and peak are of a class's weights as shares of their sum over the clip's real frames, averaged over clips.
    The first map's columns have no suffix, the others' end in `.<path>`. Cost: one pass over (clip, frame, class).
    """

    infos = (
        SignalInfo(
            "attention_entropy", "share of ln(frames), by class", "1 looks at all frames alike, 0 at a single one"
        ),
        SignalInfo("attention_peak", "share, by class", "largest share that one frame has"),
    )

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = dict(kinds)
        self._outputs: dict[str, Tensor] = {}

    def attach(self, model: nn.Module, optimizers: list[Optimizer], stack: ExitStack) -> None:
        """Hook the modules' forward passes.

        Raises AttachError for a path the model does not have or a kind that is not known.
        """
        modules = dict(model.named_modules())
        for path, kind in self.kinds.items():
            if path not in modules:
                known = ", ".join(name for name in modules if name) or "none"
                raise AttachError(
                    f"attention names {path!r}, which the model does not have (Recorder); its modules: {known}"
                )
            if kind not in KINDS:
                raise AttachError(
                    f"attention kind {kind!r} of {path!r} is not known (Recorder); known: {', '.join(KINDS)}"
                )
            stack.callback(modules[path].register_forward_hook(self._keeper(path)).remove)

    def _keeper(self, path: str) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            if module.training and torch.is_grad_enabled():  # an evaluation between two steps is not this iteration
                self._outputs[path] = (output[0] if isinstance(output, tuple) else output).detach()

        return keep

    @torch.no_grad()
    def collect(self, batch: Batch) -> Values:
        """Entropy and peak by class, and the mean maps under "maps"."""
        values: dict[str, Any] = {}
        maps: dict[str, np.ndarray] = {}
        for path, kind in self.kinds.items():
            if (scores := self._outputs.pop(path, None)) is None:
                continue
            if scores.ndim != 3:
                raise AttachError(
                    f"{path} gives {tuple(scores.shape)}, but a map is (clip, frame, class) (Recorder.step)"
                )
            weights, mask = map_weights(scores, kind, batch.mask)
            suffix = "" if path == next(iter(self.kinds)) else f".{path}"
            entropy, peak = where_it_looks(weights, mask)
            maps[path] = mean_map(weights, mask).cpu().numpy()
            values[f"attention_entropy{suffix}"], values[f"attention_peak{suffix}"] = entropy, peak
        return {**values, "maps": maps} if maps else values


def map_weights(scores: Tensor, kind: str, mask: np.ndarray | None) -> tuple[Tensor, Tensor | None]:
    """Weights (clip, frame, class), 0 on padding, from what a module gave, and the mask (clip, frame, 1) or None."""
    real = None
    if mask is not None and mask.shape == scores.shape[:2]:
        real = torch.as_tensor(mask, device=scores.device).unsqueeze(-1)
    scores = scores.float()
    if kind == "sigmoid":
        weights = scores.sigmoid()
    elif kind == "softmax-class":
        weights = scores.softmax(dim=-1)
    elif kind == "softmax-time":
        weights = (scores if real is None else scores.masked_fill(~real, float("-inf"))).softmax(dim=1)
    else:
        weights = scores
    return (weights if real is None else weights.masked_fill(~real, 0.0)), real


def mean_map(weights: Tensor, real: Tensor | None) -> Tensor:
    """(frame, class) mean over the clips for which a frame is real; NaN where it is padding in all."""
    return weights.mean(dim=0) if real is None else weights.sum(dim=0) / real.sum(dim=0)


def where_it_looks(weights: Tensor, real: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Entropy over frames as a share of ln(real frames), and peak share, each (class,) averaged over clips.

    A clip of one frame has no entropy to speak of (NaN), nor one whose weights are all zero.
    """
    shares = weights / weights.sum(dim=1, keepdim=True)  # (clip, frame, class)
    n_frames = torch.full((len(weights), 1), float(weights.shape[1])) if real is None else real.sum(dim=1).float()
    bits = torch.special.entr(shares).sum(dim=1)  # (clip, class), nats; 0 for a share of 0
    entropy = bits / n_frames.to(bits.device).log()
    return _mean_seen(entropy), _mean_seen(shares.amax(dim=1))


def _mean_seen(values: Tensor) -> np.ndarray:
    values = torch.where(torch.isfinite(values), values, torch.nan)
    return values.nanmean(dim=0).cpu().numpy()
