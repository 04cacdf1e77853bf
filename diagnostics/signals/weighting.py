"""From what an attention module gave to weights, and where these look."""

import torch
from torch import Tensor

from ..errors import AttachError, ShapeError
from .kept import module_path

KINDS = ("weights", "sigmoid", "softmax-class", "softmax-time")


def check_kinds(kinds: dict[str, str], paths: set[str]) -> None:
    """Raise AttachError for a path that the model does not have or a kind that is not known."""
    for path, kind in kinds.items():
        if module_path(path) not in paths:
            known = ", ".join(sorted(name for name in paths if name)) or "none"
            raise AttachError(
                f"attention names {path!r}, which the model does not have (Recorder); its modules: {known}"
            )
        if kind not in KINDS:
            raise AttachError(f"attention kind {kind!r} of {path!r} is not known (Recorder); known: {', '.join(KINDS)}")


def map_weights(scores: Tensor, kind: str, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Weights (clip, frame, class), 0 on padding, from what a module gave, and the mask (clip, frame, 1) or None.

    mask : (clip, frame) bool; where the map has another number of frames (pooling over time), one of its frames is
        real if any that it covers is
    Raises ShapeError if mask and map differ in clips.
    """
    real = None if mask is None else _fitted(mask, scores)
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


def joined(parts: list[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """Weights and masks of several batches as one; shorter ones are padded to the longest."""
    if len(parts) == 1:
        return parts[0]
    most = max(weights.shape[1] for weights, _ in parts)
    padded = [_padded(weights, most) for weights, _ in parts]
    if all(real is None and weights.shape[1] == most for weights, real in parts):
        return torch.cat(padded), None
    masks = [torch.ones_like(weights[..., :1], dtype=torch.bool) if real is None else real for weights, real in parts]
    return torch.cat(padded), torch.cat([_padded(real, most) for real in masks])


def mean_map(weights: Tensor, real: Tensor | None) -> Tensor:
    """(frame, class) mean over the clips for which a frame is real; NaN where it is padding in all."""
    return weights.mean(dim=0) if real is None else weights.sum(dim=0) / real.sum(dim=0)


def where_it_looks(weights: Tensor, real: Tensor | None) -> Tensor:
    """(3, class): entropy over frames as a share of ln(real frames), peak share, sum of the weights; means over clips.

    A clip of one frame has no entropy to speak of (NaN), nor one whose weights are all zero or partly negative.
    """
    total, peak = weights.sum(dim=1), weights.amax(dim=1)  # (clip, class)
    n_frames = weights.new_full((len(weights), 1), weights.shape[1]) if real is None else real.sum(dim=1).float()
    # The smallest normal number gives a weight of 0 its 0 and leaves a negative one NaN, at a third of the cost of
    # torch.special.entr; a smaller one would be 0 where denormal numbers are flushed.
    summed = (weights + torch.finfo(torch.float32).tiny).log_().mul_(weights).sum(dim=1)
    nats = total.log() - summed / total  # -sum s ln s of the shares s = weight / total
    values = torch.stack([nats / n_frames.log(), peak / total, total])
    return torch.where(torch.isfinite(values), values, torch.nan).nanmean(dim=1)


def _fitted(mask: Tensor, scores: Tensor) -> Tensor:
    clips, frames = scores.shape[:2]
    if mask.ndim != 2 or len(mask) != clips:
        raise ShapeError(
            f"mask has shape {tuple(mask.shape)} but the attention map has {clips} clips (Recorder.step); "
            "pass the same batch's mask, (clip, frame)"
        )
    real = mask.to(scores.device, torch.bool, non_blocking=True)
    if mask.shape[1] != frames:
        real = torch.nn.functional.adaptive_max_pool1d(real.float().unsqueeze(1), frames).squeeze(1) > 0
    return real.unsqueeze(-1)


def _padded(values: Tensor, n_frames: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, 0, 0, n_frames - values.shape[1]))
