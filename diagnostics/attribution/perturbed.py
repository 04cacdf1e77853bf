"""Methods that take something of the clip away and look what the output loses."""

import torch
from captum.attr import FeatureAblation, Occlusion
from torch import Tensor

from .explained import Explained
from .found import Found, Options


def occlusion(given: Explained, difference: float, options: Options) -> Found:
    """What the output loses when a patch becomes the baseline, spread over its cells; mean of the patches over a cell.

    (Zeiler and Fergus 2014.) Patches overlap by half, and are cut to a clip that is shorter than one.
    """
    n_frames, n_mels = given.clip.shape
    frames, mels = min(options.patch[0], n_frames), min(options.patch[1], n_mels)
    values = Occlusion(_without_gradients(given)).attribute(
        given.clip.unsqueeze(0),
        sliding_window_shapes=(frames, mels),
        strides=(max(1, frames // 2), max(1, mels // 2)),
        baselines=given.baseline.unsqueeze(0),
        target=given.index,
        perturbations_per_eval=given.batch,
    )
    return Found(values[0] / (frames * mels))


def ablation_mels(given: Explained, difference: float, options: Options) -> Found:
    """What the output loses when a mel bin becomes the baseline, spread over its cells."""
    n_frames, n_mels = given.clip.shape
    return Found(_ablated(given, torch.arange(n_mels).expand(n_frames, -1)) / n_frames)


def ablation_frames(given: Explained, difference: float, options: Options) -> Found:
    """What the output loses when a frame becomes the baseline, spread over its cells."""
    n_frames, n_mels = given.clip.shape
    return Found(_ablated(given, torch.arange(n_frames).unsqueeze(1).expand(-1, n_mels)) / n_mels)


def _ablated(given: Explained, groups: Tensor) -> Tensor:
    return FeatureAblation(_without_gradients(given)).attribute(
        given.clip.unsqueeze(0),
        given.baseline.unsqueeze(0),
        target=given.index,
        feature_mask=groups.unsqueeze(0).to(given.clip.device),
        perturbations_per_eval=given.batch,
    )[0]


def _without_gradients(given: Explained):
    return torch.no_grad()(given.scores)
