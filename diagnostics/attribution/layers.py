"""Methods that look at a layer within the network: the last convolution's maps, the last RNN's frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import AttachError
from ..parts import CONVOLUTION, recurrent_modules
from .explained import Explained
from .found import Found, Options
from .integrated import raised


def grad_cam(given: Explained, difference: float, options: Options) -> Found:
    """The last convolution's maps, each weighted by its mean gradient, summed and drawn out to the clip's size.

    Signed (without the ReLU of Selvaraju et al. 2017). A convolution over time alone gives no mel bins.
    Raises AttachError for a network without a convolution.
    """
    convolutions = [module for module in given.model.modules() if isinstance(module, CONVOLUTION)]
    if not convolutions:
        raise AttachError(
            f"grad-cam needs a convolution, and {type(given.model).__name__} has none; use integrated-gradients"
        )
    clip = given.clip.unsqueeze(0).clone().requires_grad_()
    maps = LayerGradCam(given.scores, convolutions[-1]).attribute(clip, target=given.index)
    if not isinstance(maps, Tensor):
        raise AttachError("grad-cam cannot read the last convolution's several outputs; use integrated-gradients")
    image = _image(maps.detach(), given)
    drawn = interpolate(image, size=(given.n_seen, given.clip.shape[1]), mode="bilinear", align_corners=False)
    return Found(drawn[0, 0, : len(given.clip)])


def _image(maps: Tensor, given: Explained) -> Tensor:
    """(1, 1, frame, mel) of what Grad-CAM gives for a convolution over both, over time, or over each frame's mels."""
    if maps.ndim == 4 and len(maps) == 1:
        return maps
    if maps.ndim == 3 and len(maps) == 1:
        return maps.unsqueeze(-1)
    if maps.ndim == 3 and len(maps) == given.n_seen:
        return maps.movedim(1, 0).unsqueeze(0)
    raise AttachError(
        f"grad-cam cannot lay the last convolution's maps {tuple(maps.shape)} over {given.n_seen} frames; use "
        "integrated-gradients"
    )


def rnn_frames(given: Explained, difference: float, options: Options) -> Found:
    """Integrated gradients of the last RNN's output, from what it is for the baseline, summed over its units by frame.

    What the network reads of the input beside the RNN stays as it is for the clip. A frame's value is spread over its
    cells.
    Raises AttachError for a network without an RNN that gives all frames at once.
    """
    rnns = [module for _, module in recurrent_modules(given.model) if isinstance(module, nn.RNNBase)]
    if not rnns:
        raise AttachError(
            f"rnn-frames needs an nn.RNN, GRU or LSTM, and {type(given.model).__name__} has none that gives all "
            "frames at once; use ablation-frames"
        )
    rnn = rnns[-1]
    end, start = (_output_of(rnn, given, clip) for clip in (given.clip, given.baseline))  # (frame, unit)

    def scores(outputs: Tensor) -> Tensor:
        with _put(rnn, outputs):
            return given.scores(given.clip.expand(len(outputs), -1, -1))

    with torch.no_grad():
        whole = scores(torch.stack([end, start]))[:, given.index].double()
    found = raised(scores, end, start, given, float(whole[0] - whole[1]), options)
    frames = interpolate(found.values.sum(dim=1)[None, None], size=given.n_seen)[0, 0, : len(given.clip)]
    n_mels = given.clip.shape[1]
    return Found((frames / n_mels).unsqueeze(1).expand(-1, n_mels), found.steps)


@torch.no_grad()
def _output_of(rnn: nn.RNNBase, given: Explained, clip: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = rnn.register_forward_hook(lambda module, args, output: seen.append(_frames(module, output)))
    try:
        given.scores(clip.unsqueeze(0))
    finally:
        handle.remove()
    if len(seen) != 1 or len(seen[0]) != 1:
        raise AttachError(
            f"rnn-frames needs an RNN that is called once with the clips first; this one was called {len(seen)} times; "
            "use ablation-frames"
        )
    return seen[0][0].clone()


def _frames(rnn: Any, output: Any) -> Tensor:
    """(clip, frame, unit)."""
    if not isinstance(output[0], Tensor) or output[0].ndim != 3:
        raise AttachError("rnn-frames cannot read packed or unbatched sequences; use ablation-frames")
    return output[0] if rnn.batch_first else output[0].transpose(0, 1)


@contextmanager
def _put(rnn: nn.RNNBase, outputs: Tensor) -> Iterator[None]:
    """These outputs (clip, frame, unit) in place of the RNN's own; its final states stay."""

    def replace(module: Any, args: Any, output: Any) -> Any:
        return (outputs if module.batch_first else outputs.transpose(0, 1), *output[1:])

    handle = rnn.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
