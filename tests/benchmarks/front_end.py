"""The simple net's front end on all frames at once against a Python loop over frames."""

import torch
from flatline.models import build
from flatline.models.simple_cgrnn import SimpleCGRNN
from timing import Timed, alone, turn_about

N_CLIPS, N_FRAMES, N_MELS = 4, 3024, 256


def looped(model: SimpleCGRNN, clips: torch.Tensor) -> torch.Tensor:
    """One call of the convolution for each frame, as the seed did it."""
    frames = [
        torch.relu(model.pool(model.conv(clips[:, frame].unsqueeze(1)))).squeeze(1) for frame in range(clips.shape[1])
    ]
    return torch.stack(frames, dim=1)


def measure(repetitions: int) -> Timed:
    """Forward and backward pass, the loop over ours."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = build("simple-cgrnn", "mean", n_classes=80, n_mels=N_MELS)
    assert isinstance(model, SimpleCGRNN)
    clips = torch.randn(N_CLIPS, N_FRAMES, N_MELS)
    try:
        return turn_about(
            lambda: looped(model, clips).sum().backward(), lambda: model.encode(clips).sum().backward(), repetitions
        )
    finally:
        torch.set_num_threads(threads)


GROUPS = (
    alone(
        "front end of the simple net against a loop over frames",
        f"forward and backward, {N_CLIPS} clips of {N_FRAMES} frames x {N_MELS} mels, 1 thread",
        None,
        False,
        measure,
    ),
)
