"""What a clip is compared with."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from ..errors import AttachError, ShapeError
from .names import check_names

BLUR = 1 / 8
"""Standard deviation of the blur, of the clip's frames and of its mel bins; ours: no sound shorter than half a clip is
left standing out."""


def baseline_of(name: str, clip: Tensor, *, silence: float | np.ndarray, mean: np.ndarray | None = None) -> Tensor:
    """(frame, mel) of the clip's size.

    silence : a silent frame in the network's own input, a number or one a mel bin
    mean : (mel,) of the training clips; "mean" alone needs it
    Raises UnknownNameError for a name that is not known, AttachError for "mean" without one, ShapeError for another
    number of mel bins.
    """
    check_names((), name)
    if name == "blurred":
        return blurred(clip)
    if name == "mean" and mean is None:
        raise AttachError("baseline mean needs the mean of the training clips (attribute); give it, or take silence")
    frame = np.asarray(silence if name == "silence" else mean, dtype=np.float64)
    if frame.ndim > 1 or (frame.ndim == 1 and len(frame) != clip.shape[1]):
        raise ShapeError(
            f"baseline {name} has shape {frame.shape} for {clip.shape[1]} mel bins (attribute); give one value a bin"
        )
    return torch.as_tensor(frame, dtype=clip.dtype, device=clip.device).expand(clip.shape).clone()


def blurred(clip: Tensor) -> Tensor:
    """The clip after a Gaussian blur over frames and mel bins, its edges drawn out.

    >>> blurred(torch.full((4, 3), 2.0)).round(decimals=5).unique().tolist()
    [2.0]
    """
    over_frames = _blurred_rows(clip.T, BLUR * clip.shape[0]).T
    return _blurred_rows(over_frames, BLUR * clip.shape[1]).contiguous()


def _blurred_rows(rows: Tensor, sigma: float) -> Tensor:
    """Along the last axis."""
    reach = int(np.ceil(3 * sigma))
    at = torch.arange(-reach, reach + 1, dtype=rows.dtype, device=rows.device)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    padded = pad(rows.unsqueeze(1), (reach, reach), mode="replicate")
    return conv1d(padded, (kernel / kernel.sum())[None, None]).squeeze(1)
