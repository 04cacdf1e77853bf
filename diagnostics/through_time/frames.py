"""The order in which a direction reads each clip's frames, and which frames are padding."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Frames:
    """Frames of padded clips, of which clip c has `lengths[c]` real ones.

    The reverse direction reads a clip's own frames backwards and then the padding, as a packed sequence's does.

    lengths : (clip,) int, on the CPU; None where every frame is real
    """

    def __init__(self, lengths: Tensor | None, n_frames: int, device: torch.device) -> None:
        self.real = self.is_last = self.backwards = None
        if lengths is not None:
            # Not blocking: a plain copy to a GPU waits until all that is queued there is done.
            last = lengths.to(device, torch.long, non_blocking=True).reshape(-1, 1, 1) - 1  # (clip, 1, 1)
            frame = torch.arange(n_frames, device=device).reshape(-1, 1)
            self.real = frame <= last  # (clip, frame, 1)
            self.is_last = (frame == last).transpose(0, 1).unsqueeze(1)  # (frame, 1, clip, 1)
            self.backwards = torch.where(self.real, last - frame, frame)  # (clip, frame, 1)

    def without_padding(self, values: Tensor) -> Tensor:
        """(clip, frame, feature) with 0 on padding, whatever stood there."""
        return values if self.real is None else torch.where(self.real, values, 0)

    def reverse(self, values: Tensor) -> Tensor:
        """(clip, frame, feature) with each clip's real frames backwards; its own inverse."""
        return values.flip(1) if self.backwards is None else values.gather(1, self.backwards.expand_as(values))

    def as_read(self, by_direction: Iterable[Tensor]) -> Tensor:
        """(frame, direction, clip, feature) as each direction reads them, from (clip, frame, feature) for each."""
        forward, *reverse = by_direction
        return torch.stack([values.transpose(0, 1) for values in (forward, *map(self.reverse, reverse))], dim=1)

    def as_they_come(self, read: Tensor) -> list[Tensor]:
        """(clip, frame, feature) for each direction, frames in the clip's order: undoes `as_read`."""
        forward, *reverse = read.permute(1, 2, 0, 3)
        return [forward, *map(self.reverse, reverse)]

    def add_to_last(self, read: Tensor, final: Tensor) -> Tensor:
        """`read` (frame, direction, clip, feature) plus `final` (direction, clip, feature) at the frame read last."""
        if self.is_last is None:
            return torch.cat([read[:-1], read[-1:] + final])
        return torch.where(self.is_last, read + final, read)
