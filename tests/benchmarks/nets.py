"""The nets that instruments are measured on, with the seed's head, and a batch of noise for each."""

from dataclasses import dataclass, field
from typing import Any

import torch
from flatline.models import build
from torch import Tensor, nn

N_CLASSES = 80


@dataclass(frozen=True)
class Net:
    """One net and how long it is measured.

    shape : (clip, frame, mel) of the batch
    size : what a reader should know of net and batch
    rounds : iterations of each case in a repetition; five repetitions hold whole periods of what the recorder does
        once in 50 iterations
    targets : by case; the ratio must not be above it
    """

    name: str
    architecture: str
    shape: tuple[int, int, int]
    size: str
    rounds: int
    options: dict[str, Any] = field(default_factory=dict)
    targets: dict[str, float] = field(default_factory=dict)

    def made(self) -> tuple[nn.Module, Tensor, Tensor]:
        """The net, (clip, frame, mel) and (clip, class): the same in every process that asks."""
        torch.manual_seed(0)
        model = build(
            self.architecture, "input-attention", n_classes=N_CLASSES, n_mels=self.shape[2], options=self.options
        )
        return model, torch.randn(self.shape), (torch.rand(self.shape[0], N_CLASSES) < 0.015).float()


SEED = Net(
    "the seed's CGRNN",
    "cgrnn",
    (4, 252, 64),
    "64 channels, 812,016 parameters, 4 clips of 252 frames x 64 mels",
    10,
    targets={"recorder light": 1.01, "recorder standard": 1.03, "recorder deep": 1.15},
)

SIMPLE = Net(
    "the simple net",
    "simple-cgrnn",
    (32, 252, 256),
    "107,811 parameters, 32 clips of 252 frames (the seed: 3,024) x 256 mels",
    10,
)

DEMO = Net(
    "the demo's CGRNN",
    "cgrnn",
    (32, 32, 32),
    "12 channels, 246,440 parameters, 32 clips of 32 frames x 32 mels",
    20,
    {"channels": 12, "n_hidden": 128},
    {"recorder standard": 1.05},
)

TINY = Net("a tiny net", "cgrnn", (2, 8, 16), "for tests of the benchmarks", 2, {"channels": 2, "n_hidden": 4})

NETS = {"seed": SEED, "simple": SIMPLE, "demo": DEMO, "tiny": TINY}
