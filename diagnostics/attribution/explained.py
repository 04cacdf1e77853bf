"""One output of a network for one clip, as a function of the clip's real frames."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..checks.untouched import Untouched
from ..errors import AttachError, ShapeError
from ..parts import recurrent_modules
from ..pinned import scores_in
from .names import Of

HOST_BYTES, DEVICE_SHARE = 2**28, 0.25
"""What a pass and its gradients may hold at once: of a CPU's memory (ours), of what a GPU has left."""

LARGEST_BATCH = 64

LOGIT_FLOOR = 1e-6
"""From 0 and 1, where the logit of a probability is cut off; float32 knows no probability nearer to 1 than 6e-8."""


@dataclass(frozen=True, eq=False)
class Explained:
    """One class of a network's output for one clip.

    clip, baseline : (frame, mel), real frames alone, on the network's device
    index : of the class
    gives : what the network gives, logits or probabilities; never inferred from values
    of : what is attributed; probabilities of logits are their sigmoid
    padding : (frame, mel) that follows the clip whenever the network sees it; it is no part of what is attributed
    masked : the network is called as model(clips, mask)
    batch : clips in a pass
    """

    model: nn.Module
    clip: Tensor
    baseline: Tensor
    index: int
    gives: Of
    of: Of
    padding: Tensor | None = None
    masked: bool = False
    batch: int = 1

    @property
    def n_seen(self) -> int:
        """Frames that the network sees, padding among them."""
        return len(self.clip) + (0 if self.padding is None else len(self.padding))

    def scores(self, clips: Tensor) -> Tensor:
        """(n, frame, mel) of real frames -> (n, class), logits or probabilities as `of` says."""
        if self.padding is not None:
            clips = torch.cat([clips, self.padding.expand(len(clips), -1, -1)], dim=1)
        given = scores_in(self.model(clips, self._mask(clips)) if self.masked else self.model(clips))
        if given is None or given.ndim != 2 or len(given) != len(clips):
            found = type(given).__name__ if given is None else f"shape {tuple(given.shape)}"
            raise ShapeError(f"the model gave {found} for {len(clips)} clips (attribute); it must give (clip, class)")
        if self.of == self.gives:
            return given
        return given.sigmoid() if self.of == "probabilities" else given.logit(eps=LOGIT_FLOOR)

    def _mask(self, clips: Tensor) -> Tensor:
        mask = torch.zeros(clips.shape[:2], dtype=torch.bool, device=clips.device)
        mask[:, : len(self.clip)] = True
        return mask

    @torch.no_grad()
    def outputs(self, clips: Tensor) -> np.ndarray:
        """(n, frame, mel) -> (n,) float64 of the class, without gradients, in batches."""
        parts = [self.scores(some)[:, self.index] for some in clips.split(self.batch)]
        return torch.cat(parts).double().cpu().numpy()

    def fitted(self) -> "Explained":
        """The same, its batch as large as memory allows.

        What one clip's pass keeps for its gradients is counted, not guessed.
        """
        kept: dict[int, int] = {}

        def count(tensor: Tensor) -> None:  # the tensor itself would hold its own graph, for ever
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()

        with torch.autograd.graph.saved_tensors_hooks(count, lambda nothing: nothing):
            self.scores(self.clip.unsqueeze(0).clone().requires_grad_())
        weights = {tensor.untyped_storage().data_ptr() for tensor in self.model.parameters()}
        a_clip = max(1, sum(n for pointer, n in kept.items() if pointer not in weights))
        return replace(self, batch=int(np.clip(_room(self.clip.device) // (2 * a_clip), 1, LARGEST_BATCH)))


def _room(device: torch.device) -> int:
    if device.type != "cuda":
        return HOST_BYTES
    return int(torch.cuda.mem_get_info(device)[0] * DEVICE_SHARE)


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """The model in eval mode and differentiable, fused RNNs on a GPU too; all of it put back, after an exception also.

    Its weights, buffers, gradients, modes and hooks, and all random states, are then what they were. cuDNN gives no
    gradient of an RNN in eval mode, so PyTorch's own kernels take its place.
    """
    if not isinstance(model, nn.Module):
        raise AttachError(f"model is {type(model).__name__}, not a torch.nn.Module (attribute); give the model first")
    fused = torch.backends.cudnn.flags(enabled=False) if recurrent_modules(model) else nullcontext()
    with Untouched([model]), torch.inference_mode(False), torch.enable_grad(), fused:
        model.eval()
        yield


def as_frames(values: Any, like: Tensor, what: str) -> Tensor:
    """(frame, mel) on the device and of the type of the network's weights.

    Raises ShapeError for anything else, and for values that are not finite.
    """
    frames = torch.as_tensor(np.asarray(values) if not isinstance(values, Tensor) else values.detach())
    if frames.ndim != 2 or not frames.numel():
        raise ShapeError(f"{what} has shape {tuple(frames.shape)} (attribute); give (frame, mel) of at least one frame")
    if not torch.isfinite(frames).all():
        raise ShapeError(f"{what} holds NaN or infinite values (attribute); give finite ones")
    return frames.to(like.device, like.dtype, copy=True)
