"""Pooling over frames that leaves padding out."""

import torch
from torch import Tensor


def masked_mean(frames: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over real frames.

    frames : (clip, frame, class)
    mask : (clip, frame) bool, True where a frame is real; None means all are
    Returns (clip, class); 0 for a clip that is all padding.
    """
    if mask is None:
        return frames.mean(dim=1)
    real = mask.unsqueeze(-1)  # (clip, frame, 1)
    return frames.masked_fill(~real, 0).sum(dim=1) / real.sum(dim=1).clamp_min(1)


def masked_softmax_time(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over frames, exactly zero on padding.

    scores : (clip, frame, class)
    Returns (clip, frame, class); each (clip, class) sums to 1 over frames, to 0 for a clip that is all padding.
    """
    if mask is None:
        return scores.softmax(dim=1)
    padding = ~mask.unsqueeze(-1)
    lowest = torch.finfo(scores.dtype).min  # with -inf a clip that is all padding is NaN on the way (anomaly detection)
    return scores.masked_fill(padding, lowest).softmax(dim=1).masked_fill(padding, 0)


def weighted_mean(frames: Tensor, weights: Tensor, mask: Tensor | None, floor: float) -> Tensor:
    """sum_t frames * weights / (sum_t weights + floor), over real frames.

    frames, weights : (clip, frame, class)
    floor : added to the denominator, since weights of a class can vanish on every frame
    Returns (clip, class).
    """
    if mask is not None:
        padding = ~mask.unsqueeze(-1)
        frames, weights = frames.masked_fill(padding, 0), weights.masked_fill(padding, 0)
    return (frames * weights).sum(dim=1) / (weights.sum(dim=1) + floor)


def prior_logit(prior: Tensor, floor: float = 1e-5) -> Tensor:
    """logit(class prior): the output bias from which a classifier starts at the prior and not at 1/2.

    prior : (class,) share of clips with the class
    floor : keeps a class that no clip has finite; below 1 / (training clips of FSDKaggle2019), which is 1 / 24,785
    Source: Lin et al. 2017 (RetinaNet, arXiv 1708.02002) section 4.1.
    """
    return torch.logit(prior.clamp(floor, 1 - floor))
