"""The maps that a network makes itself, as relevance of frames."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import AttachError
from ..signals.kept import chosen_output, module_path
from ..signals.weighting import map_weights
from ..subject import announced_maps, multihead_maps
from .explained import Explained
from .found import Found, Options


@torch.no_grad()
def rollout(given: Explained, difference: float, options: Options) -> Found:
    """The network's maps of the class, multiplied with each other, as shares of the real frames.

    Attentions from frames to frames are rolled out: each layer's, mixed in halves with what passes it by, times those
    before it (Abnar and Zuidema 2020), averaged over the frames that look. Shares are not in the output's units, and
    have no sign. A frame's value is spread over its cells.
    Raises AttachError for a network that makes no map.
    """
    kinds = announced_maps(given.model) or multihead_maps(given.model)
    maps = _maps_of(given, kinds)
    if not maps:
        raise AttachError(
            f"rollout needs a map, and {type(given.model).__name__} announces none (an `attention` that gives a kind "
            "by path); use ablation-frames"
        )
    relevance = torch.ones(given.n_seen, device=given.clip.device)
    rolled = None
    for weights in maps:
        if _is_square(weights, given):
            mixed = 0.5 * (
                weights / weights.sum(-1, keepdim=True).clamp_min(1e-12) + torch.eye(len(weights)).to(weights)
            )
            rolled = mixed if rolled is None else mixed @ rolled
        else:
            relevance = relevance * _drawn_out(weights[:, given.index if weights.shape[1] > given.index else 0], given)
    if rolled is not None:
        relevance = relevance * rolled.mean(dim=0)
    frames = relevance[: len(given.clip)]
    n_mels = given.clip.shape[1]
    parts = frames / frames.sum().clamp_min(torch.finfo(frames.dtype).tiny)
    return Found((parts / n_mels).unsqueeze(1).expand(-1, n_mels))


def _is_square(weights: Tensor, given: Explained) -> bool:
    return weights.shape == (given.n_seen, given.n_seen)


def _drawn_out(frames: Tensor, given: Explained) -> Tensor:
    return torch.nn.functional.interpolate(frames[None, None], size=given.n_seen)[0, 0]


def _maps_of(given: Explained, kinds: Mapping[str, str]) -> list[Tensor]:
    """(frame, class) or (frame, frame) weights, in the order in which the network made them."""
    found: list[Tensor] = []

    def keep(path: str, kind: str, module: Any, args: Any, output: Any) -> None:
        if isinstance(module, nn.MultiheadAttention):
            values = None if output[1] is None else output[1].flatten(0, -3).mean(dim=0, keepdim=True)
        else:
            values = chosen_output(module, path, output)
        if isinstance(values, Tensor) and values.ndim == 3:
            found.append(map_weights(values, kind, None)[0][0])

    with ExitStack() as stack:
        for path, kind in kinds.items():
            module = given.model.get_submodule(module_path(path))
            stack.callback(module.register_forward_hook(partial(keep, path, kind)).remove)
        given.scores(given.clip.unsqueeze(0))
    return found
